// Credential check: whether the upstream takes a credential, by a call that is free.
#pragma once

#include "credential_file.h"
#include "error.h"
#include "upstream.h"

struct credential_check;

// Asks for one model under `secret`. `done` is called once, later, with the status of the answer, 0
// where none came.
int credential_check_start(struct credential_check **check, struct upstream *upstream,
                           const struct credential_secret *secret,
                           void (*done)(void *context, int http_status), void *context,
                           struct error *err);

// Drops it; `done` is not called any more.
void credential_check_cancel(struct credential_check *check);
