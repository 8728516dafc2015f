// Run registry, shown: live runs and the queue in a status; which run a process supervises.

#include "run_registry_state.h"

#include <string.h>

static const char *const state_names[] = {"waiting", "starting",  "running",  "adrift",
                                          "ending",  "abandoned", "settling", "closed"};

static void add_run_status(const struct registered_run *run, struct status *status)
{
    const struct live_run *live = run->live;
    struct status_run *entry =
        control_list_add(&status->runs, &status->run_count, sizeof(*status->runs));
    if (entry == NULL)
        return;
    memcpy(entry->id, live->id, sizeof(entry->id));
    memcpy(entry->job, live->job, sizeof(entry->job));
    memcpy(entry->command, run->asked.command, sizeof(entry->command));
    snprintf(entry->state, sizeof(entry->state), "%s", state_names[run->state]);
    entry->pid = run->asked.pid;
    entry->opened_at_us = live->opened_at_us;
    entry->cost_pico_usd = live->cost_pico_usd;
    entry->cost_max_pico_usd = live->limits.cost_max_pico_usd;
    entry->counted_tokens =
        tokens_counted(&live->tokens, run->registry->options.config->reeve.tokens_count);
    entry->tokens_max = live->limits.tokens_max;
    entry->exchanges = live->exchanges;
    entry->exchanges_in_flight = live->exchanges_in_flight;
    entry->tokens = live->tokens;
}

struct live_run *run_registry_find_supervised(const struct run_registry *registry, pid_t pid)
{
    for (const struct registered_run *run = registry->runs; run != NULL; run = run->next)
        if (run->live != NULL && pid > 0 && run->supervisor_pid == pid)
            return run->live;
    return NULL;
}

void run_registry_status(const struct run_registry *registry, struct status *status)
{
    status->slots = (int64_t)registry->slots.total;
    status->memory_for_runs_bytes = registry->slots.memory_total;
    status->memory_taken_bytes = registry->slots.memory_held;
    for (const struct registered_run *run = registry->runs; run != NULL; run = run->next)
        if (run->live != NULL)
            add_run_status(run, status);
    for (struct slot_ticket *each = registry->slots.queue; each != NULL; each = each->next) {
        const struct registered_run *run = run_of_ticket(each);
        struct status_waiting *entry =
            control_list_add(&status->waiting, &status->waiting_count, sizeof(*status->waiting));
        if (entry == NULL)
            return;
        memcpy(entry->job, run->asked.job, sizeof(entry->job));
        entry->pid = run->asked.pid;
        entry->priority = run->asked.priority;
        entry->since_us = run->asked_at_us;
        registered_explain_wait(run, slots_obstacle(&registry->slots, each), entry->why,
                                sizeof(entry->why));
    }
}

size_t run_registry_count(const struct run_registry *registry)
{
    size_t count = 0;
    for (const struct registered_run *run = registry->runs; run != NULL; run = run->next)
        count += run->live != NULL;
    return count;
}

size_t run_registry_waiting(const struct run_registry *registry)
{
    return slots_waiting(&registry->slots);
}
