// Alert send: raises alerts and delivers them to the channels, each at least once.
//
//     raise ▶ journal ▶ on the disk ▶ each channel: attempt ▶ journal that it is sent
//                                         ▲          │ failed
//                                         └── rest ◀─┘
//
// A channel sends one alert at a time, the oldest first, so that one that fails rests as a whole.
// What is owed is in the book, and so in the journal: a start goes on where the last end left it.
#pragma once

#include "alert.h"
#include "alert_channel.h"
#include "control_message.h"
#include "journal.h"

struct alert_sender;
struct alert_trial;

struct alert_sender_options {
    struct event_base *base;
    struct curl_loop *curl;
    struct journal *journal;
    struct alert_book *book; // replayed; outlives the sender
    const struct config *config;
    const struct paths *paths;
};

// Starts to deliver what the book says is owed. What is owed to channels that are configured no
// more is given up. -EINVAL, -EPERM, …: a file of the configuration cannot be used.
int alert_sender_new(struct alert_sender **sender, const struct alert_sender_options *options,
                     struct error *err);

// Attempts under way are broken off: they are made again after the next start. NULL is allowed.
void alert_sender_free(struct alert_sender *sender);

// Tells all channels that take its kind of an alert, unless that has been done. Sets its time and
// channels. An alert that the journal does not take is sent all the same.
void alert_raise(struct alert_sender *sender, struct journal_alert *alert);

// Records have gone to the disk: alerts that waited for that can be sent.
void alert_sender_advance(struct alert_sender *sender);

// Fills channels and alerts, the newest first, for `reeve alert list`.
void alert_sender_list(const struct alert_sender *sender, struct control_alerts *list);

// Sends a test to each channel of [Alert `section`], of all sections if that is "", at once and
// once. `done` is called once, later, with what came of it; then the trial is gone.
// -ENOENT: there is no such section.
int alert_trial_start(struct alert_trial **trial, struct alert_sender *sender, const char *section,
                      void (*done)(void *context, struct control_alert_tested *tested),
                      void *context, struct error *err);
void alert_trial_cancel(struct alert_trial *trial); // nothing is called; NULL is allowed
