// Serve caller: the daemon's check of who presents a run key.
#pragma once

#include "caller.h"
#include "config.h"
#include "serve_alerts.h"

struct serve_caller {
    struct callers callers;
    struct serve_alerts *alerts;
};

// Finds out what the kernel tells, and says so in the log. Where it tells nothing, nobody is
// checked. `alerts` outlives it.
void serve_caller_open(struct serve_caller *caller, const struct config *config,
                       struct serve_alerts *alerts);
void serve_caller_close(struct serve_caller *caller);
