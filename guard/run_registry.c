// Run registry: the daemon's side of a run's life, from the wish for a slot to the settled account.

#include "run_registry_state.h"

#include "clock.h"
#include "log.h"
#include "run_id.h"
#include "run_limits.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PRESSURE_LOOK_US 1000000 // while runs are held back; PSI's own averages move every 2 s
#define QUEUE_TIMER_MAX_US (INT64_MAX / 2)
#define JOB_DEFAULT "default" // of runs that name none

void registered_enter(struct registered_run *run, enum registered_state state)
{
    static const bool legal[][REGISTERED_STATES] = {
        [REGISTERED_WAITING] = {[REGISTERED_STARTING] = true, [REGISTERED_CLOSED] = true},
        [REGISTERED_STARTING] = {[REGISTERED_RUNNING] = true,
                                 [REGISTERED_ADRIFT] = true,
                                 [REGISTERED_ENDING] = true,
                                 [REGISTERED_ABANDONED] = true,
                                 [REGISTERED_SETTLING] = true},
        [REGISTERED_RUNNING] = {[REGISTERED_ADRIFT] = true,
                                [REGISTERED_ENDING] = true,
                                [REGISTERED_ABANDONED] = true,
                                [REGISTERED_SETTLING] = true},
        [REGISTERED_ADRIFT] = {[REGISTERED_RUNNING] = true,
                               [REGISTERED_ENDING] = true,
                               [REGISTERED_ABANDONED] = true},
        [REGISTERED_ENDING] = {[REGISTERED_ADRIFT] = true,
                               [REGISTERED_ABANDONED] = true,
                               [REGISTERED_SETTLING] = true},
        [REGISTERED_ABANDONED] = {[REGISTERED_ENDING] = true, [REGISTERED_SETTLING] = true},
        [REGISTERED_SETTLING] = {[REGISTERED_CLOSED] = true},
        [REGISTERED_CLOSED] = {false},
    };
    assert(legal[run->state][state]);
    run->state = state;
}

struct registered_run *registered_find(struct run_registry *registry, const struct live_run *live)
{
    for (struct registered_run *run = registry->runs; run != NULL; run = run->next)
        if (run->live == live)
            return run;
    return NULL;
}

struct registered_run *registered_new(struct run_registry *registry)
{
    struct registered_run *run = calloc(1, sizeof(*run));
    if (run != NULL) {
        run->registry = registry;
        run->supervisor_fd = -1;
    }
    return run;
}

void registered_free(struct registered_run *run)
{
    registered_let_go(run);
    if (run->grace != NULL)
        event_free(run->grace);
    if (run->idle != NULL)
        event_free(run->idle);
    free(run);
}

void registered_forget(struct registered_run *run)
{
    struct registered_run **link = &run->registry->runs;
    while (*link != run)
        link = &(*link)->next;
    *link = run->next;
    registered_enter(run, REGISTERED_CLOSED);
    if (run->peer != NULL)
        control_peer_set_owner(run->peer, NULL);
    slots_leave(&run->registry->slots, &run->ticket);
    registered_free(run);
}

static int open_in_journal(const struct registered_run *run, struct error *err)
{
    struct journal_run_open open = {.opened_at_us = run->live->opened_at_us,
                                    .limits = run->asked.limits,
                                    .supervisor_pid = run->supervisor_pid};
    if (run->peer != NULL)
        open.supervisor_uid = control_peer_uid(run->peer);
    if (run->idle != NULL)
        memcpy(open.key_digest, run->job_key_digest, sizeof(open.key_digest));
    else
        run_table_key_digest(run->live, open.key_digest);
    memcpy(open.boot_id, run->registry->boot_id, sizeof(open.boot_id));
    memcpy(open.run_id, run->live->id, sizeof(open.run_id));
    memcpy(open.job, run->asked.job, sizeof(open.job));
    memcpy(open.host, run->registry->host, sizeof(open.host));
    snprintf(open.command, sizeof(open.command), "%s", run->asked.command);
    struct journal_record record = {.type = JOURNAL_RUN_OPEN, .run_open = &open};
    return journal_append(run->registry->options.journal, &record, NULL, err);
}

static void send_grant(struct registered_run *run, const char key[static RUN_KEY_MAX])
{
    struct control_message message = {
        .type = CONTROL_GRANTED,
        .granted = {.limits = run->asked.limits,
                    .kill_grace_us = run->kill_grace_us,
                    .cache_ttl = run->cache_ttl},
    };
    memcpy(message.granted.job, run->asked.job, sizeof(message.granted.job));
    memcpy(message.granted.run_id, run->live->id, sizeof(message.granted.run_id));
    memcpy(message.granted.run_key, key, RUN_KEY_MAX);
    memcpy(message.granted.base_url, run->registry->base_url, sizeof(message.granted.base_url));
    control_peer_send(run->peer, &message);
    control_message_done(&message);
}

// False, with a refusal sent and the run forgotten, if its job may not start a run now.
static bool check_may_open(struct registered_run *run)
{
    const struct run_registry_options *options = &run->registry->options;
    char why[ERROR_TEXT_MAX] = "";
    if (options->may_open == NULL || options->may_open(run->asked.job, why, options->context))
        return true;
    control_peer_refuse(run->peer, CONTROL_CEILING, "%s", why);
    registered_forget(run);
    return false;
}

int registered_open(struct registered_run *run, char key[static RUN_KEY_MAX], struct error *err)
{
    const struct run_registry_options *options = &run->registry->options;
    char id[RUN_ID_MAX];
    int64_t now_us = clock_now_us();
    if (options->run_id == NULL || run->peer == NULL ||
        !options->run_id(run->peer, id, options->context))
        run_id_make(now_us, id);
    int result =
        run_table_add(options->table, id, run->asked.job, &run->asked.limits, key, &run->live, err);
    if (result < 0)
        return result;
    run->live->opened_at_us = now_us;
    result = open_in_journal(run, err);
    if (result < 0) {
        explicit_bzero(key, RUN_KEY_MAX);
        run_table_remove(options->table, run->live);
        run->live = NULL;
        return result;
    }
    registered_enter(run, REGISTERED_STARTING);
    if (options->opened != NULL)
        options->opened(run->live, options->context);
    log_event(LOG_INFO, "run_granted", "run", id, "job", run->asked.job, "pid",
              log_int(run->asked.pid), "waited_us", log_int(now_us - run->asked_at_us), NULL);
    return 0;
}

// Gives the run, which holds a slot, its identity, and tells its supervisor.
static void grant(struct registered_run *run)
{
    char key[RUN_KEY_MAX];
    struct error err;
    if (!check_may_open(run))
        return;
    registered_hold(run, control_peer_pid(run->peer));
    if (registered_open(run, key, &err) < 0) {
        log_event(LOG_ERR, "run_refused", "job", run->asked.job, "error", err.text, NULL);
        control_peer_refuse(run->peer, CONTROL_UNAVAILABLE, "%s", err.text);
        registered_forget(run);
        return;
    }
    send_grant(run, key);
    explicit_bzero(key, sizeof(key));
}

// Tells all who wait where they are, and sets the timer to the next one who gives up.
static void announce_queue(struct run_registry *registry)
{
    struct control_message message = {.type = CONTROL_QUEUED};
    for (struct slot_ticket *each = registry->slots.queue; each != NULL; each = each->next) {
        message.queued.position++;
        control_peer_send(run_of_ticket(each)->peer, &message);
    }
    int64_t deadline_us = slots_deadline_us(&registry->slots);
    int64_t left_us = deadline_us - clock_monotonic_us();
    if (left_us < 0)
        left_us = 0;
    if (registry->slots.queue != NULL && registry->slots.held_back && left_us > PRESSURE_LOOK_US)
        left_us = PRESSURE_LOOK_US;
    struct timeval timeout = {.tv_sec = left_us / 1000000, .tv_usec = left_us % 1000000};
    if (left_us > QUEUE_TIMER_MAX_US)
        event_del(registry->queue_timer);
    else
        event_add(registry->queue_timer, &timeout);
}

// Hands free slots to those who wait.
static void advance_queue(struct run_registry *registry)
{
    struct slot_ticket *ticket;
    registry_read_pressure(registry);
    while ((ticket = slots_next(&registry->slots)) != NULL)
        grant(run_of_ticket(ticket));
    announce_queue(registry);
}

static void refuse_no_slot(struct registered_run *run)
{
    char why[CONTROL_TEXT_MAX];
    registered_explain_wait(run, slots_obstacle(&run->registry->slots, &run->ticket), why,
                            sizeof(why));
    control_peer_refuse(run->peer, CONTROL_NO_SLOT, "%s", why);
    registered_forget(run);
}

static void on_queue_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct run_registry *registry = context;
    struct slot_ticket *ticket;
    while ((ticket = slots_expire(&registry->slots, clock_monotonic_us())) != NULL)
        refuse_no_slot(run_of_ticket(ticket));
    advance_queue(registry);
}

int run_registry_new(struct run_registry **registry, const struct run_registry_options *options,
                     struct error *err)
{
    struct run_registry *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set_errno(err, -ENOMEM, "making the run registry");
    made->options = *options;
    if (made->options.adoption_grace_us == 0)
        made->options.adoption_grace_us = RUN_ADOPTION_GRACE_US;
    registered_read_boot_id(made->boot_id);
    slots_init(&made->slots, (size_t)options->config->reeve.slots, options->memory_for_runs);
    snprintf(made->base_url, sizeof(made->base_url), "%s", options->base_url);
    if (gethostname(made->host, sizeof(made->host) - 1) != 0)
        made->host[0] = '\0';
    made->queue_timer = evtimer_new(options->base, on_queue_timer, made);
    if (made->queue_timer == NULL) {
        free(made);
        return error_set_errno(err, -ENOMEM, "making the run registry");
    }
    *registry = made;
    return 0;
}

void run_registry_free(struct run_registry *registry)
{
    if (registry == NULL)
        return;
    for (struct registered_run *run; (run = registry->runs) != NULL;) {
        registry->runs = run->next;
        registered_free(run);
    }
    event_free(registry->queue_timer);
    free(registry);
}

int registered_apply_job(struct registered_run *run, struct error *err)
{
    const struct config_job *configured =
        config_find_job(run->registry->options.config, run->asked.job);
    struct config_job defaults;
    int result = config_job_init(&defaults, run->asked.job, err);
    if (result < 0)
        return result;
    const struct config_job *job = configured != NULL ? configured : &defaults;
    run->kill_grace_us = job->kill_grace_us;
    run->cache_ttl = job->cache_ttl;
    run->idle_max_us = job->idle_us;
    result =
        run_limits_combine(&run->asked.limits, job, configured != NULL, &run->asked.limits, err);
    config_job_done(&defaults);
    return result;
}

void registered_link(struct registered_run *run)
{
    run->next = run->registry->runs;
    run->registry->runs = run;
}

static void receive_open(struct run_registry *registry, struct control_peer *peer,
                         const struct control_run_open *asked)
{
    struct error err;
    if (control_peer_owner(peer) != NULL) {
        control_peer_refuse(peer, CONTROL_INVALID, "a supervisor has one run only");
        return;
    }
    registered_forsake(registry, control_peer_pid(peer));
    struct registered_run *run = registered_new(registry);
    if (run == NULL) {
        control_peer_refuse(peer, CONTROL_UNAVAILABLE, "the daemon is out of memory");
        return;
    }
    run->asked = *asked;
    if (run->asked.job[0] == '\0')
        memcpy(run->asked.job, JOB_DEFAULT, sizeof(JOB_DEFAULT));
    int result = 0;
    if (!config_name_is_valid(run->asked.job))
        result = error_set(&err, -EINVAL, "%s is no name of a job: write A-Z a-z 0-9 . _ -",
                           run->asked.job);
    else if (run->asked.wait_us < 0)
        result = error_set(&err, -EINVAL, "the time to wait is negative");
    else
        result = registered_apply_job(run, &err);
    if (result == 0)
        result = registered_check_memory(run, &err);
    if (result < 0) {
        registered_free(run);
        control_peer_refuse(peer, CONTROL_INVALID, "%s", err.text);
        return;
    }
    run->peer = peer;
    run->asked_at_us = clock_now_us();
    registered_link(run);
    control_peer_set_owner(peer, run);
    if (!check_may_open(run))
        return;
    int64_t now_us = clock_monotonic_us();
    int64_t deadline_us;
    if (__builtin_add_overflow(now_us, asked->wait_us, &deadline_us))
        deadline_us = INT64_MAX;
    run->ticket.memory_bytes = registered_memory_bytes(run);
    registry_read_pressure(registry);
    switch (slots_take(&registry->slots, &run->ticket, asked->priority, now_us, deadline_us)) {
    case SLOT_HELD:
        grant(run);
        break;
    case SLOT_WAITING:
        announce_queue(registry);
        break;
    case SLOT_NONE:
        refuse_no_slot(run);
    }
}

static void close_in_journal(const struct registered_run *run, enum run_end end)
{
    struct error err;
    const struct live_run *live = run->live;
    struct journal_run_close close = {
        .closed_at_us = clock_now_us(),
        .end = end,
        .exit_code = (int)run->ended.exit_code,
        .memory_peak_bytes = run->ended.memory_peak_bytes,
        .cpu_us = run->ended.cpu_us,
        .io_read_bytes = run->ended.io_read_bytes,
        .io_written_bytes = run->ended.io_written_bytes,
        .memory_stall_us = run->ended.memory_stall_us,
        .exchanges = live->exchanges,
        .free_calls = live->free_calls,
        .cost_pico_usd = live->cost_pico_usd,
        .tokens = live->tokens,
    };
    memcpy(close.run_id, live->id, sizeof(close.run_id));
    memcpy(close.job, live->job, sizeof(close.job));
    struct journal_record record = {.type = JOURNAL_RUN_CLOSE, .run_close = &close};
    if (journal_append(run->registry->options.journal, &record, NULL, &err) < 0)
        log_event(LOG_ERR, "run_close_failed", "run", live->id, "error", err.text, NULL);
}

static void send_settled(const struct registered_run *run, enum run_end end)
{
    const struct live_run *live = run->live;
    struct control_message message = {
        .type = CONTROL_SETTLED,
        .settled = {.end = end,
                    .exchanges = live->exchanges,
                    .free_calls = live->free_calls,
                    .refused = live->refused,
                    .cost_pico_usd = live->cost_pico_usd,
                    .tokens = live->tokens},
    };
    control_peer_send(run->peer, &message);
    control_peer_close(run->peer);
}

// Closes a settling run once nothing of it is in flight.
static void close_when_settled(struct registered_run *run)
{
    struct run_registry *registry = run->registry;
    const struct run_registry_options *options = &registry->options;
    if (run->state != REGISTERED_SETTLING || run->live->exchanges_in_flight > 0)
        return;
    enum run_end end = run->forced != RUN_LIVE ? run->forced : run->ended.end;
    close_in_journal(run, end);
    if (run->peer != NULL)
        send_settled(run, end);
    log_event(LOG_INFO, "run_closed", "run", run->live->id, "job", run->live->job, "end",
              run_end_name(end), "exit_code", log_int(run->ended.exit_code), "exchanges",
              log_int(run->live->exchanges), "cost_pico_usd", log_int(run->live->cost_pico_usd),
              NULL);
    if (options->closed != NULL)
        options->closed(run->live, end, run->ended.memory_peak_bytes, options->context);
    run_table_remove(options->table, run->live);
    registered_forget(run);
    advance_queue(registry);
}

void registered_settle(struct registered_run *run, const struct control_run_ended *ended)
{
    run->ended = *ended;
    run->live->closing = true;
    registered_enter(run, REGISTERED_SETTLING);
    close_when_settled(run);
}

void registered_settle_unseen(struct registered_run *run, enum run_end end)
{
    registered_settle(run, &(struct control_run_ended){
                               .end = end,
                               .exit_code = -1,
                               .memory_peak_bytes = -1,
                               .cpu_us = -1,
                               .io_read_bytes = -1,
                               .io_written_bytes = -1,
                               .memory_stall_us = -1,
                           });
}

static void receive_started(struct registered_run *run, const struct control_run_started *started)
{
    if (run->state != REGISTERED_STARTING) // it may be ending already
        return;
    registered_enter(run, REGISTERED_RUNNING);
    log_event(LOG_INFO, "run_started", "run", run->live->id, "pid", log_int(started->pid), "cgroup",
              started->cgroup, NULL);
}

static void receive_ended(struct registered_run *run, const struct control_run_ended *ended)
{
    if (ended->end != RUN_LIVE &&
        (run->state == REGISTERED_STARTING || run->state == REGISTERED_RUNNING ||
         run->state == REGISTERED_ENDING))
        registered_settle(run, ended);
}

bool run_registry_receive(struct run_registry *registry, struct control_peer *peer,
                          const struct control_message *message)
{
    struct registered_run *run = control_peer_owner(peer);
    switch (message->type) {
    case CONTROL_RUN_OPEN:
        receive_open(registry, peer, &message->run_open);
        return true;
    case CONTROL_RUN_PLACED:
        if (run != NULL)
            registered_place(run, message->run_placed.directory);
        return true;
    case CONTROL_RUN_STARTED:
        if (run != NULL)
            receive_started(run, &message->run_started);
        return true;
    case CONTROL_RUN_ENDED:
        if (run != NULL)
            receive_ended(run, &message->run_ended);
        return true;
    case CONTROL_RUN_ESCAPED:
        if (run != NULL && run->live != NULL && registry->options.escaped != NULL)
            registry->options.escaped(run->live, message->run_escaped.text,
                                      registry->options.context);
        return true;
    case CONTROL_RUN_ADOPT:
        registered_receive_adopt(registry, peer, &message->run_adopt);
        return true;
    case CONTROL_KILL:
        registered_receive_kill(registry, peer, &message->kill);
        return true;
    default:
        return false;
    }
}

void run_registry_peer_gone(struct run_registry *registry, struct control_peer *peer)
{
    struct registered_run *run = control_peer_owner(peer);
    if (run == NULL)
        return;
    run->peer = NULL;
    if (run->state == REGISTERED_WAITING) {
        registered_forget(run);
        advance_queue(registry);
    } else {
        registered_set_adrift(run);
    }
}

void run_registry_exchange_settled(struct run_registry *registry, struct live_run *live)
{
    struct registered_run *run = registered_find(registry, live);
    if (run == NULL)
        return;
    run->last_seen_us = clock_monotonic_us();
    close_when_settled(run);
}
