// Answer edit: what an agent is not to see of a small JSON answer as the upstream gives it. Pure.
//
// Lists show all that the account has; an agent gets what its own job has made. A batch says where
// its results are, and clients go there: to reeve, not past it with a run key in hand. Bytes
// elsewhere stay as they are.
#pragma once

#include "ownership.h"
#include "route.h"
#include "slice.h"

#include <stdbool.h>
#include <stddef.h>

#define ANSWER_ORIGIN_MAX 280 // "http://" and a Host

// Who gets the answer.
struct answer_reader {
    const struct ownership *ownership; // NULL: all is everybody's
    const char *job;
    bool sees_unknown;  // ids that nobody is known to have made
    const char *origin; // where the agent reaches reeve: "http://127.0.0.1:8377"
};

// The id of the object that `body` is; NULL bytes without one.
struct slice answer_object_id(struct slice body);

// Whether `body` is a batch that has been processed.
bool answer_batch_has_ended(struct slice body);

// Makes what the reader gets of `body`: malloc'ed. False: it is no such JSON, or memory is out.
bool answer_edit(const struct answer_reader *reader, struct route route, struct slice body,
                 char **edited, size_t *length);
