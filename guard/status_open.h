// Status open: `reeve status --open`: a one-time link to the live page, and a browser that follows
// it.
#pragma once

#include "client_options.h"

#include <stdbool.h>

// Prints the link, as JSON if `json`. Returns the exit code of the process.
int status_open(const struct client_options *options, bool json);
