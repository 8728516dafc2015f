// Alert exec: hands an alert to a command, once, on the daemon's loop.
//
// There is no shell: the command is split at blanks. It finds the alert as JSON on its standard
// input, has a bare environment and a process group of its own, which is killed when the command
// has ended or its time is over.
#pragma once

#include "error.h"

#include <stdint.h>

#define ALERT_EXEC_ARGUMENTS_MAX 64

struct event_base;
struct alert_exec;

struct alert_exec_receiver {
    void (*done)(void *context, const struct error *failure); // NULL: it ended with 0
    void *context;
};

// `done` is called once, later; then the command is gone.
int alert_exec_start(struct alert_exec **exec, struct event_base *base, const char *command,
                     int64_t timeout_us, const char *body,
                     const struct alert_exec_receiver *receiver, struct error *err);

// Kills it; nothing is called any more. NULL is allowed.
void alert_exec_cancel(struct alert_exec *exec);
