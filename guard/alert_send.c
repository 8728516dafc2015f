// Alert send: raises alerts and delivers them to the channels, each at least once.
#include "alert_send.h"

#include "alert_sender_state.h"
#include "clock.h"
#include "log.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static const char held_back[] = "; more of this kind within the hour are in the books alone";

static void queue_enter(struct alert_queue *queue, enum alert_queue_state state)
{
    static const bool legal[][3] = {
        [QUEUE_IDLE] = {[QUEUE_SENDING] = true, [QUEUE_RESTING] = true},
        [QUEUE_SENDING] = {[QUEUE_IDLE] = true, [QUEUE_RESTING] = true},
        [QUEUE_RESTING] = {[QUEUE_IDLE] = true},
    };
    assert(legal[queue->state][state]);
    queue->state = state;
}

// ---- what has been sent

// The alert is not owed to the channel any more. If the journal does not take that, its next
// checkpoint will; until then a start would send the alert again.
static void settle(struct alert_sender *sender, const char *channel, int64_t raised_at_us,
                   bool given_up)
{
    struct error err;
    struct journal_alert_sent sent = {
        .raised_at_us = raised_at_us, .sent_at_us = clock_now_us(), .given_up = given_up};
    snprintf(sent.channel, sizeof(sent.channel), "%s", channel);
    if (journal_append(sender->options.journal,
                       &(struct journal_record){.type = JOURNAL_ALERT_SENT, .alert_sent = &sent},
                       NULL, &err) < 0)
        log_event(LOG_ERR, "alert_sent_not_journaled", "channel", sent.channel, "error", err.text,
                  NULL);
    alert_book_settle(sender->options.book, &sent);
    log_event(given_up ? LOG_ERR : LOG_INFO, given_up ? "alert_given_up" : "alert_sent", "channel",
              sent.channel, "id", log_int(raised_at_us), NULL);
}

// ---- one channel: an attempt at the oldest alert, and a rest after a failure

static void queue_advance(struct alert_queue *queue);

static void queue_rest(struct alert_queue *queue, const char *problem, int64_t retry_after_us)
{
    uint32_t random = 0;
    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        random = (uint32_t)clock_monotonic_us();
    int64_t delay_us = alert_retry_us(++queue->failures, random);
    if (retry_after_us > delay_us)
        delay_us = retry_after_us < ALERT_RETRY_MAX_US ? retry_after_us : ALERT_RETRY_MAX_US;
    queue->retry_at_us = clock_now_us() + delay_us;
    snprintf(queue->problem, sizeof(queue->problem), "%.200s", problem);
    queue_enter(queue, QUEUE_RESTING);
    log_event(LOG_WARNING, "alert_not_sent", "channel", queue->channel->name, "error",
              queue->problem, "failures", log_int(queue->failures), "retry_in_us",
              log_int(delay_us), NULL);
    event_add(queue->rested, &(struct timeval){delay_us / 1000000, delay_us % 1000000});
}

static void on_rested(evutil_socket_t fd, short what, void *context)
{
    struct alert_queue *queue = context;
    (void)fd;
    (void)what;
    queue_enter(queue, QUEUE_IDLE);
    queue_advance(queue);
}

static void on_attempted(void *context, const struct error *failure, int64_t retry_after_us)
{
    struct alert_queue *queue = context;
    queue->attempt = NULL;
    if (failure != NULL) {
        queue_rest(queue, failure->text, retry_after_us);
        return;
    }
    queue->failures = 0;
    queue->problem[0] = '\0';
    queue_enter(queue, QUEUE_IDLE);
    settle(queue->sender, queue->channel->name, queue->sending, false);
    queue_advance(queue);
}

static void queue_advance(struct alert_queue *queue)
{
    struct alert_sender *sender = queue->sender;
    const struct journal_alert *next;
    struct error err;
    if (queue->state != QUEUE_IDLE || !journal_is_synced(sender->options.journal, sender->written))
        return;
    while ((next = alert_book_next(sender->options.book, queue->channel->name)) != NULL &&
           alert_is_stale(next, clock_now_us()))
        settle(sender, queue->channel->name, next->raised_at_us, true);
    if (next == NULL)
        return;
    queue->sending = next->raised_at_us;
    if (alert_attempt_start(&queue->attempt, queue->channel, &sender->place, next,
                            &(struct alert_receiver){on_attempted, queue}, &err) < 0)
        queue_rest(queue, err.text, 0);
    else
        queue_enter(queue, QUEUE_SENDING);
}

void alert_sender_advance(struct alert_sender *sender)
{
    for (size_t i = 0; i < sender->count; i++)
        queue_advance(&sender->queues[i]);
}

// ---- raising

static void owe_to_channels(const struct alert_sender *sender, struct journal_alert *alert)
{
    size_t used = 0;
    for (size_t i = 0; i < sender->count; i++)
        if (alert_channel_takes(&sender->channels[i], alert->kind))
            used += (size_t)snprintf(alert->channels + used, sizeof(alert->channels) - used, "%s%s",
                                     used > 0 ? " " : "", sender->channels[i].name);
}

static void mark_last_of_hour(struct journal_alert *alert)
{
    size_t length = strlen(alert->text);
    if (length > sizeof(alert->text) - sizeof(held_back))
        length = sizeof(alert->text) - sizeof(held_back);
    memcpy(alert->text + length, held_back, sizeof(held_back));
}

void alert_raise(struct alert_sender *sender, struct journal_alert *alert)
{
    struct alert_book *book = sender->options.book;
    struct error err;
    int64_t now_us = clock_now_us();
    enum alert_verdict verdict = alert_book_judge(book, alert, now_us);
    if (verdict == ALERT_IS_TOLD)
        return;
    alert->raised_at_us = alert_book_time(book, now_us);
    if (verdict == ALERT_IS_LAST_OF_HOUR)
        mark_last_of_hour(alert);
    if (verdict != ALERT_IS_ONE_TOO_MANY)
        owe_to_channels(sender, alert);
    log_event(LOG_WARNING, "alert", "kind", alert->kind, "id", log_int(alert->raised_at_us), "run",
              alert->run_id[0] != '\0' ? alert->run_id : NULL, "job",
              alert->job[0] != '\0' ? alert->job : NULL, "text", alert->text, "to", alert->channels,
              NULL);
    if (journal_append(sender->options.journal,
                       &(struct journal_record){.type = JOURNAL_ALERT, .alert = alert},
                       &sender->written, &err) < 0)
        log_event(LOG_ERR, "alert_not_journaled", "error", err.text, NULL);
    alert_book_add(book, alert);
    alert_sender_advance(sender);
}

// ---- the whole

static bool has_channel(const struct alert_sender *sender, const char *name)
{
    for (size_t i = 0; i < sender->count; i++)
        if (strcmp(sender->channels[i].name, name) == 0)
            return true;
    return false;
}

// Channels that are configured no more will never be told.
static void give_up_orphans(struct alert_sender *sender)
{
    const struct journal_alert *alert;
    for (size_t i = 0; (alert = alert_book_at(sender->options.book, i)) != NULL; i++) {
        char owed[ALERT_CHANNELS_TEXT_MAX], name[ALERT_CHANNEL_MAX];
        memcpy(owed, alert->channels, sizeof(owed));
        for (const char *rest = owed; (rest = alert_list_next(rest, name, sizeof(name))) != NULL;)
            if (!has_channel(sender, name))
                settle(sender, name, alert->raised_at_us, true);
    }
}

int alert_sender_new(struct alert_sender **sender, const struct alert_sender_options *options,
                     struct error *err)
{
    struct alert_sender *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set(err, -ENOMEM, "out of memory for alerts");
    made->options = *options;
    if (gethostname(made->host, sizeof(made->host) - 1) != 0)
        made->host[0] = '\0';
    made->place = (struct alert_place){options->base, options->curl, made->host};
    int result =
        alert_channels_make(made->channels, &made->count, options->config, options->paths, err);
    for (size_t i = 0; i < made->count && result == 0; i++) {
        struct alert_queue *queue = &made->queues[i];
        *queue = (struct alert_queue){.sender = made, .channel = &made->channels[i]};
        queue->rested = evtimer_new(options->base, on_rested, queue);
        if (queue->rested == NULL)
            result = error_set(err, -ENOMEM, "out of memory for alerts");
    }
    if (result < 0) {
        alert_sender_free(made);
        return result;
    }
    give_up_orphans(made);
    alert_sender_advance(made);
    *sender = made;
    return 0;
}

void alert_sender_free(struct alert_sender *sender)
{
    if (sender == NULL)
        return;
    for (size_t i = 0; i < sender->count; i++) {
        alert_attempt_cancel(sender->queues[i].attempt);
        if (sender->queues[i].rested != NULL)
            event_free(sender->queues[i].rested);
    }
    alert_channels_done(sender->channels, sender->count);
    free(sender);
}
