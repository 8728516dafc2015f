// Run id: the name of a run, sortable by time: "20261125-160044-k3f9qx".
#pragma once

#include "run.h"

#include <stdint.h>

// The second (UTC) and 30 random bits in Crockford's base 32.
void run_id_make(int64_t now_us, char id[static RUN_ID_MAX]);
