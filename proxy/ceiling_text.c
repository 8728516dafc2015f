// Ceiling text: tells people which ceiling stands in the way, what is spent, and when it resets.

#include "ceiling_text.h"

#include "clock.h"
#include "money.h"

#include <inttypes.h>

#define AMOUNT_MAX 64

static const char *const units[] = {
    [BUDGET_COST] = "",
    [BUDGET_TOKENS] = " tokens",
    [BUDGET_OUTPUT_TOKENS] = " output tokens",
    [BUDGET_REQUESTS] = " requests",
};

static const char *const scopes[] = {
    [BUDGET_RUN] = "this run",
    [BUDGET_JOB_DAY] = "this job today",
    [BUDGET_JOB_MONTH] = "this job this month",
    [BUDGET_BOX_DAY] = "all jobs today",
    [BUDGET_BOX_MONTH] = "all jobs this month",
};

static const char *format_number(enum budget_kind kind, int64_t amount,
                                 char text[static AMOUNT_MAX])
{
    char money[MONEY_TEXT_MAX];
    if (kind == BUDGET_COST)
        snprintf(text, AMOUNT_MAX, "%s", money_format_short(amount, money));
    else
        snprintf(text, AMOUNT_MAX, "%" PRId64, amount);
    return text;
}

const char *ceiling_describe(const struct budget_ceiling *ceiling,
                             char text[static CEILING_TEXT_MAX])
{
    char settled[AMOUNT_MAX], limit[AMOUNT_MAX], time[CLOCK_TEXT_MAX], resets[64];
    if (ceiling->limit == LIMIT_NONE) {
        snprintf(text, CEILING_TEXT_MAX, "no room for one more account, of %d",
                 BUDGET_ACCOUNTS_MAX);
        return text;
    }
    snprintf(resets, sizeof(resets), "does not reset");
    if (ceiling->resets_at_us >= 0)
        snprintf(resets, sizeof(resets), "resets %s",
                 clock_format_utc(ceiling->resets_at_us, time));
    snprintf(text, CEILING_TEXT_MAX, "%s of %s%s spent by %s (%s)",
             format_number(ceiling->kind, ceiling->settled, settled),
             format_number(ceiling->kind, ceiling->limit, limit), units[ceiling->kind],
             scopes[ceiling->scope], resets);
    return text;
}

const char *ceiling_describe_asked(const struct budget_ceiling *ceiling,
                                   char text[static CEILING_TEXT_MAX])
{
    char asked[AMOUNT_MAX];
    if (ceiling->kind == BUDGET_REQUESTS)
        snprintf(text, CEILING_TEXT_MAX, "this would be one more");
    else
        snprintf(text, CEILING_TEXT_MAX, "this request could take %s%s more",
                 format_number(ceiling->kind, ceiling->asked, asked), units[ceiling->kind]);
    return text;
}
