// Run link: keeps a live run connected to the daemon, over restarts of the daemon.
//
//     UP ── connection lost ──▶ DOWN ── connected ──▶ RETURNING ── adopted ──▶ UP
//                                 ↑──── connection lost ──┘└── refused ──▶ DISOWNED
//
// While it is down the run goes on; attempts to connect come with longer and longer rests.
#pragma once

#include "control.h"
#include "error.h"

#include <stdbool.h>

struct event_base;
struct run_link;

struct run_link_options {
    struct event_base *base;
    struct control_client *client;         // connected; outlives the link
    const struct control_run_adopt *adopt; // who comes back; outlives the link
    // The daemon says something; RUN_KILL, or REFUSED: it has closed the run.
    void (*received)(const struct control_message *message, void *context);
    void *context;
};

int run_link_new(struct run_link **link, const struct run_link_options *options, struct error *err);
void run_link_free(struct run_link *link); // NULL is allowed

// Begins to listen; what has come already is handed out from the loop.
void run_link_start(struct run_link *link);

// Whether the daemon hears what is sent now.
bool run_link_is_up(const struct run_link *link);

// Tells the daemon of something that the run has outside of its cgroup. A connection that is lost
// takes it with it.
void run_link_tell_escape(struct control_client *client, const char *text);

// Connects again and says who comes back; for up to `timeout_ms`, without a link. The answer,
// RUN_ADOPTED or REFUSED, is the next message.
int run_link_return(struct control_client *client, const struct control_run_adopt *adopt,
                    int timeout_ms, struct error *err);
