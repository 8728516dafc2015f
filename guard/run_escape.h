// Run escape: processes of a run that have left its cgroup: moved by a session manager, started
// through one, or by root's own hand.
//
// They are known by REEVE_RUN or the run key in their environment, and by descent: this process is
// the reaper of the run, so that none gets out of its family. What was started before the run, or
// belongs to another run, is none.
#pragma once

#include "error.h"

#include <stddef.h>
#include <sys/types.h>

struct run_escape;

// To be called before the run has any process. `run_key` is copied, and wiped at the end. `found`
// is told of each process that is killed: "pid 4711 (node)".
int run_escape_new(struct run_escape **escape, const char *run_id, const char *run_key,
                   void (*found)(const char *text, void *context), void *context,
                   struct error *err);

// Remembers the cgroup of the run's first process, which is in there, as where all have to be.
// `watchdog` is this process's other child, which belongs to no run; 0: there is none.
void run_escape_begin(struct run_escape *escape, pid_t command, pid_t watchdog);
void run_escape_free(struct run_escape *escape); // NULL is allowed

// Looks through /proc; not before run_escape_begin(). Who is outside for the second time in a row
// is killed: one that ends just now is outside as well. Returns how many are outside: look again in
// a moment until it is 0.
size_t run_escape_look(struct run_escape *escape);
