// Off the loop: blocking work on a thread of its own, its end told on the loop.
//
// For what is rare and short, such as an fsync: each piece of work gets a thread.
#pragma once

#include "error.h"

#include <pthread.h>

struct event_base;
struct off_loop;

// One piece of work. Embedded in its owner, who leaves it alone until `done` is called.
struct off_loop_work {
    void (*run)(struct off_loop_work *work);  // on the thread
    void (*done)(struct off_loop_work *work); // on the loop, afterwards
    pthread_t thread;
};

int off_loop_new(struct off_loop **off_loop, struct event_base *base, struct error *err);

// Waits for what is under way, calling its `done`, and frees. NULL is allowed.
void off_loop_free(struct off_loop *off_loop);

int off_loop_start(struct off_loop *off_loop, struct off_loop_work *work, struct error *err);
