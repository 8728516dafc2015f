// Report morning: makes the morning report of a day and hands it on. For report_main.c.
#pragma once

#include "error.h"
#include "ledger_source.h"
#include "report_format.h"

#include <stdbool.h>

struct report_morning_options {
    const struct ledger_source_options *source;
    const char *day;  // NULL: yesterday
    const char *zone; // a name of the tz database
    const char *mail; // an address; NULL: none
    bool delivers;    // to whom the configuration names
    enum report_format format;
};

// -EINVAL: the day or the zone is none.
int report_morning(const struct report_morning_options *options, struct error *err);
