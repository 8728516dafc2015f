// Control messages: what a supervisor, the daemon and the client commands say to each other, and
// their msgpack form. Pure.
//
// A frame is a little-endian u32 length and that many bytes of payload: a msgpack map with the
// string key "type" (a number) and the fields of that type. Unknown keys are skipped, so either
// side may be the newer one; a missing or ill-typed field, text too long for its field, a second
// value for a field and bytes after the map are errors.
#pragma once

#include "config.h"
#include "error.h"
#include "journal_record.h"
#include "run.h"
#include "source_state.h"
#include "usage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTROL_FRAME_MAX (1 << 20) // bytes of payload
#define CONTROL_TEXT_MAX 256
#define CONTROL_CGROUP_MAX 1024
#define CONTROL_LIST_MAX 2048 // elements of one list in a status

enum control_type {
    CONTROL_RUN_OPEN = 1,    // supervisor → daemon: may I run this?
    CONTROL_QUEUED,          // daemon → supervisor: wait, this is your place
    CONTROL_GRANTED,         // daemon → supervisor: go, this is your identity
    CONTROL_REFUSED,         // daemon → client: no, and why; nothing follows
    CONTROL_RUN_STARTED,     // supervisor → daemon
    CONTROL_RUN_KILL,        // daemon → supervisor: end the run; RUN_ENDED is expected
    CONTROL_RUN_ENDED,       // supervisor → daemon: its cgroup is empty
    CONTROL_SETTLED,         // daemon → supervisor: the run's account; nothing follows
    CONTROL_KILL,            // client → daemon: end that run
    CONTROL_DONE,            // daemon → client: as asked
    CONTROL_STATUS,          // client → daemon
    CONTROL_STATUS_REPLY,    // daemon → client
    CONTROL_ALERT_LIST,      // client → daemon
    CONTROL_ALERTS,          // daemon → client
    CONTROL_ALERT_TEST,      // client → daemon: send one now
    CONTROL_ALERT_TESTED,    // daemon → client: what came of it
    CONTROL_CREDENTIAL,      // client → daemon: do that with this credential
    CONTROL_CREDENTIAL_DONE, // daemon → client: what came of it; nothing follows
    CONTROL_RUN_PLACED,      // supervisor → daemon: before it starts the command
    CONTROL_RUN_ADOPT,       // supervisor → daemon, on a new connection: this run of yours lives
    CONTROL_RUN_ADOPTED,     // daemon → supervisor: so be it
    CONTROL_RUN_ESCAPED,     // supervisor → daemon: this had left the run's cgroup, and is dead
    CONTROL_PAGE_OPEN,       // client → daemon: a link to the live page, please
    CONTROL_PAGE_LINK,       // daemon → client: this works once
    CONTROL_STATE_ASK,       // client, supervisor → daemon: claim that key, it is done, …
    CONTROL_STATE_TOLD,      // daemon → client, supervisor
    CONTROL_RELOAD,          // client → daemon: let a new daemon take over
    CONTROL_RELOADED,        // the daemon that was asked → client: it has
};

enum control_refusal {
    CONTROL_NO_SLOT, // none within the time allowed
    CONTROL_CEILING, // the job's or the box's ceiling is exhausted
    CONTROL_INVALID, // the request makes no sense
    CONTROL_UNKNOWN_RUN,
    CONTROL_UNAVAILABLE, // disk full, too many runs, shutting down
    CONTROL_REFUSALS,
};

struct control_run_open {
    char job[JOB_NAME_MAX];
    char command[CONTROL_TEXT_MAX]; // argv[0] only: arguments can hold secrets
    int64_t pid;                    // of the supervisor
    int64_t priority;               // higher first; 0 is usual
    int64_t wait_us;                // for a slot: 0 not at all, INT64_MAX for ever
    struct run_limits limits;
};

struct control_queued {
    int64_t position; // 1 is next
};

struct control_granted {
    char run_id[RUN_ID_MAX];
    char run_key[RUN_KEY_MAX]; // a secret: wiped by control_message_done()
    char base_url[CONTROL_TEXT_MAX];
    char job[JOB_NAME_MAX]; // the default one, if none was named
    int64_t kill_grace_us;
    enum config_cache_ttl cache_ttl;
    struct run_limits limits; // as tightened by the job's configuration
};

struct control_refused {
    enum control_refusal code;
    char text[ERROR_TEXT_MAX];
};

struct control_run_placed {
    char directory[CONTROL_CGROUP_MAX]; // of its cgroup; "" without one
};

struct control_run_started {
    char cgroup[CONTROL_CGROUP_MAX]; // "" without one
    int64_t pid;                     // of the command
};

// By a supervisor whose connection was lost: the daemon, or its successor, knows the run by its
// key.
struct control_run_adopt {
    char run_id[RUN_ID_MAX];
    char run_key[RUN_KEY_MAX];          // a secret
    char directory[CONTROL_CGROUP_MAX]; // as in RUN_PLACED, which may not have arrived
};

struct control_run_escaped {
    char text[CONTROL_TEXT_MAX]; // "pid 4711 (node)"
};

struct control_run_kill {
    enum run_end reason;
    char text[CONTROL_TEXT_MAX]; // for the person who reads the supervisor's stderr
};

struct control_run_ended {
    enum run_end end;
    int64_t exit_code;         // of the command; 128+n for signal n
    int64_t memory_peak_bytes; // -1 unknown
    int64_t cpu_us;            // -1 unknown, as below
    int64_t io_read_bytes;
    int64_t io_written_bytes;
    int64_t memory_stall_us; // that some process of it has waited for memory
};

struct control_settled {
    enum run_end end; // may differ from what was sent: serve has the last word
    int64_t exchanges;
    int64_t free_calls;
    int64_t refused;
    int64_t cost_pico_usd;
    struct token_counts tokens;
};

struct control_kill {
    char run_id[RUN_ID_MAX];
};

enum control_credential_verb {
    CONTROL_CREDENTIAL_RELOAD, // all files, whatever the name
    CONTROL_CREDENTIAL_CHECK,
    CONTROL_CREDENTIAL_REFRESH,
    CONTROL_CREDENTIAL_VERBS,
};

struct control_credential {
    enum control_credential_verb verb;
    char name[JOB_NAME_MAX];
};

struct control_credential_done {
    int64_t good; // 1: it is usable, or renewed
    char text[ERROR_TEXT_MAX];
};

// A run that has a slot.
struct status_run {
    char id[RUN_ID_MAX];
    char job[JOB_NAME_MAX];
    char command[CONTROL_TEXT_MAX];
    char state[16]; // "starting" "running" "ending" "settling"
    int64_t pid;    // of the supervisor
    int64_t opened_at_us;
    int64_t cost_pico_usd;
    int64_t cost_max_pico_usd;
    int64_t counted_tokens; // in the counting that the ceilings use
    int64_t tokens_max;
    int64_t exchanges;
    int64_t exchanges_in_flight;
    struct token_counts tokens;
};

// A run that waits for a slot.
struct status_waiting {
    char job[JOB_NAME_MAX];
    int64_t pid;
    int64_t priority;
    int64_t since_us;
    char why[CONTROL_TEXT_MAX]; // "all 2 slots are taken"
};

struct status_credential {
    char name[JOB_NAME_MAX];
    char type[16];
    char state[16];        // "ready" "expired" "refused" …
    char serves[16];       // "any" "claude-code"
    char fingerprint[24];  // of the access token, "" without one
    int64_t priority;      // lower is taken first
    int64_t expires_at_us; // -1: it does not, or unknown
    int64_t until_us;      // when its state may change by itself; -1 never
    int64_t served_at_us;  // the last time; -1 never
    int64_t exchanges;     // that were answered
    int64_t refreshes;
    int64_t used_percent;        // of its fullest window; -1 unknown
    char text[CONTROL_TEXT_MAX]; // what is wrong, "" nothing
};

struct status_ceiling {
    char scope[JOB_NAME_MAX + 16]; // "box" or "job outreach"
    char period[8];                // "day" "month"
    char kind[16];                 // "cost" "tokens"
    int64_t limit, settled, held;  // picodollars or tokens
    int64_t resets_at_us;
};

// The daemon's answer to CONTROL_STATUS. Lists are heap arrays that belong to the message; fill
// them with control_list_add().
struct status {
    char version[32];
    char listen[CONTROL_TEXT_MAX];
    char upstream[CONTROL_TEXT_MAX];
    int64_t pid;
    int64_t started_at_us;
    int64_t now_us;
    int64_t slots;
    int64_t memory_for_runs_bytes; // LIMIT_NONE not known
    int64_t memory_taken_bytes;    // MemoryMax= of all runs together
    int64_t exchanges_in_flight;
    int64_t ledger_lag_bytes;      // of journal that is not in the ledger yet
    char ledger[CONTROL_TEXT_MAX]; // "up to date", "behind: connection refused", …
    struct status_run *runs;
    size_t run_count;
    struct status_waiting *waiting; // in the order in which they get a slot
    size_t waiting_count;
    struct status_credential *credentials;
    size_t credential_count;
    struct status_ceiling *ceilings;
    size_t ceiling_count;
};

// A way in which alerts are told.
struct status_channel {
    char name[ALERT_CHANNEL_MAX];   // "ops/url"
    char target[CONTROL_TEXT_MAX];  // without what can be a secret
    char kinds[CONTROL_TEXT_MAX];   // spaces between
    char state[16];                 // "idle" "sending" "resting"
    int64_t owed;                   // alerts that it has yet to send
    int64_t retry_at_us;            // when it is "resting", else -1
    char problem[CONTROL_TEXT_MAX]; // why the last attempt failed, "" it did not
};

struct status_alert {
    char kind[16];
    char run_id[RUN_ID_MAX];
    char job[JOB_NAME_MAX];
    char text[JOURNAL_TEXT_MAX];
    int64_t raised_at_us;
    char owed_to[ALERT_CHANNELS_TEXT_MAX]; // channels, spaces between
    int64_t sent, given_up;                // to so many others it was sent, or never will be
};

// The daemon's answer to CONTROL_ALERT_LIST.
struct control_alerts {
    struct status_channel *channels;
    size_t channel_count;
    struct status_alert *alerts; // the newest first
    size_t alert_count;
};

struct control_alert_test {
    char section[JOB_NAME_MAX]; // "": all
};

struct status_trial {
    char channel[ALERT_CHANNEL_MAX];
    char target[CONTROL_TEXT_MAX];
    char problem[CONTROL_TEXT_MAX]; // "": it was delivered
    int64_t lasted_us;
};

struct control_alert_tested {
    struct status_trial *trials;
    size_t trial_count;
};

struct control_page_link {
    char url[CONTROL_TEXT_MAX]; // a secret: wiped by control_message_done()
    int64_t valid_us;
};

// See source_state.h.
struct control_state_ask {
    enum source_state_action action; // SOURCE_STATE_CLAIM to SOURCE_STATE_LIST
    char job[JOB_NAME_MAX];          // "": that of the run that asks
    char key[SOURCE_STATE_KEY_MAX];
    char run_key[RUN_KEY_MAX]; // of the run that asks, a secret; "": it is found by its processes
    char result[SOURCE_STATE_RESULT_MAX];
    int64_t ttl_us;
    int64_t fence;
    bool force;
    // By a supervisor, for the run as a whole. It claims before RUN_OPEN, on the same connection;
    // `key` is a template then, "" the job's Key=.
    bool whole_run;
};

struct control_state_told {
    enum source_state_outcome outcome; // FREE without a row, of a claim: the job has no Key=
    char text[CONTROL_TEXT_MAX];
    char result[SOURCE_STATE_RESULT_MAX];
    struct source_state_row *rows;
    size_t row_count;
};

struct control_reloaded {
    int64_t pid_before;
    int64_t pid;
    int64_t exchanges_in_flight; // that the one before still finishes
};

struct control_message {
    enum control_type type;
    union {
        struct control_run_open run_open;
        struct control_queued queued;
        struct control_granted granted;
        struct control_refused refused;
        struct control_run_placed run_placed;
        struct control_run_started run_started;
        struct control_run_kill run_kill;
        struct control_run_ended run_ended;
        struct control_settled settled;
        struct control_kill kill;
        struct status status;
        struct control_alerts alerts;
        struct control_alert_test alert_test;
        struct control_alert_tested alert_tested;
        struct control_credential credential;
        struct control_credential_done credential_done;
        struct control_run_adopt run_adopt;
        struct control_run_escaped run_escaped;
        struct control_page_link page_link;
        struct control_state_ask state_ask;
        struct control_state_told state_told;
        struct control_reloaded reloaded;
    };
};

// Adds a zeroed element to a list of `*count` elements of `element_size` bytes and returns it; NULL
// when there are CONTROL_LIST_MAX of them or memory is out. `list` is the address of the pointer.
void *control_list_add(void *list, size_t *count, size_t element_size);

// Wipes the message and frees its lists.
void control_message_done(struct control_message *message);

// Encodes a message as a frame, length included. *frame is malloc'ed; the caller wipes it if the
// message held a secret, and frees it.
int control_message_encode(const struct control_message *message, uint8_t **frame, size_t *length,
                           struct error *err);

// Decodes a payload (a frame without its length). -EBADMSG with what is wrong. After success the
// caller ends with control_message_done().
int control_message_decode(const uint8_t *payload, size_t length, struct control_message *message,
                           struct error *err);
