// Run summary: the last line that `reeve run` writes.

#include "run_summary.h"

#include "clock.h"
#include "money.h"
#include "size_text.h"

#include <inttypes.h>
#include <jansson.h>

static void print_account(const struct control_settled *account, FILE *stream)
{
    char cost[MONEY_TEXT_MAX];
    const struct token_counts *tokens = &account->tokens;
    fprintf(stream, "%" PRId64 " exchange%s, tokens in %" PRId64 " out %" PRId64,
            account->exchanges, account->exchanges == 1 ? "" : "s", tokens->input, tokens->output);
    fprintf(stream, " cache read %" PRId64 " write %" PRId64 ", %s", tokens->cache_read,
            tokens->cache_write_5m + tokens->cache_write_1h,
            money_format_short(account->cost_pico_usd, cost));
    if (account->refused > 0)
        fprintf(stream, ", %" PRId64 " refused", account->refused);
}

void run_summary_print(const struct run_summary *summary, FILE *stream)
{
    char duration[CLOCK_TEXT_MAX], size[SIZE_TEXT_MAX];
    fprintf(stream, "reeve: run %s job %s: %s, exit %d, %s, ", summary->run_id, summary->job,
            run_end_name(summary->end), summary->exit_code,
            clock_format_duration(summary->duration_us, duration));
    if (summary->is_settled)
        print_account(&summary->account, stream);
    else
        fputs("account unknown (the daemon went away)", stream);
    if (summary->memory_peak_bytes >= 0)
        fprintf(stream, ", peak %s", size_format(summary->memory_peak_bytes, size));
    fputc('\n', stream);
}

static json_t *number_or_null(int64_t number)
{
    return number < 0 ? json_null() : json_integer(number);
}

static json_t *account_to_json(const struct control_settled *account)
{
    char cost[MONEY_TEXT_MAX];
    const struct token_counts *tokens = &account->tokens;
    return json_pack("{s:I, s:I, s:I, s:s, s:{s:I, s:I, s:I, s:I, s:I}}", "exchanges",
                     (json_int_t)account->exchanges, "free_calls", (json_int_t)account->free_calls,
                     "refused", (json_int_t)account->refused, "cost_usd",
                     money_format_exact(account->cost_pico_usd, 2, cost), "tokens", "input",
                     (json_int_t)tokens->input, "output", (json_int_t)tokens->output,
                     "cache_write_5m", (json_int_t)tokens->cache_write_5m, "cache_write_1h",
                     (json_int_t)tokens->cache_write_1h, "cache_read",
                     (json_int_t)tokens->cache_read);
}

int run_summary_print_json(const struct run_summary *summary, FILE *stream, struct error *err)
{
    json_t *account = summary->is_settled ? account_to_json(&summary->account) : json_null();
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:i, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "run", summary->run_id, "job",
        summary->job, "end", run_end_name(summary->end), "exit_code", summary->exit_code,
        "duration_ms", (json_int_t)(summary->duration_us / 1000), "memory_peak_bytes",
        number_or_null(summary->memory_peak_bytes), "cpu_ms",
        number_or_null(summary->cpu_us < 0 ? -1 : summary->cpu_us / 1000), "io_read_bytes",
        number_or_null(summary->io_read_bytes), "io_written_bytes",
        number_or_null(summary->io_written_bytes), "memory_stall_ms",
        number_or_null(summary->memory_stall_us < 0 ? -1 : summary->memory_stall_us / 1000),
        "account", account);
    int result = json == NULL ? -ENOMEM : json_dumpf(json, stream, JSON_COMPACT) != 0 ? -EIO : 0;
    json_decref(json);
    fputc('\n', stream);
    return result < 0 ? error_set_errno(err, result, "writing the summary") : 0;
}
