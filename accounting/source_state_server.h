// Source state server: the thread of the ledger's feed that answers questions about state, on a
// connection of its own, so that they do not wait for the journal.
//
//     receive ▶ drop, if nobody waits any more ▶ connect ▶ ask ▶ answer
//
// One question at a time, each a statement or two. A database that is not there is tried again with
// the next question.
#pragma once

#include "error.h"
#include "ledger_catch_up.h"

struct source_state_server;

// Answers what comes at `fd`, which stays the caller's, until stop or the other end's end. Where
// the books are is in `options`, which outlive the server.
int source_state_server_start(struct source_state_server **server,
                              const struct ledger_catch_up_options *options, int fd,
                              struct error *err);

// Waits for the question in progress, and stops a private Postgres that the thread has started.
// NULL is allowed.
void source_state_server_stop(struct source_state_server *server);
