// Serve: the daemon: wires proxy, budget, journal, slots and ledger feed together on one loop.

#include "batches.h"
#include "budget.h"
#include "cleanup.h"
#include "clock.h"
#include "config.h"
#include "control.h"
#include "curl_loop.h"
#include "exchange.h"
#include "feed_child.h"
#include "handover.h"
#include "job_keys.h"
#include "journal.h"
#include "log.h"
#include "machine.h"
#include "metrics.h"
#include "ownership.h"
#include "passed_sockets.h"
#include "paths.h"
#include "price.h"
#include "proxy.h"
#include "restore.h"
#include "run_registry.h"
#include "serve_alerts.h"
#include "serve_caller.h"
#include "serve_ceilings.h"
#include "serve_credentials.h"
#include "serve_machine.h"
#include "serve_options.h"
#include "serve_page.h"
#include "serve_parts.h"
#include "serve_state.h"
#include "server.h"
#include "subcommands.h"
#include "succession.h"
#include "successor_start.h"
#include "upstream.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

#define CONNECTIONS_WARM 1
#define DRAIN_TICKS_PER_S 20 // while it drains, who asks anew waits for its successor
#define FILES_OTHER_MAX 256  // journal, ledger feed, control connections
#define FILES_MAX                                                                                  \
    (SERVER_CONNECTIONS_MAX + PROXY_EXCHANGES_MAX + UPSTREAM_CONNECTIONS_MAX + FILES_OTHER_MAX)

// ---- the end: streams in flight finish

static void on_drain(evutil_socket_t fd, short what, void *context)
{
    struct serve *serve = context;
    (void)fd;
    (void)what;
    bool done = serve->proxy.exchange_count == 0 && server_is_idle(serve->server) &&
                !serve_credentials_are_refreshing(serve->credentials) &&
                !succession_has_predecessor(serve->succession);
    if (done || --serve->drain_ticks_left <= 0)
        event_base_loopexit(serve->base, NULL);
}

void serve_drain(struct serve *serve, enum serve_phase phase, int seconds_max)
{
    serve->phase = phase;
    serve->drain_ticks_left = seconds_max * DRAIN_TICKS_PER_S;
    event_add(serve->drain, &(struct timeval){.tv_usec = 1000000 / DRAIN_TICKS_PER_S});
}

// The first signal drains, the second one ends at once. A daemon that has a successor drains
// already.
static void on_signal(evutil_socket_t signal_number, short what, void *context)
{
    struct serve *serve = context;
    (void)what;
    log_event(LOG_NOTICE, "stopping", "signal", log_int(signal_number), "exchanges",
              log_int((int64_t)serve->proxy.exchange_count), NULL);
    switch (serve->phase) {
    case SERVE_SERVING:
        handover_call_off(serve);
        sd_notify(0, "STOPPING=1");
        server_stop(serve->server);
        serve_drain(serve, SERVE_STOPPING, SERVE_STOP_MAX_S);
        on_drain(-1, 0, serve);
        break;
    case SERVE_FINISHING:
        serve_drain(serve, SERVE_STOPPING, SERVE_STOP_MAX_S);
        break;
    case SERVE_STOPPING:
        event_base_loopexit(serve->base, NULL);
        break;
    }
}

// ---- start, in the order of what needs what

// Prices and budget: what it costs to spend more.
static int accounting_open(struct serve *serve, struct error *err)
{
    const struct config_reeve *options = &serve->config.reeve;
    int result = options->prices != NULL
                     ? price_table_load_file(&serve->prices, options->prices, err)
                     : price_table_load_builtin(&serve->prices, err);
    if (result == 0)
        result = budget_new(&serve->budget, options->time_zone, err);
    if (result == 0 && (serve->ownership = ownership_new()) == NULL)
        result = error_set(err, -ENOMEM, "out of memory for what jobs own");
    if (result == 0)
        result = serve_alerts_new(&serve->alerts, &serve->config, err);
    if (result == 0)
        result = serve_page_new(&serve->page, &serve->config, err);
    if (result < 0)
        return result;
    serve->restored.budget = serve->budget;
    serve_alerts_restore(serve->alerts, &serve->restored);
    ownership_restore(serve->ownership, &serve->restored);
    serve_page_restore(serve->page, &serve->restored);
    // Categories of refusal that are not billed are prices too.
    price_free_refusals(serve->prices, clock_now_us(), serve->free_refusals,
                        sizeof(serve->free_refusals));
    return 0;
}

// The journal: what has been spent.
static int journal_restore(struct serve *serve, struct error *err)
{
    struct restore_summary summary;
    succession_read_in_flight(serve->succession, &serve->restored);
    int result =
        restore(serve->paths.journal_dir, &serve->restored, &serve->journal, &summary, err);
    if (result == 0)
        result = serve_ceilings_set(serve->budget, &serve->config, err);
    if (result < 0)
        return result;
    if (summary.records > 0 || summary.torn_bytes > 0)
        log_event(LOG_NOTICE, "restored", "records", log_int(summary.records), "orphans",
                  log_int(summary.orphans), "in_flight", log_int(summary.in_flight), "runs",
                  log_int(summary.runs), "torn_bytes", log_int(summary.torn_bytes), NULL);
    return 0;
}

static int upstream_open_pool(struct serve *serve, struct error *err)
{
    const struct config_reeve *options = &serve->config.reeve;
    int result = curl_loop_new(&serve->curl, serve->base, err);
    if (result < 0)
        return result;
    return upstream_new(&serve->upstream, serve->base, serve->curl,
                        &(struct upstream_options){
                            .base_url = options->upstream,
                            .ca_file = options->upstream_ca_file,
                            .connections_warm = CONNECTIONS_WARM,
                            .silence_max_us = options->upstream_silence_max_us,
                        },
                        err);
}

static int credentials_open(struct serve *serve, const struct serve_options *options,
                            struct error *err)
{
    return serve_credentials_new(&serve->credentials,
                                 &(struct serve_credentials_options){
                                     .base = serve->base,
                                     .curl = serve->curl,
                                     .upstream = serve->upstream,
                                     .paths = &serve->paths,
                                     .config = &serve->config,
                                     .config_path = options->config_path,
                                     .credential_file = options->credential_file,
                                     .alerts = serve->alerts,
                                     .proxy = &serve->proxy,
                                 },
                                 err);
}

static int proxy_open(struct serve *serve, struct error *err)
{
    const struct config_reeve *options = &serve->config.reeve;
    serve->runs = run_table_new();
    if (serve->runs == NULL)
        return error_set(err, -ENOMEM, "out of memory for the runs");
    serve->proxy = (struct proxy){
        .base = serve->base,
        .runs = serve->runs,
        .budget = serve->budget,
        .journal = serve->journal,
        .keeper = serve_credentials_keeper(serve->credentials),
        .sticky = serve_credentials_sticky(serve->credentials),
        .upstream = serve->upstream,
        .prices = serve->prices,
        .ownership = serve->ownership,
        .allows_unknown_ids = options->unknown_ids == CONFIG_UNKNOWN_IDS_ALLOW,
        .spool_directory = serve->paths.state_dir,
        .free_refusals = serve->free_refusals,
        .tokens_count = options->tokens_count,
        .callers = &serve->caller.callers,
        .wait_max_s = options->wait_max_us / 1000000,
        .find_job_key = serve_on_job_key,
        .run_at_ceiling = serve_on_run_at_ceiling,
        .soft_limit_reached = serve_on_soft_limit,
        .exchange_settled = serve_on_exchange_settled,
        .run_exchange_ended = serve_on_exchange_ended,
        .metrics = serve_page_metrics(serve->page),
        .serve_local = serve_on_local,
        .context = serve,
    };
    TAILQ_INIT(&serve->proxy.exchanges);
    TAILQ_INIT(&serve->proxy.waiting);
    int result = batches_new(&serve->proxy.batches, &serve->proxy, err);
    if (result < 0)
        return result;
    return server_new(&serve->server, serve->base, options->listen, options->listen_anywhere,
                      serve->sockets.agents_fd, &serve->proxy, err);
}

// The child that writes to the ledger, and what asks it about keys.
static int feed_open(struct serve *serve, struct error *err)
{
    serve->feed_options = (struct ledger_catch_up_options){
        .journal_directory = serve->paths.journal_dir,
        .postgres_directory = serve->paths.postgres_dir,
        .dsn = serve->config.reeve.ledger,
        .prices_file = serve->config.reeve.prices,
    };
    int result = feed_child_new(&serve->feed, serve->base, &serve->feed_options,
                                serve_on_feed_report, serve, err);
    return result < 0 ? result
                      : serve_state_open(&serve->state, serve->base, &serve->config, serve->runs,
                                         serve->registry, serve->feed, err);
}

static int guard_open(struct serve *serve, struct error *err)
{
    char base_url[CONTROL_TEXT_MAX];
    snprintf(base_url, sizeof(base_url), "http://%s", server_address(serve->server));
    char job_keys_path[PATH_MAX];
    int result = paths_in_state(&serve->paths, JOB_KEYS_FILE, job_keys_path, err);
    if (result < 0)
        return result;
    job_keys_init(&serve->job_keys, job_keys_path);
    result = run_registry_new(
        &serve->registry,
        &(struct run_registry_options){
            .base = serve->base,
            .table = serve->runs,
            .journal = serve->journal,
            .config = &serve->config,
            .sockets_tell = serve->caller.callers.tells_cgroup,
            .memory_for_runs = machine_memory_for_runs(&serve->config, machine_memory_bytes()),
            .read_pressure = serve_machine_pressure,
            .base_url = base_url,
            .may_open = serve_may_open,
            .run_id = serve_on_run_id,
            .opened = serve_on_run_opened,
            .cancel = serve_on_run_cancel,
            .overdue = serve_on_run_overdue,
            .escaped = serve_on_run_escaped,
            .closed = serve_on_run_closed,
            .context = serve,
        },
        err);
    if (result == 0)
        result = run_registry_restore(serve->registry, journal_live(serve->journal), err);
    if (result == 0)
        result = control_server_new(&serve->control, serve->base, serve->paths.control_socket,
                                    serve->sockets.control_fd,
                                    &(struct control_handlers){
                                        .received = serve_on_control,
                                        .gone = serve_on_control_gone,
                                        .context = serve,
                                    },
                                    err);
    if (result == 0 && serve->owns_control_file)
        control_server_own_file(serve->control);
    if (result == 0)
        result = serve_alerts_start(serve->alerts,
                                    &(struct serve_alerts_options){
                                        .base = serve->base,
                                        .curl = serve->curl,
                                        .journal = serve->journal,
                                        .config = &serve->config,
                                        .paths = &serve->paths,
                                        .prices = serve->prices,
                                    },
                                    err);
    if (result == 0)
        result = serve_page_start(serve->page,
                                  &(struct serve_page_options){
                                      .proxy = &serve->proxy,
                                      .journal = serve->journal,
                                      .listen = server_address(serve->server),
                                      .fill_status = serve_fill_status,
                                      .context = serve,
                                  },
                                  err);
    return result < 0 ? result : feed_open(serve, err);
}

static int events_open(struct serve *serve, struct error *err)
{
    serve->terminate = evsignal_new(serve->base, SIGTERM, on_signal, serve);
    serve->interrupt = evsignal_new(serve->base, SIGINT, on_signal, serve);
    serve->drain = event_new(serve->base, -1, EV_PERSIST, on_drain, serve);
    serve->journal_ready = event_new(serve->base, journal_event_fd(serve->journal),
                                     EV_READ | EV_PERSIST, serve_on_journal_ready, serve);
    if (serve->terminate == NULL || serve->interrupt == NULL || serve->drain == NULL ||
        serve->journal_ready == NULL)
        return error_set(err, -ENOMEM, "out of memory for events");
    event_add(serve->terminate, NULL);
    event_add(serve->interrupt, NULL);
    event_add(serve->journal_ready, NULL);
    return 0;
}

static int serve_open(struct serve *serve, const struct serve_options *options, struct error *err)
{
    int result = passed_sockets_take(&serve->sockets, err);
    if (result == 0)
        result = serve_options_apply(options, &serve->config, err);
    if (result == 0)
        result = serve_machine_check(&serve->config, err);
    if (result == 0)
        result = paths_resolve(&serve->paths, options->state_dir, &serve->config, err);
    if (result < 0)
        return result;
    serve->started_at_us = clock_now_us();
    serve->base = event_base_new();
    if (serve->base == NULL)
        return error_set(err, -ENOMEM, "out of memory for the event loop");
    result = accounting_open(serve, err);
    if (result == 0)
        result = upstream_open_pool(serve, err);
    if (result == 0)
        result = credentials_open(serve, options, err);
    if (result == 0) // what can fail for want of a person's care is behind us
        result = succession_take(serve->succession, serve->paths.journal_dir, &serve->sockets,
                                 &serve->owns_control_file, err);
    if (result == 0)
        result = journal_restore(serve, err);
    if (result < 0)
        return result;
    serve_credentials_wake(serve->credentials);
    serve_caller_open(&serve->caller, &serve->config, serve->alerts);
    result = proxy_open(serve, err);
    if (result == 0)
        result = guard_open(serve, err);
    if (result == 0)
        result = events_open(serve, err);
    return result == 0 ? succession_start(serve->succession, serve->base, serve->server, err)
                       : result;
}

// The reverse order; every part may be missing.
static void serve_close(struct serve *serve)
{
    struct event *const events[] = {serve->terminate, serve->interrupt, serve->journal_ready,
                                    serve->drain};
    if (serve->server != NULL)
        exchange_cancel_run(&serve->proxy, NULL);
    batches_free(serve->proxy.batches);
    serve_page_stop(serve->page);
    server_free(serve->server);
    control_server_free(serve->control);
    serve_credentials_free(serve->credentials);
    upstream_free(serve->upstream);
    serve_alerts_stop(serve->alerts);
    serve_caller_close(&serve->caller);
    curl_loop_free(serve->curl);
    state_desk_free(serve->state);
    succession_free(serve->succession);
    run_registry_free(serve->registry);
    run_table_free(serve->runs);
    job_keys_done(&serve->job_keys);
    journal_close(serve->journal);
    ownership_free(serve->ownership);
    feed_child_free(serve->feed);
    budget_free(serve->budget);
    serve_alerts_free(serve->alerts);
    serve_page_free(serve->page);
    price_table_free(serve->prices);
    handover_free(serve->handover);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (events[i] != NULL)
            event_free(events[i]);
    if (serve->base != NULL)
        event_base_free(serve->base);
    config_done(&serve->config);
}

// Secrets are in this process: no core, no ptrace by others of the same user. And thousands of
// connections, where a shell allows 1024 files.
static void process_set_up(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES_MAX) {
        files.rlim_cur = files.rlim_max < FILES_MAX ? files.rlim_max : FILES_MAX;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(SIGPIPE, SIG_IGN);
}

int serve_main(int argc, char **argv)
{
    struct serve_options options;
    struct error err;
    int code = EX_OK;
    int predecessor_fd = successor_find_predecessor();
    if (!serve_options_parse(&options, argc, argv, &code))
        return code;
    struct serve *serve = calloc(1, sizeof(*serve));
    if (serve == NULL)
        return EX_OSERR;
    successor_find_program(serve->program);
    serve->arguments = argv - 1; // as main() has got them
    process_set_up();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int result = succession_new(&serve->succession, predecessor_fd, &serve->proxy, &err);
    if (result == 0)
        result = serve_open(serve, &options, &err);
    if (result == 0) {
        log_event(LOG_NOTICE, "ready", "listen", server_address(serve->server), "upstream",
                  serve->config.reeve.upstream, "state", serve->paths.state_dir, NULL);
        if (!succession_has_predecessor(serve->succession)) // else that one tells systemd
            sd_notify(0, "READY=1");
        event_base_dispatch(serve->base);
        code = serve->exit_code;
    } else {
        succession_fail(serve->succession, &err);
        fprintf(stderr, "reeve serve: %s\n", err.text);
        code =
            result == -EINVAL || result == -EACCES || result == -EPERM ? EX_CONFIG : EX_UNAVAILABLE;
    }
    serve_close(serve);
    free(serve);
    curl_global_cleanup();
    if (result == 0)
        log_event(LOG_NOTICE, "stopped", NULL);
    return code;
}
