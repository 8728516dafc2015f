// Source state: the table of what is being done and what is done (sql/003_state.sql), one question
// at a time.
//
//     free ── claim ──▶ held ── done ──▶ done, for ever
//       ▲                │ │
//       └── release ─────┘ └── claim by another, once the lease is over: the next fencing number
//
// Every change is one statement on one row, so all hosts see the changes of a key in one order. All
// times are the database's. A holder whose lease is over still holds until another one has claimed;
// after that it can neither finish nor renew. Each question may be asked twice when its answer was
// lost: the second answer is that of the first, but for a greater fencing number.
#pragma once

#include "error.h"
#include "ledger.h"
#include "run.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCE_STATE_KEY_MAX 256
#define SOURCE_STATE_HOLDER_MAX RUN_ID_MAX
#define SOURCE_STATE_HOST_MAX 128
#define SOURCE_STATE_RESULT_MAX 4096 // JSON text
#define SOURCE_STATE_ROWS_MAX 32     // in one answer: of a list, or holders that are renewed
#define SOURCE_STATE_TEXT_MAX 256
#define SOURCE_STATE_TTL_MIN_US INT64_C(5000000)
#define SOURCE_STATE_TTL_MAX_US INT64_C(2592000000000) // 30 days
#define SOURCE_STATE_TTL_US INT64_C(120000000)

enum source_state_action {
    SOURCE_STATE_CLAIM,
    SOURCE_STATE_FINISH,
    SOURCE_STATE_RELEASE,
    SOURCE_STATE_GET,
    SOURCE_STATE_LIST,  // the next page of a job's keys, those after `key`
    SOURCE_STATE_RENEW, // all that the holders in `text` hold
    SOURCE_STATE_END,   // releases all that the holder holds, its own key if `whole_run`
    SOURCE_STATE_ACTIONS,
};

enum source_state_outcome {
    SOURCE_STATE_OK,      // as asked: the key is the holder's, or it has finished or released it
    SOURCE_STATE_DONE,    // it has been done, by another holder
    SOURCE_STATE_HELD,    // another holder has it, or a later claim of the same one
    SOURCE_STATE_FREE,    // nobody holds it, so there is nothing to finish or to show
    SOURCE_STATE_INVALID, // the values make no sense, see the answer's text
    SOURCE_STATE_UNREACHABLE, // the database could not be asked in time; nothing was claimed
    SOURCE_STATE_OUTCOMES,
};

struct source_state_question {
    uint64_t id; // the asker's own, in the answer again
    enum source_state_action action;
    bool whole_run;
    bool force;          // RELEASE: whoever holds it
    int64_t deadline_us; // clock_monotonic_us(); afterwards nobody waits for the answer
    int64_t fence;       // FINISH and RELEASE: of this claim alone; 0: of the holder's last one
    int64_t ttl_us;
    char job[JOB_NAME_MAX];
    char key[SOURCE_STATE_KEY_MAX];
    char holder[SOURCE_STATE_HOLDER_MAX];
    char text[SOURCE_STATE_RESULT_MAX]; // FINISH: the result, or ""; RENEW: "{holder,holder}"
};

enum source_state {
    SOURCE_STATE_IS_FREE,
    SOURCE_STATE_IS_HELD,
    SOURCE_STATE_IS_DONE,
    SOURCE_STATES,
};

// A row of the table; of a renewal only `holder` and `whole_run`.
struct source_state_row {
    enum source_state state;
    bool whole_run;
    bool is_expired; // held, and anybody may claim it
    int64_t fence;
    int64_t claimed_at_us; // since 1970, as the other times
    int64_t expires_at_us;
    int64_t done_at_us; // -1: it is not
    char job[JOB_NAME_MAX];
    char key[SOURCE_STATE_KEY_MAX];
    char holder[SOURCE_STATE_HOLDER_MAX];
    char host[SOURCE_STATE_HOST_MAX];
};

struct source_state_answer {
    uint64_t id; // of the question
    enum source_state_action action;
    enum source_state_outcome outcome;
    char text[SOURCE_STATE_TEXT_MAX];     // why INVALID or UNREACHABLE
    char result[SOURCE_STATE_RESULT_MAX]; // of the first row, "" if there is none
    size_t row_count;                     // 0 or 1 but for LIST and RENEW
    struct source_state_row rows[SOURCE_STATE_ROWS_MAX];
};

const char *source_state_name(enum source_state state);

// What a key looks like: 1 to SOURCE_STATE_KEY_MAX - 1 bytes of UTF-8 without control characters.
bool source_state_key_is_valid(const char *key);

// Asks. An error is one of ledger_query(): the outcome is not known then, and `answer` is
// untouched. Values that the database refuses are an answer, SOURCE_STATE_INVALID.
int source_state_ask(struct ledger *ledger, const char *host,
                     const struct source_state_question *question,
                     struct source_state_answer *answer, struct error *err);
