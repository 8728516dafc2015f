// Configuration: /etc/reeve/reeve.conf in systemd's INI dialect, as plain structs.
//
// Everything has a default, so there need not be a file. Command-line options are set through the
// same table of options, so a value is written, checked and refused alike in both places.
#pragma once

#include "caller.h"
#include "error.h"
#include "run.h"
#include "usage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_PATH_DEFAULT "/etc/reeve/reeve.conf"
#define CONFIG_SECTIONS_MAX 512    // credentials, jobs and alerts together
#define CONFIG_PROBLEMS_MAX 64     // reported at once; the rest is counted
#define CONFIG_PROBLEM_MAX 768     // bytes of its sentence
#define CONFIG_VALUE_MAX 8192      // bytes of one value, continued lines joined
#define CONFIG_BYTES_MAX (1 << 20) // a longer file is refused

enum config_credential_type {
    CONFIG_CREDENTIAL_OAUTH,       // access and refresh token, rewritten as it rotates
    CONFIG_CREDENTIAL_OAUTH_TOKEN, // one long-lived OAuth token
    CONFIG_CREDENTIAL_API_KEY,
    CONFIG_CREDENTIAL_ANY, // whichever its file holds
};

enum config_unbounded { CONFIG_UNBOUNDED_DENY, CONFIG_UNBOUNDED_ALLOW };

enum config_unknown_ids { CONFIG_UNKNOWN_IDS_DENY, CONFIG_UNKNOWN_IDS_ALLOW };
enum config_serves { CONFIG_SERVES_BY_TYPE, CONFIG_SERVES_CLAUDE_CODE, CONFIG_SERVES_ANY };

enum config_cache_ttl { CONFIG_CACHE_TTL_CLIENT, CONFIG_CACHE_TTL_5M, CONFIG_CACHE_TTL_1H };

enum config_on_ceiling { CONFIG_ON_CEILING_CLAMP, CONFIG_ON_CEILING_DENY };

// All text is owned by the configuration and NULL where nothing is set; amounts are LIMIT_NONE
// where there is no limit; fields follow the options of the same name.
struct config_reeve {     // [Reeve]
    char *listen;         // "127.0.0.1:8377", "[::1]:8377"; port 0 takes a free one
    bool listen_anywhere; // an address other than loopback is allowed
    char *upstream;       // "https://api.anthropic.com", no path
    char *upstream_ca_file;
    int64_t upstream_silence_max_us; // once a request is out, before it is given up
    char *ledger;                    // a libpq DSN; NULL: the private Postgres
    char *state_directory;
    char *prices; // a price file in place of the built-in table
    char *time_zone;
    char *report_mail; // addresses that the morning report goes to; NULL: none
    int64_t slots;
    int64_t
        wait_max_us; // how long a request is held for money that is reserved, or for a credential
    int64_t cost_max_per_day_pico_usd;
    int64_t cost_max_per_month_pico_usd;
    int64_t tokens_max_per_day;
    int64_t memory_reserve_bytes;
    int64_t pressure_max_percent; // of memory, above which no run starts
    int64_t ledger_behind_max_us; // that the books may not get into the ledger without an alert
    enum tokens_count tokens_count;
    enum config_unbounded unbounded;
    enum config_unknown_ids unknown_ids;
    char *token_endpoint;                // where pairs are refreshed
    char *token_client_id, *token_scope; // where a credential's file does not say
    enum caller_check caller_check;
};

struct config_credential { // [Credential NAME]
    char *name;
    enum config_credential_type type;
    char *file;       // relative to the state directory; NULL: as `reeve credential add` stores it
    int64_t priority; // lower is taken first
    enum config_serves serves;
    int64_t switch_at_percent; // of a subscription's window; then new sessions go to another one
    int64_t monthly_fee_pico_usd;
};

struct config_job { // [Job NAME]
    char *name;
    char *command;                   // run by /bin/sh -c
    char *models;                    // names with spaces between; NULL allows all
    char *key;                       // template of the idempotency key
    enum config_cache_ttl cache_ttl; // that Claude Code is told to ask for
    char *on_calendar;               // systemd.time(7)
    int64_t randomized_delay_us;     // at most, after OnCalendar=
    struct run_limits limits;
    int64_t cost_max_per_day_pico_usd;
    int64_t cost_max_per_month_pico_usd;
    int64_t tokens_max_per_day;
    int64_t soft_limit_percent;
    int64_t kill_grace_us; // from SIGTERM to SIGKILL
    int64_t idle_us;       // an implicit run ends after so long without a request
    enum config_on_ceiling on_ceiling;
    int64_t clamp_min_tokens; // the shortest answer that is of use, under OnCeiling=clamp
    char *step_down;          // models to go down to at the soft limit, dearest first; NULL: none
};

struct config_alert { // [Alert NAME]
    char *name;
    char *url;          // that alerts are posted to: its path can be a secret, and is never logged
    char *url_file;     // in place of it: a file that holds it; relative to the state directory
    char *url_ca_file;  // certificates to trust in place of the system's
    char *secret_file;  // what they are signed with; relative to the state directory
    char *exec;         // a command and its arguments, blanks between
    char *on;           // kinds with spaces between
    bool journal;       // to the system journal as well
    int64_t timeout_us; // of one attempt
};

struct config {
    struct config_reeve reeve;
    struct config_credential *credentials; // in the order of the file
    size_t credential_count;
    struct config_job *jobs;
    size_t job_count;
    struct config_alert *alerts;
    size_t alert_count;
};

// What is wrong with a file, one sentence each: "FILE:LINE: NAME=VALUE: … ; write …".
struct config_problems {
    char text[CONFIG_PROBLEMS_MAX][CONFIG_PROBLEM_MAX];
    size_t count; // may exceed CONFIG_PROBLEMS_MAX
};

// Defaults only. The caller ends with config_done() in every case.
int config_init(struct config *config, struct error *err);
void config_done(struct config *config);

// Defaults, then `path` over them. NULL: CONFIG_PATH_DEFAULT, which may be missing. -EINVAL: the
// file has `problems` (may be NULL), the first of which is in `err`. config_done() afterwards in
// every case.
int config_load(struct config *config, const char *path, struct config_problems *problems,
                struct error *err);

// The same from text that is already in memory; `name` is used in messages.
int config_parse(struct config *config, const char *name, const char *text, size_t length,
                 struct config_problems *problems, struct error *err);

// Sets one option of [Reeve] from `value` as the file would: config_set(&config, "Slots", "4",
// &err).
int config_set(struct config *config, const char *option, const char *value, struct error *err);

// Sets one option of a job, for command lines: config_set_job(&job, "MemoryMax", "512M", &err).
int config_set_job(struct config_job *job, const char *option, const char *value,
                   struct error *err);

// A job of defaults with that name, for runs whose job has no section. config_job_done() frees it.
int config_job_init(struct config_job *job, const char *name, struct error *err);
void config_job_done(struct config_job *job);

// What the file says of a job or credential of that name, NULL if nothing.
const struct config_job *config_find_job(const struct config *config, const char *name);
const struct config_credential *config_find_credential(const struct config *config,
                                                       const char *name);

// Adds a credential, as --credential FILE does. -EEXIST: the name is taken.
int config_add_credential(struct config *config, const char *name, enum config_credential_type type,
                          const char *file, struct error *err);

// Checks what no single value shows: a listening address other than loopback without
// ListenAnywhere=yes, an upstream that is no http(s) origin, … config_load() has called it; call it
// again after config_set().
int config_check(const struct config *config, struct error *err);

// True for 127.0.0.0/8 and ::1 with a port, as Listen= has them.
bool config_address_is_loopback(const char *text);

// True for names of jobs, credentials and alerts: 1 to JOB_NAME_MAX - 1 of A-Z a-z 0-9 . _ -, the
// first one a letter or digit.
bool config_name_is_valid(const char *name);

// Writes the whole configuration, defaults included, in the file's own form or as JSON; without
// passwords, and what else lets one in.
void config_show(const struct config *config, FILE *stream);
int config_show_json(const struct config *config, FILE *stream, struct error *err);
