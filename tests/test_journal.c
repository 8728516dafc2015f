// Checks the writer: what is open survives closing and killing, waiters, segments, room, deletion.
#include "journal_fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

static struct fixture fixture;

START_TEST(reopening_restores_the_state)
{
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, (uint64_t)_i + 1);
    for (int round = 0; round < 12; round++) {
        fixture_open(&fixture);
        ck_assert_uint_eq(fixture.replayed_settled, fixture.settled);
        ck_assert_uint_eq(fixture_digest(fixture.replayed_settled, journal_live(fixture.journal)),
                          fixture_last_digest(&fixture));
        ck_assert_uint_eq(fixture.found.torn_bytes, 0);
        fixture_steps(&fixture, 1 + samples_below(&fixture.samples, 60));
        fixture_close(&fixture);
        ck_assert_uint_eq(fixture_replay(&fixture), fixture_last_digest(&fixture));
    }
    ck_assert_uint_gt(fixture.found.segment, 2);
    fixture_done(&fixture);
}
END_TEST

START_TEST(first_open_makes_the_directory)
{
    struct stat status;
    fixture_init(&fixture, 0, 1);
    ck_assert_int_eq(rmdir(fixture.directory), 0);
    fixture_open(&fixture);
    ck_assert_int_eq(stat(fixture.directory, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0700);
    ck_assert_uint_eq(fixture.found.segment, 0);
    int fd = fixture_open_segment(&fixture, 1, O_RDONLY);
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_int_eq(status.st_size, JOURNAL_SEGMENT_BYTES);
    ck_assert_int_ge(status.st_blocks * 512, JOURNAL_SEGMENT_BYTES);
    close(fd);
    fixture_done(&fixture);
}
END_TEST

START_TEST(second_writer_is_refused)
{
    static struct fixture second;
    struct error err = {0};
    fixture_init(&fixture, 0, 1);
    fixture_open(&fixture);
    second = fixture;
    ck_assert_int_eq(fixture_try_open(&second, &err), -EBUSY);
    ck_assert_ptr_nonnull(strstr(err.text, fixture.directory));
    fixture_close(&fixture);
    fixture_open(&fixture);
    fixture_done(&fixture);
}
END_TEST

// Waiters.

struct numbered_waiter {
    struct journal_waiter waiter;
    int number;
};

static int called[16];
static int called_count;

static void note_called(struct journal_waiter *waiter, int result)
{
    ck_assert_int_eq(result, 0);
    ck_assert(journal_is_synced(fixture.journal, waiter->position));
    called[called_count++] = ((struct numbered_waiter *)waiter)->number;
}

START_TEST(waiters_are_called_in_order)
{
    struct numbered_waiter waiters[6];
    static const int order[] = {3, 1, 5, 0, 4, 2}; // in which they begin to wait
    fixture_init(&fixture, 0, 1);
    fixture_open(&fixture);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(fixture_alert(&fixture, NULL), 0);
        waiters[i] = (struct numbered_waiter){
            {fixture.log[fixture.log_count - 1].position, note_called, NULL}, i};
    }
    for (int i = 0; i < 6; i++)
        journal_wait(fixture.journal, &waiters[order[i]].waiter);
    ck_assert_int_eq(called_count, 0);
    journal_wait_cancel(fixture.journal, &waiters[1].waiter);
    fixture_sync(&fixture);
    ck_assert_int_eq(called_count, 5);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(called[i], i == 0 ? 0 : i + 1);

    // What is synced already is told by the next dispatch, not from within the call.
    journal_wait(fixture.journal, &waiters[1].waiter);
    ck_assert_int_eq(called_count, 5);
    fixture_listen(&fixture);
    ck_assert_int_eq(called_count, 6);
    journal_wait_cancel(fixture.journal, &waiters[1].waiter); // is not waiting: no matter
    fixture_done(&fixture);
}
END_TEST

static void note_called_at_close(struct journal_waiter *waiter, int result)
{
    ck_assert_int_eq(result, 0);
    called[called_count++] = ((struct numbered_waiter *)waiter)->number;
}

START_TEST(closing_calls_the_waiters)
{
    struct numbered_waiter waiter = {.number = 7};
    waiter.waiter.synced = note_called_at_close;
    fixture_init(&fixture, 0, 1);
    fixture_open(&fixture);
    ck_assert_int_eq(fixture_alert(&fixture, NULL), 0);
    waiter.waiter.position = fixture.log[1].position;
    journal_wait(fixture.journal, &waiter.waiter);
    fixture_close(&fixture);
    ck_assert_int_eq(called_count, 1);
    ck_assert_int_eq(called[0], 7);
    fixture_done(&fixture);
}
END_TEST

// Handing over.

static enum journal_record_type forwarded[4];
static int forwarded_count, forward_result;

static int note_forwarded(const struct journal_record *record, void *context, struct error *err)
{
    ck_assert_ptr_eq(context, &fixture);
    if (forward_result < 0)
        return error_set(err, forward_result, "gone");
    forwarded[forwarded_count++] = record->type;
    return 0;
}

START_TEST(a_successor_opens_what_was_handed_over)
{
    static struct fixture successor;
    struct numbered_waiter waiter = {.number = 7};
    waiter.waiter.synced = note_called_at_close;
    fixture_init(&fixture, 0, 1);
    fixture_open(&fixture);
    ck_assert_int_eq(fixture_reserve(&fixture, NULL), 0);
    waiter.waiter.position = fixture.log[1].position;
    journal_wait(fixture.journal, &waiter.waiter);
    successor = fixture;
    journal_hand_over(fixture.journal, note_forwarded, &fixture);
    ck_assert(journal_is_handed_over(fixture.journal));
    fixture_open(&successor); // the lock is free, and everything is there
    ck_assert(!journal_is_handed_over(successor.journal));
    ck_assert_uint_eq(journal_live(successor.journal)->reservation_count, 1);
    ck_assert_int_eq(called_count, 0); // not from within the handover
    journal_dispatch(fixture.journal);
    ck_assert_int_eq(called_count, 1);
    fixture_close(&successor);
    fixture_done(&fixture);
}
END_TEST

START_TEST(ends_are_forwarded_and_beginnings_refused)
{
    struct error err = {0};
    uint64_t position = 1;
    struct journal_settlement settlement = {.run_id = "r"};
    struct journal_batch batch = {.batch_id = "b"};
    struct journal_owned owned = {.id = "o"};
    const struct journal_record ends[] = {
        {JOURNAL_SETTLEMENT, {&settlement}}, {JOURNAL_BATCH, {&batch}}, {JOURNAL_OWNED, {&owned}}};
    fixture_init(&fixture, 0, 1);
    fixture_open(&fixture);
    journal_hand_over(fixture.journal, note_forwarded, &fixture);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(journal_append(fixture.journal, &ends[i], &position, &err), 0);
        ck_assert_int_eq(forwarded[i], ends[i].type);
    }
    ck_assert(journal_is_synced(fixture.journal, position)); // nobody waits for it
    ck_assert_int_eq(fixture_reserve(&fixture, &err), -ESHUTDOWN);
    ck_assert_int_eq(fixture_open_run(&fixture, &err), -ESHUTDOWN);
    ck_assert_int_eq(fixture_alert(&fixture, &err), -ESHUTDOWN);
    forward_result = -EPIPE;
    ck_assert_int_eq(journal_append(fixture.journal, &ends[0], NULL, &err), -EPIPE);
    ck_assert_int_eq(forwarded_count, 3);
    fixture_done(&fixture);
}
END_TEST

// Segments.

START_TEST(segments_are_cut_when_they_are_over)
{
    struct stat status;
    uint64_t end = 0;
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, 5);
    fixture_open(&fixture);
    while (journal_position_segment(fixture.log[fixture.log_count - 1].position) < 4)
        fixture_steps(&fixture, 1);
    fixture_sync(&fixture);
    for (size_t i = 0; i < fixture.log_count; i++)
        if (journal_position_segment(fixture.log[i].position) == 2)
            end = journal_position_offset(fixture.log[i].position);
    int fd = fixture_open_segment(&fixture, 2, O_RDONLY);
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_int_gt(status.st_size, (int64_t)end);
    ck_assert_int_le(status.st_size,
                     (int64_t)(end + journal_record_length_max(JOURNAL_SEGMENT_END)));
    close(fd);
    fixture_done(&fixture);
}
END_TEST

START_TEST(unused_segment_is_taken_over)
{
    struct stat before;
    struct stat after;
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, 5);
    fixture_open(&fixture);
    while (!fixture_has_segment(&fixture, 2))
        fixture_listen(&fixture);
    fixture_close(&fixture);
    int fd = fixture_open_segment(&fixture, 2, O_RDONLY);
    ck_assert_int_eq(fstat(fd, &before), 0);
    close(fd);
    fixture_open(&fixture);
    while (journal_position_segment(fixture.log[fixture.log_count - 1].position) < 2)
        fixture_steps(&fixture, 1);
    fd = fixture_open_segment(&fixture, 2, O_RDONLY);
    ck_assert_int_eq(fstat(fd, &after), 0);
    close(fd);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    fixture_close(&fixture);
    ck_assert_uint_eq(fixture_replay(&fixture), fixture_last_digest(&fixture));
    fixture_done(&fixture);
}
END_TEST

START_TEST(only_acknowledged_segments_are_deleted)
{
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, 5);
    fixture_open(&fixture);
    while (journal_position_segment(fixture.log[fixture.log_count - 1].position) < 6)
        fixture_steps(&fixture, 1);
    fixture_sync(&fixture);
    // A cursor of another life, as a ledger can have it after a power cut, counts for nothing.
    struct journal_cursor stale = {.segment = 6, .offset = 64, .check = 1};
    journal_delete_before(fixture.journal, &stale);
    fixture_acknowledge(&fixture, 4);
    while (fixture_has_segment(&fixture, 3))
        fixture_listen(&fixture);
    for (uint32_t segment = 1; segment <= 6; segment++)
        ck_assert_int_eq(fixture_has_segment(&fixture, segment), segment >= 4);

    // The segment in use stays.
    fixture_acknowledge(&fixture, 6);
    while (fixture_has_segment(&fixture, 5))
        fixture_listen(&fixture);
    ck_assert(fixture_has_segment(&fixture, 6));
    fixture_steps(&fixture, 100);
    fixture_close(&fixture);
    ck_assert_uint_eq(fixture_replay(&fixture), fixture_last_digest(&fixture));
    fixture_done(&fixture);
}
END_TEST

// Room.

// Reserves until that is refused. Returns how often it succeeded.
static size_t reserve_until_full(void)
{
    size_t count = 0;
    struct error err = {0};
    int result;
    while ((result = fixture_reserve(&fixture, &err)) == 0)
        count++;
    ck_assert_int_eq(result, -ENOSPC);
    return count;
}

static void settle_all(void)
{
    while (fixture.expected.reservation_count > 0) {
        struct error err = {0};
        ck_assert_msg(fixture_settle(&fixture, 0, &err) == 0, "%s", err.text);
    }
    while (fixture.expected.run_count > 0) {
        struct error err = {0};
        ck_assert_msg(fixture_close_run(&fixture, 0, &err) == 0, "%s", err.text);
    }
}

// A file system for this process alone, so small that two segments fit and a third does not.
static bool mount_small(const char *directory)
{
    if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("tmpfs", directory, "tmpfs", 0, "size=160k,mode=0700") == 0)
        return true;
    printf("skipped journal on a full disk: mounting a tmpfs: %s\n", strerror(errno));
    return false;
}

START_TEST(full_disk_refuses_openings_and_settles_the_rest)
{
    fixture_init(&fixture, 65536, (uint64_t)_i + 1);
    if (!mount_small(fixture.directory)) {
        fixture_done(&fixture);
        return;
    }
    struct journal_status status;
    struct error err = {0};
    fixture_open(&fixture);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(fixture_open_run(&fixture, &err), 0);
    for (;;) { // until both segments are used up and a third cannot be made
        reserve_until_full();
        settle_all();
        if (fixture_reserve(&fixture, &err) == 0)
            continue;
        journal_read_status(fixture.journal, &status);
        ck_assert(status.full);
        if (status.problem.code != 0)
            break;
        fixture_listen(&fixture);
    }
    ck_assert_int_eq(status.problem.code, -ENOSPC);
    ck_assert_uint_eq(journal_position_segment(status.position), 2);

    // A start on a full disk goes on where it was.
    fixture_close(&fixture);
    fixture_open(&fixture);
    ck_assert_int_eq(fixture_reserve(&fixture, &err), -ENOSPC);
    ck_assert_ptr_nonnull(strstr(err.text, "journal"));

    // Room comes back, and with it the journal, by itself.
    fixture_acknowledge(&fixture, 2);
    do {
        fixture_listen(&fixture);
        journal_read_status(fixture.journal, &status);
    } while (status.full);
    ck_assert_int_eq(status.problem.code, 0);
    ck_assert_int_eq(fixture_reserve(&fixture, &err), 0);
    settle_all();
    fixture_close(&fixture);
    ck_assert_uint_eq(fixture_replay(&fixture), fixture_last_digest(&fixture));
    ck_assert_int_eq(umount(fixture.directory), 0);
    fixture_done(&fixture);
}
END_TEST

START_TEST(full_disk_at_the_first_start)
{
    struct rlimit before;
    struct error err = {0};
    struct journal_status status;
    fixture_init(&fixture, 65536, 1);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){65535, before.rlim_max}), 0);
    fixture_open(&fixture);
    ck_assert_int_eq(fixture_open_run(&fixture, &err), -ENOSPC);
    journal_read_status(fixture.journal, &status);
    ck_assert(status.full);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    while (fixture_open_run(&fixture, &err) == -ENOSPC)
        fixture_listen(&fixture);
    fixture_close(&fixture);
    ck_assert_uint_eq(fixture_replay(&fixture), fixture_last_digest(&fixture));
    fixture_done(&fixture);
}
END_TEST

START_TEST(raw_usage_is_left_out_rather_than_a_settlement_refused)
{
    struct error err = {0};
    struct journal_settlement settlement = {.end = EXCHANGE_COMPLETE, .cost_pico_usd = 3};
    static char usage_json[JOURNAL_USAGE_JSON_MAX];
    fixture_init(&fixture, 65536, 1);
    signal(SIGXFSZ, SIG_IGN);
    fixture_open(&fixture);
    while (!fixture_has_segment(&fixture, 2))
        fixture_listen(&fixture);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){65535, 65535}), 0);
    // Uses up what is not booked in both segments, so that raw usage for all of them cannot fit.
    do {
        reserve_until_full();
        while (fixture.expected.reservation_count > 8)
            ck_assert_int_eq(fixture_settle(&fixture, 0, &err), 0);
    } while (fixture_reserve(&fixture, &err) == 0);
    while (fixture.expected.reservation_count > 0) {
        memcpy(settlement.exchange_id, fixture.expected.reservations[0].exchange_id,
               EXCHANGE_ID_BYTES);
        memset(usage_json, 'u', sizeof(usage_json));
        settlement.usage_json = usage_json;
        settlement.usage_json_length = sizeof(usage_json);
        struct journal_record record = {JOURNAL_SETTLEMENT, {&settlement}};
        ck_assert_msg(fixture_append(&fixture, &record, &err) == 0, "%s", err.text);
    }
    fixture_close(&fixture);
    ck_assert_uint_eq(fixture_replay(&fixture), fixture_last_digest(&fixture));
    fixture_done(&fixture);
}
END_TEST

// Kills a process that writes, at any moment. Whatever it was told has been appended is there.
START_TEST(kill_loses_nothing)
{
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, (uint64_t)_i + 1);
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t writer = fork();
    if (writer == 0) {
        fixture_be_child(ends[1]);
        fixture_open(&fixture);
        for (;;) {
            fixture_steps(&fixture, 1);
            struct fixture_entry *entry = &fixture.log[fixture.log_count - 1];
            if (write(ends[1], entry, sizeof(*entry)) != sizeof(*entry))
                _exit(1);
        }
    }
    close(ends[1]);
    size_t wanted = 1 + samples_below(&fixture.samples, 400);
    struct fixture_entry last = {0};
    bool found = false;
    for (size_t i = 0; i < wanted; i++)
        ck_assert_int_eq(read(ends[0], &last, sizeof(last)), sizeof(last));
    kill(writer, SIGKILL);
    waitpid(writer, NULL, 0);

    // The next start may see one record more than it was told of.
    uint64_t digest = fixture_replay(&fixture);
    found = digest == last.digest;
    while (read(ends[0], &last, sizeof(last)) == sizeof(last))
        found = digest == last.digest;
    close(ends[0]);
    uint64_t end = (uint64_t)fixture.found.segment << 32 | fixture.found.offset;
    ck_assert_uint_ge(end, last.position);
    ck_assert(found || end > last.position);
    fixture_open(&fixture);
    fixture_steps(&fixture, 1);
    fixture_done(&fixture);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, reopening_restores_the_state, 0, 8);
    tcase_add_test(cases, first_open_makes_the_directory);
    tcase_add_test(cases, second_writer_is_refused);
    tcase_add_test(cases, waiters_are_called_in_order);
    tcase_add_test(cases, closing_calls_the_waiters);
    tcase_add_test(cases, a_successor_opens_what_was_handed_over);
    tcase_add_test(cases, ends_are_forwarded_and_beginnings_refused);
    tcase_add_test(cases, segments_are_cut_when_they_are_over);
    tcase_add_test(cases, unused_segment_is_taken_over);
    tcase_add_test(cases, only_acknowledged_segments_are_deleted);
    tcase_add_loop_test(cases, full_disk_refuses_openings_and_settles_the_rest, 0, 5);
    tcase_add_test(cases, full_disk_at_the_first_start);
    tcase_add_test(cases, raw_usage_is_left_out_rather_than_a_settlement_refused);
    tcase_add_loop_test(cases, kill_loses_nothing, 0, 20);
}

int main(void)
{
    return fixture_run_suite("journal", add_tests);
}
