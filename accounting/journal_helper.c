// Journal helper: one thread, one mutex, and a list of duties looked through in order of urgency.
#include "journal_helper.h"

#include "cleanup.h"
#include "clock.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RETRY_US 1000000 // between attempts to make a segment on a full disk

// From a write to its fdatasync, unless somebody waits for it: what comes in between shares it. No
// upstream answers that fast, so nobody does.
#define SYNC_DELAY_US 1000

enum helper_duty {
    DUTY_NONE,
    DUTY_END_SEGMENT, // comes before what was written after it
    DUTY_SYNC,
    DUTY_MAKE_SEGMENT,
    DUTY_CONFIRM,
    DUTY_DELETE,
};

struct journal_helper {
    struct journal_helper_options options;
    pthread_t thread;
    int event_fd;
    pthread_mutex_t mutex; // guards all that follows
    pthread_cond_t wake;
    bool stopping;
    int64_t wakes_at_us; // monotonic: the thread waits for `wake` until then; 0: it is at work

    struct journal_open_segment current;
    uint64_t written;    // position
    uint64_t syncing;    // position: an fdatasync up to here has begun
    int64_t sync_due_us; // monotonic; while more is written than synced
    bool current_lost;   // its fdatasync failed: not again

    struct journal_open_segment ending;
    uint64_t ending_end; // position
    bool ending_lost;

    uint32_t to_make;           // number, 0: nothing
    int64_t make_not_before_us; // monotonic
    struct journal_open_segment made;
    struct journal_cursor acknowledged; // the latest
    bool to_confirm;                    // it has not been looked at
    uint32_t confirmed;                 // segments below it are in the ledger
    uint32_t keep;                      // segments from here on stay
    uint32_t deleted_before;

    struct journal_progress progress;
};

static uint32_t helper_delete_before(const struct journal_helper *helper)
{
    return helper->confirmed < helper->keep ? helper->confirmed : helper->keep;
}

static bool helper_has_to_sync(const struct journal_helper *helper)
{
    return helper->written > helper->progress.synced && !helper->current_lost;
}

// What is to be done now; *until_us: when there will be more, INT64_MAX if only the loop can tell.
//
// Called with the mutex held; so are all functions here that begin with `duty_`, and those let go
// of it while they are at the disk.
static enum helper_duty helper_next_duty(const struct journal_helper *helper, int64_t now_us,
                                         int64_t *until_us)
{
    bool held =
        helper->progress.loss.segment != 0 && !helper->stopping; // till the loop knows of it
    *until_us = INT64_MAX;
    if (helper->ending.number != 0 && !held)
        return DUTY_END_SEGMENT;
    if (helper_has_to_sync(helper) && !held) {
        if (helper->stopping || now_us >= helper->sync_due_us)
            return DUTY_SYNC;
        *until_us = helper->sync_due_us;
    }
    if (helper->to_make != 0 && helper->ending.number == 0 && !helper->stopping) {
        if (now_us >= helper->make_not_before_us)
            return DUTY_MAKE_SEGMENT;
        if (helper->make_not_before_us < *until_us)
            *until_us = helper->make_not_before_us;
    }
    if (helper->to_confirm)
        return DUTY_CONFIRM;
    if (helper_delete_before(helper) > helper->deleted_before)
        return DUTY_DELETE;
    return DUTY_NONE;
}

static void report_loss(struct journal_helper *helper, uint32_t segment, int result)
{
    if (helper->progress.loss.segment == 0)
        helper->progress.loss = (struct journal_loss){segment, helper->progress.synced, result};
}

// Called without the mutex.
static int sync_fd(int fd)
{
    return fdatasync(fd) < 0 ? -errno : 0;
}

static void duty_sync(struct journal_helper *helper)
{
    struct journal_open_segment segment = helper->current;
    uint64_t target = helper->written;
    helper->syncing = target;
    helper->sync_due_us = clock_monotonic_us() + SYNC_DELAY_US; // for what is written meanwhile
    pthread_mutex_unlock(&helper->mutex);
    int result = sync_fd(segment.fd);
    pthread_mutex_lock(&helper->mutex);
    if (result == 0) {
        helper->progress.synced = target;
        return;
    }
    if (helper->current.number == segment.number)
        helper->current_lost = true;
    else
        helper->ending_lost = true; // the loop has gone on meanwhile
    report_loss(helper, segment.number, result);
}

static void duty_end_segment(struct journal_helper *helper)
{
    struct journal_open_segment segment = helper->ending;
    uint64_t end = helper->ending_end;
    bool lost = helper->ending_lost;
    bool unsynced = helper->progress.synced < end;
    pthread_mutex_unlock(&helper->mutex);
    int result = !lost && unsynced ? sync_fd(segment.fd) : 0;
    // The unused room goes back; if not, the file is only longer than it needs to be.
    int cut = lost ? 0 : ftruncate(segment.fd, (off_t)(end & UINT32_MAX));
    (void)cut;
    close(segment.fd);
    pthread_mutex_lock(&helper->mutex);
    helper->ending = (struct journal_open_segment){.fd = -1};
    if (result < 0)
        report_loss(helper, segment.number, result);
    else if (!lost && unsynced)
        helper->progress.synced = end;
}

static void duty_make_segment(struct journal_helper *helper)
{
    struct journal_header header = {.segment = helper->to_make, .made_at_us = clock_now_us()};
    memcpy(header.journal_id, helper->options.journal_id, sizeof(header.journal_id));
    struct journal_open_segment made = {
        .number = helper->to_make, .fd = -1, .bytes = helper->options.segment_bytes};
    struct error err = {0};
    helper->to_make = 0;
    pthread_mutex_unlock(&helper->mutex);
    int result =
        journal_segment_make(helper->options.directory_fd, &header, made.bytes, &made.fd, &err);
    pthread_mutex_lock(&helper->mutex);
    helper->progress.problem = err;
    if (result == 0) {
        helper->made = made;
        return;
    }
    helper->to_make = made.number;
    helper->make_not_before_us = clock_monotonic_us() + RETRY_US;
}

// Called without the mutex.
static bool find_cursor(int directory_fd, const struct journal_cursor *cursor)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    journal_segment_name((uint32_t)cursor->segment, name);
    cleanup_fd int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC);
    struct journal_header header;
    struct journal_reader reader;
    if (fd < 0 || journal_header_read(fd, &header, NULL) < 0)
        return false;
    journal_reader_init(&reader, fd, &header);
    return journal_reader_seek(&reader, cursor, NULL);
}

// A ledger's cursor that comes from before a power cut can be ahead of the journal: what is written
// now in the segments below it has not been read.
static void duty_confirm(struct journal_helper *helper)
{
    struct journal_cursor cursor = helper->acknowledged;
    helper->to_confirm = false;
    pthread_mutex_unlock(&helper->mutex);
    bool found = find_cursor(helper->options.directory_fd, &cursor);
    pthread_mutex_lock(&helper->mutex);
    if (found && cursor.segment > helper->confirmed)
        helper->confirmed = (uint32_t)cursor.segment;
}

// Called without the mutex.
static int delete_segments(int directory_fd, uint32_t before, struct error *err)
{
    cleanup_free uint32_t *segments = NULL;
    size_t count = 0;
    int result = journal_segment_list(directory_fd, &segments, &count, err);
    if (result < 0)
        return result;
    for (size_t i = 0; i < count && segments[i] < before; i++) {
        char name[JOURNAL_SEGMENT_NAME_MAX];
        journal_segment_name(segments[i], name);
        if (unlinkat(directory_fd, name, 0) < 0 && errno != ENOENT)
            return error_set_errno(err, -errno, "deleting journal segment %s", name);
    }
    if (fsync(directory_fd) < 0)
        return error_set_errno(err, -errno, "fsync of the journal's directory");
    return 0;
}

static void duty_delete(struct journal_helper *helper)
{
    uint32_t before = helper_delete_before(helper);
    struct error err = {0};
    pthread_mutex_unlock(&helper->mutex);
    int result = delete_segments(helper->options.directory_fd, before, &err);
    pthread_mutex_lock(&helper->mutex);
    helper->deleted_before = before; // what was left over goes with the next ones
    helper->make_not_before_us = 0;  // there may be room now
    if (result < 0)
        helper->progress.problem = err;
}

// Waits for the loop, or until the monotonic time given.
static void helper_wait(struct journal_helper *helper, int64_t until_us)
{
    struct timespec deadline = {
        .tv_sec = until_us / 1000000,
        .tv_nsec = until_us % 1000000 * 1000,
    };
    helper->wakes_at_us = until_us;
    if (until_us == INT64_MAX)
        pthread_cond_wait(&helper->wake, &helper->mutex);
    else
        pthread_cond_timedwait(&helper->wake, &helper->mutex, &deadline);
    helper->wakes_at_us = 0;
}

static void *helper_main(void *argument)
{
    struct journal_helper *helper = argument;
    pthread_mutex_lock(&helper->mutex);
    for (;;) {
        int64_t until_us;
        switch (helper_next_duty(helper, clock_monotonic_us(), &until_us)) {
        case DUTY_END_SEGMENT:
            duty_end_segment(helper);
            break;
        case DUTY_SYNC:
            duty_sync(helper);
            break;
        case DUTY_MAKE_SEGMENT:
            duty_make_segment(helper);
            break;
        case DUTY_CONFIRM:
            duty_confirm(helper);
            break;
        case DUTY_DELETE:
            duty_delete(helper);
            break;
        case DUTY_NONE:
            if (helper->stopping) {
                pthread_mutex_unlock(&helper->mutex);
                return NULL;
            }
            helper_wait(helper, until_us);
            continue;
        }
        journal_helper_ring(helper);
    }
}

// The loop's side.

int journal_helper_start(struct journal_helper **helper,
                         const struct journal_helper_options *options, struct error *err)
{
    struct journal_helper *started = calloc(1, sizeof(*started));
    if (started == NULL)
        return error_set(err, -ENOMEM, "out of memory for the journal's helper");
    started->options = *options;
    started->current.fd = started->ending.fd = started->made.fd = -1;
    started->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (started->event_fd < 0) {
        int result = error_set_errno(err, -errno, "making the journal's eventfd");
        free(started);
        return result;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&started->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&started->mutex, NULL);

    sigset_t all; // signals are the loop's
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&started->thread, NULL, helper_main, started);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        close(started->event_fd);
        free(started);
        return error_set_errno(err, -failed, "starting the journal's helper thread");
    }
    *helper = started;
    return 0;
}

// Sees to it that the thread looks for duties at `when_us`, monotonic; 0: now.
static void helper_wake(struct journal_helper *helper, int64_t when_us)
{
    if (helper->wakes_at_us > when_us)
        pthread_cond_signal(&helper->wake);
}

void journal_helper_stop(struct journal_helper *helper, struct journal_progress *progress)
{
    pthread_mutex_lock(&helper->mutex);
    helper->stopping = true;
    helper_wake(helper, 0);
    pthread_mutex_unlock(&helper->mutex);
    pthread_join(helper->thread, NULL);
    *progress = helper->progress;
    const int fds[] = {helper->current.fd, helper->ending.fd, helper->made.fd, helper->event_fd};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    pthread_cond_destroy(&helper->wake);
    pthread_mutex_destroy(&helper->mutex);
    free(helper);
}

int journal_helper_event_fd(const struct journal_helper *helper)
{
    return helper->event_fd;
}

void journal_helper_ring(struct journal_helper *helper)
{
    uint64_t one = 1;
    ssize_t written = write(helper->event_fd, &one, sizeof(one));
    (void)written; // fails only when the counter is full, which is readable too
}

void journal_helper_use(struct journal_helper *helper, const struct journal_open_segment *segment,
                        uint64_t position, uint64_t end)
{
    pthread_mutex_lock(&helper->mutex);
    assert(helper->ending.number == 0);
    helper->ending = helper->current;
    helper->ending_end = end;
    helper->ending_lost = helper->current_lost;
    helper->current = *segment;
    helper->current_lost = false;
    helper->written = position;
    helper_wake(helper, 0);
    pthread_mutex_unlock(&helper->mutex);
}

void journal_helper_written(struct journal_helper *helper, uint64_t position)
{
    pthread_mutex_lock(&helper->mutex);
    if (!helper_has_to_sync(helper))
        helper->sync_due_us = clock_monotonic_us() + SYNC_DELAY_US;
    helper->written = position;
    helper_wake(helper, helper->sync_due_us);
    pthread_mutex_unlock(&helper->mutex);
}

void journal_helper_hurry(struct journal_helper *helper, uint64_t position)
{
    pthread_mutex_lock(&helper->mutex);
    if (position > helper->syncing && helper->sync_due_us != 0) {
        helper->sync_due_us = 0;
        helper_wake(helper, 0);
    }
    pthread_mutex_unlock(&helper->mutex);
}

void journal_helper_make(struct journal_helper *helper, uint32_t number)
{
    pthread_mutex_lock(&helper->mutex);
    assert(helper->made.number == 0 && helper->to_make == 0);
    helper->to_make = number;
    helper->make_not_before_us = 0;
    helper_wake(helper, 0);
    pthread_mutex_unlock(&helper->mutex);
}

void journal_helper_retry(struct journal_helper *helper)
{
    pthread_mutex_lock(&helper->mutex);
    helper->make_not_before_us = 0;
    helper_wake(helper, 0);
    pthread_mutex_unlock(&helper->mutex);
}

bool journal_helper_take(struct journal_helper *helper, struct journal_open_segment *segment)
{
    pthread_mutex_lock(&helper->mutex);
    bool there = helper->made.number != 0;
    if (there) {
        *segment = helper->made;
        helper->made = (struct journal_open_segment){.fd = -1};
    }
    pthread_mutex_unlock(&helper->mutex);
    return there;
}

void journal_helper_acknowledge(struct journal_helper *helper, const struct journal_cursor *cursor)
{
    pthread_mutex_lock(&helper->mutex);
    const struct journal_cursor *last = &helper->acknowledged;
    bool repeated = cursor->segment == last->segment && cursor->offset == last->offset &&
                    cursor->check == last->check;
    helper->acknowledged = *cursor;
    if (!repeated && cursor->segment > helper->confirmed) {
        helper->to_confirm = true;
        helper_wake(helper, 0);
    }
    pthread_mutex_unlock(&helper->mutex);
}

void journal_helper_keep(struct journal_helper *helper, uint32_t number)
{
    pthread_mutex_lock(&helper->mutex);
    if (helper->keep != number) {
        helper->keep = number;
        helper_wake(helper, 0);
    }
    pthread_mutex_unlock(&helper->mutex);
}

void journal_helper_read(struct journal_helper *helper, struct journal_progress *progress)
{
    uint64_t count;
    ssize_t length = read(helper->event_fd, &count, sizeof(count));
    (void)length; // nothing to read is no matter
    pthread_mutex_lock(&helper->mutex);
    *progress = helper->progress;
    if (helper->progress.loss.segment != 0) {
        helper->progress.loss = (struct journal_loss){0};
        helper_wake(helper, 0);
    }
    pthread_mutex_unlock(&helper->mutex);
}
