// Checks that a follower hands out every record in order, while it is written, across segments,
// from any cursor, and says what is missing.
#include "crc32c.h"
#include "journal_fixture.h"

#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

static struct fixture fixture;

// What a reader has made of what it was handed.
struct reader {
    struct journal_follower *follower;
    struct journal_follow follow;
    struct journal_live live;
    uint64_t settled;
    size_t entry; // of the log, that comes next
};

static void reader_open(struct reader *reader, const struct journal_cursor *cursor)
{
    ck_assert_int_eq(journal_follow_open(&reader->follower, fixture.directory, cursor, NULL), 0);
}

static void reader_init(struct reader *reader, const struct journal_cursor *cursor)
{
    *reader = (struct reader){.entry = 1};
    reader_open(reader, cursor);
}

static void reader_done(struct reader *reader)
{
    journal_follow_close(reader->follower);
    journal_live_done(&reader->live);
}

static uint64_t cursor_position(const struct journal_cursor *cursor)
{
    return cursor->segment << 32 | cursor->offset;
}

static enum journal_follow_result reader_next(struct reader *reader)
{
    struct error err = {0};
    enum journal_follow_result result =
        journal_follow_next(reader->follower, &reader->follow, &err);
    ck_assert_msg(result != JOURNAL_FOLLOW_ERROR, "%s", err.text);
    return result;
}

// Takes the record: it has to be the next one of the log, or one that a checkpoint repeats.
static void reader_take(struct reader *reader)
{
    const struct journal_record *record = &reader->follow.record;
    ck_assert_int_eq(journal_live_make_room(&reader->live, record, NULL), 0);
    journal_live_apply(&reader->live, record);
    if (record->type == JOURNAL_SETTLEMENT)
        reader->settled += (uint64_t)record->settlement->cost_pico_usd;
    if (reader->entry < fixture.log_count &&
        cursor_position(&reader->follow.cursor) == fixture.log[reader->entry].position) {
        ck_assert_uint_eq(fixture_digest(reader->settled, &reader->live),
                          fixture.log[reader->entry].digest);
        reader->entry++;
    } else {
        ck_assert(record->type == JOURNAL_RUN_OPEN || record->type == JOURNAL_RESERVATION ||
                  record->type == JOURNAL_BATCH);
        ck_assert_uint_eq(fixture_digest(reader->settled, &reader->live),
                          fixture.log[reader->entry - 1].digest);
    }
}

// Reads all there is, without a gap.
static void reader_catch_up(struct reader *reader)
{
    enum journal_follow_result result;
    while ((result = reader_next(reader)) == JOURNAL_FOLLOW_RECORD)
        reader_take(reader);
    ck_assert_int_eq(result, JOURNAL_FOLLOW_NOTHING_YET);
}

static uint64_t reader_lag(struct reader *reader)
{
    uint64_t lag;
    ck_assert_int_eq(journal_follow_lag(reader->follower, &lag, NULL), 0);
    return lag;
}

static void write_until_segment(uint32_t segment)
{
    while (journal_position_segment(fixture.log[fixture.log_count - 1].position) < segment)
        fixture_steps(&fixture, 1);
    fixture_sync(&fixture);
}

// The entries of the log that lie in `segment`, and before.
static size_t entries_up_to(uint32_t segment)
{
    size_t count = 0;
    while (count < fixture.log_count &&
           journal_position_segment(fixture.log[count].position) <= segment)
        count++;
    return count;
}

START_TEST(hands_out_every_record_from_any_cursor)
{
    struct reader reader;
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, (uint64_t)_i + 1);
    fixture_open(&fixture);
    reader_init(&reader, NULL);
    while (journal_position_segment(fixture.log[fixture.log_count - 1].position) < 6) {
        fixture_steps(&fixture, samples_below(&fixture.samples, 40));
        for (size_t i = samples_below(&fixture.samples, 60); i > 0; i--) {
            enum journal_follow_result result = reader_next(&reader);
            if (result == JOURNAL_FOLLOW_NOTHING_YET)
                break;
            ck_assert_int_eq(result, JOURNAL_FOLLOW_RECORD);
            reader_take(&reader);
        }
        if (samples_below(&fixture.samples, 3) == 0) { // another process takes over
            journal_follow_close(reader.follower);
            reader_open(&reader, &reader.follow.cursor);
        }
        if (samples_below(&fixture.samples, 10) == 0) { // and another writer
            fixture_close(&fixture);
            fixture_open(&fixture);
        }
    }
    ck_assert_uint_gt(reader_lag(&reader) + 1, fixture.log_count - reader.entry);
    reader_catch_up(&reader);
    ck_assert_uint_eq(reader.entry, fixture.log_count);
    ck_assert_uint_eq(reader_lag(&reader), 0);
    reader_done(&reader);
    fixture_done(&fixture);
}
END_TEST

START_TEST(waits_for_a_journal_to_begin)
{
    struct reader reader;
    uint8_t id[JOURNAL_ID_BYTES];
    fixture_init(&fixture, 0, 1);
    ck_assert_int_eq(rmdir(fixture.directory), 0);
    reader_init(&reader, NULL);
    ck_assert_int_eq(reader_next(&reader), JOURNAL_FOLLOW_NOTHING_YET);
    ck_assert_int_eq(journal_follow_id(reader.follower, id, NULL), -EAGAIN);
    ck_assert_uint_eq(reader_lag(&reader), 0);
    fixture_open(&fixture);
    fixture_steps(&fixture, 20);
    reader_catch_up(&reader);
    ck_assert_uint_eq(reader.entry, fixture.log_count);
    ck_assert_int_eq(journal_follow_id(reader.follower, id, NULL), 0);
    fixture_replay(&fixture);
    ck_assert_mem_eq(id, fixture.found.journal_id, sizeof(id));
    reader_done(&reader);
    fixture_done(&fixture);
}
END_TEST

START_TEST(a_record_that_is_being_written_is_not_there_yet)
{
    struct reader reader;
    struct journal_alert alert = {.text = "whole", .raised_at_us = 3};
    struct journal_record record = {JOURNAL_ALERT, {&alert}};
    static uint8_t bytes[JOURNAL_RECORD_BYTES_MAX];
    size_t length = journal_record_encode(&record, bytes);
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, 1);
    fixture_open(&fixture);
    fixture_steps(&fixture, 10);
    fixture_close(&fixture);
    reader_init(&reader, NULL);
    reader_catch_up(&reader);
    int fd = fixture_open_segment(&fixture, 1, O_RDWR);
    while (bytes[length - 1] == 0) // the segment has its zeros already
        length--;
    for (size_t i = 0; i < length; i++) {
        ck_assert_int_eq(reader_next(&reader), JOURNAL_FOLLOW_NOTHING_YET);
        ck_assert_int_eq(pwrite(fd, bytes + i, 1, (off_t)(reader.follow.cursor.offset + i)), 1);
    }
    close(fd);
    ck_assert_int_eq(reader_next(&reader), JOURNAL_FOLLOW_RECORD);
    ck_assert_str_eq(reader.follow.record.alert->text, "whole");
    reader_done(&reader);
    fixture_done(&fixture);
}
END_TEST

START_TEST(deleted_segments_are_counted)
{
    struct reader reader;
    struct journal_cursor cursor;
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, 1);
    fixture_open(&fixture);
    write_until_segment(2);
    reader_init(&reader, NULL);
    reader_catch_up(&reader);
    cursor = reader.follow.cursor;
    write_until_segment(6);
    fixture_acknowledge(&fixture, 5);
    while (fixture_has_segment(&fixture, 4))
        fixture_listen(&fixture);
    reader_done(&reader);

    // From a cursor in what is gone.
    reader_init(&reader, &cursor);
    ck_assert_int_eq(reader_next(&reader), JOURNAL_FOLLOW_GAP);
    ck_assert_int_eq(reader.follow.gap.kind, JOURNAL_GAP_SEGMENTS);
    ck_assert_uint_eq(reader.follow.gap.segment, 2);
    ck_assert_uint_eq(reader.follow.gap.segments, 3);
    ck_assert_uint_eq(reader.follow.cursor.segment, 5);
    size_t entry = entries_up_to(4);
    while (reader_next(&reader) == JOURNAL_FOLLOW_RECORD)
        if (entry < fixture.log_count &&
            cursor_position(&reader.follow.cursor) == fixture.log[entry].position)
            entry++;
    ck_assert_uint_eq(entry, fixture.log_count);
    reader_done(&reader);

    // From the beginning: what came before is missing too.
    reader_init(&reader, NULL);
    ck_assert_int_eq(reader_next(&reader), JOURNAL_FOLLOW_GAP);
    ck_assert_uint_eq(reader.follow.gap.segment, 1);
    ck_assert_uint_eq(reader.follow.gap.segments, 4);
    reader_done(&reader);
    fixture_done(&fixture);
}
END_TEST

START_TEST(segments_deleted_under_the_reader_are_counted)
{
    struct reader reader;
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, 1);
    fixture_open(&fixture);
    write_until_segment(6);
    reader_init(&reader, NULL);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(reader_next(&reader), JOURNAL_FOLLOW_RECORD);
        reader_take(&reader);
    }
    for (uint32_t segment = 1; segment <= 3; segment++)
        fixture_remove_segment(&fixture, segment);
    enum journal_follow_result result;
    while ((result = reader_next(&reader)) == JOURNAL_FOLLOW_RECORD) // the open one stays readable
        reader_take(&reader);
    ck_assert_uint_eq(reader.entry, entries_up_to(1));
    ck_assert_int_eq(result, JOURNAL_FOLLOW_GAP);
    ck_assert_int_eq(reader.follow.gap.kind, JOURNAL_GAP_SEGMENTS);
    ck_assert_uint_eq(reader.follow.gap.segment, 2);
    ck_assert_uint_eq(reader.follow.gap.segments, 2);
    ck_assert_uint_eq(reader.follow.cursor.segment, 4);
    reader_done(&reader);
    fixture_done(&fixture);
}
END_TEST

START_TEST(torn_segments_are_passed)
{
    struct reader reader;
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, (uint64_t)_i + 1);
    fixture_open(&fixture);
    write_until_segment(4);
    size_t torn = entries_up_to(1) + 7; // the record in segment 2 that is to be torn
    uint64_t before = journal_position_offset(fixture.log[torn - 1].position);
    uint64_t after = journal_position_offset(fixture.log[torn].position);
    uint64_t used;
    int fd = fixture_open_segment(&fixture, 2, O_RDWR);
    off_t place = (off_t)(before + samples_below(&fixture.samples, after - before));
    uint8_t byte;
    ck_assert_int_eq(journal_segment_used(fd, 0, &used, NULL), 0);
    ck_assert_int_eq(pread(fd, &byte, 1, place), 1);
    byte ^= (uint8_t)(1 << _i % 8);
    ck_assert_int_eq(pwrite(fd, &byte, 1, place), 1);
    close(fd);

    reader_init(&reader, NULL);
    enum journal_follow_result result;
    while ((result = reader_next(&reader)) == JOURNAL_FOLLOW_RECORD)
        reader_take(&reader);
    ck_assert_uint_eq(reader.entry, torn);
    ck_assert_int_eq(result, JOURNAL_FOLLOW_GAP);
    ck_assert_int_eq(reader.follow.gap.kind, JOURNAL_GAP_TORN);
    ck_assert_uint_eq(reader.follow.gap.segment, 2);
    ck_assert_uint_eq(reader.follow.gap.bytes, used - before);
    ck_assert_uint_eq(reader.follow.cursor.segment, 3);
    reader.entry = entries_up_to(2);
    while (reader_next(&reader) == JOURNAL_FOLLOW_RECORD)
        if (reader.entry < fixture.log_count &&
            cursor_position(&reader.follow.cursor) == fixture.log[reader.entry].position)
            reader.entry++;
    ck_assert_uint_eq(reader.entry, fixture.log_count);
    reader_done(&reader);
    fixture_done(&fixture);
}
END_TEST

START_TEST(a_segment_without_a_header_is_passed)
{
    struct reader reader;
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, 1);
    fixture_open(&fixture);
    write_until_segment(4);
    int fd = fixture_open_segment(&fixture, 2, O_RDWR);
    ck_assert_int_eq(pwrite(fd, "r00t", 4, 0), 4);
    close(fd);
    reader_init(&reader, NULL);
    enum journal_follow_result result;
    while ((result = reader_next(&reader)) == JOURNAL_FOLLOW_RECORD)
        reader_take(&reader);
    ck_assert_int_eq(result, JOURNAL_FOLLOW_GAP);
    ck_assert_int_eq(reader.follow.gap.kind, JOURNAL_GAP_TORN);
    ck_assert_uint_eq(reader.follow.gap.segment, 2);
    ck_assert_uint_gt(reader.follow.gap.bytes, JOURNAL_SEGMENT_BYTES_MIN / 2);
    ck_assert_int_eq(reader_next(&reader), JOURNAL_FOLLOW_RECORD);
    ck_assert_uint_eq(reader.follow.cursor.segment, 3);
    reader_done(&reader);
    fixture_done(&fixture);
}
END_TEST

// Cuts the journal as a power cut does, to what it held at `entry` of the log.
static void cut_to(size_t entry)
{
    uint32_t segment = journal_position_segment(fixture.log[entry].position);
    for (uint32_t later = segment + 1; fixture_has_segment(&fixture, later); later++)
        fixture_remove_segment(&fixture, later);
    int fd = fixture_open_segment(&fixture, segment, O_RDWR);
    off_t offset = journal_position_offset(fixture.log[entry].position);
    ck_assert_int_eq(ftruncate(fd, offset), 0);
    ck_assert_int_eq(ftruncate(fd, JOURNAL_SEGMENT_BYTES_MIN), 0);
    close(fd);
    fixture.log_count = entry + 1;
    journal_live_done(&fixture.expected);
    ck_assert_uint_eq(fixture_replay(&fixture), fixture_last_digest(&fixture));
    fixture.expected = fixture.found.live;
    fixture.found.live = (struct journal_live){0};
}

START_TEST(a_cursor_that_a_power_cut_overtook_is_lost)
{
    struct reader reader;
    struct journal_cursor cursor;
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, (uint64_t)_i + 1);
    fixture_open(&fixture);
    write_until_segment(3);
    fixture_steps(&fixture, 5);
    fixture_close(&fixture);
    reader_init(&reader, NULL);
    reader_catch_up(&reader);
    cursor = reader.follow.cursor;
    reader_done(&reader);

    // The records that went are followed by others, past the place of the cursor.
    cut_to(entries_up_to(2) - 1 - samples_below(&fixture.samples, 20));
    fixture_open(&fixture);
    write_until_segment(4);
    reader_init(&reader, &cursor);
    ck_assert_int_eq(reader_next(&reader), JOURNAL_FOLLOW_GAP);
    ck_assert_int_eq(reader.follow.gap.kind, JOURNAL_GAP_CURSOR_LOST);
    ck_assert_uint_eq(reader.follow.gap.segment, cursor.segment);
    ck_assert_uint_eq(reader.follow.cursor.segment, 1);
    reader_catch_up(&reader);
    ck_assert_uint_eq(reader.entry, fixture.log_count);
    reader_done(&reader);

    // A cursor before the cut is still good.
    reader_init(&reader, NULL);
    while (reader.entry < entries_up_to(1) + 5 && reader_next(&reader) == JOURNAL_FOLLOW_RECORD)
        reader_take(&reader);
    journal_follow_close(reader.follower);
    reader_open(&reader, &reader.follow.cursor);
    reader_catch_up(&reader);
    ck_assert_uint_eq(reader.entry, fixture.log_count);
    reader_done(&reader);
    fixture_done(&fixture);
}
END_TEST

START_TEST(a_cursor_at_the_head_of_a_lost_segment_is_lost)
{
    struct reader reader;
    struct journal_header header;
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, 1);
    fixture_open(&fixture);
    write_until_segment(2);
    fixture_close(&fixture);
    uint8_t head[JOURNAL_SEGMENT_HEADER_BYTES];
    int fd = fixture_open_segment(&fixture, 2, O_RDONLY);
    ck_assert_int_eq(journal_header_read(fd, &header, NULL), 0);
    ck_assert_int_eq(pread(fd, head, sizeof(head), 0), sizeof(head));
    close(fd);
    struct journal_cursor cursor = {2, JOURNAL_SEGMENT_HEADER_BYTES, header.crc};
    cut_to(entries_up_to(1) - 10);
    fd = fixture_open_segment(&fixture, 2, O_RDWR | O_CREAT); // it was made, but holds nothing
    ck_assert_int_eq(write(fd, head, sizeof(head)), sizeof(head));
    ck_assert_int_eq(ftruncate(fd, JOURNAL_SEGMENT_BYTES_MIN), 0);
    close(fd);
    fixture_open(&fixture);
    write_until_segment(3);
    reader_init(&reader, &cursor);
    ck_assert_int_eq(reader_next(&reader), JOURNAL_FOLLOW_GAP);
    ck_assert_int_eq(reader.follow.gap.kind, JOURNAL_GAP_CURSOR_LOST);
    reader_catch_up(&reader);
    ck_assert_uint_eq(reader.entry, fixture.log_count);
    reader_done(&reader);
    fixture_done(&fixture);
}
END_TEST

START_TEST(another_journals_cursor_is_lost)
{
    struct reader reader;
    struct journal_cursor cursor = {.segment = 500, .offset = 4000, .check = 7};
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, 1);
    fixture_open(&fixture);
    fixture_steps(&fixture, 10);
    reader_init(&reader, &cursor);
    ck_assert_int_eq(reader_next(&reader), JOURNAL_FOLLOW_GAP);
    ck_assert_int_eq(reader.follow.gap.kind, JOURNAL_GAP_CURSOR_LOST);
    reader_catch_up(&reader);
    ck_assert_uint_eq(reader.entry, fixture.log_count);
    reader_done(&reader);
    fixture_done(&fixture);
}
END_TEST

START_TEST(unreadable_records_are_told_and_passed)
{
    struct reader reader;
    struct journal_alert alert = {.raised_at_us = 3};
    struct journal_record record = {JOURNAL_ALERT, {&alert}};
    static uint8_t bytes[2 * JOURNAL_RECORD_BYTES_MAX];
    static const uint8_t payload[] = {0x93, 3, 1, 7}; // a settlement with a number for its id
    const uint32_t length = sizeof(payload);
    uint32_t crc = crc32c(crc32c(0, &length, sizeof(length)), payload, length);
    memcpy(bytes, &length, 4);
    memcpy(bytes + 4, &crc, 4);
    memcpy(bytes + 8, payload, length);
    size_t end = 12 + journal_record_encode(&record, bytes + 12);
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, 1);
    fixture_open(&fixture);
    fixture_steps(&fixture, 10);
    fixture_close(&fixture);
    reader_init(&reader, NULL);
    reader_catch_up(&reader);
    int fd = fixture_open_segment(&fixture, 1, O_RDWR);
    ck_assert_int_eq(pwrite(fd, bytes, end, (off_t)reader.follow.cursor.offset), (off_t)end);
    close(fd);
    ck_assert_int_eq(reader_next(&reader), JOURNAL_FOLLOW_UNREADABLE);
    ck_assert_uint_eq(reader.follow.payload_length, sizeof(payload));
    ck_assert_mem_eq(reader.follow.payload, payload, sizeof(payload));
    ck_assert_int_eq(reader_next(&reader), JOURNAL_FOLLOW_RECORD);
    ck_assert_int_eq(reader.follow.record.type, JOURNAL_ALERT);
    reader_done(&reader);
    fixture_done(&fixture);
}
END_TEST

START_TEST(lag_is_what_is_left)
{
    struct reader reader;
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, 1);
    fixture_open(&fixture);
    write_until_segment(4);
    fixture_close(&fixture); // the segments that are over have been cut by then
    reader_init(&reader, NULL);
    uint64_t lag = reader_lag(&reader);
    while (reader_next(&reader) == JOURNAL_FOLLOW_RECORD) {
        uint64_t left = reader_lag(&reader);
        ck_assert_uint_lt(left, lag);
        lag = left;
        reader_take(&reader);
        ck_assert_int_eq(lag == 0, reader.entry == fixture.log_count);
    }
    ck_assert_uint_eq(lag, 0);
    reader_done(&reader);
    fixture_done(&fixture);
}
END_TEST

// A process that writes numbered alerts, as fast as it can.
static void write_alerts(int64_t count)
{
    fixture_open(&fixture);
    struct journal_alert alert = {0};
    struct journal_record record = {JOURNAL_ALERT, {&alert}};
    while (alert.raised_at_us < count) {
        alert.raised_at_us++;
        memset(alert.text, 'a' + (int)(alert.raised_at_us % 26),
               (size_t)alert.raised_at_us % sizeof(alert.text));
        while (journal_append(fixture.journal, &record, NULL, NULL) == -ENOSPC)
            fixture_listen(&fixture);
    }
    fixture_close(&fixture);
}

START_TEST(follows_a_writer_in_another_process)
{
    const int64_t count = 30000;
    struct reader reader;
    struct journal_cursor cursor = {0};
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, 1);
    pid_t writer = fork();
    if (writer == 0) {
        fixture_be_child(-1);
        write_alerts(count);
        _exit(0);
    }
    int64_t seen = 0;
    size_t idle = 0;
    reader_init(&reader, NULL);
    while (seen < count) {
        enum journal_follow_result result = reader_next(&reader);
        if (result == JOURNAL_FOLLOW_NOTHING_YET) {
            ck_assert_uint_lt(++idle, 100000000);
            sched_yield();
            continue;
        }
        ck_assert_int_eq(result, JOURNAL_FOLLOW_RECORD);
        ck_assert_int_eq(reader.follow.record.alert->raised_at_us, seen + 1);
        seen++;
        ck_assert_uint_gt(cursor_position(&reader.follow.cursor), cursor_position(&cursor));
        cursor = reader.follow.cursor;
    }
    int status;
    ck_assert_int_eq(waitpid(writer, &status, 0), writer);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_gt(cursor.segment, 50);
    reader_done(&reader);
    fixture_done(&fixture);
}
END_TEST

START_TEST(a_long_backlog_takes_no_more_memory)
{
    const int64_t count = getenv("REEVE_TEST_FULL") != NULL ? 6000000 : 100000; // 1 GB or 17 MB
    struct reader reader;
    fixture_init(&fixture, 1 << 20, 1);
    write_alerts(count);
    reader_init(&reader, NULL);
    ck_assert_int_eq(reader_next(&reader), JOURNAL_FOLLOW_RECORD);
    size_t used = mallinfo2().uordblks;
    for (int64_t seen = 1; seen < count; seen++) {
        ck_assert_int_eq(reader_next(&reader), JOURNAL_FOLLOW_RECORD);
        ck_assert_int_eq(reader.follow.record.alert->raised_at_us, seen + 1);
        ck_assert_uint_le(mallinfo2().uordblks, used);
    }
    ck_assert_int_eq(reader_next(&reader), JOURNAL_FOLLOW_NOTHING_YET);
    reader_done(&reader);
    fixture_done(&fixture);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, hands_out_every_record_from_any_cursor, 0, 20);
    tcase_add_test(cases, waits_for_a_journal_to_begin);
    tcase_add_test(cases, a_record_that_is_being_written_is_not_there_yet);
    tcase_add_test(cases, deleted_segments_are_counted);
    tcase_add_test(cases, segments_deleted_under_the_reader_are_counted);
    tcase_add_loop_test(cases, torn_segments_are_passed, 0, 16);
    tcase_add_test(cases, a_segment_without_a_header_is_passed);
    tcase_add_loop_test(cases, a_cursor_that_a_power_cut_overtook_is_lost, 0, 10);
    tcase_add_test(cases, a_cursor_at_the_head_of_a_lost_segment_is_lost);
    tcase_add_test(cases, another_journals_cursor_is_lost);
    tcase_add_test(cases, unreadable_records_are_told_and_passed);
    tcase_add_test(cases, lag_is_what_is_left);
    tcase_add_test(cases, follows_a_writer_in_another_process);
    tcase_add_test(cases, a_long_backlog_takes_no_more_memory);
}

int main(void)
{
    return fixture_run_suite("journal_follow", add_tests);
}
