// Settle: a reservation is replaced by the metered, priced usage: in the journal, then in the
// budget.

#include "settle.h"

#include "clock.h"
#include "journal.h"
#include "log.h"
#include "metrics.h"
#include "money.h"
#include "price.h"

// Nothing went out, or the upstream refused: nothing is billed.
static bool end_is_free(enum exchange_end end)
{
    return end == EXCHANGE_NOT_SENT || end == EXCHANGE_UPSTREAM_ERROR || end == EXCHANGE_RETRIED;
}

// Charges what was reserved: the usage is not known at all.
static void charge_reservation(struct journal_settlement *record,
                               const struct budget_amounts *reserved)
{
    record->estimated = true;
    record->cost_pico_usd = reserved->of[BUDGET_COST];
    record->tokens = (struct token_counts){
        .input = reserved->of[BUDGET_TOKENS] - reserved->of[BUDGET_OUTPUT_TOKENS],
        .output = reserved->of[BUDGET_OUTPUT_TOKENS],
    };
    if (record->tokens.input < 0)
        record->tokens.input = 0;
}

bool settle_take_metered(const struct proxy *proxy, struct journal_settlement *record,
                         const struct meter_result *metered)
{
    struct price_quote quote;
    struct error err;
    const struct usage *usage = &metered->usage;
    if (usage->model[0] != '\0')
        snprintf(record->model, sizeof(record->model), "%s", usage->model);
    snprintf(record->message_id, sizeof(record->message_id), "%s", metered->message_id);
    snprintf(record->stop_reason, sizeof(record->stop_reason), "%s", metered->stop_reason);
    record->usage_json = metered->usage_json;
    record->usage_json_length = metered->usage_json_length;
    if (metered->quality != METER_EXACT && metered->quality != METER_ESTIMATED)
        return false;
    if (price_usage(proxy->prices, usage, record->reserved_at_us, &quote, &err) < 0) {
        log_event(LOG_ERR, "usage_not_priced", "run", record->run_id, "error", err.text, NULL);
        return false;
    }
    record->estimated = metered->quality == METER_ESTIMATED;
    record->cost_pico_usd = quote.cost_pico_usd;
    record->tokens = quote.tokens;
    record->unknown_model = quote.unknown_model;
    record->thinking_tokens = usage->thinking_tokens;
    record->web_search_requests = usage->web_search_requests;
    record->web_fetch_requests = usage->web_fetch_requests;
    record->speed = usage->speed;
    record->tier = usage->tier;
    record->geo = usage->geo;
    snprintf(record->price_row, sizeof(record->price_row), "%s", quote.price_row);
    return true;
}

static int64_t at_least(int64_t used, bool estimated, int64_t reserved)
{
    return estimated && used < reserved ? reserved : used;
}

// What the ceilings count: what was used, or all that was reserved where that is not known exactly.
static void count_for_ceilings(const struct proxy *proxy, struct journal_settlement *record,
                               const struct budget_amounts *reserved)
{
    bool estimated = record->estimated;
    record->counted_pico_usd =
        at_least(record->cost_pico_usd, estimated, reserved->of[BUDGET_COST]);
    record->counted_tokens = at_least(tokens_counted(&record->tokens, proxy->tokens_count),
                                      estimated, reserved->of[BUDGET_TOKENS]);
    record->counted_output_tokens =
        at_least(record->tokens.output, estimated, reserved->of[BUDGET_OUTPUT_TOKENS]);
}

static struct budget_amounts counted(const struct journal_settlement *record,
                                     const struct budget_amounts *reserved)
{
    int64_t requests = exchange_end_is_request(record->end) ? 1 : 0;
    return (struct budget_amounts){{
        [BUDGET_COST] = record->counted_pico_usd,
        [BUDGET_TOKENS] = record->counted_tokens,
        [BUDGET_OUTPUT_TOKENS] = record->counted_output_tokens,
        [BUDGET_REQUESTS] = at_least(requests, record->estimated, reserved->of[BUDGET_REQUESTS]),
    }};
}

void settle_add_to_run(struct live_run *run, const struct journal_settlement *record)
{
    run->exchanges++;
    run->cost_pico_usd += record->cost_pico_usd;
    tokens_add(&run->tokens, &record->tokens);
}

// NULL, which the log leaves out, for what is not known.
static const char *known(const char *text)
{
    return *text != '\0' ? text : NULL;
}

// Names of OpenTelemetry's semantic conventions for generative AI (opentelemetry.io, "Semantic
// conventions for generative client AI spans"), where it has one for what is said. By them the
// input has what was read from the cache and written to it in it.
static void log_settlement(const struct journal_settlement *record)
{
    const struct token_counts *tokens = &record->tokens;
    int64_t written = tokens->cache_write_5m + tokens->cache_write_1h;
    char cost[MONEY_TEXT_MAX];
    log_event(
        LOG_INFO, "exchange", "run", record->run_id, "job", record->job, "gen_ai.operation.name",
        "chat", "gen_ai.provider.name", "anthropic", "gen_ai.request.model", record->model_asked,
        "gen_ai.response.model", record->model, "http.response.status_code",
        log_int(record->http_status), "end", exchange_end_name(record->end),
        "gen_ai.usage.input_tokens", log_int(tokens->input + written + tokens->cache_read),
        "gen_ai.usage.cache_read.input_tokens", log_int(tokens->cache_read),
        "gen_ai.usage.cache_creation.input_tokens", log_int(written), "gen_ai.usage.output_tokens",
        log_int(tokens->output), "gen_ai.usage.reasoning.output_tokens",
        record->thinking_tokens > 0 ? log_int(record->thinking_tokens) : NULL, "cost_usd",
        money_format_exact(record->cost_pico_usd, 2, cost), "estimated",
        record->estimated ? "yes" : NULL, "unknown_model", record->unknown_model ? "yes" : NULL,
        "gen_ai.response.id", known(record->message_id), "gen_ai.response.finish_reasons",
        known(record->stop_reason), "gen_ai.conversation.id", known(record->session_id),
        "request_id", known(record->request_id), NULL);
}

void settle_report_soft_limits(struct proxy *proxy, struct live_run *run, int64_t time_us)
{
    struct budget_ceiling reached[BUDGET_CEILINGS_MAX];
    size_t count = budget_take_soft_limits(proxy->budget, run->id, run->job, time_us,
                                           run->policy.soft_percent, reached);
    for (size_t i = 0; i < count; i++)
        proxy->soft_limit_reached(run, &reached[i], proxy->context);
}

bool settle_is_overrun(const struct proxy *proxy, const struct budget_reservation *reservation,
                       const struct budget_amounts *used, struct budget_ceiling *ceiling)
{
    for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++)
        if (used->of[kind] > reservation->held.of[kind] &&
            budget_find_full(proxy->budget, reservation->run_id, reservation->job,
                             reservation->reserved_at_us, kind, ceiling))
            return true;
    return false;
}

bool settle(struct proxy *proxy, struct live_run *run, const struct admission *admission,
            const struct settle_facts *facts, const struct meter_result *metered,
            struct budget_ceiling *above)
{
    const struct budget_amounts *reserved = &admission->reservation.held;
    struct journal_settlement record = {
        .reserved_at_us = admission->reservation.reserved_at_us,
        .settled_at_us = clock_now_us(),
        .first_byte_us = facts->first_byte_us,
        .reserved_pico_usd = reserved->of[BUDGET_COST],
        .attempt = facts->attempt,
        .http_status = facts->http_status,
        .end = facts->end,
        .streamed = facts->streamed,
    };
    memcpy(record.exchange_id, admission->exchange_id, sizeof(record.exchange_id));
    snprintf(record.run_id, sizeof(record.run_id), "%s", run->id);
    snprintf(record.job, sizeof(record.job), "%s", run->job);
    snprintf(record.credential, sizeof(record.credential), "%s", facts->credential);
    snprintf(record.path, sizeof(record.path), "%s", facts->path);
    snprintf(record.session_id, sizeof(record.session_id), "%s", facts->session_id);
    snprintf(record.request_id, sizeof(record.request_id), "%s", facts->request_id);
    snprintf(record.model_asked, sizeof(record.model_asked), "%s", admission->model_asked);
    snprintf(record.model, sizeof(record.model), "%s", admission->model);
    bool is_known = metered != NULL && settle_take_metered(proxy, &record, metered);
    if (!is_known && !end_is_free(facts->end))
        charge_reservation(&record, reserved);
    count_for_ceilings(proxy, &record, reserved);
    return settle_book(proxy, run, &admission->reservation, &record, facts->body, above);
}

bool settle_book(struct proxy *proxy, struct live_run *run,
                 const struct budget_reservation *reservation,
                 const struct journal_settlement *record, const struct body_hash *body,
                 struct budget_ceiling *above)
{
    struct budget_amounts used = counted(record, &reservation->held);
    struct error err;
    if (journal_append(proxy->journal,
                       &(struct journal_record){.type = JOURNAL_SETTLEMENT, .settlement = record},
                       NULL, &err) < 0)
        log_event(LOG_CRIT, "settlement_not_journaled", "run", run->id, "error", err.text, NULL);
    if (journal_is_handed_over(proxy->journal))
        return false; // the successor books it, by this very function
    budget_settle(proxy->budget, reservation, &used);
    settle_report_soft_limits(proxy, run, reservation->reserved_at_us);
    settle_add_to_run(run, record);
    metrics_settled(proxy->metrics, record);
    log_settlement(record);
    proxy->exchange_settled(run, record, body, proxy->context);
    return settle_is_overrun(proxy, reservation, &used, above);
}
