// Handover, telling: what a daemon has under way, as its successor has to know it.

#include "handover_tell.h"

#include "exchange.h"
#include "handover_message.h"

#include <string.h>
#include <unistd.h>

struct telling {
    int fd;
    int result;
    struct error *err;
};

static void on_reservation(const uint8_t exchange_id[static EXCHANGE_ID_BYTES],
                           const struct budget_reservation *reservation, void *context)
{
    struct telling *telling = context;
    struct handover_message message = {.type = HANDOVER_IN_FLIGHT,
                                       .in_flight = {.pid = getpid(), .reservation = *reservation}};
    memcpy(message.in_flight.exchange_id, exchange_id, EXCHANGE_ID_BYTES);
    if (telling->result == 0)
        telling->result = handover_send(telling->fd, 0, &message, NULL, 0, telling->err);
}

int handover_tell_in_flight(int fd, const struct proxy *proxy, struct error *err)
{
    struct telling telling = {.fd = fd, .err = err};
    exchange_each_reservation(proxy, on_reservation, &telling);
    return telling.result;
}

int handover_tell_record(int fd, const struct journal_record *record, struct error *err)
{
    uint8_t bytes[JOURNAL_RECORD_BYTES_MAX];
    size_t length = journal_record_encode(record, bytes);
    struct handover_message message = {.type = HANDOVER_RECORD,
                                       .record.bytes = {(const char *)bytes, length}};
    return handover_send(fd, 0, &message, NULL, 0, err);
}

void handover_tell_counts(int fd, struct live_run *run)
{
    struct handover_message message = {
        .type = HANDOVER_COUNTS,
        .counts = {.free_calls = run->free_calls, .refused = run->refused}};
    if (run->free_calls == 0 && run->refused == 0)
        return;
    memcpy(message.counts.run_id, run->id, sizeof(message.counts.run_id));
    handover_send(fd, 0, &message, NULL, 0, NULL);
    run->free_calls = run->refused = 0;
}
