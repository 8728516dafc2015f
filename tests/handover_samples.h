// A handover message of every type with every field set, for tests.
#pragma once

#include "handover_message.h"

#include <string.h>

#define HANDOVER_LAST HANDOVER_CANCEL

static inline struct handover_message handover_sample(enum handover_type type)
{
    static const char bytes[] = "POST / HTTP/1.1\r\n\r\n\0\xff";
    struct handover_message message = {.type = type};
    switch (type) {
    case HANDOVER_PREPARED:
        message.prepared = (struct handover_prepared){4712, "/var/lib/reeve/journal"};
        break;
    case HANDOVER_FAILED:
        message.failed = (struct handover_failed){"Slotz=3: there is no such option"};
        break;
    case HANDOVER_PREDECESSOR:
        message.predecessor = (struct handover_predecessor){4710};
        break;
    case HANDOVER_IN_FLIGHT:
        message.in_flight =
            (struct handover_in_flight){.pid = 4711,
                                        .exchange_id = {1, 2, 3},
                                        .reservation = {.run_id = "20261126-000043-2up64v",
                                                        .job = "outreach",
                                                        .reserved_at_us = 1795651243000000,
                                                        .held = {{1, 2, 3, 4}},
                                                        .growth = {{5, 6, 7, INT64_MAX}}}};
        break;
    case HANDOVER_TAKE:
        message.take = (struct handover_take){.pid = 4711, .owns_control_file = true};
        break;
    case HANDOVER_READY:
        break;
    case HANDOVER_RECORD:
        message.record.bytes = (struct slice){bytes, sizeof(bytes)};
        break;
    case HANDOVER_AGENT:
        message.agent.bytes = (struct slice){bytes, sizeof(bytes)};
        break;
    case HANDOVER_COUNTS:
        message.counts = (struct handover_counts){"20261126-000043-2up64v", 3, -1};
        break;
    case HANDOVER_CANCEL:
        message.cancel = (struct handover_cancel){"20261126-000043-2up64v"};
        break;
    }
    return message;
}
