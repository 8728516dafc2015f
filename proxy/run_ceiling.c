// Run ceiling: a run that has come to a ceiling is to end, and its agents are told why.

#include "run_ceiling.h"

#include "ceiling_text.h"
#include "log.h"

#include <stdio.h>

void run_at_ceiling(struct proxy *proxy, struct live_run *run, const struct budget_ceiling *ceiling,
                    const char *message)
{
    log_event(LOG_NOTICE, "ceiling_reached", "run", run->id, "job", run->job, "reason", message,
              NULL);
    snprintf(run->at_ceiling, sizeof(run->at_ceiling), "%s", message);
    proxy->run_at_ceiling(run, ceiling, message, proxy->context);
}

void run_above_ceiling(struct proxy *proxy, struct live_run *run,
                       const struct budget_ceiling *ceiling)
{
    char message[RUN_AT_CEILING_MAX], spent[CEILING_TEXT_MAX];
    snprintf(message, sizeof(message),
             "reeve: ceiling reached: %s, by what the upstream added by itself to a request. Run "
             "%s, job %s.",
             ceiling_describe(ceiling, spent), run->id, run->job);
    run_at_ceiling(proxy, run, ceiling, message);
}
