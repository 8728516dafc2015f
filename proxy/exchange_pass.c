// Exchange pass: requests that have not gone upstream go to the daemon that succeeds this one.

#include "exchange_pass.h"

#include "agent_pass.h"
#include "cleanup.h"
#include "exchange_state.h"

bool exchange_is_to_pass(const struct exchange *exchange)
{
    return exchange->proxy->pass_agent != NULL && exchange->route.kind != ROUTE_UPLOAD;
}

void exchange_pass(struct exchange *exchange)
{
    struct slice head = {exchange->head_bytes, exchange->head->length};
    exchange_settle(exchange, EXCHANGE_NOT_SENT); // its money is free before it is asked for again
    if (!agent_pass_request(exchange->agent, head, exchange->head->framing, &exchange->body)) {
        exchange_refuse(exchange, &(struct reply){.status = 529},
                        "reeve: the daemon is being restarted; try again");
        return;
    }
    exchange->agent = NULL;
    exchange_end(exchange);
}

void exchanges_pass(struct proxy *proxy)
{
    struct exchange *exchange, *next;
    while ((exchange = TAILQ_FIRST(&proxy->waiting)) != NULL)
        exchange_pass(exchange);
    for (exchange = TAILQ_FIRST(&proxy->exchanges); exchange != NULL; exchange = next) {
        next = TAILQ_NEXT(exchange, link);
        if (exchange_is_to_pass(exchange) && exchange->state > EXCHANGE_READING &&
            exchange->state < EXCHANGE_SENDING)
            exchange_pass(exchange);
    }
}
