// The guard's half of the daemon, for tests: control socket, slots and registry on a loop, with a
// journal that only writes down what it was given.
#pragma once

#include "config.h"
#include "control.h"
#include "journal.h"
#include "run_registry.h"
#include "run_table.h"
#include "state.h"

#include <check.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BASE_URL "http://127.0.0.1:8377"

struct guard_daemon {
    struct event_base *base;
    struct config config;
    struct run_table *table;
    struct run_registry *registry;
    struct control_server *server;
    struct state_desk *state; // set by those who try it
    char directory[64];       // a new one, with control.sock
    char socket[96];
};

// What was appended, one line a record: "open ID JOB", "close ID JOB END EXIT_CODE".
static char journal_lines[65536];
static int journal_failure; // appends fail with this, if it is not 0

int journal_append(struct journal *journal, const struct journal_record *record, uint64_t *position,
                   struct error *err)
{
    size_t used = strlen(journal_lines);
    (void)journal;
    (void)position;
    if (journal_failure != 0)
        return error_set_errno(err, journal_failure, "appending");
    if (record->type == JOURNAL_RUN_OPEN)
        snprintf(journal_lines + used, sizeof(journal_lines) - used, "open %s %s\n",
                 record->run_open->run_id, record->run_open->job);
    else if (record->type == JOURNAL_RUN_PLACED)
        snprintf(journal_lines + used, sizeof(journal_lines) - used, "placed %s\n",
                 record->run_placed->run_id);
    else if (record->type == JOURNAL_RUN_CLOSE)
        snprintf(journal_lines + used, sizeof(journal_lines) - used, "close %s %s %s %d\n",
                 record->run_close->run_id, record->run_close->job,
                 run_end_name(record->run_close->end), record->run_close->exit_code);
    return 0;
}

static void guard_daemon_received(struct control_peer *peer, const struct control_message *message,
                                  void *context)
{
    struct guard_daemon *daemon = context;
    if (run_registry_receive(daemon->registry, peer, message))
        return;
    if (state_desk_receive(daemon->state, peer, message))
        return;
    if (message->type == CONTROL_STATE_ASK) { // no job has a key here
        control_peer_send(peer, &(struct control_message){
                                    .type = CONTROL_STATE_TOLD,
                                    .state_told.outcome = SOURCE_STATE_FREE,
                                });
        return;
    }
    struct control_message reply = {.type = CONTROL_STATUS_REPLY};
    ck_assert_int_eq(message->type, CONTROL_STATUS);
    run_registry_status(daemon->registry, &reply.status);
    control_peer_send(peer, &reply);
    control_peer_close(peer);
    control_message_done(&reply);
}

static void guard_daemon_gone(struct control_peer *peer, void *context)
{
    struct guard_daemon *daemon = context;
    state_desk_peer_gone(daemon->state, peer);
    run_registry_peer_gone(daemon->registry, peer);
}

// Opens the parts; the caller runs the loop. `options` may bring callbacks.
static void guard_daemon_open(struct guard_daemon *daemon, const char *config_text,
                              struct run_registry_options options)
{
    struct error err;
    journal_lines[0] = '\0';
    journal_failure = 0;
    ck_assert_int_eq(
        config_parse(&daemon->config, "test", config_text, strlen(config_text), NULL, &err), 0);
    snprintf(daemon->directory, sizeof(daemon->directory), "/tmp/reeve-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(daemon->directory));
    snprintf(daemon->socket, sizeof(daemon->socket), "%s/control.sock", daemon->directory);
    daemon->base = event_base_new();
    daemon->table = run_table_new();
    options.base = daemon->base;
    options.table = daemon->table;
    options.config = &daemon->config;
    if (options.memory_for_runs == 0)
        options.memory_for_runs = LIMIT_NONE;
    options.base_url = BASE_URL;
    ck_assert_int_eq(run_registry_new(&daemon->registry, &options, &err), 0);
    const struct control_handlers handlers = {guard_daemon_received, guard_daemon_gone, daemon};
    ck_assert_int_eq(
        control_server_new(&daemon->server, daemon->base, daemon->socket, -1, &handlers, &err), 0);
}

static inline void guard_daemon_close(struct guard_daemon *daemon)
{
    control_server_free(daemon->server);
    run_registry_free(daemon->registry);
    run_table_free(daemon->table);
    event_base_free(daemon->base);
    config_done(&daemon->config);
    ck_assert_int_eq(rmdir(daemon->directory), 0); // the socket has gone, too
}
