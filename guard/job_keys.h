// Job keys: what lets an agent outside `reeve run` in, as an implicit run of a job.
//
// Kept in one file of the state directory, mode 0600, as SHA-256 and never as the key itself. Lines
// are only ever added, each with one write, so that commands and the daemon need no lock:
//
//     key SHA256-IN-HEX JOB TIME
//     revoked JOB TIME               all keys of the job above it
#pragma once

#include "agent_key.h"
#include "clock.h"
#include "error.h"
#include "run.h"

#include <limits.h>
#include <stdint.h>

#define JOB_KEYS_FILE "job-keys"     // in the state directory
#define JOB_KEYS_MAX 1024            // that are in force
#define JOB_KEYS_BYTES_MAX (1 << 20) // a longer file is refused

struct job_key {
    unsigned char digest[AGENT_KEY_DIGEST_BYTES];
    char job[JOB_NAME_MAX];
    char made_at[CLOCK_TEXT_MAX];
};

struct job_keys {
    char path[PATH_MAX];
    struct job_key *keys; // in force, oldest first
    size_t count;
    // The file as it was read.
    int64_t read_bytes, read_changed_us;
    uint64_t read_inode;
};

// `path` is copied, and need not exist. Nothing is read yet.
void job_keys_init(struct job_keys *keys, const char *path);
void job_keys_done(struct job_keys *keys);

// Reads the file if it has changed. On an error (-EACCES: others may write it) no key is in force.
int job_keys_refresh(struct job_keys *keys, struct error *err);

// The key in force that these bytes are, or NULL: reads the file if it has changed, and logs what
// is wrong with it. In constant time but for that.
const struct job_key *job_keys_find(struct job_keys *keys, const char *key, size_t length);

// Draws a key of a job, whose name is valid, and adds it to the file. The caller hands it out once,
// and wipes it.
int job_keys_add(const char *path, const char *job, char key[static RUN_KEY_MAX],
                 struct error *err);

// Revokes all keys of a job.
int job_keys_revoke(const char *path, const char *job, struct error *err);
