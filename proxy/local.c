// Local: requests that reeve answers itself: a client's warm-up, and the paths of its own.

#include "local.h"

#include "agent.h"
#include "reply.h"

bool local_answer(struct proxy *proxy, struct agent *agent, const struct http_head *head,
                  struct route route)
{
    if (route.kind == ROUTE_PROBE)
        reply_empty(agent);
    else if (route.kind != ROUTE_LOCAL)
        return false;
    else if (proxy->serve_local == NULL)
        reply_error(agent, 404, "reeve: no such path; everything under /v1/ is passed on");
    else if (!agent_is_on_this_machine(agent))
        reply_error(agent, 403, "reeve: this path is for this machine alone");
    else
        proxy->serve_local(agent, head, proxy->context);
    return true;
}
