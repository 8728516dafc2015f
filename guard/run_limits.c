// Run limits: what a supervisor asks for, held against what the job's configuration allows.

#include "run_limits.h"

#include "cleanup.h"
#include "config_option.h"

// What the supervisor of a run and its watchdog take, and more.
#define SUPERVISOR_MEMORY_BYTES (32 << 20)
#define SUPERVISOR_TASKS 16

const struct run_limit_name run_limit_names[] = {
    {"cost-max", "CostMax", offsetof(struct run_limits, cost_max_pico_usd)},
    {"tokens-max", "TokensMax", offsetof(struct run_limits, tokens_max)},
    {"output-tokens-max", "OutputTokensMax", offsetof(struct run_limits, output_tokens_max)},
    {"requests-max", "RequestsMax", offsetof(struct run_limits, requests_max)},
    {"memory-max", "MemoryMax", offsetof(struct run_limits, memory_max_bytes)},
    {"memory-high", "MemoryHigh", offsetof(struct run_limits, memory_high_bytes)},
    {"memory-swap-max", "MemorySwapMax", offsetof(struct run_limits, memory_swap_max_bytes)},
    {"tasks-max", "TasksMax", offsetof(struct run_limits, tasks_max)},
    {"cpu-quota", "CPUQuota", offsetof(struct run_limits, cpu_quota_percent)},
    {"runtime-max", "RuntimeMaxSec", offsetof(struct run_limits, runtime_max_us)},
};
const size_t run_limit_name_count = sizeof(run_limit_names) / sizeof(run_limit_names[0]);

static int64_t *limit_of(const struct run_limits *limits, const struct run_limit_name *name)
{
    return (int64_t *)(void *)((char *)(void *)limits + name->offset);
}

struct run_limits run_limits_none(void)
{
    struct run_limits limits = {0};
    for (size_t i = 0; i < run_limit_name_count; i++)
        *limit_of(&limits, &run_limit_names[i]) = LIMIT_NONE;
    return limits;
}

static int64_t add_room(int64_t limit, int64_t room)
{
    int64_t sum;
    return __builtin_add_overflow(limit, room, &sum) ? LIMIT_NONE : sum;
}

struct run_limits run_limits_of_unit(const struct run_limits *limits)
{
    struct run_limits above = *limits;
    above.memory_max_bytes = add_room(limits->memory_max_bytes, SUPERVISOR_MEMORY_BYTES);
    above.tasks_max = add_room(limits->tasks_max, SUPERVISOR_TASKS);
    return above;
}

int run_limits_combine(const struct run_limits *asked, const struct config_job *job,
                       bool configured, struct run_limits *combined, struct error *err)
{
    struct run_limits limits = {0};
    for (size_t i = 0; i < run_limit_name_count; i++) {
        const struct run_limit_name *name = &run_limit_names[i];
        int64_t wanted = *limit_of(asked, name);
        int64_t allowed = *limit_of(&job->limits, name);
        if (wanted < 0)
            return error_set(err, -EINVAL, "--%s is negative", name->option);
        if (configured && wanted > allowed && wanted != LIMIT_NONE) {
            cleanup_free char *text =
                config_option_text(config_option_find(CONFIG_JOB, name->name), job);
            return error_set(err, -EPERM,
                             "--%s may only be tighter than %s=%s of [Job %s]; ask for less, or "
                             "raise it there",
                             name->option, name->name, text != NULL ? text : "", job->name);
        }
        *limit_of(&limits, name) = wanted != LIMIT_NONE ? wanted : allowed;
    }
    *combined = limits;
    return 0;
}
