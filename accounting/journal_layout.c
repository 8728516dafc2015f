// Journal layouts: see journal_layout.h. A field more is a version more: files outlive programs.
#include "journal_layout.h"

#define MEMBER(record, member)                                                                     \
    offsetof(struct journal_##record, member), sizeof(((struct journal_##record *)NULL)->member)
#define TEXT(record, member)                                                                       \
    {                                                                                              \
#member, FIELD_TEXT, MEMBER(record, member), 0                                             \
    }
#define BYTES(record, member)                                                                      \
    {                                                                                              \
#member, FIELD_BYTES, MEMBER(record, member), 0                                            \
    }
#define INT64(record, member)                                                                      \
    {                                                                                              \
#member, FIELD_INT64, MEMBER(record, member), 0                                            \
    }
#define INT(record, member)                                                                        \
    {                                                                                              \
#member, FIELD_INT, MEMBER(record, member), 0                                              \
    }
#define BOOL(record, member)                                                                       \
    {                                                                                              \
#member, FIELD_BOOL, MEMBER(record, member), 0                                             \
    }
#define ENUM(record, member, last)                                                                 \
    {                                                                                              \
#member, FIELD_ENUM, MEMBER(record, member), last                                          \
    }
#define TOKENS(record, member)                                                                     \
    INT64(record, member.input), INT64(record, member.output),                                     \
        INT64(record, member.cache_write_5m), INT64(record, member.cache_write_1h),                \
        INT64(record, member.cache_read)

static const struct journal_field run_open_fields[] = {
    TEXT(run_open, run_id),
    TEXT(run_open, job),
    TEXT(run_open, command),
    TEXT(run_open, host),
    INT64(run_open, opened_at_us),
    INT64(run_open, limits.cost_max_pico_usd),
    INT64(run_open, limits.tokens_max),
    INT64(run_open, limits.output_tokens_max),
    INT64(run_open, limits.requests_max),
    INT64(run_open, limits.memory_max_bytes),
    INT64(run_open, limits.memory_high_bytes),
    INT64(run_open, limits.memory_swap_max_bytes),
    INT64(run_open, limits.tasks_max),
    INT64(run_open, limits.cpu_quota_percent),
    INT64(run_open, limits.runtime_max_us),
    BYTES(run_open, key_digest),
    INT64(run_open, supervisor_pid),
    INT64(run_open, supervisor_uid),
    TEXT(run_open, boot_id),
    TEXT(run_open, directory),
    BOOL(run_open, is_placed),
};

static const struct journal_field run_placed_fields[] = {
    TEXT(run_placed, run_id),
    TEXT(run_placed, directory),
};

static const struct journal_field reservation_fields[] = {
    BYTES(reservation, exchange_id),
    TEXT(reservation, run_id),
    TEXT(reservation, job),
    TEXT(reservation, model),
    INT64(reservation, reserved_at_us),
    INT64(reservation, cost_pico_usd),
    INT64(reservation, tokens),
    INT64(reservation, output_tokens),
};

static const struct journal_field settlement_fields[] = {
    BYTES(settlement, exchange_id),
    TEXT(settlement, run_id),
    TEXT(settlement, job),
    TEXT(settlement, credential),
    TEXT(settlement, path),
    TEXT(settlement, session_id),
    TEXT(settlement, model_asked),
    TEXT(settlement, model),
    TEXT(settlement, price_row),
    TEXT(settlement, request_id),
    TEXT(settlement, message_id),
    TEXT(settlement, stop_reason),
    INT64(settlement, reserved_at_us),
    INT64(settlement, settled_at_us),
    INT64(settlement, first_byte_us),
    INT64(settlement, reserved_pico_usd),
    INT64(settlement, cost_pico_usd),
    INT64(settlement, counted_pico_usd),
    INT64(settlement, counted_tokens),
    INT64(settlement, counted_output_tokens),
    TOKENS(settlement, tokens),
    INT64(settlement, thinking_tokens),
    INT64(settlement, web_search_requests),
    INT64(settlement, web_fetch_requests),
    INT(settlement, attempt),
    INT(settlement, http_status),
    ENUM(settlement, end, EXCHANGE_RETRIED),
    ENUM(settlement, speed, USAGE_SPEED_FAST),
    ENUM(settlement, tier, USAGE_TIER_BATCH),
    ENUM(settlement, geo, USAGE_GEO_US),
    BOOL(settlement, streamed),
    BOOL(settlement, estimated),
    BOOL(settlement, unknown_model),
    {"usage_json", FIELD_USAGE_JSON, 0, 0, 0},
    TEXT(settlement, batch_id),
    TEXT(settlement, custom_id),
};

static const struct journal_field batch_fields[] = {
    BYTES(batch, exchange_id),    TEXT(batch, batch_id),
    TEXT(batch, run_id),          TEXT(batch, job),
    TEXT(batch, credential),      TEXT(batch, model),
    INT64(batch, reserved_at_us), INT64(batch, requests),
    INT64(batch, cost_pico_usd),  INT64(batch, tokens),
    INT64(batch, output_tokens),
};

static const struct journal_field batch_end_fields[] = {
    TEXT(batch_end, batch_id),
    TEXT(batch_end, run_id),
    TEXT(batch_end, job),
    INT64(batch_end, reserved_at_us),
    INT64(batch_end, settled_at_us),
    INT64(batch_end, counted_requests),
    INT64(batch_end, counted_pico_usd),
    INT64(batch_end, counted_tokens),
    INT64(batch_end, counted_output_tokens),
};

static const struct journal_field owned_fields[] = {
    TEXT(owned, id),
    TEXT(owned, job),
};

static const struct journal_field run_close_fields[] = {
    TEXT(run_close, run_id),
    TEXT(run_close, job),
    INT64(run_close, closed_at_us),
    ENUM(run_close, end, RUN_LOST),
    INT(run_close, exit_code),
    INT64(run_close, memory_peak_bytes),
    INT64(run_close, cpu_us),
    INT64(run_close, exchanges),
    INT64(run_close, free_calls),
    INT64(run_close, cost_pico_usd),
    TOKENS(run_close, tokens),
    INT64(run_close, io_read_bytes),
    INT64(run_close, io_written_bytes),
    INT64(run_close, memory_stall_us),
};

static const struct journal_field alert_fields[] = {
    TEXT(alert, kind),
    TEXT(alert, run_id),
    TEXT(alert, job),
    TEXT(alert, text),
    INT64(alert, raised_at_us),
    TEXT(alert, subject),
    INT64(alert, period_start_us),
    ENUM(alert, unit, ALERT_UNIT_US),
    INT64(alert, amount),
    INT64(alert, limit),
    TEXT(alert, channels),
    INT64(alert, sent),
    INT64(alert, given_up),
};

static const struct journal_field alert_sent_fields[] = {
    INT64(alert_sent, raised_at_us),
    TEXT(alert_sent, channel),
    INT64(alert_sent, sent_at_us),
    BOOL(alert_sent, given_up),
};

static const struct journal_field run_cache_fields[] = {
    TEXT(run_cache, job),
    INT64(run_cache, closed_at_us),
    INT64(run_cache, savable_pico_usd),
    INT64(run_cache, saved_pico_usd),
};

static const struct journal_field account_fields[] = {
    ENUM(account, scope, BUDGET_SCOPES - 1),
    TEXT(account, name),
    INT64(account, period_start_us),
    INT64(account, settled.of[BUDGET_COST]),
    INT64(account, settled.of[BUDGET_TOKENS]),
    INT64(account, settled.of[BUDGET_OUTPUT_TOKENS]),
    INT64(account, settled.of[BUDGET_REQUESTS]),
};

static const struct journal_field checkpoint_end_fields[] = {
    INT64(checkpoint_end, written_at_us),
};

static const struct journal_field segment_end_fields[] = {
    INT64(segment_end, next_segment),
    INT64(segment_end, written_at_us),
};

static const struct journal_field run_totals_fields[] = {
    TEXT(run_totals, run_id),
    INT64(run_totals, cost_pico_usd),
    INT64(run_totals, exchanges),
    TOKENS(run_totals, tokens),
};

#define LAYOUT(type, version, record)                                                              \
    {                                                                                              \
        type, version, sizeof(struct journal_##record),                                            \
            sizeof(record##_fields) / sizeof(record##_fields[0]), record##_fields                  \
    }

static const struct journal_layout layouts[] = {
    LAYOUT(JOURNAL_RUN_OPEN, 2, run_open),
    LAYOUT(JOURNAL_RESERVATION, 1, reservation),
    LAYOUT(JOURNAL_SETTLEMENT, 2, settlement),
    LAYOUT(JOURNAL_RUN_CLOSE, 2, run_close),
    LAYOUT(JOURNAL_ALERT, 2, alert),
    LAYOUT(JOURNAL_ALERT_SENT, 1, alert_sent),
    LAYOUT(JOURNAL_RUN_CACHE, 1, run_cache),
    LAYOUT(JOURNAL_BATCH, 1, batch),
    LAYOUT(JOURNAL_BATCH_END, 1, batch_end),
    LAYOUT(JOURNAL_OWNED, 1, owned),
    LAYOUT(JOURNAL_RUN_PLACED, 1, run_placed),
    LAYOUT(JOURNAL_ACCOUNT, 1, account),
    LAYOUT(JOURNAL_CHECKPOINT_END, 1, checkpoint_end),
    LAYOUT(JOURNAL_SEGMENT_END, 1, segment_end),
    LAYOUT(JOURNAL_RUN_TOTALS, 1, run_totals),
};

const struct journal_layout *journal_layout_find(uint64_t type)
{
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
        if (layouts[i].type == type)
            return &layouts[i];
    return NULL;
}
