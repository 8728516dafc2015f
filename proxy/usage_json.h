// Usage JSON: the usage object of a response, as it counts. Pure.
//
// Source of the rules: Claude API, Usage, MessageDeltaUsage and usage.iterations.
#pragma once

#include "slice.h"
#include "usage.h"

#include <stdint.h>

#define USAGE_JSON_BYTES_MAX 65536         // of what has been merged
#define USAGE_COUNT_MAX (INT64_C(1) << 53) // what a double holds exactly; more is not believed

// A usage object as a text. All zero: there has been none.
struct usage_text {
    char *bytes; // owned, terminated
    size_t length;
};

// Puts the members of the JSON object `newer` over those of `usage`: what is there and not null
// replaces, nothing is ever added up. Returns NULL, or what is wrong, with `usage` as it was.
const char *usage_json_merge(struct usage_text *usage, struct slice newer);

// Reads all of a usage object but the model. `*read` is overwritten; the caller frees
// read->iterations. Returns NULL, or what is wrong with *read zero: a count that is no whole number
// from 0 to 2^53, or more iterations than USAGE_ITERATIONS_MAX.
const char *usage_json_read(struct slice usage, struct usage *read);

// The type of the iterations that the top level sums up: of the attempt that served.
enum usage_iteration_type usage_json_serving_type(const struct usage *usage);
