// Run registry, adoption: runs that outlive a connection of their supervisor, or the daemon itself.
//
// At a start the journal tells which runs were live, and what they had spent. They hold their slots
// and their keys go on working; their supervisors, which connect by themselves, take them up again.

#include "run_registry_state.h"

#include "cleanup.h"
#include "log.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void registered_read_boot_id(char boot_id[static BOOT_ID_MAX])
{
    cleanup_fd int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, boot_id, BOOT_ID_MAX - 1);
    boot_id[length > 0 ? length : 0] = '\0';
    boot_id[strcspn(boot_id, "\n")] = '\0';
}

// Whether its supervisor can be alive, and show that it is.
static bool can_come_back(const struct run_registry *registry, const struct journal_run_open *open)
{
    static const uint8_t no_digest[RUN_KEY_DIGEST_BYTES];
    bool other_boot = open->boot_id[0] != '\0' && registry->boot_id[0] != '\0' &&
                      strcmp(open->boot_id, registry->boot_id) != 0;
    return !other_boot && memcmp(open->key_digest, no_digest, sizeof(no_digest)) != 0;
}

// The job's settings of today, and the run's own limits.
static void apply_job(struct registered_run *run)
{
    struct run_limits limits = run->asked.limits;
    struct error err;
    registered_apply_job(run, &err); // may be stricter by now; that is for the runs to come
    run->asked.limits = limits;
}

static int restore_run(struct run_registry *registry, const struct journal_live_run *known,
                       struct error *err)
{
    const struct journal_run_open *open = &known->open;
    struct registered_run *run = registered_new(registry);
    if (run == NULL)
        return error_set(err, -ENOMEM, "out of memory for run %s", open->run_id);
    run->asked.limits = open->limits;
    run->asked.pid = open->supervisor_pid;
    memcpy(run->asked.job, open->job, sizeof(run->asked.job));
    memcpy(run->asked.command, open->command, sizeof(run->asked.command));
    run->asked_at_us = open->opened_at_us;
    apply_job(run);
    int result = run_table_restore(registry->options.table, open->run_id, open->job, &open->limits,
                                   open->key_digest, &run->live, err);
    if (result < 0) {
        registered_free(run);
        return result;
    }
    run->live->opened_at_us = open->opened_at_us;
    run->live->cost_pico_usd = known->totals.cost_pico_usd;
    run->live->exchanges = known->totals.exchanges;
    run->live->tokens = known->totals.tokens;
    registered_link(run);
    registered_enter(run, REGISTERED_STARTING);
    if (registry->options.opened != NULL)
        registry->options.opened(run->live, registry->options.context);
    if (strcmp(open->command, IMPLICIT_COMMAND) == 0)
        return registered_restore_implicit(run, open->key_digest, err);
    registered_restore_place(run, open);
    run->ticket.memory_bytes = registered_memory_bytes(run);
    slots_hold(&registry->slots, &run->ticket);
    if (can_come_back(registry, open)) {
        registered_hold(run, (pid_t)open->supervisor_pid);
        registered_set_adrift(run);
    } else {
        registered_abandon(run);
    }
    return 0;
}

int run_registry_restore(struct run_registry *registry, const struct journal_live *live,
                         struct error *err)
{
    size_t count = live->run_count;
    if (count == 0)
        return 0;
    cleanup_free struct journal_live_run *runs = calloc(count, sizeof(*runs));
    if (runs == NULL)
        return error_set(err, -ENOMEM, "out of memory for the runs of the last end");
    memcpy(runs, live->runs, count * sizeof(*runs)); // what is appended moves them
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++)
        result = restore_run(registry, &runs[i], err);
    return result;
}

// The run that this is the supervisor of; NULL, with a refusal sent, if there is none.
static struct registered_run *find_own(struct run_registry *registry, struct control_peer *peer,
                                       const struct control_run_adopt *adopt)
{
    struct live_run *live = run_table_find_id(registry->options.table, adopt->run_id);
    struct registered_run *run = live == NULL ? NULL : registered_find(registry, live);
    if (run == NULL || run->idle != NULL ||
        run_table_find_key(registry->options.table, adopt->run_key, strlen(adopt->run_key)) !=
            live) {
        control_peer_refuse(peer, CONTROL_UNKNOWN_RUN,
                            "there is no live run %s with this key: it was closed as lost",
                            adopt->run_id);
        return NULL;
    }
    if (run->supervisor_pid > 0 && control_peer_pid(peer) > 0 &&
        run->supervisor_pid != control_peer_pid(peer)) { // the agent has the key, too
        control_peer_refuse(peer, CONTROL_INVALID, "run %s has another supervisor", adopt->run_id);
        return NULL;
    }
    return run;
}

static void use_peer(struct registered_run *run, struct control_peer *peer)
{
    if (run->peer != NULL) { // the old connection; that it is lost may not have been seen yet
        control_peer_set_owner(run->peer, NULL);
        control_peer_close(run->peer);
    }
    run->peer = peer;
    control_peer_set_owner(peer, run);
    if (run->lease != NULL)
        event_del(run->lease);
    if (run->supervisor_fd < 0)
        registered_hold(run, control_peer_pid(peer));
}

void registered_receive_adopt(struct run_registry *registry, struct control_peer *peer,
                              const struct control_run_adopt *adopt)
{
    if (control_peer_owner(peer) != NULL) {
        control_peer_refuse(peer, CONTROL_INVALID, "a supervisor has one run only");
        return;
    }
    struct registered_run *run = find_own(registry, peer, adopt);
    if (run == NULL)
        return;
    use_peer(run, peer);
    registered_place(run, adopt->directory);
    log_event(LOG_NOTICE, "run_adopted", "run", run->live->id, "pid", log_int(run->supervisor_pid),
              NULL);
    control_peer_send(peer, &(struct control_message){.type = CONTROL_RUN_ADOPTED});
    if (run->state == REGISTERED_SETTLING)
        return;
    if (run->state == REGISTERED_ABANDONED)
        registered_set_forced(run, RUN_LOST, "its supervisor was away for too long");
    if (run->forced != RUN_LIVE) {
        if (run->state != REGISTERED_ENDING)
            registered_enter(run, REGISTERED_ENDING);
        registered_force(run);
    } else if (run->state != REGISTERED_RUNNING) {
        registered_enter(run, REGISTERED_RUNNING);
    }
}

// A process that asks for a run does not know of one that the daemon opened for it just before a
// restart.
void registered_forsake(struct run_registry *registry, pid_t pid)
{
    for (struct registered_run *run = registry->runs; run != NULL; run = run->next)
        if (run->state == REGISTERED_ADRIFT && pid > 0 && run->supervisor_pid == pid)
            registered_abandon(run);
}
