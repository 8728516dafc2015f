// Status: the daemon's answer as text for people, and as JSON. Pure.
#pragma once

#include "control_message.h"
#include "error.h"

#include <jansson.h>
#include <stdio.h>

// Tables of live runs, the queue, credentials, ceilings and the ledger.
void status_print(const struct status *status, FILE *stream);

// The same as a JSON object; NULL when out of memory.
json_t *status_json(const struct status *status);

// Writes it; money as exact decimal strings of dollars, times as ISO 8601.
int status_print_json(const struct status *status, FILE *stream, struct error *err);
