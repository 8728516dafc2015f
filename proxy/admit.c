// Admit: the upper bound of an exchange's cost, reserved against every ceiling that covers it.

#include "admit.h"

#include "clock.h"
#include "journal.h"
#include "log.h"
#include "money.h"
#include "price.h"

#include <sys/random.h>

// Tokens that the upstream adds to a prompt by itself, above what the body's bytes bound: the
// system prompts for tool use are documented with up to 735; this is far above all of them.
#define HIDDEN_PROMPT_TOKENS 4096

// UUIDv7 (RFC 9562, 5.7): milliseconds, then 74 random bits.
static void exchange_id_draw(uint8_t id[static EXCHANGE_ID_BYTES], int64_t now_us)
{
    uint64_t ms = (uint64_t)(now_us / 1000);
    ssize_t drawn = getrandom(id, EXCHANGE_ID_BYTES, 0);
    (void)drawn; // cannot fail for 16 bytes once the kernel has booted (getrandom(2))
    for (int i = 0; i < 6; i++)
        id[i] = (uint8_t)(ms >> (40 - 8 * i));
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x70);
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
}

// Passes over the prompt that one request may be billed for.
static int64_t passes_max(const struct request_scan *scan)
{
    int64_t passes = 1 + (int64_t)scan->fallback_count;
    if ((scan->features & REQUEST_COMPACTION) != 0)
        passes++;
    if ((scan->features & REQUEST_ADVISOR) != 0)
        passes++;
    return passes;
}

// The bound in tokens and money. A token is at least one byte of the body.
static int bound_make(const struct proxy *proxy, const struct request_scan *scan,
                      int64_t body_length, int64_t now_us, struct admission *admission,
                      struct error *err)
{
    char names[REQUEST_MODELS_MAX][MODEL_NAME_MAX];
    const char *models[REQUEST_MODELS_MAX + 1] = {admission->model};
    int64_t passes = passes_max(scan);
    int64_t cost_pico_usd;
    struct price_bound bound = {
        .models = models,
        .model_count = 1,
        .input_tokens = (body_length + HIDDEN_PROMPT_TOKENS) * passes,
        .output_tokens = scan->max_tokens * passes,
        .web_search_requests = scan->web_search_uses_max > 0 ? scan->web_search_uses_max : 0,
        .may_cache = (scan->features & (REQUEST_CACHE_CONTROL | REQUEST_SERVER_TOOLS)) != 0,
        .cache_write_1h = (scan->features & REQUEST_CACHE_TTL_1H) != 0,
        .may_be_us = scan->inference_geo.bytes == NULL || !slice_is(scan->inference_geo, "global"),
        .may_be_fast = scan->speed.bytes != NULL && !slice_is(scan->speed, "standard"),
    };
    for (size_t i = 0; i < scan->model_count; i++) {
        slice_copy(scan->models[i].name, names[i], sizeof(names[i]));
        models[bound.model_count++] = names[i];
    }
    int result = price_upper_bound(proxy->prices, &bound, now_us, &cost_pico_usd, err);
    if (result < 0)
        return result;
    struct token_counts tokens = {.input = bound.input_tokens, .output = bound.output_tokens};
    admission->reservation.held = (struct budget_amounts){{
        [BUDGET_COST] = cost_pico_usd,
        [BUDGET_TOKENS] = tokens_counted(&tokens, proxy->tokens_count),
        [BUDGET_OUTPUT_TOKENS] = tokens.output,
        [BUDGET_REQUESTS] = 1,
    }};
    return 0;
}

static void refusal_describe(const struct budget_refusal *refusal, const struct live_run *run,
                             char message[static ADMIT_MESSAGE_MAX])
{
    static const char *const kinds[] = {
        [BUDGET_COST] = "dollars",
        [BUDGET_TOKENS] = "tokens",
        [BUDGET_OUTPUT_TOKENS] = "output tokens",
        [BUDGET_REQUESTS] = "requests",
    };
    static const char *const scopes[] = {
        [BUDGET_RUN] = "this run",
        [BUDGET_JOB_DAY] = "this job today",
        [BUDGET_JOB_MONTH] = "this job this month",
        [BUDGET_BOX_DAY] = "all jobs today",
        [BUDGET_BOX_MONTH] = "all jobs this month",
    };
    char settled[MONEY_TEXT_MAX], limit[MONEY_TEXT_MAX], resets[CLOCK_TEXT_MAX] = "never";
    if (refusal->kind == BUDGET_COST) {
        money_format_short(refusal->settled, settled);
        money_format_short(refusal->limit, limit);
    } else {
        snprintf(settled, sizeof(settled), "%" PRId64, refusal->settled);
        snprintf(limit, sizeof(limit), "%" PRId64, refusal->limit);
    }
    if (refusal->resets_at_us >= 0)
        clock_format_utc(refusal->resets_at_us, resets);
    snprintf(message, ADMIT_MESSAGE_MAX,
             "reeve: the ceiling on %s of %s is reached: %s of %s spent, and this request could go "
             "above it. Run %s of job %s. It resets: %s.",
             kinds[refusal->kind], scopes[refusal->scope], settled, limit, run->id, run->job,
             resets);
}

// Puts the reservation into the journal; takes it back if that fails.
static enum admit_outcome reservation_record(struct proxy *proxy, struct admission *admission,
                                             char message[static ADMIT_MESSAGE_MAX])
{
    const struct budget_reservation *reservation = &admission->reservation;
    struct error err;
    struct journal_reservation record = {
        .reserved_at_us = reservation->reserved_at_us,
        .cost_pico_usd = reservation->held.of[BUDGET_COST],
        .tokens = reservation->held.of[BUDGET_TOKENS],
        .output_tokens = reservation->held.of[BUDGET_OUTPUT_TOKENS],
    };
    memcpy(record.exchange_id, admission->exchange_id, sizeof(record.exchange_id));
    memcpy(record.run_id, reservation->run_id, sizeof(record.run_id));
    memcpy(record.job, reservation->job, sizeof(record.job));
    memcpy(record.model, admission->model, sizeof(record.model));
    int result = journal_append(
        proxy->journal,
        &(struct journal_record){.type = JOURNAL_RESERVATION, .reservation = &record},
        &admission->journal_position, &err);
    if (result == 0)
        return ADMIT_FITS;
    budget_release(proxy->budget, reservation);
    log_event(LOG_ERR, "journal_refused", "run", reservation->run_id, "error", err.text, NULL);
    snprintf(message, ADMIT_MESSAGE_MAX, "reeve: the journal cannot take this request: %.200s",
             err.text);
    return ADMIT_FAILED;
}

enum admit_outcome admit(struct proxy *proxy, const struct live_run *run,
                         const struct request_scan *scan, int64_t body_length,
                         struct admission *admission, char message[static ADMIT_MESSAGE_MAX])
{
    struct budget_refusal refusal;
    struct error err;
    int64_t now_us = clock_now_us();
    if (scan->model.bytes == NULL || scan->max_tokens < 0) {
        snprintf(message, ADMIT_MESSAGE_MAX, "%s: Field required",
                 scan->model.bytes == NULL ? "model" : "max_tokens");
        return ADMIT_BAD;
    }
    *admission = (struct admission){.reservation.reserved_at_us = now_us};
    slice_copy(scan->model, admission->model, sizeof(admission->model));
    snprintf(admission->reservation.run_id, RUN_ID_MAX, "%s", run->id);
    snprintf(admission->reservation.job, JOB_NAME_MAX, "%s", run->job);
    exchange_id_draw(admission->exchange_id, now_us);
    if (bound_make(proxy, scan, body_length, now_us, admission, &err) < 0) {
        snprintf(message, ADMIT_MESSAGE_MAX, "max_tokens: %.200s", err.text);
        return ADMIT_BAD;
    }
    switch (budget_reserve(proxy->budget, &admission->reservation, &refusal)) {
    case BUDGET_FITS:
        return reservation_record(proxy, admission, message);
    case BUDGET_WAITS:
        return ADMIT_WAITS;
    case BUDGET_REFUSED:
        break;
    }
    refusal_describe(&refusal, run, message);
    return ADMIT_REFUSED;
}
