// Admit: the upper bound of an exchange's cost, reserved against every ceiling that covers it.

#include "admit.h"

#include "bound.h"
#include "clock.h"
#include "journal.h"
#include "log.h"
#include "money.h"

#include <sys/random.h>

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

// ---- what the job allows

static bool list_has(const char *list, struct slice model)
{
    while (*list != '\0') {
        size_t length = strcspn(list, " ");
        if (length == model.length && memcmp(list, model.bytes, length) == 0)
            return true;
        list += length;
        list += strspn(list, " ");
    }
    return false;
}

static struct slice without_suffix(struct slice model)
{
    static const char suffix[] = "[1m]"; // asks for a long context; not part of the name
    size_t length = sizeof(suffix) - 1;
    if (model.length > length && memcmp(model.bytes + model.length - length, suffix, length) == 0)
        model.length -= length;
    return model;
}

// Every model that the body names must be one that the job allows.
static bool models_are_allowed(const struct run_policy *policy, const struct request_scan *scan,
                               char message[static ADMIT_MESSAGE_MAX])
{
    struct slice refused = {NULL, 0};
    if (policy->models == NULL)
        return true;
    if (!list_has(policy->models, without_suffix(scan->model)))
        refused = scan->model;
    for (size_t i = 0; i < scan->model_count; i++)
        if (!list_has(policy->models, without_suffix(scan->models[i].name)))
            refused = scan->models[i].name;
    if (refused.bytes == NULL)
        return true;
    snprintf(message, ADMIT_MESSAGE_MAX,
             "reeve: model %.*s is not allowed for this job; allowed: %s",
             refused.length < MODEL_NAME_MAX ? (int)refused.length : MODEL_NAME_MAX, refused.bytes,
             policy->models);
    return false;
}

// ---- the request that is reserved for

// One request on its way through admission.
struct applicant {
    struct proxy *proxy;
    const struct live_run *run;
    struct bound bound;
    int64_t now_us;
    struct budget_amounts base; // without any output
    struct budget_amounts step; // what one token of output adds
};

static bool has_ceiling(const struct applicant *applicant, enum budget_kind kind)
{
    int64_t settled, now;
    budget_room(applicant->proxy->budget, applicant->run->id, applicant->run->job,
                applicant->now_us, kind, &settled, &now);
    return settled != LIMIT_NONE;
}

static bool amounts_make(const struct applicant *applicant, int64_t output_tokens,
                         struct budget_amounts *amounts, struct error *err)
{
    return bound_amounts(&applicant->bound, applicant->proxy->prices,
                         applicant->proxy->tokens_count, output_tokens, applicant->now_us, amounts,
                         err) == 0;
}

// Cost and tokens grow evenly with the output.
static bool slope_make(struct applicant *applicant, struct error *err)
{
    struct budget_amounts one;
    if (!amounts_make(applicant, 0, &applicant->base, err) ||
        !amounts_make(applicant, 1, &one, err))
        return false;
    for (int kind = 0; kind < BUDGET_KINDS; kind++)
        applicant->step.of[kind] = one.of[kind] - applicant->base.of[kind];
    return true;
}

// The most output that fits now (`*fits`) and that leaves the others their share (`*fair`).
static void output_limits(const struct applicant *applicant, int64_t *fits, int64_t *fair)
{
    struct budget *budget = applicant->proxy->budget;
    const char *id = applicant->run->id, *job = applicant->run->job;
    *fits = *fair = INT64_MAX;
    for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++) {
        int64_t settled, now, step = applicant->step.of[kind];
        budget_room(budget, id, job, applicant->now_us, kind, &settled, &now);
        if (step <= 0 || settled == LIMIT_NONE)
            continue;
        int64_t share = budget_fair_share(budget, id, job, applicant->now_us, kind, 0);
        int64_t within_now = (now - applicant->base.of[kind]) / step;
        int64_t within_share = (share - applicant->base.of[kind]) / step;
        *fits = within_now < *fits ? within_now : *fits;
        *fair = within_share < *fair ? within_share : *fair;
    }
}

// How much output to ask for: all, or what is fair, or at least what is useful.
static int64_t output_choose(const struct applicant *applicant)
{
    const struct request_scan *scan = applicant->bound.scan;
    const struct run_policy *policy = &applicant->run->policy;
    int64_t useful = policy->clamp_min_tokens, fits, fair;
    if (!policy->clamps)
        return scan->max_tokens;
    if (scan->thinking_budget_tokens >= useful)
        useful = scan->thinking_budget_tokens + 1; // Claude API: max_tokens must be above it
    if (useful > scan->max_tokens)
        useful = scan->max_tokens;
    output_limits(applicant, &fits, &fair);
    int64_t output = fair > useful ? fair : useful;
    if (output > fits && fits >= useful)
        output = fits;
    return output < scan->max_tokens ? output : scan->max_tokens;
}

// ---- step down: a cheaper model for the rest of a run that has reached its soft limit

// Takes the first model of the list that is cheaper than the one asked for, token by token.
static void step_down(struct applicant *applicant, struct admission *admission)
{
    const struct live_run *run = applicant->run;
    const char *list = run->policy.step_down;
    struct budget_amounts asked, candidate;
    if (list == NULL ||
        !budget_soft_limit_is_reached(applicant->proxy->budget, run->id, run->job,
                                      applicant->now_us, run->policy.soft_percent) ||
        !amounts_make(applicant, 1, &asked, NULL))
        return;
    while (*list != '\0') {
        size_t length = strcspn(list, " ");
        snprintf(admission->model, sizeof(admission->model), "%.*s", (int)length, list);
        if (amounts_make(applicant, 1, &candidate, NULL) &&
            candidate.of[BUDGET_COST] < asked.of[BUDGET_COST])
            return;
        list += length;
        list += strspn(list, " ");
    }
    memcpy(admission->model, admission->model_asked, sizeof(admission->model));
}

// ---- outcome

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
    char settled[MONEY_TEXT_MAX], limit[MONEY_TEXT_MAX], asked[MONEY_TEXT_MAX];
    char resets[CLOCK_TEXT_MAX] = "not within this run";
    if (refusal->kind == BUDGET_COST) {
        money_format_short(refusal->settled, settled);
        money_format_short(refusal->limit, limit);
        money_format_short(refusal->asked, asked);
    } else {
        snprintf(settled, sizeof(settled), "%" PRId64, refusal->settled);
        snprintf(limit, sizeof(limit), "%" PRId64, refusal->limit);
        snprintf(asked, sizeof(asked), "%" PRId64, refusal->asked);
    }
    if (refusal->resets_at_us >= 0)
        clock_format_utc(refusal->resets_at_us, resets);
    snprintf(message, ADMIT_MESSAGE_MAX,
             "reeve: ceiling reached: %s of %s %s spent by %s, and this request could take %s. "
             "Run %s, job %s. Resets: %s.",
             settled, limit, kinds[refusal->kind], scopes[refusal->scope], asked, run->id, run->job,
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

static enum admit_outcome reserve(struct applicant *applicant, struct admission *admission,
                                  bool may_count, char message[static ADMIT_MESSAGE_MAX])
{
    struct budget_refusal refusal;
    struct error err;
    if (!slope_make(applicant, &err) ||
        !amounts_make(applicant, admission->max_tokens = output_choose(applicant),
                      &admission->reservation.held, &err)) {
        snprintf(message, ADMIT_MESSAGE_MAX, "max_tokens: %.200s", err.text);
        return ADMIT_BAD;
    }
    enum budget_outcome outcome =
        budget_reserve(applicant->proxy->budget, &admission->reservation, &refusal);
    if (outcome == BUDGET_FITS)
        return reservation_record(applicant->proxy, admission, message);
    if (may_count) // the bound by size may be far above the prompt
        return ADMIT_COUNT;
    if (outcome == BUDGET_WAITS)
        return ADMIT_WAITS;
    refusal_describe(&refusal, applicant->run, message);
    return ADMIT_REFUSED;
}

enum admit_outcome admit(struct proxy *proxy, const struct live_run *run,
                         const struct request_scan *scan, int64_t body_length,
                         int64_t counted_tokens, struct admission *admission,
                         char message[static ADMIT_MESSAGE_MAX])
{
    struct applicant applicant = {.proxy = proxy, .run = run, .now_us = clock_now_us()};
    if (scan->model.bytes == NULL || scan->max_tokens < 0) {
        snprintf(message, ADMIT_MESSAGE_MAX, "%s: Field required",
                 scan->model.bytes == NULL ? "model" : "max_tokens");
        return ADMIT_BAD;
    }
    if (!models_are_allowed(&run->policy, scan, message))
        return ADMIT_DENIED;
    bool is_capped = has_ceiling(&applicant, BUDGET_COST) || has_ceiling(&applicant, BUDGET_TOKENS);
    bool is_unbounded = (scan->features & REQUEST_INPUT_UNBOUNDED) != 0;
    if (is_capped && is_unbounded && counted_tokens == ADMIT_NOT_COUNTED)
        return ADMIT_COUNT;
    if (is_capped && !run->policy.allows_unbounded &&
        ((is_unbounded && counted_tokens == ADMIT_NOT_COUNTABLE) ||
         (scan->features & REQUEST_SERVER_TOOLS) != 0)) {
        snprintf(message, ADMIT_MESSAGE_MAX,
                 "reeve: what this request can cost has no bound (%s), and the job is under a "
                 "ceiling; Unbounded=allow lets it pass",
                 is_unbounded ? "its prompt is not all in the body, and was not counted"
                              : "server tools");
        return ADMIT_DENIED;
    }
    *admission = (struct admission){.reservation.reserved_at_us = applicant.now_us};
    slice_copy(scan->model, admission->model_asked, sizeof(admission->model_asked));
    memcpy(admission->model, admission->model_asked, sizeof(admission->model));
    snprintf(admission->reservation.run_id, RUN_ID_MAX, "%s", run->id);
    snprintf(admission->reservation.job, JOB_NAME_MAX, "%s", run->job);
    exchange_id_draw(admission->exchange_id, applicant.now_us);
    applicant.bound = (struct bound){
        .scan = scan,
        .model = admission->model,
        .input_tokens = counted_tokens >= 0 ? bound_input_by_count(counted_tokens)
                                            : bound_input_by_size(body_length),
    };
    step_down(&applicant, admission);
    return reserve(&applicant, admission, counted_tokens == ADMIT_NOT_COUNTED, message);
}
