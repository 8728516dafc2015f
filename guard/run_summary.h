// Run summary: the last line that `reeve run` writes. Pure.
#pragma once

#include "control_message.h"
#include "error.h"
#include "run.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct run_summary {
    char run_id[RUN_ID_MAX];
    char job[JOB_NAME_MAX];
    enum run_end end;
    int exit_code; // of `reeve run`
    int64_t duration_us;
    int64_t memory_peak_bytes; // -1 unknown
    int64_t cpu_us;            // -1 unknown, as below
    int64_t io_read_bytes;
    int64_t io_written_bytes;
    int64_t memory_stall_us;
    bool is_settled; // false: the daemon did not come back, `account` is unknown
    struct control_settled account;
};

// One line: "reeve: run 20261125-160044-k3f9qx exited 0 after 3min 20s: 12 exchanges, …".
void run_summary_print(const struct run_summary *summary, FILE *stream);

// The same as a JSON object on one line; money as an exact decimal string of dollars.
int run_summary_print_json(const struct run_summary *summary, FILE *stream, struct error *err);
