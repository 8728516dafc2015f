// Serve machine: whether this machine can give what the configuration asks for.
#pragma once

#include "config.h"
#include "error.h"

#include <stdint.h>

// Logs what it cannot give. -EINVAL: no run could start, or a limit could not be held.
int serve_machine_check(const struct config *config, struct error *err);

// How hard memory is pressed now, for run_registry_options.
int64_t serve_machine_pressure(void *context);
