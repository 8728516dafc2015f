// Alert text: what is said of each kind of alert: its subject and period, its sentence and amounts.
// Pure.
#include "alert_text.h"

#include "ceiling_text.h"
#include "cleanup.h"
#include "clock.h"
#include "money.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

static const enum alert_unit units_of_budget[] = {
    [BUDGET_COST] = ALERT_UNIT_PICO_USD,
    [BUDGET_TOKENS] = ALERT_UNIT_TOKENS,
    [BUDGET_OUTPUT_TOKENS] = ALERT_UNIT_OUTPUT_TOKENS,
    [BUDGET_REQUESTS] = ALERT_UNIT_REQUESTS,
};

static void alert_begin(struct journal_alert *alert, enum alert_kind kind,
                        const struct live_run *run)
{
    *alert = (struct journal_alert){.unit = ALERT_UNIT_NONE};
    snprintf(alert->kind, sizeof(alert->kind), "%s", alert_kind_name(kind));
    if (run == NULL)
        return;
    memcpy(alert->run_id, run->id, sizeof(alert->run_id));
    memcpy(alert->job, run->job, sizeof(alert->job));
}

static void alert_measure(struct journal_alert *alert, enum alert_unit unit, int64_t amount,
                          int64_t limit)
{
    alert->unit = unit;
    alert->amount = amount;
    alert->limit = limit == LIMIT_NONE ? 0 : limit;
}

// Leaves ASCII alone, and of that what no chat takes for a mention, a link or a command.
static void text_clean(char *text)
{
    for (; *text != '\0'; text++)
        if (*text < 0x20 || *text == 0x7f || strchr("<>@`", *text) != NULL)
            *text = '?';
}

__attribute__((format(printf, 2, 3))) static void alert_say(struct journal_alert *alert,
                                                            const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(alert->text, sizeof(alert->text), format, arguments);
    va_end(arguments);
    text_clean(alert->text);
    text_clean(alert->subject);
}

static void subject_of_ceiling(const struct budget_ceiling *ceiling, const struct live_run *run,
                               char subject[static ALERT_SUBJECT_MAX])
{
    static const char *const kinds[] = {"cost", "tokens", "output_tokens", "requests"};
    static const struct {
        const char *what, *period;
    } scopes[] = {
        [BUDGET_RUN] = {"run ", ""},
        [BUDGET_JOB_DAY] = {"job ", " day"},
        [BUDGET_JOB_MONTH] = {"job ", " month"},
        [BUDGET_BOX_DAY] = {"box", " day"},
        [BUDGET_BOX_MONTH] = {"box", " month"},
    };
    const char *name = "";
    if (ceiling->scope == BUDGET_RUN)
        name = run->id;
    else if (ceiling->scope == BUDGET_JOB_DAY || ceiling->scope == BUDGET_JOB_MONTH)
        name = run->job;
    snprintf(subject, ALERT_SUBJECT_MAX, "%s%s%s %s", scopes[ceiling->scope].what, name,
             scopes[ceiling->scope].period, kinds[ceiling->kind]);
}

static void alert_take_ceiling(struct journal_alert *alert, const struct live_run *run,
                               const struct budget_ceiling *ceiling)
{
    subject_of_ceiling(ceiling, run, alert->subject);
    alert->period_start_us = ceiling->period_start_us;
    alert_measure(alert, units_of_budget[ceiling->kind], ceiling->settled, ceiling->limit);
}

void alert_of_ceiling(struct journal_alert *alert, const struct live_run *run,
                      const struct budget_ceiling *ceiling)
{
    char spent[CEILING_TEXT_MAX];
    alert_begin(alert, ALERT_CEILING, run);
    alert_take_ceiling(alert, run, ceiling);
    alert_say(alert, "run %s of job %s is ended at a ceiling: %s", run->id, run->job,
              ceiling_describe(ceiling, spent));
}

void alert_of_soft_limit(struct journal_alert *alert, const struct live_run *run,
                         const struct budget_ceiling *ceiling)
{
    char spent[CEILING_TEXT_MAX];
    alert_begin(alert, ALERT_SOFT, run);
    alert_take_ceiling(alert, run, ceiling);
    alert_say(alert, "run %s of job %s: a ceiling is nearly reached: %s", run->id, run->job,
              ceiling_describe(ceiling, spent));
}

void alert_of_oom(struct journal_alert *alert, const struct live_run *run, int64_t peak_bytes)
{
    alert_begin(alert, ALERT_OOM, run);
    snprintf(alert->subject, sizeof(alert->subject), "run %s", run->id);
    if (peak_bytes < 0) {
        alert_say(alert, "run %s of job %s ran out of memory", run->id, run->job);
        return;
    }
    alert_measure(alert, ALERT_UNIT_BYTES, peak_bytes, run->limits.memory_max_bytes);
    alert_say(alert, "run %s of job %s ran out of memory: it had %" PRId64 " MiB", run->id,
              run->job, peak_bytes >> 20);
}

void alert_of_timeout(struct journal_alert *alert, const struct live_run *run, int64_t lasted_us)
{
    char lasted[CLOCK_TEXT_MAX];
    alert_begin(alert, ALERT_TIMEOUT, run);
    snprintf(alert->subject, sizeof(alert->subject), "run %s", run->id);
    alert_measure(alert, ALERT_UNIT_US, lasted_us, run->limits.runtime_max_us);
    alert_say(alert, "run %s of job %s was ended, as its time was over: it lasted %s", run->id,
              run->job, clock_format_duration(lasted_us, lasted));
}

void alert_of_escape(struct journal_alert *alert, const struct live_run *run, const char *what)
{
    alert_begin(alert, ALERT_ESCAPE, run);
    snprintf(alert->subject, sizeof(alert->subject), "run %s", run->id);
    alert_say(alert, "%s got out of the cgroup of run %s of job %s", what, run->id, run->job);
}

void alert_of_caller(struct journal_alert *alert, const struct live_run *run,
                     enum caller_verdict verdict, uid_t uid, bool refused)
{
    char who[64] = "somebody who cannot be told";
    alert_begin(alert, ALERT_CALLER, run);
    snprintf(alert->subject, sizeof(alert->subject), "run %s", run->id);
    if (verdict == CALLER_STRANGER)
        snprintf(who, sizeof(who), "a process of uid %lld outside of it", (long long)uid);
    alert_say(alert, "the key of run %s of job %s was used by %s: %s", run->id, run->job, who,
              refused ? "refused" : "let pass");
}

void alert_of_credential(struct journal_alert *alert, const char *name, const char *state,
                         const char *text, int64_t day_start_us)
{
    alert_begin(alert, ALERT_CREDENTIAL, NULL);
    snprintf(alert->subject, sizeof(alert->subject), "%.64s %.64s", name, state);
    alert->period_start_us = day_start_us;
    alert_say(alert, "credential %s: %s%s%s", name, state, *text != '\0' ? ": " : "", text);
}

void alert_of_price(struct journal_alert *alert, const struct live_run *run, const char *model,
                    int64_t cost_pico_usd, int64_t day_start_us)
{
    alert_begin(alert, ALERT_PRICE, run);
    snprintf(alert->subject, sizeof(alert->subject), "%s", model);
    alert->period_start_us = day_start_us;
    alert_measure(alert, ALERT_UNIT_PICO_USD, cost_pico_usd, 0);
    alert_say(alert,
              "there is no price for model %s, which run %s of job %s uses: it is charged "
              "as the dearest one known",
              model, run->id, run->job);
}

void alert_of_duplicate(struct journal_alert *alert, const struct live_run *run, int64_t apart_us,
                        int64_t cost_pico_usd)
{
    char cost[MONEY_TEXT_MAX];
    alert_begin(alert, ALERT_DUPLICATE, run);
    snprintf(alert->subject, sizeof(alert->subject), "run %s", run->id);
    alert_measure(alert, ALERT_UNIT_PICO_USD, cost_pico_usd, 0);
    alert_say(alert,
              "run %s of job %s sent the same request twice within %" PRId64 " ms and both "
              "were billed: %s for the second one",
              run->id, run->job, apart_us / 1000 + 1, money_format_short(cost_pico_usd, cost));
}

void alert_of_cache(struct journal_alert *alert, const struct live_run *run,
                    const struct cache_fall *fall, int64_t day_start_us)
{
    char lost[MONEY_TEXT_MAX];
    alert_begin(alert, ALERT_CACHE, run);
    snprintf(alert->subject, sizeof(alert->subject), "job %s", run->job);
    alert->period_start_us = day_start_us;
    alert_measure(alert, ALERT_UNIT_PICO_USD, fall->lost_pico_usd, 0);
    alert_say(alert,
              "the prompt cache saved job %s %d%% of what it could in run %s, and %d%% in "
              "its %d runs before: %s lost",
              run->job, fall->percent, run->id, fall->percent_before, fall->runs_before,
              money_format_short(fall->lost_pico_usd, lost));
}

void alert_of_ledger(struct journal_alert *alert, const char *subject, int64_t since_us,
                     const char *text)
{
    alert_begin(alert, ALERT_LEDGER, NULL);
    snprintf(alert->subject, sizeof(alert->subject), "%s", subject);
    alert->period_start_us = since_us;
    alert_say(alert, "%s", text);
}

void alert_of_test(struct journal_alert *alert, int64_t now_us)
{
    char now[CLOCK_TEXT_MAX];
    alert_begin(alert, ALERT_TEST, NULL);
    alert->period_start_us = now_us;
    alert_say(alert, "this is a test of %s; all is well", clock_format_utc(now_us, now));
}

// ---- JSON

const char *alert_unit_name(enum alert_unit unit)
{
    static const char *const names[] = {
        [ALERT_UNIT_NONE] = NULL,
        [ALERT_UNIT_PICO_USD] = "usd",
        [ALERT_UNIT_TOKENS] = "tokens",
        [ALERT_UNIT_OUTPUT_TOKENS] = "output_tokens",
        [ALERT_UNIT_REQUESTS] = "requests",
        [ALERT_UNIT_BYTES] = "bytes",
        [ALERT_UNIT_US] = "us",
    };
    return names[unit];
}

const char *alert_format_amount(enum alert_unit unit, int64_t amount,
                                char text[static ALERT_AMOUNT_MAX])
{
    _Static_assert(ALERT_AMOUNT_MAX >= MONEY_TEXT_MAX, "an amount may be of money");
    if (unit == ALERT_UNIT_PICO_USD)
        return money_format_exact(amount, 2, text);
    snprintf(text, ALERT_AMOUNT_MAX, "%" PRId64, amount);
    return text;
}

static void json_free(json_t **object)
{
    json_decref(*object);
}

char *alert_to_json(const struct journal_alert *alert, const char *host)
{
    char text[JOURNAL_TEXT_MAX + 64 + 128], id[24], time[CLOCK_TEXT_MAX];
    char amount[ALERT_AMOUNT_MAX], limit[ALERT_AMOUNT_MAX];
    snprintf(text, sizeof(text), "reeve on %.64s: %s: %s", host, alert->kind, alert->text);
    snprintf(id, sizeof(id), "%" PRId64, alert->raised_at_us);
    cleanup_with(json_free) json_t *object =
        json_pack("{ss ss ss ss ss ss}", "text", text, "content", text, "kind", alert->kind, "id",
                  id, "time", clock_format_utc(alert->raised_at_us, time), "host", host);
    bool complete = object != NULL;
    if (alert->run_id[0] != '\0')
        complete &= json_object_set_new(object, "run", json_string(alert->run_id)) == 0;
    if (alert->job[0] != '\0')
        complete &= json_object_set_new(object, "job", json_string(alert->job)) == 0;
    if (alert->unit != ALERT_UNIT_NONE) {
        alert_format_amount(alert->unit, alert->amount, amount);
        complete &= json_object_set_new(object, "amount", json_string(amount)) == 0;
        complete &=
            json_object_set_new(object, "unit", json_string(alert_unit_name(alert->unit))) == 0;
    }
    if (alert->unit != ALERT_UNIT_NONE && alert->limit != 0) {
        alert_format_amount(alert->unit, alert->limit, limit);
        complete &= json_object_set_new(object, "limit", json_string(limit)) == 0;
    }
    return complete ? json_dumps(object, JSON_COMPACT) : NULL;
}
