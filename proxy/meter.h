// Meter: reads what an exchange used from the bytes of its response as they are relayed. Pure.
//
// Takes the body without its transfer coding, in any pieces; server-sent events or JSON; gzip and
// deflate are decoded for the meter's eyes only. Nothing is held but the few small members that
// count, each within a named maximum. Source of every rule: Claude API, usage and streaming.
#pragma once

#include "slice.h"
#include "usage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METER_TEXT_MAX 64                          // ids, reasons, categories, error types; cut
#define METER_DECODED_BYTES_MAX (INT64_C(1) << 30) // of a compressed body; more is unreadable
#define METER_FALLBACKS_MAX 8                      // fallback blocks of one message
#define METER_ESTIMATE_BYTES_PER_TOKEN 3           // low, so that the estimate is high

// Refusals before any output that are not billed, by category, in force since 2026-09-24; "none" is
// a refusal without a category. Every other category counts as billed, unknown ones too.
#define METER_FREE_REFUSALS_DEFAULT "cyber general_harms none"

enum meter_progress {
    METER_MORE,
    METER_FINAL, // the message, or an error, has come to its end within the bytes fed so far
};

// How much the usage is worth.
enum meter_quality {
    METER_EXACT,      // the upstream's own final count
    METER_ESTIMATED,  // the message broke off: input as it was announced, output in part estimated
    METER_NOTHING,    // no usage was seen: an error, or it broke off before any
    METER_UNREADABLE, // there is usage that cannot be read: charge the reservation
};

struct meter_result {
    enum meter_quality quality;
    struct usage usage; // zero if METER_NOTHING or METER_UNREADABLE, but for the model
    bool complete;      // the response came to its own end: message_stop, or the whole JSON
    int64_t estimated_output_tokens; // what of usage.tokens.output is an estimate
    char message_id[METER_TEXT_MAX];
    char stop_reason[METER_TEXT_MAX];
    char refusal_category[METER_TEXT_MAX]; // empty unless stop_reason is "refusal"
    char error_type[METER_TEXT_MAX];       // of an error, in the stream or as the whole response
    const char *unreadable_because;        // NULL unless METER_UNREADABLE
    char *usage_json;         // owned: as counted, unknown members included; may be NULL
    size_t usage_json_length; // at most USAGE_JSON_BYTES_MAX
};

struct meter;

// NULL when out of memory. `content_type` and `content_encoding` as the response names them, NULL
// bytes without. `free_refusals`: categories separated by spaces; the caller keeps it alive.
struct meter *meter_new(int http_status, struct slice content_type, struct slice content_encoding,
                        const char *free_refusals);
void meter_free(struct meter *meter);

// Takes the next piece of the body. Once METER_FINAL has been returned, what follows is passed
// over.
enum meter_progress meter_feed(struct meter *meter, const char *bytes, size_t length);

// What has been used, as far as can be told now that the response has ended or been given up. Once;
// the caller frees with meter_result_done().
void meter_finish(struct meter *meter, struct meter_result *result);
void meter_result_done(struct meter_result *result);

// One line of a Message Batch's results. `quality`: METER_NOTHING unless result.type is
// "succeeded".
struct meter_batch_line {
    char custom_id[CUSTOM_ID_MAX]; // as it stands
    char type[METER_TEXT_MAX];     // succeeded errored canceled expired
    struct meter_result result;
};

// Reads a line without its LF. False: it is not a result line, or its custom_id is too long. Free
// with meter_result_done().
bool meter_read_batch_line(const char *line, size_t length, const char *free_refusals,
                           struct meter_batch_line *read);
