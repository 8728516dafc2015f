// Usage JSON: the usage object of a response, as it counts. Pure.
//
// Source of the rules: Claude API, Usage, MessageDeltaUsage and usage.iterations.
#pragma once

#include "slice.h"
#include "usage.h"

#include <jansson.h>
#include <stdint.h>

#define USAGE_COUNT_MAX (INT64_C(1) << 53) // what a double holds exactly; more is not believed

// Puts the members of `newer`, a text that is a JSON object, over those of *usage (made if NULL):
// what is there and not null replaces, nothing is ever added up. Returns NULL, or what is wrong.
const char *usage_json_merge(json_t **usage, struct slice newer);

// Reads all of `usage` but the model. `*read` is overwritten; the caller frees read->iterations.
// Returns NULL, or what is wrong with *read zero: a count that is no number from 0 to 2^53, or more
// iterations than USAGE_ITERATIONS_MAX.
const char *usage_json_read(const json_t *usage, struct usage *read);

// The type of the iterations that the top level sums up: of the attempt that served.
enum usage_iteration_type usage_json_serving_type(const struct usage *usage);
