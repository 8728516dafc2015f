// Journal records: what the journal remembers, and their msgpack form.
//
// On disk: u32 length | u32 CRC-32C of length and payload | payload, little endian. The payload is
// a msgpack array [type, version, fields…]; new fields go to the end and raise the version, readers
// take missing ones as zero and skip what they do not know. Enums are stored by value: their order
// in the headers is fixed, new values go to the end.
#pragma once

#include "budget.h"
#include "error.h"
#include "run.h"
#include "usage.h"

#include <stddef.h>
#include <stdint.h>

#define JOURNAL_FRAME_BYTES 8     // length and checksum
#define JOURNAL_PAYLOAD_MAX 65536 // bytes; a longer length is a torn record
#define JOURNAL_RECORD_BYTES_MAX (JOURNAL_FRAME_BYTES + JOURNAL_PAYLOAD_MAX)
#define JOURNAL_TEXT_MAX 256 // command lines, paths, upstream request ids: longer ones are cut
#define JOURNAL_USAGE_JSON_MAX 16384 // raw usage; a longer one is left out, its row says so
#define RUN_KEY_DIGEST_BYTES 32      // SHA-256: the only form in which a key is kept
#define BOOT_ID_MAX 40
#define JOURNAL_DIRECTORY_MAX 512 // a longer one is left out
#define ALERT_SUBJECT_MAX 160
#define ALERT_CHANNELS_MAX 16                 // that an alert can be owed to
#define ALERT_CHANNEL_MAX (JOB_NAME_MAX + 16) // "ops/url"
#define ALERT_CHANNELS_TEXT_MAX (ALERT_CHANNELS_MAX * ALERT_CHANNEL_MAX)

enum journal_record_type {
    JOURNAL_RUN_OPEN = 1,
    JOURNAL_RESERVATION = 2,
    JOURNAL_SETTLEMENT = 3,
    JOURNAL_RUN_CLOSE = 4,
    JOURNAL_ALERT = 5,
    JOURNAL_ALERT_SENT = 6,
    JOURNAL_RUN_CACHE = 7,
    JOURNAL_BATCH = 8,
    JOURNAL_BATCH_END = 9,
    JOURNAL_OWNED = 10,
    JOURNAL_RUN_PLACED = 11,
    // Written by the journal itself. A segment begins with a checkpoint: accounts, what the daemon
    // adds (ALERT, RUN_CACHE and OWNED again), live runs (RUN_OPEN and RUN_TOTALS again), open
    // reservations (RESERVATION again) and batches (BATCH again), CHECKPOINT_END.
    JOURNAL_ACCOUNT = 16,
    JOURNAL_CHECKPOINT_END = 17, // the checkpoint before it is whole
    JOURNAL_SEGMENT_END = 18,    // go on in the next segment
    JOURNAL_RUN_TOTALS = 19,
};

// How an exchange ended.
enum exchange_end {
    EXCHANGE_COMPLETE,       // the whole response was seen
    EXCHANGE_UPSTREAM_ERROR, // a status other than 2xx: nothing is billed
    EXCHANGE_STREAM_ERROR,   // an error event inside the stream
    EXCHANGE_CUT,            // the upstream closed early
    EXCHANGE_CLIENT_GONE,    // the agent left; drained as far as allowed
    EXCHANGE_CANCELLED,      // the run was killed
    EXCHANGE_NOT_SENT,       // no connection: nothing went out, nothing is billed
    EXCHANGE_ORPHANED,       // reserved before a crash; charged in full
    EXCHANGE_RESULTS_GONE,   // of a batch: the results cannot be read any more; charged in full
    EXCHANGE_RETRIED,        // a status other than 2xx, which the agent has not seen: it was tried
                             // again; nothing is billed, and it is no request of the agent's
};

// The words that the ledger and --json use.
const char *exchange_end_name(enum exchange_end end);

// Whether it counts as a request of the agent's.
bool exchange_end_is_request(enum exchange_end end);

struct journal_run_open {
    char run_id[RUN_ID_MAX];
    char job[JOB_NAME_MAX];
    char command[JOURNAL_TEXT_MAX]; // argv[0] only: arguments can hold secrets
    char host[JOURNAL_TEXT_MAX];
    int64_t opened_at_us;
    struct run_limits limits;
    // Since version 2, by which the run is taken up again after a restart of the daemon.
    uint8_t key_digest[RUN_KEY_DIGEST_BYTES]; // of its run key, or of the job key that opened it
    int64_t supervisor_pid;                   // 0: not known, or there is none
    int64_t supervisor_uid;
    char boot_id[BOOT_ID_MAX]; // of the boot that the pid is of; "" not known
    // Of its cgroup: "" in the first record; a checkpoint repeats it with what RUN_PLACED has said.
    char directory[JOURNAL_DIRECTORY_MAX];
    bool is_placed; // it has been said, be it ""
};

// Where the processes of a run are.
struct journal_run_placed {
    char run_id[RUN_ID_MAX];
    char directory[JOURNAL_DIRECTORY_MAX]; // of its cgroup, "" without one
};

struct journal_reservation {
    uint8_t exchange_id[EXCHANGE_ID_BYTES];
    char run_id[RUN_ID_MAX];
    char job[JOB_NAME_MAX];
    char model[MODEL_NAME_MAX]; // asked for
    int64_t reserved_at_us;     // decides the periods that it and its settlement count in
    int64_t cost_pico_usd;
    int64_t tokens; // in the counting that the ceilings use
    int64_t output_tokens;
};

// A settled exchange, whole: the ledger's row is made from this alone. One with a batch_id is a row
// and no more: the batch's BATCH_END is what the ceilings count.
struct journal_settlement {
    uint8_t exchange_id[EXCHANGE_ID_BYTES];
    char run_id[RUN_ID_MAX];
    char job[JOB_NAME_MAX];
    char credential[JOB_NAME_MAX]; // name in the configuration
    char path[JOURNAL_TEXT_MAX];   // without the query
    char session_id[JOURNAL_TEXT_MAX];
    char model_asked[MODEL_NAME_MAX];
    char model[MODEL_NAME_MAX]; // that answered
    char price_row[MODEL_NAME_MAX + 16];
    char request_id[JOURNAL_TEXT_MAX]; // the upstream's
    char message_id[JOURNAL_TEXT_MAX];
    char stop_reason[JOB_NAME_MAX];
    int64_t reserved_at_us;
    int64_t settled_at_us;
    int64_t first_byte_us; // from sending to the first byte; -1 none came
    int64_t reserved_pico_usd;
    int64_t cost_pico_usd;
    // What the ceilings count: as used, or as reserved where what was used is an estimate.
    int64_t counted_pico_usd;
    int64_t counted_tokens; // in the counting of TokensCount=
    int64_t counted_output_tokens;
    struct token_counts tokens; // billed: all iterations, whatever their model
    int64_t thinking_tokens;
    int64_t web_search_requests;
    int64_t web_fetch_requests;
    int attempt;     // 1 for the first, as the client counts (x-stainless-retry-count + 1)
    int http_status; // 0 when no response came
    enum exchange_end end;
    enum usage_speed speed;
    enum usage_tier tier;
    enum usage_geo geo;
    bool streamed;
    bool estimated;
    bool unknown_model;
    const char *usage_json; // raw, may be NULL; when decoded it points into the payload
    size_t usage_json_length;
    // Since version 2.
    char batch_id[UPSTREAM_ID_MAX]; // "": it was no batch's
    char custom_id[CUSTOM_ID_MAX];
};

// The upstream has taken a Message Batch. From here on its reservation is the batch's, and no
// orphan: it is open until the results are known, a day later perhaps.
struct journal_batch {
    uint8_t exchange_id[EXCHANGE_ID_BYTES]; // of the reservation
    char batch_id[UPSTREAM_ID_MAX];
    char run_id[RUN_ID_MAX];
    char job[JOB_NAME_MAX];
    char credential[JOB_NAME_MAX]; // that created it: no other account may see it
    char model[MODEL_NAME_MAX];    // asked for, by its first request
    int64_t reserved_at_us;
    int64_t requests;
    int64_t cost_pico_usd;
    int64_t tokens;
    int64_t output_tokens;
};

// The rows of the batch are in the journal before this record; this is what they add up to for the
// ceilings. So the rows may be repeated after a crash, but nothing counts twice.
struct journal_batch_end {
    char batch_id[UPSTREAM_ID_MAX];
    char run_id[RUN_ID_MAX];
    char job[JOB_NAME_MAX];
    int64_t reserved_at_us;
    int64_t settled_at_us;
    int64_t counted_requests;
    int64_t counted_pico_usd;
    int64_t counted_tokens;
    int64_t counted_output_tokens;
};

// A batch, a file or a message of a thread that a job has made upstream, where all jobs share an
// account: no other job may read or delete it.
struct journal_owned {
    char id[UPSTREAM_ID_MAX];
    char job[JOB_NAME_MAX];
};

struct journal_run_close {
    char run_id[RUN_ID_MAX];
    char job[JOB_NAME_MAX];
    int64_t closed_at_us;
    enum run_end end;
    int exit_code;             // of the command; 128+n for signal n
    int64_t memory_peak_bytes; // -1 unknown
    int64_t cpu_us;            // -1 unknown
    int64_t exchanges;
    int64_t free_calls;
    int64_t cost_pico_usd;
    struct token_counts tokens;
    // Since version 2; -1 unknown, as above.
    int64_t io_read_bytes;
    int64_t io_written_bytes;
    int64_t memory_stall_us; // some process of it waited for memory
};

// What the amounts of an alert are.
enum alert_unit {
    ALERT_UNIT_NONE, // there are none
    ALERT_UNIT_PICO_USD,
    ALERT_UNIT_TOKENS,
    ALERT_UNIT_OUTPUT_TOKENS,
    ALERT_UNIT_REQUESTS,
    ALERT_UNIT_BYTES,
    ALERT_UNIT_US,
};

struct journal_alert {
    char kind[16]; // ceiling soft oom timeout escape credential ledger price duplicate cache test
    char run_id[RUN_ID_MAX];
    char job[JOB_NAME_MAX];
    char text[JOURNAL_TEXT_MAX];
    int64_t raised_at_us; // its identity: no two alerts of a journal share it
    // Since version 2.
    char subject[ALERT_SUBJECT_MAX]; // of one kind, subject and period one alert is raised
    int64_t period_start_us;         // 0: there is no period
    enum alert_unit unit;
    int64_t amount;
    int64_t limit;                          // 0: there is none
    char channels[ALERT_CHANNELS_TEXT_MAX]; // that it is owed to, spaces between
    int64_t sent;                           // to so many channels
    int64_t given_up;                       // so many will never be told
};

// An alert is not owed to that channel any more.
struct journal_alert_sent {
    int64_t raised_at_us; // of the alert
    char channel[ALERT_CHANNEL_MAX];
    int64_t sent_at_us;
    bool given_up; // it has not arrived, and never will
};

// What the prompt cache saved in a run that has ended, against input at its full price.
struct journal_run_cache {
    char job[JOB_NAME_MAX];
    int64_t closed_at_us;
    int64_t savable_pico_usd; // had the whole prompt been read from the cache
    int64_t saved_pico_usd;
};

// One budget account at the time of a checkpoint.
struct journal_account {
    enum budget_scope scope;
    char name[JOB_NAME_MAX]; // run id, job or "" for the box
    int64_t period_start_us; // first microsecond of the day or month; 0 for a run
    struct budget_amounts settled;
};

// What the settled exchanges of a live run add up to.
struct journal_run_totals {
    char run_id[RUN_ID_MAX];
    int64_t cost_pico_usd;
    int64_t exchanges;
    struct token_counts tokens;
};

struct journal_checkpoint_end {
    int64_t written_at_us;
};

struct journal_segment_end {
    int64_t next_segment;
    int64_t written_at_us;
};

// A record of any type, by reference.
struct journal_record {
    enum journal_record_type type;
    union {
        const void *fields; // the member below that `type` names
        const struct journal_run_open *run_open;
        const struct journal_reservation *reservation;
        const struct journal_settlement *settlement;
        const struct journal_run_close *run_close;
        const struct journal_alert *alert;
        const struct journal_alert_sent *alert_sent;
        const struct journal_run_cache *run_cache;
        const struct journal_batch *batch;
        const struct journal_batch_end *batch_end;
        const struct journal_owned *owned;
        const struct journal_account *account;
        const struct journal_checkpoint_end *checkpoint_end;
        const struct journal_segment_end *segment_end;
        const struct journal_run_totals *run_totals;
        const struct journal_run_placed *run_placed;
    };
};

// Room for the fields of any record, for journal_record_decode().
union journal_record_fields {
    struct journal_run_open run_open;
    struct journal_reservation reservation;
    struct journal_settlement settlement;
    struct journal_run_close run_close;
    struct journal_alert alert;
    struct journal_alert_sent alert_sent;
    struct journal_run_cache run_cache;
    struct journal_batch batch;
    struct journal_batch_end batch_end;
    struct journal_owned owned;
    struct journal_account account;
    struct journal_checkpoint_end checkpoint_end;
    struct journal_segment_end segment_end;
    struct journal_run_totals run_totals;
    struct journal_run_placed run_placed;
};

// Writes the record with its frame into `bytes`, which has room for JOURNAL_RECORD_BYTES_MAX.
// Returns its length. A usage_json longer than JOURNAL_USAGE_JSON_MAX is left out.
size_t journal_record_encode(const struct journal_record *record, uint8_t *bytes);

// Reads a payload (without frame, its checksum found right) into `fields` and makes `record` point
// to them; usage_json points into `payload`. -ENOTSUP: a type that we do not know, from a newer
// reeve. -EBADMSG: not a record; `err` names the field. Strings keep what bytes they had: they may
// not be UTF-8.
int journal_record_decode(const uint8_t *payload, size_t length,
                          union journal_record_fields *fields, struct journal_record *record,
                          struct error *err);

// The longest that a record of `type` can be, frame included, usage_json apart.
size_t journal_record_length_max(enum journal_record_type type);
