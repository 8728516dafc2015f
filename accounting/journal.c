// Journal: appends records to the segment in use, goes on to the next one, and keeps room for the
// end of everything that was begun.
//
// Room. Every open reservation books room for its settlement (without raw usage, which is left out
// if the disk is full) or for the batch that it becomes the reservation of, every batch for its
// end, every live run for its close. The booked room is always there: in the segment in use, or in
// the next one, already made, of which half is kept for bookings and half for its checkpoint. What
// would break this is refused with -ENOSPC.
#include "journal_state.h"

#include "cleanup.h"
#include "clock.h"
#include "journal_checkpoint.h"
#include "journal_directory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

void journal_enter(struct journal *journal, enum journal_state state)
{
    assert(state != JOURNAL_OPENING && journal->state != JOURNAL_HANDED_OVER);
    journal->state = state;
}

static uint64_t journal_position(const struct journal *journal)
{
    return (uint64_t)journal->current.number << 32 | journal->offset;
}

// Going on to the next segment.

static void journal_take_next(struct journal *journal)
{
    if (journal->next.number == 0)
        journal_helper_take(journal->helper, &journal->next);
}

static void journal_strand(struct journal *journal, int code)
{
    journal->stranded_code = code;
    journal_enter(journal, JOURNAL_STRANDED);
}

// Tells readers that the segment in use is over. They find out without it too.
static void journal_write_segment_end(struct journal *journal)
{
    struct journal_segment_end end = {.next_segment = journal->next.number,
                                      .written_at_us = clock_now_us()};
    struct journal_record record = {JOURNAL_SEGMENT_END, {&end}};
    uint8_t bytes[64];
    assert(journal->segment_end_bytes <= sizeof(bytes));
    size_t length = journal_record_encode(&record, bytes);
    if (journal->offset + length <= journal->current.bytes &&
        journal_segment_write(journal->current.fd, bytes, length, journal->offset, NULL) == 0)
        journal->offset += length;
}

// Says why nothing can be appended.
static int journal_refuse(const struct journal *journal, struct error *err)
{
    int code = journal->state == JOURNAL_STRANDED ? journal->stranded_code : -ENOSPC;
    return error_set(err, code, "no room in the journal before its next segment is made%s%s",
                     journal->problem.code < 0 ? ": " : "", journal->problem.text);
}

// Begins the next segment with a checkpoint. Without one made in advance: -ENOSPC, or what the
// journal is stranded for. On failure of the disk the journal is stranded.
static int journal_begin_next(struct journal *journal, struct error *err)
{
    journal_take_next(journal);
    if (journal->next.number == 0)
        return journal_refuse(journal, err);
    cleanup_with(journal_checkpoint_done) struct journal_checkpoint checkpoint;
    int result = journal_checkpoint_gather(&checkpoint, &journal->options, &journal->live,
                                           journal->next.bytes / 2, err);
    if (result < 0)
        return result;
    if (journal->state == JOURNAL_WRITING)
        journal_write_segment_end(journal);
    uint64_t end = journal_position(journal);
    struct journal_open_segment begun = journal->next;
    journal->next = (struct journal_open_segment){.fd = -1};
    result = journal_segment_write(begun.fd, checkpoint.bytes, checkpoint.length,
                                   JOURNAL_SEGMENT_HEADER_BYTES, err);
    if (result < 0) {
        close(begun.fd); // nothing will be found in it
        journal_strand(journal, result);
    } else {
        journal->current = begun;
        journal->offset = JOURNAL_SEGMENT_HEADER_BYTES + checkpoint.length;
        journal->checkpoint_end = journal_position(journal);
        journal_enter(journal, JOURNAL_WRITING);
        journal_helper_use(journal->helper, &begun, journal->checkpoint_end, end);
    }
    journal_helper_make(journal->helper, begun.number + 1);
    return result;
}

// Opening.

static int skip_record(const struct journal_record *record, void *context, struct error *err)
{
    (void)record;
    (void)context;
    (void)err;
    return 0;
}

// Goes on in the segment that was replayed.
static int resume_current(struct journal *journal, const struct journal_replay *found,
                          struct error *err)
{
    int result = journal_directory_resume(journal->directory_fd, found, &journal->current, err);
    if (result < 0)
        return result;
    journal->offset = found->offset;
    journal->checkpoint_end = journal_position(journal);
    journal_enter(journal, JOURNAL_WRITING);
    journal_helper_use(journal->helper, &journal->current, journal->checkpoint_end, 0);
    return 0;
}

// Gets the segments to write to, one to begin with and the next. A full disk leaves the journal
// stranded, which is no failure.
static int open_segments(struct journal *journal, const struct journal_replay *found,
                         struct error *err)
{
    struct journal_header header = {.segment = found->newest + 1, .made_at_us = clock_now_us()};
    memcpy(header.journal_id, journal->journal_id, sizeof(header.journal_id));
    uint64_t bytes = (uint64_t)journal->options.segment_bytes;
    bool resumes = found->segment != 0 && found->segment == found->newest && !found->segment_over;
    int result =
        journal_directory_adopt(journal->directory_fd, &header, bytes, &journal->next, err);
    if (result == 0 && resumes)
        result = resume_current(journal, found, err);
    if (result < 0)
        return result;
    if (!resumes)
        journal_strand(journal, -ENOSPC);

    int fd;
    if (journal->next.number == 0) {
        result = journal_segment_make(journal->directory_fd, &header, bytes, &fd, err);
        if (result == 0)
            journal->next = (struct journal_open_segment){header.segment, fd, bytes};
        else if (resumes || result == -ENOSPC)
            journal_helper_make(journal->helper, header.segment);
        else
            return result;
    }
    return resumes || journal->next.number == 0 ? 0 : journal_begin_next(journal, err);
}

static int journal_start(struct journal *journal, struct journal_replay *found, struct error *err)
{
    const struct journal_options *options = &journal->options;
    static const uint8_t no_id[JOURNAL_ID_BYTES];
    int result = journal_directory_open(options->directory, &journal->directory_fd, err);
    if (result == 0)
        result = journal_replay(journal->directory_fd,
                                options->replay != NULL ? options->replay : skip_record,
                                options->context, found, err);
    if (result < 0)
        return result;
    journal->live = found->live;
    found->live = (struct journal_live){0};
    memcpy(journal->journal_id, found->journal_id, sizeof(journal->journal_id));
    if (memcmp(journal->journal_id, no_id, sizeof(no_id)) == 0 &&
        getrandom(journal->journal_id, sizeof(journal->journal_id), 0) !=
            sizeof(journal->journal_id))
        return error_set_errno(err, -errno, "drawing the journal's id");

    struct journal_helper_options helper = {.directory_fd = journal->directory_fd,
                                            .segment_bytes = (uint64_t)options->segment_bytes};
    memcpy(helper.journal_id, journal->journal_id, sizeof(helper.journal_id));
    result = journal_helper_start(&journal->helper, &helper, err);
    return result < 0 ? result : open_segments(journal, found, err);
}

int journal_open(struct journal **journal, const struct journal_options *options,
                 struct journal_replay *found, struct error *err)
{
    struct journal *opened = calloc(1, sizeof(*opened));
    struct journal_replay replay = {0};
    if (opened == NULL)
        return error_set(err, -ENOMEM, "out of memory for the journal");
    opened->options = *options;
    if (options->segment_bytes == 0)
        opened->options.segment_bytes = JOURNAL_SEGMENT_BYTES;
    assert(opened->options.segment_bytes >= JOURNAL_SEGMENT_BYTES_MIN &&
           opened->options.segment_bytes <= JOURNAL_SEGMENT_BYTES_MAX);
    opened->settlement_bytes = journal_record_length_max(JOURNAL_SETTLEMENT);
    opened->batch_end_bytes = journal_record_length_max(JOURNAL_BATCH_END);
    assert(journal_record_length_max(JOURNAL_BATCH) + opened->batch_end_bytes <=
           opened->settlement_bytes);
    opened->run_close_bytes = journal_record_length_max(JOURNAL_RUN_CLOSE);
    opened->segment_end_bytes = journal_record_length_max(JOURNAL_SEGMENT_END);
    opened->directory_fd = opened->current.fd = opened->next.fd = -1;
    int result = journal_start(opened, &replay, err);
    opened->options.directory = NULL; // the caller's
    if (result < 0) {
        journal_close(opened);
        return error_wrap(err, "opening the journal in %s", options->directory);
    }
    if (found != NULL)
        *found = replay;
    *journal = opened;
    return 0;
}

const struct journal_live *journal_live(const struct journal *journal)
{
    return &journal->live;
}

// Appending.

// Whether room was booked for the record. For the rows of a batch none was: they can be written
// again.
static bool record_has_room(const struct journal_record *record)
{
    switch (record->type) {
    case JOURNAL_SETTLEMENT:
        return record->settlement->batch_id[0] == '\0';
    case JOURNAL_RUN_CLOSE:
    case JOURNAL_BATCH:
    case JOURNAL_BATCH_END:
        return true;
    default:
        return false;
    }
}

// Room that the open reservations, batches and runs have booked.
static uint64_t journal_booked(const struct journal *journal)
{
    return journal->live.reservation_count * journal->settlement_bytes +
           journal->live.batch_count * journal->batch_end_bytes +
           journal->live.run_count * journal->run_close_bytes;
}

// What `type` books when it is appended.
static uint64_t record_books(const struct journal *journal, enum journal_record_type type)
{
    if (type == JOURNAL_RESERVATION)
        return journal->settlement_bytes;
    return type == JOURNAL_RUN_OPEN ? journal->run_close_bytes : 0;
}

static bool journal_fits_current(const struct journal *journal, uint64_t length)
{
    return journal->state == JOURNAL_WRITING &&
           journal->offset + length + journal->segment_end_bytes <= journal->current.bytes;
}

// Whether there is room for `length` bytes and for everything that is booked besides.
static bool journal_covers(const struct journal *journal, uint64_t length, uint64_t booked)
{
    return journal_fits_current(journal, length + booked) ||
           (journal->next.number != 0 &&
            length + booked + journal->segment_end_bytes <=
                journal->next.bytes / 2 - JOURNAL_SEGMENT_HEADER_BYTES);
}

// Encodes the record into the buffer, so that it leaves room for what is booked, or refuses it.
static int journal_encode(struct journal *journal, const struct journal_record *record,
                          size_t *length, struct error *err)
{
    uint64_t booked = journal_booked(journal) + record_books(journal, record->type);
    *length = journal_record_encode(record, journal->buffer);
    if (!journal_covers(journal, *length, booked))
        journal_take_next(journal);
    if (journal_covers(journal, *length, booked))
        return 0;
    if (!record_has_room(record))
        return journal_refuse(journal, err);
    if (record->type == JOURNAL_SETTLEMENT) { // raw usage has no room booked
        struct journal_settlement settlement = *record->settlement;
        settlement.usage_json = NULL;
        *length = journal_record_encode(&(struct journal_record){record->type, {&settlement}},
                                        journal->buffer);
    }
    return 0;
}

// Writes the buffer to the end of the segment in use. A part that was written is taken back; a
// segment in which that fails, or which fails otherwise than by being full, is used no more.
static int journal_write(struct journal *journal, size_t length, struct error *err)
{
    int fd = journal->current.fd;
    int result = journal_segment_write(fd, journal->buffer, length, journal->offset, err);
    if (result == 0) {
        journal->offset += length;
        return 0;
    }
    int restored = journal_segment_zero(fd, journal->offset, journal->offset + length, NULL);
    if (restored < 0 || result != -ENOSPC)
        journal_strand(journal, result);
    return result;
}

// Writes the buffer into the segment in use, or the next one if it does not fit or writing fails.
static int journal_put(struct journal *journal, size_t length, struct error *err)
{
    if (journal_fits_current(journal, length)) {
        int result = journal_write(journal, length, err);
        if (result == 0 || journal_begin_next(journal, NULL) < 0)
            return result;
    } else {
        int result = journal_begin_next(journal, err);
        if (result < 0)
            return result;
    }
    return journal_write(journal, length, err);
}

int journal_append(struct journal *journal, const struct journal_record *record, uint64_t *position,
                   struct error *err)
{
    assert(record->type < JOURNAL_ACCOUNT); // the others are the journal's own
    size_t length = 0;
    if (journal->state == JOURNAL_HANDED_OVER)
        return journal_forward(journal, record, position, err);
    int result = journal_live_make_room(&journal->live, record, err);
    if (result == 0)
        result = journal_encode(journal, record, &length, err);
    if (result == 0)
        result = journal_put(journal, length, err);
    if (result < 0) {
        journal_helper_retry(
            journal->helper); // there may be room by now, for the next one who asks
        return result;
    }
    journal_live_apply(&journal->live, record);
    journal_helper_written(journal->helper, journal_position(journal));
    if (position != NULL)
        *position = journal_position(journal);
    return 0;
}

// Waiting.

void journal_wait(struct journal *journal, struct journal_waiter *waiter)
{
    struct journal_waiter **link = &journal->waiters;
    while (*link != NULL && (*link)->position <= waiter->position)
        link = &(*link)->next;
    waiter->next = *link;
    *link = waiter;
    if (journal_is_synced(journal, waiter->position))
        journal_helper_ring(journal->helper);
    else
        journal_helper_hurry(journal->helper, waiter->position);
}

void journal_wait_cancel(struct journal *journal, struct journal_waiter *waiter)
{
    for (struct journal_waiter **link = &journal->waiters; *link != NULL; link = &(*link)->next) {
        if (*link == waiter) {
            *link = waiter->next;
            return;
        }
    }
}

bool journal_is_synced(const struct journal *journal, uint64_t position)
{
    return journal->state == JOURNAL_HANDED_OVER || position <= journal->synced;
}

int journal_event_fd(const struct journal *journal)
{
    return journal_helper_event_fd(journal->helper);
}

void journal_call_waiters(struct journal *journal, const struct journal_loss *loss)
{
    struct journal_waiter *waiter;
    while ((waiter = journal->waiters) != NULL) {
        bool lost = loss->segment != 0 && waiter->position > loss->from &&
                    journal_position_segment(waiter->position) == loss->segment;
        if (!lost && !journal_is_synced(journal, waiter->position))
            return;
        journal->waiters = waiter->next;
        waiter->next = NULL;
        waiter->synced(waiter, lost ? loss->result : 0);
    }
}

void journal_dispatch(struct journal *journal)
{
    struct journal_progress progress;
    if (journal->state == JOURNAL_HANDED_OVER) {
        journal_call_waiters(journal, &journal->last_loss);
        return;
    }
    journal_helper_read(journal->helper, &progress);
    journal->synced = progress.synced;
    journal->problem = progress.problem;
    journal_take_next(journal);
    if (progress.loss.segment != 0)
        journal->losses++;
    if (progress.loss.segment != 0 && progress.loss.segment == journal->current.number)
        journal_strand(journal, progress.loss.result);
    if (journal->state == JOURNAL_STRANDED)
        journal_begin_next(journal, NULL);
    if (journal->state == JOURNAL_WRITING && journal->synced >= journal->checkpoint_end)
        journal_helper_keep(journal->helper, journal->current.number); // a start begins there now
    journal_call_waiters(journal, &progress.loss);
}

void journal_delete_before(struct journal *journal, const struct journal_cursor *acknowledged)
{
    if (acknowledged->segment <= JOURNAL_SEGMENT_NUMBER_MAX)
        journal_helper_acknowledge(journal->helper, acknowledged);
}

void journal_read_status(const struct journal *journal, struct journal_status *status)
{
    *status = (struct journal_status){
        .position = journal_position(journal),
        .synced = journal->synced,
        .full =
            !journal_covers(journal, journal_record_length_max(JOURNAL_RESERVATION),
                            journal_booked(journal) + record_books(journal, JOURNAL_RESERVATION)),
        .losses = journal->losses,
        .problem = journal->problem,
    };
}

void journal_stop(struct journal *journal, struct journal_loss *loss)
{
    struct journal_progress progress = {0};
    if (journal->helper != NULL)
        journal_helper_stop(take_pointer(&journal->helper), &progress);
    journal->synced = progress.synced;
    *loss = progress.loss;
    if (journal->next.fd >= 0)
        close(take_fd(&journal->next.fd));
    if (journal->directory_fd >= 0)
        close(take_fd(&journal->directory_fd));
}

void journal_close(struct journal *journal)
{
    struct journal_loss loss;
    if (journal == NULL)
        return;
    journal_stop(journal, &loss);
    journal_call_waiters(journal, &loss);
    for (struct journal_waiter *waiter; (waiter = journal->waiters) != NULL;) {
        journal->waiters = waiter->next;
        waiter->synced(waiter, -EIO); // the journal was stranded
    }
    journal_live_done(&journal->live);
    free(journal);
}
