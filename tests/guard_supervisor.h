// What tests of the run registry share: supervisors that say this and that to a daemon in the same
// process, whose loop is turned by hand.
#pragma once

#include "guard_daemon.h"

static struct guard_daemon daemon_;
static struct error err;

static inline void turn(void)
{
    for (int i = 0; i < 8; i++)
        event_base_loop(daemon_.base, EVLOOP_NONBLOCK);
}

// Turns the loop until `number` is no longer 0: timers have to come first.
static inline void turn_until(const int *number)
{
    while (*number == 0)
        event_base_loop(daemon_.base, EVLOOP_ONCE);
}

// A supervisor asks for a slot.
static inline struct control_client *ask(const char *job, int64_t wait_us)
{
    struct control_client *client;
    struct control_message message = {
        .type = CONTROL_RUN_OPEN, .run_open = {.command = "true", .pid = 1, .wait_us = wait_us}};
    const struct run_limits none = {LIMIT_NONE, LIMIT_NONE, LIMIT_NONE, LIMIT_NONE, LIMIT_NONE,
                                    LIMIT_NONE, LIMIT_NONE, LIMIT_NONE, LIMIT_NONE, LIMIT_NONE};
    message.run_open.limits = none;
    snprintf(message.run_open.job, sizeof(message.run_open.job), "%s", job);
    ck_assert_int_eq(control_client_open(&client, daemon_.socket, &err), 0);
    ck_assert_int_eq(control_client_send(client, &message, &err), 0);
    turn();
    return client;
}

// The next message, which must be of this type.
static inline struct control_message expect(struct control_client *client, enum control_type type)
{
    struct control_message message;
    turn();
    ck_assert_int_eq(control_client_receive(client, 0, &message, &err), 0);
    ck_assert_int_eq(message.type, type);
    return message;
}

static inline void expect_nothing(struct control_client *client)
{
    struct control_message message;
    turn();
    ck_assert_int_eq(control_client_receive(client, 0, &message, &err), -ETIMEDOUT);
}

static inline void say_started(struct control_client *client)
{
    struct control_message message = {.type = CONTROL_RUN_STARTED, .run_started.pid = 2};
    ck_assert_int_eq(control_client_send(client, &message, &err), 0);
    turn();
}

static inline void say_ended(struct control_client *client, enum run_end end, int exit_code)
{
    struct control_message message = {
        .type = CONTROL_RUN_ENDED,
        .run_ended = {.end = end, .exit_code = exit_code, .memory_peak_bytes = 5, .cpu_us = 6}};
    ck_assert_int_eq(control_client_send(client, &message, &err), 0);
    turn();
}

static inline struct live_run *live(const struct control_message *granted)
{
    return run_table_find_id(daemon_.table, granted->granted.run_id);
}
