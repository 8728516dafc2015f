// Ceiling text: tells people which ceiling stands in the way, what is spent, and when it resets.

#include "ceiling_text.h"

#include "clock.h"
#include "money.h"

#include <inttypes.h>

#define AMOUNT_MAX 64

const char *ceiling_format_amount(enum budget_kind kind, int64_t amount, char *text, size_t size)
{
    static const char *const units[] = {
        [BUDGET_TOKENS] = "tokens",
        [BUDGET_OUTPUT_TOKENS] = "output tokens",
        [BUDGET_REQUESTS] = "requests",
    };
    char money[MONEY_TEXT_MAX];
    if (kind == BUDGET_COST)
        snprintf(text, size, "%s", money_format_short(amount, money));
    else
        snprintf(text, size, "%" PRId64 " %s", amount, units[kind]);
    return text;
}

const char *ceiling_describe(const struct budget_ceiling *ceiling,
                             char text[static CEILING_TEXT_MAX])
{
    static const char *const scopes[] = {
        [BUDGET_RUN] = "this run",
        [BUDGET_JOB_DAY] = "this job today",
        [BUDGET_JOB_MONTH] = "this job this month",
        [BUDGET_BOX_DAY] = "all jobs today",
        [BUDGET_BOX_MONTH] = "all jobs this month",
    };
    char settled[AMOUNT_MAX], limit[AMOUNT_MAX], resets[CLOCK_TEXT_MAX] = "never";
    if (ceiling->limit == LIMIT_NONE) {
        snprintf(text, CEILING_TEXT_MAX, "no room for one more account, of %d",
                 BUDGET_ACCOUNTS_MAX);
        return text;
    }
    if (ceiling->resets_at_us >= 0)
        clock_format_utc(ceiling->resets_at_us, resets);
    snprintf(text, CEILING_TEXT_MAX, "%s of %s spent by %s (resets: %s)",
             ceiling_format_amount(ceiling->kind, ceiling->settled, settled, sizeof(settled)),
             ceiling_format_amount(ceiling->kind, ceiling->limit, limit, sizeof(limit)),
             scopes[ceiling->scope], resets);
    return text;
}
