// Run registry, inside: what it holds of each run. For run_registry*.c.
#pragma once

#include "agent_key.h"
#include "journal.h"
#include "run_registry.h"
#include "run_remains.h"
#include "slots.h"

#include <stddef.h>
#include <sys/types.h>

#define IMPLICIT_COMMAND "(job key)" // what an implicit run has for a command

enum registered_state {
    REGISTERED_WAITING,   // for a slot
    REGISTERED_STARTING,  // granted
    REGISTERED_RUNNING,   // its command was started
    REGISTERED_ADRIFT,    // its supervisor is not connected, and may come back
    REGISTERED_ENDING,    // its supervisor has been told to end it
    REGISTERED_ABANDONED, // its supervisor is gone for good; what is left of it is being killed
    REGISTERED_SETTLING,  // it has ended, its last exchanges have not
    REGISTERED_CLOSED,
    REGISTERED_STATES,
};

struct registered_run {
    struct run_registry *registry;
    struct registered_run *next; // the newest first
    enum registered_state state;
    struct slot_ticket ticket;
    struct control_peer *peer;     // NULL while the supervisor is not connected
    struct control_run_open asked; // limits combined with the job's
    int64_t asked_at_us;
    int64_t kill_grace_us;
    enum config_cache_ttl cache_ttl;
    struct live_run *live; // from REGISTERED_STARTING on
    enum run_end forced;   // RUN_LIVE: nobody has ended it by force
    char forced_text[CONTROL_TEXT_MAX];
    struct event *grace; // until it is killed, if it does not end by itself; then until that shows
                         // no effect; NULL: none runs
    struct control_run_ended ended; // from REGISTERED_SETTLING on
    // Its lease, see run_registry_lease.c:
    pid_t supervisor_pid;     // 0: not known
    int supervisor_fd;        // a pidfd, -1 without one
    struct event *supervisor; // readable when it has ended; NULL without a pidfd
    struct event *lease;      // until an adrift run is abandoned, then until it is looked at again
    struct run_remains *remains;
    int looks; // at what is left of it
    // Of an implicit run, see run_registry_implicit.c:
    unsigned char job_key_digest[AGENT_KEY_DIGEST_BYTES];
    struct event *idle; // NULL: not implicit
    int64_t idle_max_us, last_seen_us;
};

struct run_registry {
    struct run_registry_options options;
    struct slots slots;
    struct registered_run *runs;
    struct event
        *queue_timer; // the earliest time-out in the queue, or until pressure is read again
    int64_t pressure; // as last read, in hundredths of a percent; -1 unknown
    char base_url[CONTROL_TEXT_MAX];
    char host[JOURNAL_TEXT_MAX];
    char boot_id[BOOT_ID_MAX]; // "" not known
};

// A run that waits, and is not linked yet. NULL: out of memory.
struct registered_run *registered_new(struct run_registry *registry);
void registered_free(struct registered_run *run);

// Asserts that the edge is legal.
void registered_enter(struct registered_run *run, enum registered_state state);

// NULL: it is not, or no longer, registered.
struct registered_run *registered_find(struct run_registry *registry, const struct live_run *live);

// What the daemon's own configuration says of the run's job. -EPERM: the run asks for more.
int registered_apply_job(struct registered_run *run, struct error *err);

// Links the run into the registry.
void registered_link(struct registered_run *run);

// Gives the run its identity, in the table and in the journal; *key is its run key, to be wiped.
int registered_open(struct registered_run *run, char key[static RUN_KEY_MAX], struct error *err);

// The run has ended; it is closed, and `run` is freed, once its last exchange has settled.
void registered_settle(struct registered_run *run, const struct control_run_ended *ended);

// The same for a run of which nobody can tell what its command returned, and what it has used.
void registered_settle_unseen(struct registered_run *run, enum run_end end);

// Notes where the run's processes will be.
void registered_place(struct registered_run *run, const char *directory);

// The same of a run that was live before a restart.
void registered_restore_place(struct registered_run *run, const struct journal_run_open *open);

// Unlinks and frees a run that is not in the table any more, or never was.
void registered_forget(struct registered_run *run);

// Sets why the run is ended by force, unless that is set already; no new exchange is taken. Then
// has its supervisor kill it.
void registered_set_forced(struct registered_run *run, enum run_end reason, const char *text);
void registered_force(struct registered_run *run);

void registered_receive_kill(struct run_registry *registry, struct control_peer *peer,
                             const struct control_kill *kill);

// Watches the supervisor; and ends that, when the run is freed.
void registered_hold(struct registered_run *run, pid_t pid);
void registered_let_go(struct registered_run *run);

// The supervisor's connection is lost; or the supervisor itself.
void registered_set_adrift(struct registered_run *run);
void registered_abandon(struct registered_run *run);

void registered_receive_adopt(struct run_registry *registry, struct control_peer *peer,
                              const struct control_run_adopt *adopt);

// Abandons adrift runs of a supervisor that does not know of them.
void registered_forsake(struct run_registry *registry, pid_t pid);

// A run that its job key leads to again. `run` is linked, and in the table.
int registered_restore_implicit(struct registered_run *run,
                                const unsigned char job_key_digest[static AGENT_KEY_DIGEST_BYTES],
                                struct error *err);

void registered_read_boot_id(char boot_id[static BOOT_ID_MAX]);

// Reads how hard memory is pressed, and holds runs back accordingly.
void registry_read_pressure(struct run_registry *registry);

// What the run counts for, 0 without MemoryMax=.
int64_t registered_memory_bytes(const struct registered_run *run);

// -EINVAL: it can never have the memory that it asks for.
int registered_check_memory(const struct registered_run *run, struct error *err);

// Why the run has no slot, as a sentence without a full stop.
void registered_explain_wait(const struct registered_run *run, enum slot_obstacle obstacle,
                             char *text, size_t size);

static inline struct registered_run *run_of_ticket(struct slot_ticket *ticket)
{
    return (struct registered_run *)(void *)((char *)ticket -
                                             offsetof(struct registered_run, ticket));
}
