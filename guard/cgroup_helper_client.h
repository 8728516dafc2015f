// Cgroup helper, from outside: what a supervisor and the daemon say to it.
#pragma once

#include "cgroup_helper_message.h"
#include "error.h"

// Has the helper do as `request` says, and waits for that. -ECONNREFUSED, -ENOENT, -EACCES: there
// is none, or not for this user; -EPERM: it refuses, and why.
int cgroup_helper_ask(const char *socket_path, const struct cgroup_helper_request *request,
                      struct error *err);

// Has it kill everything in a run's scope, if there is one. Never blocks, waits for nothing.
void cgroup_helper_kill(const char *socket_path, const char *run_id);
