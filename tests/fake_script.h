// Scripts: what a test asks of one answer. The words are listed at the top of fake_claude.c.
#pragma once

#include "fake_http.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define FAKE_SCRIPT_QUEUE_MAX 100000
#define FAKE_SCRIPT_PROBLEM_MAX 256

struct fake_scripts;

// `path` names a file of one script a line for the queue; NULL: none. Returns NULL with `problem`
// set.
struct fake_scripts *fake_scripts_new(const char *path,
                                      char problem[static FAKE_SCRIPT_PROBLEM_MAX]);
void fake_scripts_free(struct fake_scripts *scripts);

// Adds lines of JSON to the queue. Returns how many, or -1 with `problem` set.
int fake_scripts_queue(struct fake_scripts *scripts, const char *text, size_t length,
                       char problem[static FAKE_SCRIPT_PROBLEM_MAX]);

// Forgets the queue and how often each `attempts` was seen.
void fake_scripts_reset(struct fake_scripts *scripts);

// The script for a request: its header, else the marker in its messages, else the queue's next for
// its path. `body` may be NULL. `*script` gets a new reference, or NULL when there is none. Returns
// 0, or -1 with `problem` set when there is one that is not understood.
int fake_scripts_find(struct fake_scripts *scripts, const struct fake_head *head,
                      const json_t *body, json_t **script,
                      char problem[static FAKE_SCRIPT_PROBLEM_MAX]);

// The script in the messages of `body` alone (batch items, count_tokens). Results as above.
int fake_scripts_find_marker(struct fake_scripts *scripts, const json_t *body, json_t **script,
                             char problem[static FAKE_SCRIPT_PROBLEM_MAX]);

// Members of a script, which may be NULL.
int64_t fake_script_integer(const json_t *script, const char *name, int64_t otherwise);
const char *fake_script_string(const json_t *script, const char *name, const char *otherwise);
bool fake_script_flag(const json_t *script, const char *name);
