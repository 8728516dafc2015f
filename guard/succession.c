// Succession: the daemon takes the place of another one.

#include "succession.h"

#include "agent_pass.h"
#include "batches.h"
#include "cleanup.h"
#include "handover_message.h"
#include "journal.h"
#include "log.h"
#include "ownership.h"
#include "proxy.h"
#include "run_ceiling.h"
#include "server.h"
#include "settle.h"
#include "waiting.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGES_PER_TURN 64 // of one predecessor, that the agents need not wait for

struct predecessor {
    struct succession *succession;
    int fd; // -1: the place is free
    int64_t pid;
    struct event *readable; // NULL before the start
};

struct succession {
    struct proxy *proxy;
    struct server *server;
    struct predecessor predecessors[SUCCESSION_MAX];
    struct predecessor *direct; // that this daemon takes the place of; NULL: none, or it has ended
    struct restore_in_flight *in_flight;
    int64_t *pids; // whose each of them is
    size_t in_flight_count;
    struct handover_packet packet;
};

int succession_new(struct succession **succession, int fd, struct proxy *proxy, struct error *err)
{
    struct succession *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        cleanup_close_fd(&fd);
        return error_set(err, -ENOMEM, "out of memory for the predecessors");
    }
    made->proxy = proxy;
    for (size_t i = 0; i < SUCCESSION_MAX; i++) {
        made->predecessors[i].succession = made;
        made->predecessors[i].fd = -1;
    }
    if (fd >= 0) {
        made->direct = &made->predecessors[0];
        made->direct->fd = fd;
    }
    *succession = made;
    return 0;
}

static void predecessor_drop(struct predecessor *predecessor)
{
    if (predecessor->readable != NULL)
        event_free(take_pointer(&predecessor->readable));
    if (predecessor->fd >= 0)
        close(take_fd(&predecessor->fd));
    if (predecessor->succession->direct == predecessor)
        predecessor->succession->direct = NULL;
}

// The runs have nothing in flight there any more that would come to this process.
static void in_flight_forget(struct succession *succession)
{
    struct run_table *runs = succession->proxy->runs; // NULL: it has not got that far
    for (size_t i = 0; runs != NULL && i < succession->in_flight_count; i++) {
        struct live_run *run = run_table_find_id(runs, succession->in_flight[i].reservation.run_id);
        if (run != NULL)
            run->exchanges_in_flight--;
    }
    succession->in_flight_count = 0;
}

void succession_free(struct succession *succession)
{
    if (succession == NULL)
        return;
    in_flight_forget(succession);
    for (size_t i = 0; i < SUCCESSION_MAX; i++)
        predecessor_drop(&succession->predecessors[i]);
    free(succession->in_flight);
    free(succession->pids);
    free(succession);
}

static size_t count_predecessors(const struct succession *succession)
{
    size_t count = 0;
    for (size_t i = 0; i < SUCCESSION_MAX; i++)
        count += succession->predecessors[i].fd >= 0;
    return count;
}

bool succession_has_predecessor(const struct succession *succession)
{
    return count_predecessors(succession) > 0;
}

bool succession_is_full(const struct succession *succession)
{
    return count_predecessors(succession) == SUCCESSION_MAX;
}

size_t succession_count_in_flight(const struct succession *succession)
{
    return succession->in_flight_count;
}

// ---- what is in flight there

static int in_flight_add(struct succession *succession, const struct handover_in_flight *told,
                         struct error *err)
{
    size_t count = succession->in_flight_count;
    if (count == JOURNAL_LIVE_RESERVATIONS_MAX)
        return error_set(err, -ENOSPC, "more than %d exchanges in flight", (int)count);
    struct restore_in_flight *in_flight =
        reallocarray(succession->in_flight, count + 1, sizeof(*in_flight));
    if (in_flight != NULL)
        succession->in_flight = in_flight;
    int64_t *pids = reallocarray(succession->pids, count + 1, sizeof(*pids));
    if (pids != NULL)
        succession->pids = pids;
    if (in_flight == NULL || pids == NULL)
        return error_set(err, -ENOMEM, "out of memory for exchanges in flight");
    memcpy(in_flight[count].exchange_id, told->exchange_id, EXCHANGE_ID_BYTES);
    in_flight[count].reservation = told->reservation;
    pids[count] = told->pid;
    succession->in_flight_count++;
    return 0;
}

// False: it is not, or no longer, known. It is in flight no more afterwards.
static bool in_flight_take(struct succession *succession, const uint8_t *exchange_id,
                           struct budget_reservation *reservation)
{
    for (size_t i = 0; i < succession->in_flight_count; i++) {
        if (memcmp(succession->in_flight[i].exchange_id, exchange_id, EXCHANGE_ID_BYTES) != 0)
            continue;
        size_t last = --succession->in_flight_count;
        *reservation = succession->in_flight[i].reservation;
        succession->in_flight[i] = succession->in_flight[last];
        succession->pids[i] = succession->pids[last];
        return true;
    }
    return false;
}

void succession_read_in_flight(const struct succession *succession, struct restore_targets *targets)
{
    targets->in_flight = succession->in_flight;
    targets->in_flight_count = succession->in_flight_count;
}

void succession_run_opened(const struct succession *succession, struct live_run *run)
{
    for (size_t i = 0; i < succession->in_flight_count; i++)
        if (strcmp(succession->in_flight[i].reservation.run_id, run->id) == 0)
            run->exchanges_in_flight++;
}

// One exchange of the run is over there. The run may end with that.
static void run_let_go(struct succession *succession, struct live_run *run)
{
    run->exchanges_in_flight--;
    succession->proxy->run_exchange_ended(run, succession->proxy->context);
}

// ---- taking over

static int await(struct succession *succession, struct handover_packet *packet, struct error *err)
{
    int result;
    do {
        result = handover_receive(succession->direct->fd, 0, packet, err);
    } while (result == -ENOTSUP || result == -EAGAIN);
    return result;
}

// An older one. There is a place, as whoever has it there was not full.
static int predecessor_add(struct succession *succession, int64_t pid, int *fd, struct error *err)
{
    for (size_t i = 0; i < SUCCESSION_MAX && *fd >= 0; i++) {
        struct predecessor *predecessor = &succession->predecessors[i];
        if (predecessor->fd >= 0)
            continue;
        predecessor->fd = take_fd(fd);
        predecessor->pid = pid;
        return 0;
    }
    return error_set(err, -EBADMSG, "a predecessor too many, or without its socket");
}

// What the predecessor says, up to TAKE.
static int take_one(struct succession *succession, struct handover_packet *packet,
                    struct passed_sockets *sockets, bool *owns_control_file, struct error *err)
{
    const struct handover_message *message = &packet->message;
    switch (message->type) {
    case HANDOVER_PREDECESSOR:
        return predecessor_add(succession, message->predecessor.pid, &packet->fds[0], err);
    case HANDOVER_IN_FLIGHT:
        return in_flight_add(succession, &message->in_flight, err);
    case HANDOVER_TAKE:
        if (packet->fds[0] < 0 || packet->fds[1] < 0)
            return error_set(err, -EBADMSG, "the predecessor has passed no sockets to listen on");
        succession->direct->pid = message->take.pid;
        *owns_control_file = message->take.owns_control_file;
        sockets->agents_fd = take_fd(&packet->fds[0]);
        sockets->control_fd = take_fd(&packet->fds[1]);
        return 0;
    default:
        return error_set(err, -EBADMSG, "the predecessor says something else");
    }
}

int succession_take(struct succession *succession, const char *journal_directory,
                    struct passed_sockets *sockets, bool *owns_control_file, struct error *err)
{
    struct handover_packet *packet = &succession->packet;
    struct handover_message prepared = {.type = HANDOVER_PREPARED, .prepared.pid = getpid()};
    enum handover_type type;
    *owns_control_file = false;
    if (succession->direct == NULL)
        return 0;
    snprintf(prepared.prepared.journal_directory, sizeof(prepared.prepared.journal_directory), "%s",
             journal_directory);
    int result = handover_send(succession->direct->fd, 0, &prepared, NULL, 0, err);
    alarm(0); // see successor_start.h; from here on the predecessor's end is ours
    do {
        if (result == 0)
            result = await(succession, packet, err);
        if (result < 0)
            return error_wrap(err, "taking over from the daemon that serves");
        type = packet->message.type;
        result = take_one(succession, packet, sockets, owns_control_file, err);
        handover_packet_done(packet);
    } while (result < 0 || type != HANDOVER_TAKE);
    return 0;
}

void succession_fail(struct succession *succession, const struct error *err)
{
    struct handover_message message = {.type = HANDOVER_FAILED};
    if (succession == NULL || succession->direct == NULL)
        return;
    snprintf(message.failed.text, sizeof(message.failed.text), "%s", err->text);
    handover_send(succession->direct->fd, MSG_DONTWAIT, &message, NULL, 0, NULL);
}

// ---- what predecessors say

static void book(struct succession *succession, const struct journal_settlement *settlement)
{
    struct proxy *proxy = succession->proxy;
    struct live_run *run = run_table_find_id(proxy->runs, settlement->run_id);
    struct budget_reservation reservation;
    struct budget_ceiling above;
    if (!in_flight_take(succession, settlement->exchange_id, &reservation) || run == NULL) {
        // What is not booked stays open in the journal: the next start charges it in full.
        log_event(LOG_CRIT, "settlement_of_nothing", "run", settlement->run_id, NULL);
        return;
    }
    if (settle_book(proxy, run, &reservation, settlement, NULL, &above))
        run_above_ceiling(proxy, run, &above);
    waiting_retry(proxy); // what was only held is free again
    run_let_go(succession, run);
}

static void take_batch(struct succession *succession, const struct journal_batch *batch)
{
    struct proxy *proxy = succession->proxy;
    struct live_run *run = run_table_find_id(proxy->runs, batch->run_id);
    struct budget_reservation reservation;
    struct error err;
    if (!in_flight_take(succession, batch->exchange_id, &reservation) || run == NULL) {
        log_event(LOG_CRIT, "batch_of_nothing", "run", batch->run_id, NULL);
        return;
    }
    if (batches_take_over(proxy->batches, batch, &reservation, &err) < 0)
        log_event(LOG_CRIT, "batch_not_followed", "batch", batch->batch_id, "error", err.text,
                  NULL);
    run_let_go(succession, run);
}

static void take_record(struct succession *succession, struct slice bytes)
{
    struct proxy *proxy = succession->proxy;
    union journal_record_fields fields;
    struct journal_record record;
    struct error err;
    int result =
        bytes.length < JOURNAL_FRAME_BYTES
            ? error_set(&err, -EBADMSG, "a record of %zu bytes", bytes.length)
            : journal_record_decode((const uint8_t *)bytes.bytes + JOURNAL_FRAME_BYTES,
                                    bytes.length - JOURNAL_FRAME_BYTES, &fields, &record, &err);
    if (result == 0 && record.type == JOURNAL_SETTLEMENT)
        book(succession, record.settlement);
    else if (result == 0 && record.type == JOURNAL_BATCH)
        take_batch(succession, record.batch);
    else if (result == 0 && record.type == JOURNAL_OWNED && proxy->ownership != NULL)
        result = ownership_add(proxy->ownership, proxy->journal, slice_of(record.owned->id),
                               record.owned->job, NULL, &err);
    if (result < 0)
        log_event(LOG_ERR, "record_not_taken", "error", err.text, NULL);
}

static void take_agent(struct succession *succession, struct handover_packet *packet)
{
    struct slice bytes = packet->message.agent.bytes;
    if (packet->fds[0] >= 0)
        server_adopt(succession->server, &(struct agent_parts){
                                             .fd = take_fd(&packet->fds[0]),
                                             .bytes = bytes,
                                             .rest_fd = take_fd(&packet->fds[1]),
                                         });
    if (bytes.length > 0) // heads hold run keys
        explicit_bzero((char *)(uintptr_t)bytes.bytes, bytes.length);
}

static void take_counts(struct succession *succession, const struct handover_counts *counts)
{
    struct live_run *run = run_table_find_id(succession->proxy->runs, counts->run_id);
    if (run == NULL)
        return;
    run->free_calls += counts->free_calls;
    run->refused += counts->refused;
}

static void take(struct succession *succession, struct handover_packet *packet)
{
    switch (packet->message.type) {
    case HANDOVER_RECORD:
        take_record(succession, packet->message.record.bytes);
        break;
    case HANDOVER_AGENT:
        take_agent(succession, packet);
        break;
    case HANDOVER_COUNTS:
        take_counts(succession, &packet->message.counts);
        break;
    default:
        log_event(LOG_ERR, "predecessor_misunderstood", "type",
                  log_int((int64_t)packet->message.type), NULL);
        break;
    }
}

// It has ended: what it has not told of is charged in full.
static void predecessor_end(struct predecessor *predecessor)
{
    struct succession *succession = predecessor->succession;
    const struct journal_live *live = journal_live(succession->proxy->journal);
    size_t orphans = 0;
    for (size_t i = 0; i < succession->in_flight_count;) {
        const struct journal_reservation *reservation =
            journal_live_find_reservation(live, succession->in_flight[i].exchange_id);
        if (succession->pids[i] != predecessor->pid || reservation == NULL) {
            i++;
            continue;
        }
        struct journal_settlement orphan = restore_orphan(reservation);
        book(succession, &orphan); // the last one comes into this place
        orphans++;
    }
    log_event(orphans > 0 ? LOG_ERR : LOG_NOTICE, "predecessor_ended", "pid",
              log_int(predecessor->pid), "orphans", orphans > 0 ? log_int((int64_t)orphans) : NULL,
              NULL);
    predecessor_drop(predecessor);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct predecessor *predecessor = context;
    struct succession *succession = predecessor->succession;
    struct error err;
    (void)what;
    for (int i = 0; i < MESSAGES_PER_TURN; i++) {
        int result = handover_receive(fd, MSG_DONTWAIT, &succession->packet, &err);
        if (result == -EAGAIN)
            return;
        if (result == 0) {
            take(succession, &succession->packet);
            handover_packet_done(&succession->packet);
        } else if (result == -EBADMSG) {
            log_event(LOG_ERR, "predecessor_misunderstood", "error", err.text, NULL);
        } else if (result != -ENOTSUP) {
            predecessor_end(predecessor);
            return;
        }
    }
}

int succession_start(struct succession *succession, struct event_base *base, struct server *server,
                     struct error *err)
{
    struct handover_message ready = {.type = HANDOVER_READY};
    succession->server = server;
    for (size_t i = 0; i < SUCCESSION_MAX; i++) {
        struct predecessor *predecessor = &succession->predecessors[i];
        if (predecessor->fd < 0)
            continue;
        predecessor->readable =
            event_new(base, predecessor->fd, EV_READ | EV_PERSIST, on_readable, predecessor);
        if (predecessor->readable == NULL)
            return error_set(err, -ENOMEM, "out of memory for the predecessors");
        event_add(predecessor->readable, NULL);
    }
    if (succession->direct != NULL) // one that has gone by now is heard to
        handover_send(succession->direct->fd, 0, &ready, NULL, 0, NULL);
    return 0;
}

// ---- what is said to them, and passed on

void succession_cancel_run(const struct succession *succession, const struct live_run *run)
{
    struct handover_message message = {.type = HANDOVER_CANCEL};
    struct error err;
    memcpy(message.cancel.run_id, run->id, sizeof(message.cancel.run_id));
    for (size_t i = 0; i < SUCCESSION_MAX; i++)
        if (succession->predecessors[i].fd >= 0 &&
            handover_send(succession->predecessors[i].fd, MSG_DONTWAIT, &message, NULL, 0, &err) <
                0)
            log_event(LOG_ERR, "run_not_cancelled", "run", run->id, "pid",
                      log_int(succession->predecessors[i].pid), "error", err.text, NULL);
}

int succession_hand_over(struct succession *succession, int fd, struct error *err)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < SUCCESSION_MAX; i++) {
        struct predecessor *predecessor = &succession->predecessors[i];
        struct handover_message message = {.type = HANDOVER_PREDECESSOR,
                                           .predecessor.pid = predecessor->pid};
        if (predecessor->fd >= 0)
            result = handover_send(fd, 0, &message, &predecessor->fd, 1, err);
        predecessor_drop(predecessor);
    }
    for (size_t i = 0; result == 0 && i < succession->in_flight_count; i++) {
        struct handover_message message = {.type = HANDOVER_IN_FLIGHT,
                                           .in_flight = {.pid = succession->pids[i]}};
        memcpy(message.in_flight.exchange_id, succession->in_flight[i].exchange_id,
               EXCHANGE_ID_BYTES);
        message.in_flight.reservation = succession->in_flight[i].reservation;
        result = handover_send(fd, 0, &message, NULL, 0, err);
    }
    in_flight_forget(succession);
    return result;
}
