// State key: the supervisor's side of `reeve run --key`: claim before the slot, finish at the end.
#pragma once

#include "control.h"
#include "error.h"
#include "source_state.h"

#include <stdbool.h>

struct state_key {
    bool is_held;
    char job[JOB_NAME_MAX];
    char key[SOURCE_STATE_KEY_MAX];
    int64_t fence;
};

// Claims the key of a run of `job` that is to be opened on this connection: `template` (NULL: the
// job's Key=, and without one key->is_held stays false). The command finds it in its environment,
// as REEVE_KEY and REEVE_FENCE. -EALREADY: it is done, nothing is to be run; -EBUSY: another run
// has it; -EAGAIN: the ledger is out of reach; -EINVAL; or else the connection is lost.
int state_key_claim(struct state_key *key, struct control_client *client, const char *job,
                    const char *template, struct error *err);

// Says that the run has ended well and that nothing of it lives. Does nothing without a key. The
// error says why the key is not done: -EAGAIN, yet; -ESTALE, it was lost to another one; or else
// the connection is lost.
int state_key_finish(struct state_key *key, struct control_client *client, struct error *err);

// "held by run … on HOST since …, until …", for people; "" where there is no row.
#define STATE_KEY_WHO_MAX 320
const char *state_key_format_holder(const struct source_state_row *row,
                                    char text[static STATE_KEY_WHO_MAX]);
