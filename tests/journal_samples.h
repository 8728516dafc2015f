// Random journal records for tests: every field set, reproducible from a seed.
#pragma once

#include "journal_record.h"

#include <stdlib.h>
#include <string.h>

struct samples {
    uint64_t state; // any seed
};

// A record and what its pointers point to.
struct sample {
    struct journal_record record;
    union journal_record_fields fields;
    char usage_json[JOURNAL_USAGE_JSON_MAX];
};

// splitmix64 (Steele, Lea, Flood 2014).
static inline uint64_t samples_next(struct samples *samples)
{
    uint64_t mixed = samples->state += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
}

static inline size_t samples_below(struct samples *samples, size_t limit)
{
    return (size_t)(samples_next(samples) % limit);
}

// Integers of every length, and of both signs.
static inline int64_t sample_int64(struct samples *samples)
{
    return (int64_t)samples_next(samples) >> samples_below(samples, 64);
}

// A text of 1 to size - 1 bytes, none of them NUL, not all of them UTF-8.
static inline void sample_text(struct samples *samples, char *text, size_t size)
{
    memset(text, 0, size);
    size_t length = 1 + samples_below(samples, size - 1);
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(1 + samples_below(samples, 255));
}

#define SAMPLE_TEXT(samples, text) sample_text(samples, text, sizeof(text))

static inline void sample_tokens(struct samples *samples, struct token_counts *tokens)
{
    tokens->input = sample_int64(samples);
    tokens->output = sample_int64(samples);
    tokens->cache_write_5m = sample_int64(samples);
    tokens->cache_write_1h = sample_int64(samples);
    tokens->cache_read = sample_int64(samples);
}

static inline void sample_exchange_id(struct samples *samples, uint8_t id[static EXCHANGE_ID_BYTES])
{
    for (size_t i = 0; i < EXCHANGE_ID_BYTES; i++)
        id[i] = (uint8_t)samples_next(samples);
}

static inline void sample_run_open(struct samples *samples, struct journal_run_open *run)
{
    SAMPLE_TEXT(samples, run->run_id);
    SAMPLE_TEXT(samples, run->job);
    SAMPLE_TEXT(samples, run->command);
    SAMPLE_TEXT(samples, run->host);
    run->opened_at_us = sample_int64(samples);
    run->limits = (struct run_limits){
        .cost_max_pico_usd = sample_int64(samples),
        .tokens_max = sample_int64(samples),
        .output_tokens_max = sample_int64(samples),
        .requests_max = sample_int64(samples),
        .memory_max_bytes = sample_int64(samples),
        .memory_high_bytes = sample_int64(samples),
        .memory_swap_max_bytes = sample_int64(samples),
        .tasks_max = sample_int64(samples),
        .cpu_quota_percent = LIMIT_NONE,
        .runtime_max_us = sample_int64(samples),
    };
    for (size_t i = 0; i < sizeof(run->key_digest); i++)
        run->key_digest[i] = (uint8_t)samples_next(samples);
    run->supervisor_pid = sample_int64(samples);
    run->supervisor_uid = sample_int64(samples);
    SAMPLE_TEXT(samples, run->boot_id);
    SAMPLE_TEXT(samples, run->directory);
    run->is_placed = samples_below(samples, 2) == 1;
}

static inline void sample_reservation(struct samples *samples,
                                      struct journal_reservation *reservation)
{
    sample_exchange_id(samples, reservation->exchange_id);
    SAMPLE_TEXT(samples, reservation->run_id);
    SAMPLE_TEXT(samples, reservation->job);
    SAMPLE_TEXT(samples, reservation->model);
    reservation->reserved_at_us = sample_int64(samples);
    reservation->cost_pico_usd = sample_int64(samples);
    reservation->tokens = sample_int64(samples);
    reservation->output_tokens = sample_int64(samples);
}

// `usage_json` has room for JOURNAL_USAGE_JSON_MAX; it is used up to 300 bytes, now and then whole.
static inline void sample_settlement(struct samples *samples, struct journal_settlement *settlement,
                                     char *usage_json)
{
    sample_exchange_id(samples, settlement->exchange_id);
    SAMPLE_TEXT(samples, settlement->run_id);
    SAMPLE_TEXT(samples, settlement->job);
    SAMPLE_TEXT(samples, settlement->credential);
    SAMPLE_TEXT(samples, settlement->path);
    SAMPLE_TEXT(samples, settlement->session_id);
    SAMPLE_TEXT(samples, settlement->model_asked);
    SAMPLE_TEXT(samples, settlement->model);
    SAMPLE_TEXT(samples, settlement->price_row);
    SAMPLE_TEXT(samples, settlement->request_id);
    SAMPLE_TEXT(samples, settlement->message_id);
    SAMPLE_TEXT(samples, settlement->stop_reason);
    settlement->reserved_at_us = sample_int64(samples);
    settlement->settled_at_us = sample_int64(samples);
    settlement->first_byte_us = sample_int64(samples);
    settlement->reserved_pico_usd = sample_int64(samples);
    settlement->cost_pico_usd = sample_int64(samples);
    settlement->counted_tokens = sample_int64(samples);
    sample_tokens(samples, &settlement->tokens);
    settlement->thinking_tokens = sample_int64(samples);
    settlement->web_search_requests = sample_int64(samples);
    settlement->web_fetch_requests = sample_int64(samples);
    settlement->attempt = (int)sample_int64(samples);
    settlement->http_status = (int)samples_below(samples, 600);
    settlement->end = (enum exchange_end)samples_below(samples, EXCHANGE_RETRIED + 1);
    settlement->speed = (enum usage_speed)samples_below(samples, 2);
    settlement->tier = (enum usage_tier)samples_below(samples, 3);
    settlement->geo = (enum usage_geo)samples_below(samples, 2);
    settlement->streamed = samples_below(samples, 2) == 1;
    settlement->estimated = samples_below(samples, 2) == 1;
    settlement->unknown_model = samples_below(samples, 2) == 1;
    if (samples_below(samples, 2) == 0) {
        SAMPLE_TEXT(samples, settlement->batch_id);
        SAMPLE_TEXT(samples, settlement->custom_id);
    }
    if (samples_below(samples, 4) == 0)
        return;
    size_t limit = samples_below(samples, 64) == 0 ? JOURNAL_USAGE_JSON_MAX : 300;
    settlement->usage_json_length = 1 + samples_below(samples, limit);
    for (size_t i = 0; i < settlement->usage_json_length; i++)
        usage_json[i] = (char)samples_next(samples);
    settlement->usage_json = usage_json;
}

static inline void sample_run_close(struct samples *samples, struct journal_run_close *run)
{
    SAMPLE_TEXT(samples, run->run_id);
    SAMPLE_TEXT(samples, run->job);
    run->closed_at_us = sample_int64(samples);
    run->end = (enum run_end)samples_below(samples, RUN_LOST + 1);
    run->exit_code = (int)samples_below(samples, 256);
    run->memory_peak_bytes = sample_int64(samples);
    run->cpu_us = sample_int64(samples);
    run->io_read_bytes = sample_int64(samples);
    run->io_written_bytes = sample_int64(samples);
    run->memory_stall_us = sample_int64(samples);
    run->exchanges = sample_int64(samples);
    run->free_calls = sample_int64(samples);
    run->cost_pico_usd = sample_int64(samples);
    sample_tokens(samples, &run->tokens);
}

static inline void sample_alert(struct samples *samples, struct journal_alert *alert)
{
    SAMPLE_TEXT(samples, alert->kind);
    SAMPLE_TEXT(samples, alert->run_id);
    SAMPLE_TEXT(samples, alert->job);
    SAMPLE_TEXT(samples, alert->text);
    alert->raised_at_us = sample_int64(samples);
    SAMPLE_TEXT(samples, alert->subject);
    alert->period_start_us = sample_int64(samples);
    alert->unit = (enum alert_unit)samples_below(samples, ALERT_UNIT_US + 1);
    alert->amount = sample_int64(samples);
    alert->limit = sample_int64(samples);
    SAMPLE_TEXT(samples, alert->channels);
    alert->sent = sample_int64(samples);
    alert->given_up = sample_int64(samples);
}

static inline void sample_batch(struct samples *samples, struct journal_batch *batch)
{
    sample_exchange_id(samples, batch->exchange_id);
    SAMPLE_TEXT(samples, batch->batch_id);
    SAMPLE_TEXT(samples, batch->run_id);
    SAMPLE_TEXT(samples, batch->job);
    SAMPLE_TEXT(samples, batch->credential);
    SAMPLE_TEXT(samples, batch->model);
    batch->reserved_at_us = sample_int64(samples);
    batch->requests = sample_int64(samples);
    batch->cost_pico_usd = sample_int64(samples);
    batch->tokens = sample_int64(samples);
    batch->output_tokens = sample_int64(samples);
}

static inline void sample_batch_end(struct samples *samples, struct journal_batch_end *end)
{
    SAMPLE_TEXT(samples, end->batch_id);
    SAMPLE_TEXT(samples, end->run_id);
    SAMPLE_TEXT(samples, end->job);
    end->reserved_at_us = sample_int64(samples);
    end->settled_at_us = sample_int64(samples);
    end->counted_requests = sample_int64(samples);
    end->counted_pico_usd = sample_int64(samples);
    end->counted_tokens = sample_int64(samples);
    end->counted_output_tokens = sample_int64(samples);
}

static inline void sample_account(struct samples *samples, struct journal_account *account)
{
    account->scope = (enum budget_scope)samples_below(samples, BUDGET_SCOPES);
    SAMPLE_TEXT(samples, account->name);
    account->period_start_us = sample_int64(samples);
    for (size_t i = 0; i < BUDGET_KINDS; i++)
        account->settled.of[i] = sample_int64(samples);
}

// Makes a record of `type`.
static inline void sample_make(struct samples *samples, enum journal_record_type type,
                               struct sample *sample)
{
    union journal_record_fields *fields = &sample->fields;
    memset(fields, 0, sizeof(*fields));
    sample->record = (struct journal_record){.type = type, .fields = fields};
    switch (type) {
    case JOURNAL_RUN_OPEN:
        sample_run_open(samples, &fields->run_open);
        break;
    case JOURNAL_RESERVATION:
        sample_reservation(samples, &fields->reservation);
        break;
    case JOURNAL_SETTLEMENT:
        sample_settlement(samples, &fields->settlement, sample->usage_json);
        break;
    case JOURNAL_RUN_CLOSE:
        sample_run_close(samples, &fields->run_close);
        break;
    case JOURNAL_ALERT:
        sample_alert(samples, &fields->alert);
        break;
    case JOURNAL_ALERT_SENT:
        fields->alert_sent.raised_at_us = sample_int64(samples);
        SAMPLE_TEXT(samples, fields->alert_sent.channel);
        fields->alert_sent.sent_at_us = sample_int64(samples);
        fields->alert_sent.given_up = samples_below(samples, 2) == 1;
        break;
    case JOURNAL_RUN_CACHE:
        SAMPLE_TEXT(samples, fields->run_cache.job);
        fields->run_cache.closed_at_us = sample_int64(samples);
        fields->run_cache.savable_pico_usd = sample_int64(samples);
        fields->run_cache.saved_pico_usd = sample_int64(samples);
        break;
    case JOURNAL_BATCH:
        sample_batch(samples, &fields->batch);
        break;
    case JOURNAL_BATCH_END:
        sample_batch_end(samples, &fields->batch_end);
        break;
    case JOURNAL_OWNED:
        SAMPLE_TEXT(samples, fields->owned.id);
        SAMPLE_TEXT(samples, fields->owned.job);
        break;
    case JOURNAL_RUN_PLACED:
        SAMPLE_TEXT(samples, fields->run_placed.run_id);
        SAMPLE_TEXT(samples, fields->run_placed.directory);
        break;
    case JOURNAL_ACCOUNT:
        sample_account(samples, &fields->account);
        break;
    case JOURNAL_CHECKPOINT_END:
        fields->checkpoint_end.written_at_us = sample_int64(samples);
        break;
    case JOURNAL_SEGMENT_END:
        fields->segment_end.next_segment = sample_int64(samples);
        fields->segment_end.written_at_us = sample_int64(samples);
        break;
    case JOURNAL_RUN_TOTALS:
        SAMPLE_TEXT(samples, fields->run_totals.run_id);
        fields->run_totals.cost_pico_usd = sample_int64(samples);
        fields->run_totals.exchanges = sample_int64(samples);
        sample_tokens(samples, &fields->run_totals.tokens);
        break;
    }
}

// Whether two records say the same, field by field: both structs were zeroed before they were
// filled.
static inline bool sample_equal(const struct journal_record *left,
                                const struct journal_record *right)
{
    union journal_record_fields a = {0};
    union journal_record_fields b = {0};
    static const size_t sizes[] = {
        [JOURNAL_RUN_OPEN] = sizeof(a.run_open),
        [JOURNAL_RESERVATION] = sizeof(a.reservation),
        [JOURNAL_SETTLEMENT] = sizeof(a.settlement),
        [JOURNAL_RUN_CLOSE] = sizeof(a.run_close),
        [JOURNAL_ALERT] = sizeof(a.alert),
        [JOURNAL_ALERT_SENT] = sizeof(a.alert_sent),
        [JOURNAL_RUN_CACHE] = sizeof(a.run_cache),
        [JOURNAL_BATCH] = sizeof(a.batch),
        [JOURNAL_BATCH_END] = sizeof(a.batch_end),
        [JOURNAL_OWNED] = sizeof(a.owned),
        [JOURNAL_RUN_PLACED] = sizeof(a.run_placed),
        [JOURNAL_ACCOUNT] = sizeof(a.account),
        [JOURNAL_CHECKPOINT_END] = sizeof(a.checkpoint_end),
        [JOURNAL_SEGMENT_END] = sizeof(a.segment_end),
        [JOURNAL_RUN_TOTALS] = sizeof(a.run_totals),
    };
    if (left->type != right->type)
        return false;
    memcpy(&a, left->fields, sizes[left->type]);
    memcpy(&b, right->fields, sizes[right->type]);
    if (left->type == JOURNAL_SETTLEMENT) {
        if (a.settlement.usage_json_length != b.settlement.usage_json_length ||
            (a.settlement.usage_json == NULL) != (b.settlement.usage_json == NULL) ||
            (a.settlement.usage_json != NULL &&
             memcmp(a.settlement.usage_json, b.settlement.usage_json,
                    a.settlement.usage_json_length) != 0))
            return false;
        a.settlement.usage_json = b.settlement.usage_json = NULL;
    }
    return memcmp(&a, &b, sizes[left->type]) == 0;
}
