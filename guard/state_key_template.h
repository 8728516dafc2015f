// State key template: what makes two runs the same, written with the time in it: "%J-%Y%m%d%H".
// Pure.
//
//     %J job   %Y year   %m month   %d day   %H hour   %M minute   %j day of the year
//     %G %V ISO 8601 year and week   %% a per cent sign
#pragma once

#include "error.h"
#include "run.h"
#include "source_state.h"
#include "time_zone.h"

#define STATE_KEY_TEMPLATE_FORM                                                                    \
    "text such as %J-%Y%m%d%H, with %J for the job, %Y %m %d %H %M %j %G %V for the time in "      \
    "TimeZone=, %% for a per cent sign"

// -EINVAL: not of that form, or the key is no key (see source_state_key_is_valid()) whatever the
// time.
int state_key_template_check(const char *template, struct error *err);

// The key of a run of `job` that is asked for at `time_us`, by the clocks of `zone`. -EINVAL as
// above.
int state_key_template_expand(const char *template, const char *job, const struct time_zone *zone,
                              int64_t time_us, char key[static SOURCE_STATE_KEY_MAX],
                              struct error *err);
