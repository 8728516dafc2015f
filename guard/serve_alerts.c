// Serve alerts: what the parts of the daemon tell, made into alerts.
#include "serve_alerts.h"

#include "alert_ledger.h"
#include "alert_send.h"
#include "alert_text.h"
#include "alert_watch.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "time_zone.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_S 10     // between looks at the books
#define TRIALS_MAX 16 // tests at once

struct tested_peer {
    struct serve_alerts *alerts;
    struct control_peer *peer;
    struct alert_trial *trial; // NULL: the place is free
};

struct serve_alerts {
    struct serve_alerts_options options;
    struct alert_book *book;
    struct alert_watch *watch;
    struct alert_sender *sender; // NULL before the start and after the stop
    struct time_zone *zone;
    struct event *look;
    struct ledger_watch ledger;
    struct ledger_feed_report report;
    struct tested_peer tested[TRIALS_MAX];
};

// ---- what a start has to know

int serve_alerts_new(struct serve_alerts **alerts, const struct config *config, struct error *err)
{
    struct serve_alerts *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set(err, -ENOMEM, "out of memory for alerts");
    made->book = alert_book_new();
    made->watch = alert_watch_new();
    int result = 0;
    if (made->book == NULL || made->watch == NULL)
        result = error_set(err, -ENOMEM, "out of memory for alerts");
    if (result == 0)
        result = time_zone_load(&made->zone, config->reeve.time_zone, err);
    if (result < 0) {
        serve_alerts_free(made);
        return result;
    }
    *alerts = made;
    return 0;
}

static void on_replay(const struct journal_record *record, void *context)
{
    struct serve_alerts *alerts = context;
    alert_book_replay(alerts->book, record);
    if (record->type == JOURNAL_RUN_CACHE)
        alert_watch_remember(alerts->watch, record->run_cache);
}

static void checkpoint_cache(const struct journal_run_cache *cache, void *context)
{
    journal_checkpoint_record(
        context, &(struct journal_record){.type = JOURNAL_RUN_CACHE, .run_cache = cache});
}

static void on_checkpoint(struct journal_checkpoint *checkpoint, void *context)
{
    const struct serve_alerts *alerts = context;
    const struct journal_alert *alert;
    for (size_t i = 0; (alert = alert_book_at(alerts->book, i)) != NULL; i++)
        journal_checkpoint_record(checkpoint,
                                  &(struct journal_record){.type = JOURNAL_ALERT, .alert = alert});
    alert_watch_each(alerts->watch, checkpoint_cache, checkpoint);
}

void serve_alerts_restore(struct serve_alerts *alerts, struct restore_targets *targets)
{
    restore_add_witness(targets, &(struct restore_witness){on_replay, on_checkpoint, alerts});
}

// ---- what is told

static void raise_alert(struct serve_alerts *alerts, struct journal_alert *alert)
{
    if (alerts->sender != NULL)
        alert_raise(alerts->sender, alert);
}

static int64_t day_start_us(const struct serve_alerts *alerts, int64_t time_us)
{
    return time_zone_day_start_s(alerts->zone, time_zone_day(alerts->zone, time_us / 1000000)) *
           1000000;
}

void serve_alerts_ceiling(struct serve_alerts *alerts, const struct live_run *run,
                          const struct budget_ceiling *ceiling)
{
    struct journal_alert alert;
    alert_of_ceiling(&alert, run, ceiling);
    raise_alert(alerts, &alert);
}

void serve_alerts_soft_limit(struct serve_alerts *alerts, const struct live_run *run,
                             const struct budget_ceiling *ceiling)
{
    struct journal_alert alert;
    alert_of_soft_limit(&alert, run, ceiling);
    raise_alert(alerts, &alert);
}

void serve_alerts_settled(struct serve_alerts *alerts, const struct live_run *run,
                          const struct journal_settlement *settlement, const struct body_hash *body)
{
    struct journal_alert alert;
    int64_t apart_us;
    if (settlement->unknown_model) {
        alert_of_price(&alert, run, settlement->model, settlement->cost_pico_usd,
                       day_start_us(alerts, settlement->settled_at_us));
        raise_alert(alerts, &alert);
    }
    const struct price_row *row = price_table_find(alerts->options.prices, settlement->model,
                                                   PRICE_STANDARD, settlement->reserved_at_us);
    if (alert_watch_settled(alerts->watch, settlement, body, row != NULL ? &row->rates : NULL,
                            &apart_us)) {
        alert_of_duplicate(&alert, run, apart_us, settlement->cost_pico_usd);
        raise_alert(alerts, &alert);
    }
}

static void remember_cache(struct serve_alerts *alerts, const struct live_run *run, int64_t now_us)
{
    struct journal_run_cache cache;
    struct journal_alert alert;
    struct cache_fall fall;
    struct error err;
    bool fell = false;
    if (!alert_watch_closed(alerts->watch, run, now_us, &cache, &fell, &fall))
        return;
    if (journal_append(alerts->options.journal,
                       &(struct journal_record){.type = JOURNAL_RUN_CACHE, .run_cache = &cache},
                       NULL, &err) < 0)
        log_event(LOG_WARNING, "run_cache_not_journaled", "run", run->id, "error", err.text, NULL);
    if (!fell)
        return;
    alert_of_cache(&alert, run, &fall, day_start_us(alerts, now_us));
    raise_alert(alerts, &alert);
}

void serve_alerts_run_closed(struct serve_alerts *alerts, const struct live_run *run,
                             enum run_end end, int64_t memory_peak_bytes)
{
    struct journal_alert alert;
    int64_t now_us = clock_now_us();
    if (alerts->sender == NULL)
        return;
    remember_cache(alerts, run, now_us);
    if (end == RUN_OUT_OF_MEMORY) {
        alert_of_oom(&alert, run, memory_peak_bytes);
        raise_alert(alerts, &alert);
    } else if (end == RUN_TIMEOUT) {
        alert_of_timeout(&alert, run, now_us - run->opened_at_us);
        raise_alert(alerts, &alert);
    }
}

void serve_alerts_credential(struct serve_alerts *alerts, const char *name, const char *state,
                             const char *text)
{
    struct journal_alert alert;
    alert_of_credential(&alert, name, state, text, day_start_us(alerts, clock_now_us()));
    raise_alert(alerts, &alert);
}

void serve_alerts_escape(struct serve_alerts *alerts, const struct live_run *run, const char *what)
{
    struct journal_alert alert;
    alert_of_escape(&alert, run, what);
    raise_alert(alerts, &alert);
}

void serve_alerts_caller(struct serve_alerts *alerts, const struct live_run *run,
                         enum caller_verdict verdict, uid_t uid, bool refused)
{
    struct journal_alert alert;
    alert_of_caller(&alert, run, verdict, uid, refused);
    raise_alert(alerts, &alert);
}

// ---- the books

static void look_at_books(struct serve_alerts *alerts)
{
    struct journal_alert due[LEDGER_ALERTS_MAX];
    struct journal_status journal;
    int64_t now_us = clock_now_us();
    journal_read_status(alerts->options.journal, &journal);
    size_t count =
        ledger_watch_look(&alerts->ledger,
                          &(struct ledger_look){
                              .now_us = now_us,
                              .day_start_us = day_start_us(alerts, now_us),
                              .behind_max_us = alerts->options.config->reeve.ledger_behind_max_us,
                              .state = (enum ledger_feed_state)alerts->report.state,
                              .quarantined = alerts->report.quarantined,
                              .last_error = alerts->report.last_error,
                              .journal_is_full = journal.full,
                          },
                          due);
    for (size_t i = 0; i < count; i++)
        raise_alert(alerts, &due[i]);
}

static void on_look(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    look_at_books(context);
}

void serve_alerts_feed(struct serve_alerts *alerts, const struct ledger_feed_report *report)
{
    alerts->report = *report;
    if (alerts->sender != NULL)
        look_at_books(alerts);
}

void serve_alerts_synced(struct serve_alerts *alerts)
{
    if (alerts->sender != NULL)
        alert_sender_advance(alerts->sender);
}

// ---- control

static void on_tested(void *context, struct control_alert_tested *tested)
{
    struct tested_peer *place = context;
    struct control_message reply = {.type = CONTROL_ALERT_TESTED, .alert_tested = *tested};
    control_peer_send(place->peer, &reply);
    control_peer_close(place->peer);
    place->trial = NULL;
}

static void receive_test(struct serve_alerts *alerts, struct control_peer *peer,
                         const struct control_alert_test *test)
{
    struct error err;
    size_t free_place = 0;
    if (control_peer_owner(peer) != NULL) {
        control_peer_refuse(peer, CONTROL_INVALID, "a supervisor does not test alerts");
        return;
    }
    while (free_place < TRIALS_MAX && alerts->tested[free_place].trial != NULL)
        free_place++;
    if (free_place == TRIALS_MAX) {
        control_peer_refuse(peer, CONTROL_UNAVAILABLE, "%d tests are under way", TRIALS_MAX);
        return;
    }
    struct tested_peer *place = &alerts->tested[free_place];
    *place = (struct tested_peer){.alerts = alerts, .peer = peer};
    if (alert_trial_start(&place->trial, alerts->sender, test->section, on_tested, place, &err) < 0)
        control_peer_refuse(peer, CONTROL_INVALID, "%s", err.text);
}

// Cancels the peer's test. False: it has none.
static bool cancel_test(struct serve_alerts *alerts, const struct control_peer *peer)
{
    for (size_t i = 0; i < TRIALS_MAX; i++)
        if (alerts->tested[i].trial != NULL && alerts->tested[i].peer == peer) {
            alert_trial_cancel(take_pointer(&alerts->tested[i].trial));
            return true;
        }
    return false;
}

bool serve_alerts_receive(struct serve_alerts *alerts, struct control_peer *peer,
                          const struct control_message *message)
{
    struct control_message reply = {.type = CONTROL_ALERTS};
    if (cancel_test(alerts, peer)) {
        control_peer_refuse(peer, CONTROL_INVALID, "who tests alerts waits for the answer");
        return true;
    }
    switch (message->type) {
    case CONTROL_ALERT_LIST:
        alert_sender_list(alerts->sender, &reply.alerts);
        control_peer_send(peer, &reply);
        control_peer_close(peer);
        control_message_done(&reply);
        return true;
    case CONTROL_ALERT_TEST:
        receive_test(alerts, peer, &message->alert_test);
        return true;
    default:
        return false;
    }
}

void serve_alerts_peer_gone(struct serve_alerts *alerts, const struct control_peer *peer)
{
    cancel_test(alerts, peer);
}

// ---- start and end

int serve_alerts_start(struct serve_alerts *alerts, const struct serve_alerts_options *options,
                       struct error *err)
{
    alerts->options = *options;
    alerts->look = event_new(options->base, -1, EV_PERSIST, on_look, alerts);
    if (alerts->look == NULL || event_add(alerts->look, &(struct timeval){LOOK_S, 0}) < 0)
        return error_set(err, -ENOMEM, "out of memory for alerts");
    return alert_sender_new(&alerts->sender,
                            &(struct alert_sender_options){
                                .base = options->base,
                                .curl = options->curl,
                                .journal = options->journal,
                                .book = alerts->book,
                                .config = options->config,
                                .paths = options->paths,
                            },
                            err);
}

void serve_alerts_stop(struct serve_alerts *alerts)
{
    if (alerts == NULL)
        return;
    for (size_t i = 0; i < TRIALS_MAX; i++)
        alert_trial_cancel(take_pointer(&alerts->tested[i].trial));
    alert_sender_free(take_pointer(&alerts->sender));
    if (alerts->look != NULL)
        event_free(take_pointer(&alerts->look));
}

void serve_alerts_free(struct serve_alerts *alerts)
{
    if (alerts == NULL)
        return;
    serve_alerts_stop(alerts);
    time_zone_free(alerts->zone);
    alert_watch_free(alerts->watch);
    alert_book_free(alerts->book);
    free(alerts);
}
