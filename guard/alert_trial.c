// Alert trial: a test alert to each channel at once, for `reeve alert test`.
//
// A trial passes by the queues: what a channel says now is of interest, not what it said before.
// The alert is in the journal, but owed to nobody.
#include "alert_sender_state.h"
#include "alert_text.h"
#include "clock.h"
#include "log.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

struct trial_attempt {
    struct alert_trial *trial;
    struct alert_attempt *attempt; // NULL once it has ended
    const struct alert_channel *channel;
    int64_t started_us;
};

struct alert_trial {
    void (*done)(void *context, struct control_alert_tested *tested);
    void *context;
    struct event *later; // says that it is over
    size_t left;         // attempts under way
    size_t count;
    struct trial_attempt attempts[ALERT_CHANNELS_MAX];
    struct control_alert_tested tested;
};

void alert_trial_cancel(struct alert_trial *trial)
{
    if (trial == NULL)
        return;
    for (size_t i = 0; i < trial->count; i++)
        alert_attempt_cancel(trial->attempts[i].attempt);
    if (trial->later != NULL)
        event_free(trial->later);
    free(trial->tested.trials);
    free(trial);
}

static void on_over(evutil_socket_t fd, short what, void *context)
{
    struct alert_trial *trial = context;
    (void)fd;
    (void)what;
    trial->done(trial->context, &trial->tested);
    alert_trial_cancel(trial);
}

static void attempt_note(struct trial_attempt *attempt, const struct error *failure)
{
    struct alert_trial *trial = attempt->trial;
    struct status_trial *entry = control_list_add(&trial->tested.trials, &trial->tested.trial_count,
                                                  sizeof(*trial->tested.trials));
    attempt->attempt = NULL;
    if (--trial->left == 0)
        event_active(trial->later, EV_TIMEOUT, 0);
    if (entry == NULL)
        return;
    memcpy(entry->channel, attempt->channel->name, sizeof(entry->channel));
    alert_channel_target(attempt->channel, entry->target);
    entry->lasted_us = clock_monotonic_us() - attempt->started_us;
    if (failure != NULL)
        snprintf(entry->problem, sizeof(entry->problem), "%.200s", failure->text);
}

static void on_attempted(void *context, const struct error *failure, int64_t retry_after_us)
{
    (void)retry_after_us;
    attempt_note(context, failure);
}

// The test itself: in the journal, owed to nobody.
static void test_raise(struct alert_sender *sender, struct journal_alert *alert)
{
    struct error err;
    int64_t now_us = clock_now_us();
    alert_of_test(alert, now_us);
    alert->raised_at_us = alert_book_time(sender->options.book, now_us);
    if (journal_append(sender->options.journal,
                       &(struct journal_record){.type = JOURNAL_ALERT, .alert = alert}, NULL,
                       &err) < 0)
        log_event(LOG_ERR, "alert_not_journaled", "error", err.text, NULL);
    alert_book_add(sender->options.book, alert);
}

int alert_trial_start(struct alert_trial **trial, struct alert_sender *sender, const char *section,
                      void (*done)(void *context, struct control_alert_tested *tested),
                      void *context, struct error *err)
{
    struct journal_alert alert;
    struct alert_trial *started = calloc(1, sizeof(*started));
    if (started != NULL)
        started->later = event_new(sender->options.base, -1, 0, on_over, started);
    if (started == NULL || started->later == NULL) {
        free(started);
        return error_set(err, -ENOMEM, "out of memory for a test");
    }
    started->done = done;
    started->context = context;
    for (size_t i = 0; i < sender->count; i++)
        if (*section == '\0' || strcmp(section, sender->channels[i].config->name) == 0)
            started->attempts[started->count++] =
                (struct trial_attempt){.trial = started, .channel = &sender->channels[i]};
    if (started->count == 0) {
        alert_trial_cancel(started);
        return *section == '\0'
                   ? error_set(err, -ENOENT, "no [Alert NAME] is configured: nobody is told")
                   : error_set(err, -ENOENT, "there is no [Alert %s]; reeve alert list shows them",
                               section);
    }
    test_raise(sender, &alert);
    started->left = started->count;
    for (size_t i = 0; i < started->count; i++) {
        struct trial_attempt *attempt = &started->attempts[i];
        struct error failure;
        attempt->started_us = clock_monotonic_us();
        if (alert_attempt_start(&attempt->attempt, attempt->channel, &sender->place, &alert,
                                &(struct alert_receiver){on_attempted, attempt}, &failure) < 0)
            attempt_note(attempt, &failure);
    }
    *trial = started;
    return 0;
}
