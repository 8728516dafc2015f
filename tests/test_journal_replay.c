// Checks that a start finds exactly the whole prefix, whatever was done to the files: cut at any
// byte, any bit flipped, a tail of zeros, checkpoints torn, segments missing.
//
// A sample of that; with REEVE_TEST_FULL=1 in the environment every bit in each of three segments.
#define FIXTURE_PARENT "/dev/shm"
#include "crc32c.h"
#include "journal_fixture.h"

#define SEGMENTS 3

static struct fixture fixture;

// How to go through a range: one by one, or in steps of `sampled`.
static uint64_t stride(uint64_t sampled)
{
    return getenv("REEVE_TEST_FULL") != NULL ? 1 : sampled;
}

static uint64_t position_of(uint32_t segment, uint64_t offset)
{
    return (uint64_t)segment << 32 | offset;
}

// Writes SEGMENTS segments and a bit of one more, and keeps the first `segments` of them.
static void write_segments(uint64_t seed, uint32_t segments)
{
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, seed);
    fixture_open(&fixture);
    while (journal_position_segment(fixture.log[fixture.log_count - 1].position) <= SEGMENTS)
        fixture_steps(&fixture, 1);
    fixture_steps(&fixture, 10);
    while (!fixture_has_segment(&fixture, SEGMENTS + 2))
        fixture_listen(&fixture);
    fixture_close(&fixture);
    ck_assert_uint_eq(fixture_replay(&fixture), fixture_last_digest(&fixture));
    for (uint32_t segment = segments + 1; segment <= SEGMENTS + 2; segment++)
        fixture_remove_segment(&fixture, segment);
}

// The end of what is written in the newest segment.
static uint64_t written_end(int fd)
{
    uint64_t end;
    ck_assert_int_eq(journal_segment_used(fd, 0, &end, NULL), 0);
    return end;
}

// Opens, appends one record, closes: what was there and the record must be found.
static void append_after(uint64_t digest)
{
    fixture_open(&fixture);
    ck_assert_uint_eq(fixture_digest(fixture.replayed_settled, journal_live(fixture.journal)),
                      digest);
    struct journal_run_open run = {.run_id = "after"};
    struct journal_record record = {JOURNAL_RUN_OPEN, {&run}};
    ck_assert_int_eq(journal_append(fixture.journal, &record, NULL, NULL), 0);
    fixture_close(&fixture);
    struct journal_live_run added = {.open = run, .totals = {.run_id = "after"}};
    ck_assert_uint_eq(fixture_replay(&fixture), digest + fixture_mix(&added, sizeof(added)));
    ck_assert_uint_eq(fixture.found.torn_bytes, 0);
}

START_TEST(cut_at_any_byte)
{
    uint32_t segment = (uint32_t)_i;
    write_segments(11 + segment, segment);
    int fd = fixture_open_segment(&fixture, segment, O_RDWR);
    static uint8_t bytes[JOURNAL_SEGMENT_BYTES_MIN];
    uint64_t end = written_end(fd);
    ck_assert_int_eq(pread(fd, bytes, end, 0), (off_t)end);
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    for (uint64_t cut = 0; cut <= end; cut++) { // grows byte by byte
        ck_assert_uint_eq(fixture_replay(&fixture),
                          fixture_digest_at(&fixture, position_of(segment, cut)));
        if (cut < end)
            ck_assert_int_eq(pwrite(fd, bytes + cut, 1, (off_t)cut), 1);
    }
    close(fd);
    fixture_done(&fixture);
}
END_TEST

START_TEST(zeroed_from_any_byte)
{
    uint32_t segment = (uint32_t)_i;
    write_segments(21 + segment, segment);
    int fd = fixture_open_segment(&fixture, segment, O_RDWR);
    uint64_t expected = fixture_replay(&fixture);
    for (uint64_t cut = written_end(fd); cut-- > 0;) {
        uint8_t byte = 0;
        ck_assert_int_eq(pread(fd, &byte, 1, (off_t)cut), 1);
        if (byte != 0) // else nothing is lost with it
            expected = fixture_digest_at(&fixture, position_of(segment, cut));
        ck_assert_int_eq(pwrite(fd, "", 1, (off_t)cut), 1);
        if (cut % stride(31) == 0)
            ck_assert_uint_eq(fixture_replay(&fixture), expected);
    }
    close(fd);
    fixture_done(&fixture);
}
END_TEST

START_TEST(any_bit_flipped)
{
    uint32_t segment = (uint32_t)_i;
    write_segments(31 + segment, segment);
    int fd = fixture_open_segment(&fixture, segment, O_RDWR);
    // Beyond the end too: what lies there is not taken for a record.
    uint64_t bits = (written_end(fd) + 64) * 8;
    for (uint64_t bit = (uint64_t)_i; bit < bits; bit += stride(97)) {
        uint8_t byte = 0;
        ck_assert_int_ge(pread(fd, &byte, 1, (off_t)(bit / 8)), 0);
        uint8_t flipped = (uint8_t)(byte ^ 1 << bit % 8);
        ck_assert_int_eq(pwrite(fd, &flipped, 1, (off_t)(bit / 8)), 1);
        ck_assert_uint_eq(fixture_replay(&fixture),
                          fixture_digest_at(&fixture, position_of(segment, bit / 8)));
        ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
    }
    close(fd);
    fixture_done(&fixture);
}
END_TEST

START_TEST(goes_on_after_any_cut)
{
    static uint8_t bytes[JOURNAL_SEGMENT_BYTES_MIN + 100];
    write_segments(41, SEGMENTS);
    int fd = fixture_open_segment(&fixture, SEGMENTS, O_RDONLY);
    uint64_t end = written_end(fd);
    ck_assert_int_eq(pread(fd, bytes, end, 0), (off_t)end);
    close(fd);
    for (uint64_t cut = 0; cut <= end; cut += stride(173) == 1 ? 7 : 173) {
        for (uint32_t segment = SEGMENTS + 1; fixture_has_segment(&fixture, segment); segment++)
            fixture_remove_segment(&fixture, segment);
        // As a power cut leaves it: rubbish after the last page that got to the disk.
        fd = fixture_open_segment(&fixture, SEGMENTS, O_RDWR | O_CREAT | O_TRUNC);
        ck_assert_int_eq(write(fd, bytes, cut), (off_t)cut);
        memset(bytes + end, 0xa5, 100);
        ck_assert_int_eq(write(fd, bytes + end, 100), 100);
        ck_assert_int_eq(ftruncate(fd, JOURNAL_SEGMENT_BYTES_MIN), 0);
        close(fd);
        append_after(fixture_digest_at(&fixture, position_of(SEGMENTS, cut)));
    }
    fixture_done(&fixture);
}
END_TEST

START_TEST(says_what_was_torn)
{
    write_segments(51, SEGMENTS);
    uint64_t last = 0;
    for (size_t i = 0; i < fixture.log_count; i++)
        if (journal_position_segment(fixture.log[i].position) == SEGMENTS)
            last = journal_position_offset(fixture.log[i].position);
    int fd = fixture_open_segment(&fixture, SEGMENTS, O_RDWR);
    ck_assert_int_eq(ftruncate(fd, (off_t)last), 0); // without SEGMENT_END
    ck_assert_int_eq(pwrite(fd, "\x10\0\0\0torn!", 9, (off_t)last), 9);
    fixture_replay(&fixture);
    ck_assert_uint_eq(fixture.found.segment, SEGMENTS);
    ck_assert_uint_eq(fixture.found.newest, SEGMENTS);
    ck_assert_uint_eq(fixture.found.offset, last);
    ck_assert_uint_eq(fixture.found.torn_bytes, 9);
    ck_assert_uint_eq(fixture.found.skipped, 0);
    ck_assert(!fixture.found.segment_over);

    // A torn checkpoint: the segment before it is whole and over.
    ck_assert_int_eq(ftruncate(fd, 100), 0);
    fixture_replay(&fixture);
    ck_assert_uint_eq(fixture.found.segment, SEGMENTS - 1);
    ck_assert_uint_eq(fixture.found.newest, SEGMENTS);
    ck_assert_uint_eq(fixture.found.torn_bytes, 0);
    ck_assert_uint_eq(fixture.found.skipped, 1);
    ck_assert_uint_le(fixture.found.skipped_bytes, 100 - JOURNAL_SEGMENT_HEADER_BYTES);
    ck_assert_uint_gt(fixture.found.skipped_bytes, 0);
    ck_assert(fixture.found.segment_over);
    close(fd);

    // The next start leaves the torn one alone and goes on behind it.
    append_after(fixture_digest_at(&fixture, position_of(SEGMENTS, 0)));
    ck_assert_uint_eq(fixture.found.segment, SEGMENTS + 1);
    fixture_done(&fixture);
}
END_TEST

// A torn checkpoint in the newest segment, and the mark at the end of the one before it lost too: a
// follower takes that one to be over, so nothing may be added to it.
START_TEST(goes_on_behind_the_newest_segment)
{
    write_segments(55, SEGMENTS);
    uint64_t last = 0;
    for (size_t i = 0; i < fixture.log_count; i++)
        if (journal_position_segment(fixture.log[i].position) == SEGMENTS - 1)
            last = journal_position_offset(fixture.log[i].position);
    int fd = fixture_open_segment(&fixture, SEGMENTS - 1, O_RDWR);
    ck_assert_int_eq(ftruncate(fd, (off_t)last), 0);
    ck_assert_int_eq(ftruncate(fd, JOURNAL_SEGMENT_BYTES_MIN), 0);
    close(fd);
    fd = fixture_open_segment(&fixture, SEGMENTS, O_RDWR);
    ck_assert_int_eq(ftruncate(fd, 100), 0);
    close(fd);
    append_after(fixture_digest_at(&fixture, position_of(SEGMENTS, 0)));
    ck_assert_uint_eq(fixture.found.segment, SEGMENTS + 1);
    fixture_done(&fixture);
}
END_TEST

START_TEST(older_segments_may_be_missing)
{
    write_segments(61, SEGMENTS);
    uint64_t whole = fixture_replay(&fixture);
    fixture_remove_segment(&fixture, 2);
    ck_assert_uint_eq(fixture_replay(&fixture), whole);
    fixture_remove_segment(&fixture, 1);
    ck_assert_uint_eq(fixture_replay(&fixture), whole);
    fixture_remove_segment(&fixture, SEGMENTS);
    ck_assert_uint_eq(fixture_replay(&fixture), fixture.log[0].digest);
    ck_assert_uint_eq(fixture.found.segment, 0);
    fixture_done(&fixture);
}
END_TEST

START_TEST(no_checkpoint_at_all_starts_anew)
{
    write_segments(71, 1);
    int fd = fixture_open_segment(&fixture, 1, O_RDWR);
    ck_assert_int_eq(ftruncate(fd, JOURNAL_SEGMENT_HEADER_BYTES + 10), 0);
    close(fd);
    append_after(fixture.log[0].digest);
    ck_assert_uint_eq(fixture.found.segment, 2);
    fixture_done(&fixture);
}
END_TEST

START_TEST(journal_id_is_kept)
{
    uint8_t first[JOURNAL_ID_BYTES];
    write_segments(81, SEGMENTS);
    fixture_replay(&fixture);
    memcpy(first, fixture.found.journal_id, sizeof(first));
    fixture_open(&fixture);
    fixture_close(&fixture);
    for (uint32_t segment = 1; fixture_has_segment(&fixture, segment); segment++) {
        struct journal_header header;
        int fd = fixture_open_segment(&fixture, segment, O_RDONLY);
        ck_assert_int_eq(journal_header_read(fd, &header, NULL), 0);
        ck_assert_mem_eq(header.journal_id, first, sizeof(first));
        ck_assert_uint_eq(header.segment, segment);
        close(fd);
    }
    fixture_done(&fixture);
}
END_TEST

// Puts a payload of msgpack behind the last record of segment 1.
static void write_foreign(const char *payload, uint32_t length)
{
    static uint8_t frame[JOURNAL_RECORD_BYTES_MAX];
    uint32_t crc = crc32c(crc32c(0, &length, sizeof(length)), payload, length);
    memcpy(frame, &length, sizeof(length));
    memcpy(frame + sizeof(length), &crc, sizeof(crc));
    memcpy(frame + JOURNAL_FRAME_BYTES, payload, length);
    fixture_replay(&fixture);
    int fd = fixture_open_segment(&fixture, 1, O_RDWR);
    ck_assert_int_eq(pwrite(fd, frame, JOURNAL_FRAME_BYTES + length, (off_t)fixture.found.offset),
                     JOURNAL_FRAME_BYTES + length);
    close(fd);
}

START_TEST(records_of_a_newer_reeve_are_passed_over)
{
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, 91);
    fixture_open(&fixture);
    fixture_steps(&fixture, 5);
    fixture_close(&fixture);
    write_foreign("\x92\x0f\x01", 3); // type 15
    append_after(fixture_last_digest(&fixture));
    ck_assert_uint_eq(fixture.found.unknown, 1);
    ck_assert_uint_eq(fixture.found.torn_bytes, 0);
    fixture_done(&fixture);
}
END_TEST

START_TEST(records_that_make_no_sense_stop_the_start)
{
    struct error err = {0};
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, 92);
    fixture_open(&fixture);
    fixture_steps(&fixture, 5);
    fixture_close(&fixture);
    write_foreign("\x93\x03\x01\x07", 4); // a settlement whose exchange id is a number
    ck_assert_int_eq(fixture_try_open(&fixture, &err), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(err.text, "segment 1"));
    ck_assert_ptr_nonnull(strstr(err.text, "exchange_id"));
    fixture_done(&fixture);
}
END_TEST

START_TEST(a_newer_format_stops_the_start)
{
    uint8_t bytes[JOURNAL_SEGMENT_HEADER_BYTES];
    struct error err = {0};
    write_segments(93, 1);
    int fd = fixture_open_segment(&fixture, 1, O_RDWR);
    ck_assert_int_eq(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    bytes[8] = JOURNAL_FORMAT_VERSION + 1;
    uint32_t crc = crc32c(0, bytes, sizeof(bytes) - sizeof(crc));
    memcpy(bytes + sizeof(bytes) - sizeof(crc), &crc, sizeof(crc));
    ck_assert_int_eq(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    close(fd);
    ck_assert_int_eq(fixture_try_open(&fixture, &err), -ENOTSUP);
    fixture_done(&fixture);
}
END_TEST

static void add_tests(TCase *cases)
{
    bool full = stride(2) == 1;
    tcase_add_loop_test(cases, cut_at_any_byte, full ? 1 : SEGMENTS, SEGMENTS + 1);
    tcase_add_loop_test(cases, zeroed_from_any_byte, full ? 1 : SEGMENTS, SEGMENTS + 1);
    tcase_add_loop_test(cases, any_bit_flipped, 1, SEGMENTS + 1);
    tcase_add_test(cases, goes_on_after_any_cut);
    tcase_add_test(cases, says_what_was_torn);
    tcase_add_test(cases, goes_on_behind_the_newest_segment);
    tcase_add_test(cases, older_segments_may_be_missing);
    tcase_add_test(cases, no_checkpoint_at_all_starts_anew);
    tcase_add_test(cases, journal_id_is_kept);
    tcase_add_test(cases, records_of_a_newer_reeve_are_passed_over);
    tcase_add_test(cases, records_that_make_no_sense_stop_the_start);
    tcase_add_test(cases, a_newer_format_stops_the_start);
}

int main(void)
{
    return fixture_run_suite("journal_replay", add_tests);
}
