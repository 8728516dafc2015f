// Status: the daemon's answer as text for people, and as JSON.

#include "status.h"

#include "clock.h"
#include "money.h"
#include "run.h"
#include "size_text.h"
#include "value_json.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define COLUMN_MAX 80

// "$0.1234 of $0.50", without a limit "$0.1234".
static const char *format_cost(int64_t cost, int64_t limit, char text[static COLUMN_MAX])
{
    char spent[MONEY_TEXT_MAX], allowed[MONEY_TEXT_MAX];
    money_format_short(cost, spent);
    if (limit == LIMIT_NONE)
        snprintf(text, COLUMN_MAX, "%s", spent);
    else
        snprintf(text, COLUMN_MAX, "%s of %s", spent, money_format_short(limit, allowed));
    return text;
}

static const char *format_count(int64_t count, int64_t limit, char text[static COLUMN_MAX])
{
    if (limit == LIMIT_NONE)
        snprintf(text, COLUMN_MAX, "%" PRId64, count);
    else
        snprintf(text, COLUMN_MAX, "%" PRId64 " of %" PRId64, count, limit);
    return text;
}

// Runs in a slot. An implicit run has neither a slot nor a process of ours.
static size_t slots_taken(const struct status *status)
{
    size_t taken = 0;
    for (size_t i = 0; i < status->run_count; i++)
        taken += status->runs[i].pid != 0;
    return taken;
}

// Only where some run has a MemoryMax=: the others are not counted.
static void print_memory(const struct status *status, FILE *stream)
{
    char taken[SIZE_TEXT_MAX], total[SIZE_TEXT_MAX];
    if (status->memory_taken_bytes > 0)
        fprintf(stream, "memory: %s of %s taken by MemoryMax= of runs\n",
                size_format(status->memory_taken_bytes, taken),
                size_format(status->memory_for_runs_bytes, total));
}

static void print_head(const struct status *status, FILE *stream)
{
    char duration[CLOCK_TEXT_MAX];
    fprintf(stream, "reeve %s, pid %" PRId64 ", up %s, %s -> %s\n", status->version, status->pid,
            clock_format_duration(status->now_us - status->started_at_us, duration), status->listen,
            status->upstream);
    fprintf(stream,
            "slots: %zu of %" PRId64 " taken, %zu waiting; %" PRId64 " exchanges in flight\n",
            slots_taken(status), status->slots, status->waiting_count, status->exchanges_in_flight);
    print_memory(status, stream);
    fprintf(stream, "ledger: %s", status->ledger);
    if (status->ledger_lag_bytes > 0)
        fprintf(stream, ", %" PRId64 " bytes behind", status->ledger_lag_bytes);
    fprintf(stream, "\n");
}

static void print_runs(const struct status *status, FILE *stream)
{
    if (status->run_count == 0)
        return;
    fprintf(stream, "\n%-23s %-16s %-9s %10s %20s %22s %9s\n", "RUN", "JOB", "STATE", "AGE", "COST",
            "TOKENS", "EXCHANGES");
    for (size_t i = 0; i < status->run_count; i++) {
        const struct status_run *run = &status->runs[i];
        char age[CLOCK_TEXT_MAX], cost[COLUMN_MAX], tokens[COLUMN_MAX];
        fprintf(stream, "%-23s %-16s %-9s %10s %20s %22s %9" PRId64 "\n", run->id, run->job,
                run->state, clock_format_duration(status->now_us - run->opened_at_us, age),
                format_cost(run->cost_pico_usd, run->cost_max_pico_usd, cost),
                format_count(run->counted_tokens, run->tokens_max, tokens), run->exchanges);
    }
}

static void print_waiting(const struct status *status, FILE *stream)
{
    if (status->waiting_count == 0)
        return;
    fprintf(stream, "\n%-8s %-16s %8s %8s %10s  %s\n", "WAITING", "JOB", "PID", "PRIORITY", "SINCE",
            "WHY");
    for (size_t i = 0; i < status->waiting_count; i++) {
        const struct status_waiting *waiting = &status->waiting[i];
        char since[CLOCK_TEXT_MAX];
        fprintf(stream, "%-8zu %-16s %8" PRId64 " %8" PRId64 " %10s  %s\n", i + 1, waiting->job,
                waiting->pid, waiting->priority,
                clock_format_duration(status->now_us - waiting->since_us, since), waiting->why);
    }
}

static void print_credentials(const struct status *status, FILE *stream)
{
    if (status->credential_count == 0)
        return;
    fprintf(stream, "\n%-16s %-12s %-9s %-20s %s\n", "CREDENTIAL", "TYPE", "STATE", "EXPIRES", "");
    for (size_t i = 0; i < status->credential_count; i++) {
        const struct status_credential *credential = &status->credentials[i];
        char expires[CLOCK_TEXT_MAX] = "-";
        if (credential->expires_at_us >= 0)
            clock_format_utc(credential->expires_at_us, expires);
        fprintf(stream, "%-16s %-12s %-9s %-20s %s\n", credential->name, credential->type,
                credential->state, expires, credential->text);
    }
}

static void print_ceilings(const struct status *status, FILE *stream)
{
    if (status->ceiling_count == 0)
        return;
    fprintf(stream, "\n%-24s %-6s %-7s %22s %14s %s\n", "CEILING", "PER", "OF", "SPENT", "HELD",
            "RESETS");
    for (size_t i = 0; i < status->ceiling_count; i++) {
        const struct status_ceiling *ceiling = &status->ceilings[i];
        bool is_cost = strcmp(ceiling->kind, "cost") == 0;
        char spent[COLUMN_MAX], held[COLUMN_MAX], resets[CLOCK_TEXT_MAX] = "-";
        if (ceiling->resets_at_us >= 0)
            clock_format_utc(ceiling->resets_at_us, resets);
        fprintf(stream, "%-24s %-6s %-7s %22s %14s %s\n", ceiling->scope, ceiling->period,
                ceiling->kind,
                is_cost ? format_cost(ceiling->settled, ceiling->limit, spent)
                        : format_count(ceiling->settled, ceiling->limit, spent),
                is_cost ? format_cost(ceiling->held, LIMIT_NONE, held)
                        : format_count(ceiling->held, LIMIT_NONE, held),
                resets);
    }
}

void status_print(const struct status *status, FILE *stream)
{
    print_head(status, stream);
    print_runs(status, stream);
    print_waiting(status, stream);
    print_credentials(status, stream);
    print_ceilings(status, stream);
}

// Of JSON values: null where there is none.
static json_t *limit_json(int64_t limit)
{
    return limit == LIMIT_NONE ? json_null() : json_integer(limit);
}

static json_t *cost_json(int64_t cost)
{
    return cost == LIMIT_NONE ? json_null() : money_json(cost);
}

static json_t *run_json(const void *element)
{
    const struct status_run *run = element;
    const struct token_counts *tokens = &run->tokens;
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:I, s:o, s:I, s:I, s:{s:I, s:I, s:I, s:I, s:I}}",
        "run", run->id, "job", run->job, "command", run->command, "state", run->state, "pid",
        (json_int_t)run->pid, "opened_at", time_json(run->opened_at_us), "cost_usd",
        cost_json(run->cost_pico_usd), "cost_max_usd", cost_json(run->cost_max_pico_usd),
        "counted_tokens", (json_int_t)run->counted_tokens, "tokens_max",
        limit_json(run->tokens_max), "exchanges", (json_int_t)run->exchanges, "exchanges_in_flight",
        (json_int_t)run->exchanges_in_flight, "tokens", "input", (json_int_t)tokens->input,
        "output", (json_int_t)tokens->output, "cache_write_5m", (json_int_t)tokens->cache_write_5m,
        "cache_write_1h", (json_int_t)tokens->cache_write_1h, "cache_read",
        (json_int_t)tokens->cache_read);
}

static json_t *waiting_json(const void *element)
{
    const struct status_waiting *waiting = element;
    return json_pack("{s:s, s:I, s:I, s:o, s:s}", "job", waiting->job, "pid",
                     (json_int_t)waiting->pid, "priority", (json_int_t)waiting->priority, "since",
                     time_json(waiting->since_us), "why", waiting->why);
}

static json_t *credential_json(const void *element)
{
    const struct status_credential *credential = element;
    return json_pack("{s:s, s:s, s:s, s:o, s:s}", "name", credential->name, "type",
                     credential->type, "state", credential->state, "expires_at",
                     time_json(credential->expires_at_us), "text", credential->text);
}

static json_t *ceiling_json(const void *element)
{
    const struct status_ceiling *ceiling = element;
    json_t *(*amount)(int64_t) = strcmp(ceiling->kind, "cost") == 0 ? cost_json : limit_json;
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "scope", ceiling->scope, "period",
                     ceiling->period, "kind", ceiling->kind, "limit", amount(ceiling->limit),
                     "settled", amount(ceiling->settled), "held", amount(ceiling->held),
                     "resets_at", time_json(ceiling->resets_at_us));
}

// An array of all elements; NULL if one fails.
static json_t *list_json(const void *elements, size_t count, size_t size,
                         json_t *(*to_json)(const void *element))
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(list, to_json((const char *)elements + i * size)) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

json_t *status_json(const struct status *status)
{
    return json_pack(
        "{s:s, s:s, s:s, s:I, s:o, s:o, s:I, s:o, s:I, s:I, s:s, s:I, s:o, s:o, s:o, s:o}",
        "version", status->version, "listen", status->listen, "upstream", status->upstream, "pid",
        (json_int_t)status->pid, "started_at", time_json(status->started_at_us), "now",
        time_json(status->now_us), "slots", (json_int_t)status->slots, "memory_for_runs_bytes",
        limit_json(status->memory_for_runs_bytes), "memory_taken_bytes",
        (json_int_t)status->memory_taken_bytes, "exchanges_in_flight",
        (json_int_t)status->exchanges_in_flight, "ledger", status->ledger, "ledger_lag_bytes",
        (json_int_t)status->ledger_lag_bytes, "runs",
        list_json(status->runs, status->run_count, sizeof(*status->runs), run_json), "waiting",
        list_json(status->waiting, status->waiting_count, sizeof(*status->waiting), waiting_json),
        "credentials",
        list_json(status->credentials, status->credential_count, sizeof(*status->credentials),
                  credential_json),
        "ceilings",
        list_json(status->ceilings, status->ceiling_count, sizeof(*status->ceilings),
                  ceiling_json));
}

int status_print_json(const struct status *status, FILE *stream, struct error *err)
{
    json_t *json = status_json(status);
    int failed = json == NULL ? -1 : json_dumpf(json, stream, JSON_INDENT(2));
    fputc('\n', stream);
    json_decref(json);
    return failed != 0 ? error_set(err, -EIO, "writing JSON failed") : 0;
}
