// Waiting: exchanges held before their response head until reserved money is free again.

#include "waiting.h"

#include "ceiling_text.h"
#include "clock.h"
#include "exchange_state.h"

#include <event2/event.h>
#include <string.h>

#define RETRY_AFTER_MAX_S 60 // Claude Code gives up on more (Claude API facts, E.4)

// Whether what `waiting` waits for covers `exchange` as well.
static bool stands_before(const struct exchange *waiting, const struct exchange *exchange)
{
    switch (waiting->waits_for) {
    case BUDGET_RUN:
        return waiting->run == exchange->run;
    case BUDGET_JOB_DAY:
    case BUDGET_JOB_MONTH:
        return strcmp(waiting->run->job, exchange->run->job) == 0;
    case BUDGET_BOX_DAY:
    case BUDGET_BOX_MONTH:
        return true;
    case BUDGET_SCOPES:
        break;
    }
    return false;
}

enum budget_scope waiting_find_ahead(const struct exchange *exchange)
{
    const struct exchange *each;
    TAILQ_FOREACH(each, &exchange->proxy->waiting, waiting_link)
    {
        if (each == exchange)
            break;
        if (stands_before(each, exchange))
            return each->waits_for;
    }
    return BUDGET_SCOPES;
}

int waiting_count(const struct exchange *exchange)
{
    int count = 0;
    const struct exchange *each;
    TAILQ_FOREACH(each, &exchange->proxy->waiting, waiting_link)
    count += each != exchange && stands_before(each, exchange);
    return count;
}

int64_t waiting_total(const struct proxy *proxy)
{
    int64_t count = 0;
    const struct exchange *each;
    TAILQ_FOREACH(each, &proxy->waiting, waiting_link)
    count++;
    return count;
}

void waiting_join(struct exchange *exchange, enum budget_scope scope)
{
    if (exchange->waits_for == BUDGET_SCOPES)
        TAILQ_INSERT_TAIL(&exchange->proxy->waiting, exchange, waiting_link);
    exchange->waits_for = scope;
    if (exchange->state == EXCHANGE_WAITING)
        return;
    exchange_enter(exchange, EXCHANGE_WAITING);
    event_add(&exchange->timer, &(struct timeval){exchange->proxy->wait_max_s, 0});
}

void waiting_leave(struct exchange *exchange)
{
    if (exchange->waits_for == BUDGET_SCOPES)
        return;
    TAILQ_REMOVE(&exchange->proxy->waiting, exchange, waiting_link);
    exchange->waits_for = BUDGET_SCOPES;
    waiting_retry(exchange->proxy); // whoever was behind it may pass
}

void waiting_retry(struct proxy *proxy)
{
    struct exchange *each;
    TAILQ_FOREACH(each, &proxy->waiting, waiting_link)
    event_active(&each->soon, EV_TIMEOUT, 0);
}

// Nothing was freed for as long as it waited; so, as far as anybody can tell, for as long again,
// unless the ceiling's period ends before.
static int retry_after_s(const struct exchange *exchange)
{
    const struct budget_ceiling *ceiling = &exchange->admission.ceiling;
    int64_t seconds = exchange->proxy->wait_max_s;
    if (ceiling->resets_at_us > 0) {
        int64_t left_s = (ceiling->resets_at_us - clock_now_us()) / 1000000 + 1;
        seconds = left_s < seconds ? left_s : seconds;
    }
    if (seconds > RETRY_AFTER_MAX_S)
        return RETRY_AFTER_MAX_S;
    return seconds < 1 ? 1 : (int)seconds;
}

struct reply waiting_refusal(const struct exchange *exchange,
                             char message[static WAITING_MESSAGE_MAX])
{
    const struct budget_ceiling *ceiling = &exchange->admission.ceiling;
    char text[CEILING_TEXT_MAX];
    snprintf(message, WAITING_MESSAGE_MAX,
             "reeve: requests in flight have reserved what is left of a ceiling%s%s; try again",
             ceiling->limit > 0 ? ": " : "",
             ceiling->limit > 0 ? ceiling_describe(ceiling, text) : "");
    return (struct reply){.status = 429, .retry_after_s = retry_after_s(exchange)};
}
