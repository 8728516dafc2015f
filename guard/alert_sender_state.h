// Alert sender, inside: its channels and how far each is. For alert_send.c, alert_list.c and
// alert_trial.c.
#pragma once

#include "alert_send.h"

#define HOST_NAME_BYTES 256

enum alert_queue_state {
    QUEUE_IDLE,    // nothing is owed, or not on the disk yet
    QUEUE_SENDING, // an attempt is under way
    QUEUE_RESTING, // the last one failed
};

struct alert_queue {
    struct alert_sender *sender;
    const struct alert_channel *channel;
    enum alert_queue_state state;
    struct alert_attempt *attempt;
    int64_t sending; // the time, and so the identity, of the alert that is being sent
    int failures;    // in a row
    int64_t retry_at_us;
    struct event *rested;
    char problem[CONTROL_TEXT_MAX];
};

struct alert_sender {
    struct alert_sender_options options;
    struct alert_place place;
    char host[HOST_NAME_BYTES];
    size_t count;
    struct alert_channel channels[ALERT_CHANNELS_MAX];
    struct alert_queue queues[ALERT_CHANNELS_MAX]; // of the channels, in their order
    uint64_t written;                              // end of the last alert in the journal
};
