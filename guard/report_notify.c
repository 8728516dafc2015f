// Report notify: see report_notify.h.
#include "report_notify.h"

#include "alert_channel.h"
#include "alert_text.h"
#include "morning_document.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPORT_KIND "report" // in On=
#define ATTEMPTS_MAX 3

struct notifier;

// One channel's turn.
struct notice {
    struct notifier *notifier;
    const struct alert_channel *channel;
    struct alert_attempt *attempt; // NULL: none is under way
    struct event *again;           // the next attempt
    int failures;
};

struct notifier {
    struct alert_place place;
    struct journal_alert alert;
    struct alert_channel channels[ALERT_CHANNELS_MAX];
    size_t channel_count;
    struct notice notices[ALERT_CHANNELS_MAX];
    size_t count;
    size_t told;
    size_t given_up;
    struct error failure; // the first that was given up
};

static void try_notice(struct notice *notice);

static void note_failure(struct notice *notice, const struct error *failure)
{
    struct notifier *notifier = notice->notifier;
    int64_t wait_us = alert_retry_us(++notice->failures, 0);
    struct timeval wait = {wait_us / 1000000, wait_us % 1000000};
    if (notice->failures < ATTEMPTS_MAX && event_add(notice->again, &wait) == 0)
        return;
    if (notifier->given_up++ == 0)
        error_set(&notifier->failure, -EIO, "telling %s: %.200s", notice->channel->name,
                  failure->text);
}

static void on_attempted(void *context, const struct error *failure, int64_t retry_after_us)
{
    struct notice *notice = context;
    (void)retry_after_us;
    notice->attempt = NULL;
    if (failure == NULL)
        notice->notifier->told++;
    else
        note_failure(notice, failure);
}

static void on_again(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    try_notice(context);
}

static void try_notice(struct notice *notice)
{
    struct error err;
    const struct notifier *notifier = notice->notifier;
    if (alert_attempt_start(&notice->attempt, notice->channel, &notifier->place, &notifier->alert,
                            &(struct alert_receiver){on_attempted, notice}, &err) < 0)
        note_failure(notice, &err);
}

static void fill_alert(const struct morning_report *report, struct journal_alert *alert)
{
    char line[MORNING_LINE_MAX];
    *alert = (struct journal_alert){
        .raised_at_us = report->query.now_us,
        .period_start_us = report->since_us,
        .unit = ALERT_UNIT_PICO_USD,
        .amount = report->days[report->day_index].cost_pico_usd,
    };
    snprintf(alert->kind, sizeof(alert->kind), REPORT_KIND);
    snprintf(alert->text, sizeof(alert->text), "%s", morning_format_line(report, line));
}

static int notifier_open(struct notifier *notifier, struct curl_loop **curl, char *host,
                         struct error *err)
{
    notifier->place.base = event_base_new();
    if (notifier->place.base == NULL)
        return error_set(err, -ENOMEM, "no memory for a loop");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int code = curl_loop_new(curl, notifier->place.base, err);
    notifier->place.curl = *curl;
    notifier->place.host = host;
    for (size_t i = 0; code == 0 && i < notifier->channel_count; i++) {
        if (!alert_channel_takes(&notifier->channels[i], REPORT_KIND))
            continue;
        struct notice *notice = &notifier->notices[notifier->count++];
        *notice = (struct notice){.notifier = notifier, .channel = &notifier->channels[i]};
        notice->again = event_new(notifier->place.base, -1, 0, on_again, notice);
        if (notice->again == NULL)
            code = error_set(err, -ENOMEM, "no memory for an event");
    }
    return code;
}

static void notifier_close(struct notifier *notifier, struct curl_loop *curl)
{
    for (size_t i = 0; i < notifier->count; i++) {
        alert_attempt_cancel(notifier->notices[i].attempt);
        if (notifier->notices[i].again != NULL)
            event_free(notifier->notices[i].again);
    }
    curl_loop_free(curl);
    if (notifier->place.base != NULL)
        event_base_free(notifier->place.base);
    alert_channels_done(notifier->channels, notifier->channel_count);
    free(notifier);
}

int report_send_line(const struct morning_report *report, const struct config *config,
                     const struct paths *paths, size_t *told, struct error *err)
{
    char host[256] = "";
    struct curl_loop *curl = NULL;
    struct notifier *notifier = calloc(1, sizeof(*notifier));
    if (notifier == NULL)
        return error_set(err, -ENOMEM, "no memory for the channels");
    gethostname(host, sizeof(host) - 1);
    fill_alert(report, &notifier->alert);
    int code =
        alert_channels_make(notifier->channels, &notifier->channel_count, config, paths, err);
    if (code == 0)
        code = notifier_open(notifier, &curl, host, err);
    for (size_t i = 0; code == 0 && i < notifier->count; i++)
        try_notice(&notifier->notices[i]);
    while (code == 0 && notifier->told + notifier->given_up < notifier->count)
        if (event_base_loop(notifier->place.base, EVLOOP_ONCE) != 0)
            code = error_set(err, -EIO, "the loop of the channels has nothing to wait for");
    if (code == 0 && notifier->given_up > 0) {
        *err = notifier->failure;
        code = -EIO;
    }
    *told = notifier->told;
    notifier_close(notifier, curl);
    return code;
}
