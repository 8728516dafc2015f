// Checks the writer when the disk fails: each call that it makes fails once or from then on, at
// every place; writes stop half-way. Nothing that was appended may be missing, and it must recover
// by itself.
//
// The C library's calls are replaced by the functions below, which fail on demand.
#define FIXTURE_PARENT "/dev/shm"
#include "journal_fixture.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <sys/syscall.h>

enum call {
    CALL_NONE,
    CALL_PWRITE,
    CALL_FDATASYNC,
    CALL_FSYNC,
    CALL_FALLOCATE,
    CALL_RENAME,
    CALL_UNLINK,
    CALL_TRUNCATE,
    CALL_OPENAT,
    CALLS,
};

static struct {
    _Atomic enum call call; // that fails
    _Atomic long nth;       // 1 is the next one
    _Atomic bool for_good;  // and all after it
    _Atomic int code;
    _Atomic size_t half; // pwrite: bytes of it that are written before it fails
    _Atomic long counts[CALLS];
    _Atomic int64_t room; // bytes that may still be written, -1 no limit
} faults = {.room = -1};

static void disarm(void)
{
    faults.call = CALL_NONE;
    faults.room = -1;
}

static void arm(enum call call, long nth, bool for_good, int code, size_t half)
{
    faults.nth = nth;
    faults.for_good = for_good;
    faults.code = code;
    faults.half = half;
    faults.call = call;
}

static bool fails(enum call call)
{
    faults.counts[call]++;
    if (faults.call != call)
        return false;
    long nth = --faults.nth;
    if (nth > 0 || (nth < 0 && !faults.for_good))
        return false;
    errno = faults.code;
    return true;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    if (fails(CALL_PWRITE)) {
        size_t half = faults.half < length ? faults.half : length;
        int code = faults.code;
        if (half > 0)
            syscall(SYS_pwrite64, fd, bytes, half, offset);
        errno = code;
        return -1;
    }
    if (faults.room >= 0) {
        size_t room = (size_t)faults.room;
        if (room == 0) {
            errno = ENOSPC;
            return -1;
        }
        length = room < length ? room : length;
        faults.room -= (int64_t)length;
    }
    return syscall(SYS_pwrite64, fd, bytes, length, offset);
}

int fdatasync(int fd)
{
    return fails(CALL_FDATASYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return fails(CALL_FSYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int posix_fallocate(int fd, off_t offset, off_t length)
{
    if (fails(CALL_FALLOCATE))
        return faults.code;
    return syscall(SYS_fallocate, fd, 0, offset, length) < 0 ? errno : 0;
}

int renameat(int old_fd, const char *old_path, int new_fd, const char *new_path)
{
    if (fails(CALL_RENAME))
        return -1;
    return (int)syscall(SYS_renameat2, old_fd, old_path, new_fd, new_path, 0);
}

int unlinkat(int fd, const char *path, int flags)
{
    return fails(CALL_UNLINK) ? -1 : (int)syscall(SYS_unlinkat, fd, path, flags);
}

int ftruncate(int fd, off_t length)
{
    return fails(CALL_TRUNCATE) ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}

int openat(int fd, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int mode = (flags & O_CREAT) != 0 ? va_arg(arguments, int) : 0;
    va_end(arguments);
    return fails(CALL_OPENAT) ? -1 : (int)syscall(SYS_openat, fd, path, flags, mode);
}

static struct fixture fixture;

// Waiters that have to be called once each.

#define WAITERS 64

static struct {
    struct journal_waiter waiter;
    bool waits;
} waiters[WAITERS];
static size_t waits_lost;

static void note_synced(struct journal_waiter *waiter, int result)
{
    size_t index = (size_t)((char *)waiter - (char *)waiters) / sizeof(waiters[0]);
    ck_assert(waiters[index].waits);
    waiters[index].waits = false;
    if (result < 0)
        waits_lost++;
}

static void wait_for_last(void)
{
    for (size_t i = 0; i < WAITERS; i++) {
        if (waiters[i].waits)
            continue;
        waiters[i].waiter.position = fixture.log[fixture.log_count - 1].position;
        waiters[i].waiter.synced = note_synced;
        waiters[i].waits = true;
        journal_wait(fixture.journal, &waiters[i].waiter);
        return;
    }
}

static void expect_no_waiters(void)
{
    for (size_t i = 0; i < WAITERS; i++)
        ck_assert(!waiters[i].waits);
}

// Steps that may fail. Returns how many did. A failure gives the helper a moment, as its next
// segment may be all that is missing.
static size_t try_steps(size_t count)
{
    size_t failed = 0;
    struct pollfd event = {.fd = journal_event_fd(fixture.journal), .events = POLLIN};
    while (count-- > 0) {
        struct error err = {0};
        if (fixture_step(&fixture, &err) == 0) {
            wait_for_last();
        } else {
            ck_assert_int_lt(err.code, 0);
            ck_assert_str_ne(err.text, "");
            if (failed++ < 20)
                poll(&event, 1, 10);
        }
        journal_dispatch(fixture.journal);
    }
    return failed;
}

// The script that faults are injected into: two openings, a few segments. Whatever fails, it goes
// on.
static void run_script(void)
{
    struct error err = {0};
    for (int round = 0; round < 2; round++) {
        if (fixture_try_open(&fixture, &err) < 0) {
            ck_assert_str_ne(err.text, "");
            disarm();
            fixture_open(&fixture);
        }
        try_steps(120);
        fixture_acknowledge(&fixture, 2);
        try_steps(40);
        fixture_close(&fixture);
        expect_no_waiters();
    }
    // The disk is well again.
    disarm();
    fixture_open(&fixture);
    ck_assert_uint_eq(fixture_digest(fixture.replayed_settled, journal_live(fixture.journal)),
                      fixture_last_digest(&fixture));
    fixture_steps(&fixture, 5);
    fixture_close(&fixture);
    ck_assert_uint_eq(fixture_replay(&fixture), fixture_last_digest(&fixture));
}

// Every record that was appended is handed out, in order, unless it was deleted.
static void follow_script(void)
{
    struct journal_follower *follower;
    struct journal_follow follow;
    struct error err = {0};
    size_t entry = 1;
    ck_assert_int_eq(journal_follow_open(&follower, fixture.directory, NULL, NULL), 0);
    enum journal_follow_result result;
    while ((result = journal_follow_next(follower, &follow, &err)) != JOURNAL_FOLLOW_NOTHING_YET) {
        ck_assert_msg(result == JOURNAL_FOLLOW_RECORD || result == JOURNAL_FOLLOW_GAP, "%s",
                      err.text);
        if (result == JOURNAL_FOLLOW_GAP && follow.gap.kind == JOURNAL_GAP_SEGMENTS)
            while (journal_position_segment(fixture.log[entry].position) < follow.cursor.segment)
                entry++;
        uint64_t position = follow.cursor.segment << 32 | follow.cursor.offset;
        if (entry < fixture.log_count && position == fixture.log[entry].position)
            entry++;
    }
    ck_assert_uint_eq(entry, fixture.log_count);
    journal_follow_close(follower);
}

static void inject(enum call call, long nth, bool for_good, int code, size_t half)
{
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, 7);
    arm(call, nth, for_good, code, half);
    run_script();
    follow_script();
    fixture_done(&fixture);
}

static const struct {
    enum call call;
    int code;
    size_t half;
    long stride; // of the sample
} injections[] = {
    {CALL_PWRITE, EIO, 0, 29},      {CALL_PWRITE, EIO, 9, 29},   {CALL_PWRITE, ENOSPC, 100, 29},
    {CALL_PWRITE, ENOSPC, 0, 29},   {CALL_FDATASYNC, EIO, 0, 3}, {CALL_FSYNC, EIO, 0, 1},
    {CALL_FALLOCATE, ENOSPC, 0, 1}, {CALL_FALLOCATE, EIO, 0, 1}, {CALL_RENAME, EIO, 0, 1},
    {CALL_UNLINK, EIO, 0, 1},       {CALL_TRUNCATE, EIO, 0, 1},  {CALL_OPENAT, EMFILE, 0, 3},
};
#define INJECTIONS (sizeof(injections) / sizeof(injections[0]))

START_TEST(any_call_may_fail)
{
    long stride = getenv("REEVE_TEST_FULL") != NULL ? 1 : injections[_i].stride;
    memset(faults.counts, 0, sizeof(faults.counts));
    inject(CALL_NONE, 0, false, 0, 0);
    long count = faults.counts[injections[_i].call];
    ck_assert_int_gt(count, 0);
    for (long nth = 1; nth <= count; nth += stride) {
        inject(injections[_i].call, nth, false, injections[_i].code, injections[_i].half);
        inject(injections[_i].call, nth, true, injections[_i].code, injections[_i].half);
    }
}
END_TEST

// Writing stops at every 64 bytes of a batch.
START_TEST(disk_full_at_any_place)
{
    for (int64_t room = 0; room < 8192; room += 64) {
        fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, 9);
        fixture_open(&fixture);
        fixture_steps(&fixture, 10);
        faults.room = room;
        size_t failed = try_steps(40);
        ck_assert_uint_gt(failed, 0);
        ck_assert_uint_eq(fixture_replay(&fixture), fixture_last_digest(&fixture));
        faults.room = -1;
        fixture_steps(&fixture, 40);
        ck_assert_uint_eq(fixture_replay(&fixture), fixture_last_digest(&fixture));
        ck_assert_uint_eq(fixture.found.torn_bytes, 0);
        fixture_close(&fixture);
        expect_no_waiters();
        fixture_done(&fixture);
    }
}
END_TEST

START_TEST(a_failed_sync_is_told_and_left_behind)
{
    struct journal_status status;
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, (uint64_t)_i + 1);
    fixture_open(&fixture);
    fixture_steps(&fixture, 10);
    while (!fixture_has_segment(&fixture, 2))
        fixture_listen(&fixture);
    fixture_sync(&fixture);

    long syncs = faults.counts[CALL_FDATASYNC];
    arm(CALL_FDATASYNC, 1, false, EIO, 0);
    ck_assert_int_eq(fixture_alert(&fixture, NULL), 0);
    wait_for_last();
    while (waiters[0].waits)
        fixture_listen(&fixture);
    ck_assert_uint_eq(waits_lost, 1);
    ck_assert_int_gt(faults.counts[CALL_FDATASYNC], syncs);

    // It has gone on in the next segment, whose checkpoint holds everything: the old one may be
    // lost.
    journal_read_status(fixture.journal, &status);
    ck_assert_uint_eq(status.losses, 1);
    ck_assert_uint_eq(journal_position_segment(status.position), 2);
    fixture_steps(&fixture, 5);
    wait_for_last();
    while (waiters[0].waits)
        fixture_listen(&fixture);
    ck_assert_uint_eq(waits_lost, 1);
    fixture_remove_segment(&fixture, 1);
    ck_assert_uint_eq(fixture_replay(&fixture), fixture_last_digest(&fixture));
    fixture_done(&fixture);
}
END_TEST

START_TEST(settlements_succeed_while_no_segment_can_be_made)
{
    struct error err = {0};
    struct journal_status status;
    fixture_init(&fixture, 65536, (uint64_t)_i + 1);
    fixture_open(&fixture);
    arm(CALL_FALLOCATE, 1, true, ENOSPC, 0);
    ck_assert_int_eq(fixture_open_run(&fixture, &err), 0);
    for (;;) {
        size_t wanted = 1 + samples_below(&fixture.samples, 12);
        while (fixture.expected.reservation_count < wanted && fixture_reserve(&fixture, &err) == 0)
            continue;
        if (fixture.expected.reservation_count == 0)
            break;
        while (fixture.expected.reservation_count > 0)
            ck_assert_msg(fixture_settle(&fixture, 0, &err) == 0, "%s", err.text);
    }
    ck_assert_int_eq(fixture_close_run(&fixture, 0, &err), 0);
    journal_dispatch(fixture.journal);
    journal_read_status(fixture.journal, &status);
    ck_assert(status.full);
    disarm();
    fixture_steps(&fixture, 20);
    fixture_close(&fixture);
    ck_assert_uint_eq(fixture_replay(&fixture), fixture_last_digest(&fixture));
    fixture_done(&fixture);
}
END_TEST

// A segment whose checkpoint is not on the disk does not replace the one before it, read or not.
START_TEST(what_a_start_needs_is_not_deleted)
{
    struct journal_status status;
    fixture_init(&fixture, JOURNAL_SEGMENT_BYTES_MIN, 1);
    fixture_open(&fixture);
    fixture_steps(&fixture, 10);
    while (!fixture_has_segment(&fixture, 2))
        fixture_listen(&fixture);
    fixture_sync(&fixture);
    arm(CALL_FDATASYNC, 1, true, EIO, 0);
    ck_assert_int_eq(fixture_alert(&fixture, NULL), 0);
    wait_for_last();
    while (waiters[0].waits)
        fixture_listen(&fixture);
    journal_read_status(fixture.journal, &status);
    ck_assert_uint_eq(journal_position_segment(status.position), 2);
    fixture_acknowledge(&fixture, 2);
    fixture_close(&fixture); // after all that the helper had to do
    ck_assert(fixture_has_segment(&fixture, 1));
    fixture_done(&fixture);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, any_call_may_fail, 0, INJECTIONS);
    tcase_add_test(cases, disk_full_at_any_place);
    tcase_add_loop_test(cases, a_failed_sync_is_told_and_left_behind, 0, 5);
    tcase_add_test(cases, what_a_start_needs_is_not_deleted);
    tcase_add_loop_test(cases, settlements_succeed_while_no_segment_can_be_made, 0, 10);
}

int main(void)
{
    return fixture_run_suite("journal_faults", add_tests);
}
