// Metrics text: counters and status in Prometheus' text form, version 0.0.4 (prometheus.io,
// "Exposition formats"). Pure.
//
// Base units: seconds, bytes, dollars. Dollars are exact decimals, so that adding them up elsewhere
// is the only rounding there is.
#pragma once

#include "control_message.h"
#include "journal.h"
#include "metrics.h"

#include <stddef.h>
#include <stdint.h>

#define METRICS_TEXT_MAX (384 << 10) // bytes, with all series that there can be
#define METRICS_CEILINGS_MAX 128     // that are shown
#define METRICS_CREDENTIALS_MAX 64   // the same

struct metrics_facts {
    const struct metrics *metrics;
    const struct status *status;
    const struct journal_status *journal;
    int64_t exchanges_waiting; // for money that others have reserved
    int64_t body_bytes_held;
    int64_t page_viewers;
};

// Malloc'ed text of *length bytes, terminated. NULL: out of memory, or more than METRICS_TEXT_MAX.
char *metrics_text_make(const struct metrics_facts *facts, size_t *length);
