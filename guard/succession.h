// Succession: the daemon takes the place of another one, which goes on to finish the answers that
// it is giving. handover.h is the other side, and draws the sequence.
//
// Whoever is succeeded passes its own predecessors on, so that the newest hears of all of them: a
// chain of reloads within one long answer.
#pragma once

#include "error.h"
#include "passed_sockets.h"
#include "restore.h"
#include "run_table.h"

#include <stdbool.h>
#include <stddef.h>

#define SUCCESSION_MAX 4 // predecessors at a time

struct event_base;
struct proxy;
struct server;
struct succession;

// `fd` is the socket to the predecessor, see successor_start.h, taken over in any case; -1: there
// is none, and most of the rest does nothing. `proxy` is filled later; it and its runs outlive
// this.
int succession_new(struct succession **succession, int fd, struct proxy *proxy, struct error *err);

// Closes the sockets to all predecessors. NULL is allowed.
void succession_free(struct succession *succession);

// Says that nothing but the journal is wanting, waits, and takes the listening sockets. When it
// returns 0 the journal is free to be opened. -EPIPE: the predecessor goes on by itself.
// *owns_control_file: that of the control socket has to be removed at the end.
int succession_take(struct succession *succession, const char *journal_directory,
                    struct passed_sockets *sockets, bool *owns_control_file, struct error *err);

// Tells the predecessor that this daemon ends instead.
void succession_fail(struct succession *succession, const struct error *err);

// What the predecessors will settle, for restore(); valid until succession_start().
void succession_read_in_flight(const struct succession *succession,
                               struct restore_targets *targets);

// The run has been restored: it has exchanges in flight that are the predecessors'.
void succession_run_opened(const struct succession *succession, struct live_run *run);

// Everything serves: says so, and hears the predecessors from now on.
int succession_start(struct succession *succession, struct event_base *base, struct server *server,
                     struct error *err);

bool succession_has_predecessor(const struct succession *succession);
bool succession_is_full(const struct succession *succession);

// How many exchanges predecessors have in flight.
size_t succession_count_in_flight(const struct succession *succession);

// A run is being ended by force: has the predecessors end their exchanges of it.
void succession_cancel_run(const struct succession *succession, const struct live_run *run);

// Passes all of them on to the successor at `fd`.
int succession_hand_over(struct succession *succession, int fd, struct error *err);
