// Machine: what this machine has for runs: its memory, and how hard that is pressed (PSI).
#pragma once

#include "config.h"

#include <stdbool.h>
#include <stdint.h>

#define MACHINE_PRESSURE_FILE "/proc/pressure/memory"

// How much memory there is.
int64_t machine_memory_bytes(void);

// The share of the last ten seconds in which some process waited for memory, in hundredths of a
// percent: `some avg10` of a file as Documentation/accounting/psi.rst has it. -1: the kernel does
// not tell.
int64_t machine_read_pressure(const char *path);

// Tells `problem` what the configuration asks for that this machine cannot give, a sentence each.
// `fatal`: no run would start, or a promise could not be kept; otherwise it concerns one job.
// `pressure` is what machine_read_pressure() says.
void machine_check(const struct config *config, int64_t memory_bytes, int64_t pressure,
                   void (*problem)(const char *text, bool fatal, void *context), void *context);

// What runs may have together: LIMIT_NONE if the memory is not known, 0 if the reserve takes all.
int64_t machine_memory_for_runs(const struct config *config, int64_t memory_bytes);
