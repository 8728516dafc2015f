// Budget, soft limits: which ceilings are nearly used up. See budget.h.
#include "budget_accounts.h"

static bool is_reached(const struct budget_cover *cover, enum budget_kind kind, int64_t percent)
{
    if (cover->subject == NULL || cover->account == NULL ||
        cover->subject->limits[kind] == LIMIT_NONE)
        return false;
    __int128 settled = cover->account->settled.of[kind];
    return settled * 100 >= (__int128)cover->subject->limits[kind] * percent;
}

bool budget_soft_limit_is_reached(const struct budget *budget, const char *run_id, const char *job,
                                  int64_t time_us, int64_t percent)
{
    struct budget_cover covers[BUDGET_SCOPES];
    budget_covers_find(budget, run_id, job, time_us, covers);
    for (enum budget_scope scope = 0; scope < BUDGET_SCOPES; scope++)
        for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++)
            if (is_reached(&covers[scope], kind, percent))
                return true;
    return false;
}

size_t budget_take_soft_limits(struct budget *budget, const char *run_id, const char *job,
                               int64_t time_us, int64_t percent,
                               struct budget_ceiling reached[static BUDGET_CEILINGS_MAX])
{
    struct budget_cover covers[BUDGET_SCOPES];
    size_t count = 0;
    budget_covers_find(budget, run_id, job, time_us, covers);
    for (enum budget_scope scope = 0; scope < BUDGET_SCOPES; scope++)
        for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++) {
            struct budget_account *account = covers[scope].account;
            if (!is_reached(&covers[scope], kind, percent) ||
                (account->soft_limits_taken & 1U << kind) != 0)
                continue;
            account->soft_limits_taken |= 1U << kind;
            reached[count++] = budget_cover_ceiling(&covers[scope], kind);
        }
    return count;
}
