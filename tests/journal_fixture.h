// A journal in a directory of its own, a random workload on it, and what it must add up to.
//
// Every record that was appended is logged with its position and a digest of the state after it:
// what is settled, which reservations are open, which runs are live. A replay has to arrive at the
// digest of one of them, at which one depends on what was done to the files.
#pragma once

#include "journal.h"
#include "journal_follow.h"
#include "journal_samples.h"
#include "suite_run.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

// Tests that open thousands of journals and leave syncing aside put them into memory, if they can.
#ifndef FIXTURE_PARENT
#define FIXTURE_PARENT "/tmp"
#endif
#define FIXTURE_LOG_MAX 20000
#define FIXTURE_FILES_MAX 64
#define FIXTURE_WAIT_MAX_MS 10000 // a test that waits this long has failed

struct fixture_entry {
    uint64_t position;
    uint64_t digest; // of the state after it
    uint64_t tag;    // of the record
};

struct fixture {
    char directory[64];
    int64_t segment_bytes;
    struct samples samples;
    struct journal *journal;
    struct journal_replay found;  // by the latest open or replay
    uint64_t replayed_settled;    // what a replay adds up
    uint64_t settled;             // what the owner of the journal has booked
    int64_t sequence;             // of alerts
    struct journal_live expected; // the live set as the log has it
    size_t log_count;
    struct fixture_entry log[FIXTURE_LOG_MAX]; // [0]: before everything
};

// In a child: has nothing open but `kept_fd`, or -1. What it asserts would be written into check's
// file while the parent writes there, or be cut short when it is killed.
static inline void fixture_be_child(int kept_fd)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    for (int fd = STDERR_FILENO + 1; fd < FIXTURE_FILES_MAX; fd++)
        if (fd != kept_fd && fd != null && fcntl(fd, F_GETFD) >= 0)
            dup2(null, fd);
}

static inline void fixture_init(struct fixture *fixture, int64_t segment_bytes, uint64_t seed)
{
    memset(fixture, 0, offsetof(struct fixture, log));
    const char *parent = access(FIXTURE_PARENT, W_OK) == 0 ? FIXTURE_PARENT : "/tmp";
    snprintf(fixture->directory, sizeof(fixture->directory), "%s/reeve-journal-XXXXXX", parent);
    ck_assert_ptr_nonnull(mkdtemp(fixture->directory));
    fixture->segment_bytes = segment_bytes;
    fixture->samples.state = seed;
    fixture->log[0] = (struct fixture_entry){0};
    fixture->log_count = 1;
}

static inline void fixture_done(struct fixture *fixture)
{
    journal_close(fixture->journal);
    journal_live_done(&fixture->expected);
    journal_live_done(&fixture->found.live);
    DIR *directory = opendir(fixture->directory);
    ck_assert_ptr_nonnull(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    ck_assert_int_eq(rmdir(fixture->directory), 0);
}

// Mixes bytes (FNV-1a).
static inline uint64_t fixture_mix(const void *bytes, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
    return hash;
}

// Of a record, raw usage apart, which is left out where there is no room for it.
static inline uint64_t fixture_tag(const struct journal_record *record)
{
    static _Thread_local uint8_t bytes[JOURNAL_RECORD_BYTES_MAX];
    struct journal_settlement settlement;
    struct journal_record tagged = *record;
    if (record->type == JOURNAL_SETTLEMENT) {
        settlement = *record->settlement;
        settlement.usage_json = NULL;
        tagged.settlement = &settlement;
    }
    return fixture_mix(bytes, journal_record_encode(&tagged, bytes));
}

// Of the whole state, whatever the order of what is open.
static inline uint64_t fixture_digest(uint64_t settled, const struct journal_live *live)
{
    uint64_t digest = settled * 0x9e3779b97f4a7c15;
    for (size_t i = 0; i < live->reservation_count; i++)
        digest += fixture_mix(&live->reservations[i], sizeof(live->reservations[i]));
    for (size_t i = 0; i < live->batch_count; i++)
        digest += fixture_mix(&live->batches[i], sizeof(live->batches[i]));
    for (size_t i = 0; i < live->run_count; i++)
        digest += fixture_mix(&live->runs[i], sizeof(live->runs[i]));
    return digest;
}

static inline int fixture_replay_record(const struct journal_record *record, void *context,
                                        struct error *err)
{
    struct fixture *fixture = context;
    (void)err;
    if (record->type == JOURNAL_ACCOUNT)
        fixture->replayed_settled += (uint64_t)record->account->settled.of[BUDGET_COST];
    if (record->type == JOURNAL_SETTLEMENT)
        fixture->replayed_settled += (uint64_t)record->settlement->cost_pico_usd;
    return 0;
}

// The owner of the journal takes back what it had booked.
static inline int fixture_restore_record(const struct journal_record *record, void *context,
                                         struct error *err)
{
    struct fixture *fixture = context;
    int result = fixture_replay_record(record, context, err);
    fixture->settled = fixture->replayed_settled;
    return result;
}

static inline void fixture_checkpoint(struct journal_checkpoint *checkpoint, void *context)
{
    struct fixture *fixture = context;
    struct journal_account account = {.scope = BUDGET_BOX_DAY};
    account.settled.of[BUDGET_COST] = (int64_t)fixture->settled;
    journal_checkpoint_account(checkpoint, &account);
}

static inline int fixture_try_open(struct fixture *fixture, struct error *err)
{
    struct journal_options options = {
        .directory = fixture->directory,
        .segment_bytes = fixture->segment_bytes,
        .replay = fixture_restore_record,
        .checkpoint = fixture_checkpoint,
        .context = fixture,
    };
    journal_live_done(&fixture->found.live);
    fixture->replayed_settled = 0;
    fixture->settled = 0;
    return journal_open(&fixture->journal, &options, &fixture->found, err);
}

static inline void fixture_open(struct fixture *fixture)
{
    struct error err = {0};
    ck_assert_msg(fixture_try_open(fixture, &err) == 0, "%s", err.text);
}

static inline void fixture_close(struct fixture *fixture)
{
    journal_close(fixture->journal);
    fixture->journal = NULL;
}

// The digest that a replay of the directory arrives at; changes nothing there.
static inline uint64_t fixture_replay(struct fixture *fixture)
{
    struct error err = {0};
    int fd = open(fixture->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    journal_live_done(&fixture->found.live);
    fixture->replayed_settled = 0;
    int result = journal_replay(fd, fixture_replay_record, fixture, &fixture->found, &err);
    ck_assert_msg(result == 0, "%s", err.text);
    close(fd);
    return fixture_digest(fixture->replayed_settled, &fixture->found.live);
}

// The digest after the last record that ends at or before `position`.
static inline uint64_t fixture_digest_at(const struct fixture *fixture, uint64_t position)
{
    size_t i = fixture->log_count;
    while (i > 0 && fixture->log[i - 1].position > position)
        i--;
    return fixture->log[i == 0 ? 0 : i - 1].digest;
}

static inline uint64_t fixture_last_digest(const struct fixture *fixture)
{
    return fixture->log[fixture->log_count - 1].digest;
}

// Waits for the helper to say something, and listens.
static inline void fixture_listen(struct fixture *fixture)
{
    struct pollfd event = {.fd = journal_event_fd(fixture->journal), .events = POLLIN};
    ck_assert_int_eq(poll(&event, 1, FIXTURE_WAIT_MAX_MS), 1);
    journal_dispatch(fixture->journal);
}

// Until everything that is written is on the disk.
static inline void fixture_sync(struct fixture *fixture)
{
    struct journal_status status;
    journal_read_status(fixture->journal, &status);
    while (status.synced < status.position) {
        fixture_listen(fixture);
        journal_read_status(fixture->journal, &status);
    }
}

// Appends and logs.
static inline int fixture_append(struct fixture *fixture, const struct journal_record *record,
                                 struct error *err)
{
    uint64_t position;
    int result = journal_append(fixture->journal, record, &position, err);
    if (result < 0)
        return result;
    ck_assert_uint_lt(fixture->log_count, FIXTURE_LOG_MAX);
    ck_assert_uint_gt(position, fixture->log[fixture->log_count - 1].position);
    ck_assert_int_eq(journal_live_make_room(&fixture->expected, record, NULL), 0);
    journal_live_apply(&fixture->expected, record);
    if (record->type == JOURNAL_SETTLEMENT)
        fixture->settled += (uint64_t)record->settlement->cost_pico_usd;
    fixture->log[fixture->log_count++] = (struct fixture_entry){
        position, fixture_digest(fixture->settled, &fixture->expected), fixture_tag(record)};
    return 0;
}

static inline int fixture_open_run(struct fixture *fixture, struct error *err)
{
    struct journal_run_open run = {0};
    sample_run_open(&fixture->samples, &run);
    struct journal_record record = {JOURNAL_RUN_OPEN, {&run}};
    return fixture_append(fixture, &record, err);
}

static inline int fixture_reserve(struct fixture *fixture, struct error *err)
{
    struct journal_reservation reservation = {0};
    const struct journal_live *live = &fixture->expected;
    sample_reservation(&fixture->samples, &reservation);
    if (live->run_count > 0) {
        size_t run = samples_below(&fixture->samples, live->run_count);
        memcpy(reservation.run_id, live->runs[run].open.run_id, sizeof(reservation.run_id));
    }
    struct journal_record record = {JOURNAL_RESERVATION, {&reservation}};
    return fixture_append(fixture, &record, err);
}

// Settles the open reservation number `index`.
static inline int fixture_settle(struct fixture *fixture, size_t index, struct error *err)
{
    struct journal_settlement settlement = {0};
    static _Thread_local char usage_json[JOURNAL_USAGE_JSON_MAX];
    struct journal_reservation reservation = fixture->expected.reservations[index];
    sample_settlement(&fixture->samples, &settlement, usage_json);
    settlement.cost_pico_usd = (int64_t)samples_below(&fixture->samples, 1000000000);
    settlement.usage_json_length =
        settlement.usage_json_length < 200 ? settlement.usage_json_length : 200;
    memcpy(settlement.exchange_id, reservation.exchange_id, EXCHANGE_ID_BYTES);
    memcpy(settlement.run_id, reservation.run_id, sizeof(settlement.run_id));
    settlement.batch_id[0] = '\0';
    struct journal_record record = {JOURNAL_SETTLEMENT, {&settlement}};
    return fixture_append(fixture, &record, err);
}

// Makes the open reservation number `index` a batch's.
static inline int fixture_batch(struct fixture *fixture, size_t index, struct error *err)
{
    struct journal_batch batch = {0};
    sample_batch(&fixture->samples, &batch);
    memcpy(batch.exchange_id, fixture->expected.reservations[index].exchange_id, EXCHANGE_ID_BYTES);
    struct journal_record record = {JOURNAL_BATCH, {&batch}};
    return fixture_append(fixture, &record, err);
}

static inline int fixture_end_batch(struct fixture *fixture, size_t index, struct error *err)
{
    struct journal_batch_end end = {0};
    sample_batch_end(&fixture->samples, &end);
    memcpy(end.batch_id, fixture->expected.batches[index].batch_id, sizeof(end.batch_id));
    struct journal_record record = {JOURNAL_BATCH_END, {&end}};
    return fixture_append(fixture, &record, err);
}

static inline int fixture_close_run(struct fixture *fixture, size_t index, struct error *err)
{
    struct journal_run_close run = {0};
    sample_run_close(&fixture->samples, &run);
    memcpy(run.run_id, fixture->expected.runs[index].open.run_id, sizeof(run.run_id));
    struct journal_record record = {JOURNAL_RUN_CLOSE, {&run}};
    return fixture_append(fixture, &record, err);
}

static inline int fixture_alert(struct fixture *fixture, struct error *err)
{
    struct journal_alert alert = {.raised_at_us = fixture->sequence + 1};
    SAMPLE_TEXT(&fixture->samples, alert.text);
    struct journal_record record = {JOURNAL_ALERT, {&alert}};
    int result = fixture_append(fixture, &record, err);
    if (result == 0)
        fixture->sequence++;
    return result;
}

// One step at random, with at most three runs, four reservations and two batches open.
static inline int fixture_step(struct fixture *fixture, struct error *err)
{
    const struct journal_live *live = &fixture->expected;
    switch (samples_below(&fixture->samples, 10)) {
    case 0:
        if (live->run_count < 3)
            return fixture_open_run(fixture, err);
        return fixture_close_run(fixture, samples_below(&fixture->samples, live->run_count), err);
    case 1:
        return fixture_alert(fixture, err);
    case 2:
        if (live->batch_count > 0)
            return fixture_end_batch(fixture, samples_below(&fixture->samples, live->batch_count),
                                     err);
        // fall through
    case 3:
        if (live->batch_count < 2 && live->reservation_count > 0)
            return fixture_batch(fixture, samples_below(&fixture->samples, live->reservation_count),
                                 err);
        // fall through
    case 4:
    case 5:
    case 6:
        if (live->reservation_count < 4)
            return fixture_reserve(fixture, err);
        // fall through
    default:
        if (live->reservation_count == 0)
            return fixture_reserve(fixture, err);
        return fixture_settle(fixture, samples_below(&fixture->samples, live->reservation_count),
                              err);
    }
}

// Steps that have to succeed; waits where the next segment is not made yet.
static inline void fixture_steps(struct fixture *fixture, size_t count)
{
    while (count > 0) {
        struct error err = {0};
        int result = fixture_step(fixture, &err);
        ck_assert_msg(result == 0 || result == -ENOSPC, "%s", err.text);
        if (result == 0)
            count--;
        else
            fixture_listen(fixture);
    }
}

static inline int fixture_open_segment(const struct fixture *fixture, uint32_t segment, int flags)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", fixture->directory, journal_segment_name(segment, name));
    int fd = open(path, flags | O_CLOEXEC, 0600);
    ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
    return fd;
}

static inline bool fixture_has_segment(const struct fixture *fixture, uint32_t segment)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", fixture->directory, journal_segment_name(segment, name));
    return access(path, F_OK) == 0;
}

static inline void fixture_remove_segment(const struct fixture *fixture, uint32_t segment)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", fixture->directory, journal_segment_name(segment, name));
    ck_assert_int_eq(unlink(path), 0);
}

// Tells the journal that everything before `segment` is in the ledger.
static inline void fixture_acknowledge(struct fixture *fixture, uint32_t segment)
{
    struct journal_follower *follower;
    struct journal_follow follow = {0};
    enum journal_follow_result result;
    ck_assert_int_eq(journal_follow_open(&follower, fixture->directory, NULL, NULL), 0);
    do
        result = journal_follow_next(follower, &follow, NULL);
    while (result > JOURNAL_FOLLOW_NOTHING_YET && follow.cursor.segment < segment);
    if (follow.cursor.segment == segment)
        journal_delete_before(fixture->journal, &follow.cursor);
    journal_follow_close(follower);
}

static inline int fixture_run_suite(const char *name, void (*add)(TCase *cases))
{
    Suite *suite = suite_create(name);
    TCase *cases = tcase_create(name);
    tcase_set_timeout(cases, getenv("REEVE_TEST_FULL") != NULL ? 3600 : 240);
    add(cases);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
