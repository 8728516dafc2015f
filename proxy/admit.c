// Admit: the upper bound of an exchange's cost, reserved against every ceiling that covers it.

#include "admit.h"

#include "bound.h"
#include "ceiling_text.h"
#include "clock.h"
#include "journal.h"
#include "log.h"
#include "model_list.h"
#include "ownership.h"

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

// Every model that the body names must be one that the job allows.
static bool models_are_allowed(const struct run_policy *policy, const struct request_scan *scan,
                               char message[static ADMIT_MESSAGE_MAX])
{
    struct slice refused = {NULL, 0};
    if (policy->models == NULL)
        return true;
    if (!model_list_has(policy->models, scan->model))
        refused = scan->model;
    for (size_t i = 0; i < scan->model_count; i++)
        if (!model_list_has(policy->models, scan->models[i].name))
            refused = scan->models[i].name;
    if (refused.bytes == NULL)
        return true;
    snprintf(message, ADMIT_MESSAGE_MAX,
             "reeve: model %.*s is not allowed for this job; allowed: %s",
             refused.length < MODEL_NAME_MAX ? (int)refused.length : MODEL_NAME_MAX, refused.bytes,
             policy->models);
    return false;
}

// Nothing that it refers to is another job's. What is unknown may be what the upstream's own tools
// have made; nobody guesses its id.
static bool references_are_allowed(const struct proxy *proxy, const char *job,
                                   const struct request_scan *scan,
                                   char message[static ADMIT_MESSAGE_MAX])
{
    for (size_t i = 0; i < scan->reference_count; i++) {
        struct slice id = scan->references[i];
        if (ownership_find(proxy->ownership, id, job) != OWNERSHIP_OTHERS)
            continue;
        snprintf(message, ADMIT_MESSAGE_MAX, "reeve: %.*s was not made by a run of job %s",
                 (int)id.length, id.bytes, job); // no longer than those that are remembered
        return false;
    }
    return true;
}

enum admit_outcome admit_check(const struct proxy *proxy, const struct live_run *run,
                               const struct request_scan *scan,
                               char message[static ADMIT_MESSAGE_MAX])
{
    if (scan->model.bytes == NULL || scan->max_tokens < 0) {
        snprintf(message, ADMIT_MESSAGE_MAX, "%s: Field required",
                 scan->model.bytes == NULL ? "model" : "max_tokens");
        return ADMIT_BAD;
    }
    if (!models_are_allowed(&run->policy, scan, message))
        return ADMIT_DENIED;
    if (!references_are_allowed(proxy, run->job, scan, message))
        return ADMIT_NOT_FOUND;
    return ADMIT_FITS;
}

// ---- the request that is reserved for

// One request on its way through admission.
struct applicant {
    struct proxy *proxy;
    const struct admit_request *request;
    struct bound bound;
    int64_t now_us;
    struct budget_amounts base; // without any output
    struct budget_amounts step; // what one token of output adds
};

static bool has_ceiling(const struct proxy *proxy, const struct live_run *run, int64_t now_us,
                        enum budget_kind kind)
{
    int64_t settled, now;
    budget_room(proxy->budget, run->id, run->job, now_us, kind, &settled, &now);
    return settled != LIMIT_NONE;
}

bool admit_input_is_capped(const struct proxy *proxy, const struct live_run *run, int64_t now_us)
{
    return has_ceiling(proxy, run, now_us, BUDGET_COST) ||
           (has_ceiling(proxy, run, now_us, BUDGET_TOKENS) && proxy->tokens_count != TOKENS_OUTPUT);
}

static bool input_is_capped(const struct applicant *applicant)
{
    return admit_input_is_capped(applicant->proxy, applicant->request->run, applicant->now_us);
}

// Whether the upstream may add cost that nobody can bound.
static bool is_open(const struct admit_request *request)
{
    uint32_t features = request->scan->features;
    return (features & BOUND_OPEN) != 0 || ((features & REQUEST_INPUT_UNBOUNDED) != 0 &&
                                            request->counted_tokens == ADMIT_NOT_COUNTABLE);
}

static int64_t input_bound(const struct admit_request *request)
{
    const struct request_scan *scan = request->scan;
    bool other_models = scan->model_count > 0 || request->run->policy.step_down != NULL ||
                        (scan->features & REQUEST_FALLBACKS_UNNAMED) != 0;
    int64_t by_size = bound_input_by_size(request->body_length);
    if (request->counted_tokens < 0)
        return by_size;
    int64_t by_count = bound_input_by_count(request->counted_tokens, other_models);
    if ((scan->features & REQUEST_INPUT_UNBOUNDED) != 0 || by_count < by_size)
        return by_count;
    return by_size;
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

// The most output that leaves the others under the same ceilings their share. It fits.
static int64_t output_fair(const struct applicant *applicant)
{
    const struct live_run *run = applicant->request->run;
    int64_t fair = INT64_MAX;
    for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++) {
        int64_t share = budget_fair_share(applicant->proxy->budget, run->id, run->job,
                                          applicant->now_us, kind, applicant->request->waiting);
        if (applicant->step.of[kind] <= 0 || share == LIMIT_NONE)
            continue;
        int64_t within = (share - applicant->base.of[kind]) / applicant->step.of[kind];
        fair = within < fair ? within : fair;
    }
    return fair;
}

// How much output to ask for: all, or what is fair, or at least what is useful.
static int64_t output_choose(const struct applicant *applicant)
{
    const struct request_scan *scan = applicant->request->scan;
    const struct run_policy *policy = &applicant->request->run->policy;
    int64_t useful = policy->clamp_min_tokens;
    if (!policy->clamps)
        return scan->max_tokens;
    // Claude API: max_tokens covers the thinking, and must be above its budget.
    if (scan->thinking_budget_tokens > 0 &&
        __builtin_add_overflow(useful, scan->thinking_budget_tokens, &useful))
        useful = scan->max_tokens;
    if (useful > scan->max_tokens)
        useful = scan->max_tokens;
    int64_t fair = output_fair(applicant);
    int64_t output = fair > useful ? fair : useful;
    return output < scan->max_tokens ? output : scan->max_tokens;
}

// ---- step down: a cheaper model for the rest of a run that has reached its soft limit

// Takes the first model of the list that is cheaper than the one asked for.
static void step_down(struct applicant *applicant, struct admission *admission)
{
    const struct live_run *run = applicant->request->run;
    const char *list = run->policy.step_down;
    struct budget_amounts asked, candidate;
    struct slice model;
    if (list == NULL ||
        !budget_soft_limit_is_reached(applicant->proxy->budget, run->id, run->job,
                                      applicant->now_us, run->policy.soft_percent) ||
        !amounts_make(applicant, 1, &asked, NULL))
        return;
    while (model_list_next(&list, &model)) {
        if (slice_copy(model, admission->model, sizeof(admission->model)) &&
            amounts_make(applicant, 1, &candidate, NULL) &&
            candidate.of[BUDGET_COST] < asked.of[BUDGET_COST])
            return;
    }
    memcpy(admission->model, admission->model_asked, sizeof(admission->model));
}

// ---- outcome

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

enum admit_outcome admission_reserve(struct proxy *proxy, struct admission *admission,
                                     char message[static ADMIT_MESSAGE_MAX])
{
    const struct budget_reservation *reservation = &admission->reservation;
    const struct budget_ceiling *ceiling = &admission->ceiling;
    char spent[CEILING_TEXT_MAX], asked[CEILING_TEXT_MAX];
    switch (budget_reserve(proxy->budget, reservation, &admission->ceiling)) {
    case BUDGET_FITS:
        return reservation_record(proxy, admission, message);
    case BUDGET_WAITS:
        return ADMIT_WAITS;
    case BUDGET_REFUSED:
        break;
    }
    ceiling_describe(ceiling, spent);
    ceiling_describe_asked(ceiling, asked);
    snprintf(message, ADMIT_MESSAGE_MAX, "reeve: ceiling reached: %s; %s. Run %s, job %s.", spent,
             asked, reservation->run_id, reservation->job);
    return ADMIT_REFUSED;
}

// Not even the bound by its size fits, and there is no better one.
static enum admit_outcome refuse_uncounted(const struct budget_ceiling *ceiling,
                                           char message[static ADMIT_MESSAGE_MAX])
{
    char spent[CEILING_TEXT_MAX], asked[CEILING_TEXT_MAX];
    ceiling_describe(ceiling, spent);
    ceiling_describe_asked(ceiling, asked);
    snprintf(message, ADMIT_MESSAGE_MAX,
             "reeve: near a ceiling, %s; the upstream did not count this prompt, and by its size "
             "%s; try again",
             spent, asked);
    return ADMIT_UNCOUNTED;
}

static enum admit_outcome reserve(struct applicant *applicant, struct admission *admission,
                                  char message[static ADMIT_MESSAGE_MAX])
{
    const struct proxy *proxy = applicant->proxy;
    struct budget_reservation *reservation = &admission->reservation;
    enum admit_outcome outcome = ADMIT_WAITS;
    struct error err;
    if (!slope_make(applicant, &err) ||
        !amounts_make(applicant, admission->max_tokens = output_choose(applicant),
                      &reservation->held, &err) ||
        (is_open(applicant->request) &&
         bound_growth(&applicant->bound, proxy->prices, proxy->tokens_count, applicant->now_us,
                      &reservation->growth, &err) < 0)) {
        snprintf(message, ADMIT_MESSAGE_MAX, "max_tokens: %.200s", err.text);
        return ADMIT_BAD;
    }
    if (!applicant->request->is_behind)
        outcome = admission_reserve(applicant->proxy, admission, message);
    if (outcome != ADMIT_WAITS && outcome != ADMIT_REFUSED)
        return outcome;
    // The bound by size may be far above the prompt. So whoever waits has been counted.
    if (applicant->request->counted_tokens == ADMIT_NOT_COUNTED && input_is_capped(applicant))
        return ADMIT_COUNT;
    if (outcome == ADMIT_REFUSED && applicant->request->counted_tokens == ADMIT_NOT_COUNTABLE)
        return refuse_uncounted(&admission->ceiling, message);
    return outcome;
}

void admission_init(struct admission *admission, const struct live_run *run, struct slice model,
                    int64_t now_us)
{
    *admission = (struct admission){.reservation.reserved_at_us = now_us};
    memcpy(admission->reservation.run_id, run->id, sizeof(run->id));
    memcpy(admission->reservation.job, run->job, sizeof(run->job));
    slice_copy(model, admission->model_asked, sizeof(admission->model_asked));
    memcpy(admission->model, admission->model_asked, sizeof(admission->model));
    exchange_id_draw(admission->exchange_id, now_us);
}

enum admit_outcome admit(struct proxy *proxy, const struct admit_request *request,
                         struct admission *admission, char message[static ADMIT_MESSAGE_MAX])
{
    const struct request_scan *scan = request->scan;
    struct applicant applicant = {
        .proxy = proxy,
        .request = request,
        .bound = {.scan = scan, .model = admission->model, .input_tokens = input_bound(request)},
        .now_us = clock_now_us(),
    };
    enum admit_outcome outcome = admit_check(proxy, request->run, scan, message);
    if (outcome != ADMIT_FITS)
        return outcome;
    admission_init(admission, request->run, scan->model, applicant.now_us);
    step_down(&applicant, admission);
    bool is_capped = input_is_capped(&applicant);
    if (is_capped && (scan->features & REQUEST_INPUT_UNBOUNDED) != 0 &&
        request->counted_tokens == ADMIT_NOT_COUNTED)
        return ADMIT_COUNT;
    if (is_capped && is_open(request) && !request->run->policy.allows_unbounded) {
        snprintf(message, ADMIT_MESSAGE_MAX,
                 "reeve: what this request can cost has no bound (%s), and the job is under a "
                 "ceiling; Unbounded=allow lets it pass",
                 (scan->features & BOUND_OPEN) != 0
                     ? "server tools, a container, or fallbacks that the upstream picks"
                     : "its prompt is not all in the body, and was not counted");
        return ADMIT_DENIED;
    }
    return reserve(&applicant, admission, message);
}
