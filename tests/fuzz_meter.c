// Fuzz: a response of any bytes is metered the same however it comes in pieces, and no count is
// negative or invented.
#include "meter.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static enum meter_progress meter_in_pieces(const char *bytes, size_t length, size_t step,
                                           unsigned kind, struct meter_result *result)
{
    static const char *const types[] = {"text/event-stream", "application/json"};
    static const char *const codings[] = {"", "gzip"};
    struct meter *meter = meter_new(kind & 4 ? 529 : 200, slice_of(types[kind & 1]),
                                    slice_of(codings[kind >> 1 & 1]), METER_FREE_REFUSALS_DEFAULT);
    enum meter_progress progress = METER_MORE;
    require(meter != NULL);
    for (size_t at = 0; at < length; at += step) {
        enum meter_progress next =
            meter_feed(meter, bytes + at, length - at < step ? length - at : step);
        require(next >= progress);
        progress = next;
    }
    meter_finish(meter, result);
    meter_free(meter);
    return progress;
}

static void check_tokens(const struct token_counts *tokens)
{
    require(tokens->input >= 0 && tokens->output >= 0 && tokens->cache_read >= 0);
    require(tokens->cache_write_5m >= 0 && tokens->cache_write_1h >= 0);
}

static void check_result(const struct meter_result *result, enum meter_progress progress)
{
    const struct usage *usage = &result->usage;
    bool counted = result->quality == METER_EXACT || result->quality == METER_ESTIMATED;
    check_tokens(&usage->tokens);
    for (size_t i = 0; i < usage->iteration_count; i++)
        check_tokens(&usage->iterations[i].tokens);
    require(!result->complete || progress == METER_FINAL);
    require(result->quality != METER_EXACT || result->complete);
    require(counted || (usage->tokens.input == 0 && usage->tokens.output == 0));
    require(!counted || result->usage_json != NULL);
    require((result->unreadable_because != NULL) == (result->quality == METER_UNREADABLE));
    require(!usage->refused_unbilled || usage->tokens.output == 0);
}

static void require_same(const struct meter_result *a, const struct meter_result *b)
{
    require(a->quality == b->quality && a->complete == b->complete);
    require(memcmp(&a->usage.tokens, &b->usage.tokens, sizeof(a->usage.tokens)) == 0);
    require(a->usage.iteration_count == b->usage.iteration_count);
    require(a->usage.refused_unbilled == b->usage.refused_unbilled);
    require(a->estimated_output_tokens == b->estimated_output_tokens);
    require(strcmp(a->usage.model, b->usage.model) == 0);
    require(strcmp(a->message_id, b->message_id) == 0);
    require(strcmp(a->stop_reason, b->stop_reason) == 0);
    require(strcmp(a->error_type, b->error_type) == 0);
    require((a->usage_json == NULL) == (b->usage_json == NULL));
    require(a->usage_json == NULL || strcmp(a->usage_json, b->usage_json) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const char *bytes = (const char *)data + 2;
    size_t length = size - 2;
    const size_t steps[] = {length + 1, 1, (size_t)data[1] + 2};
    struct meter_result results[3];
    for (size_t i = 0; i < 3; i++) {
        enum meter_progress progress =
            meter_in_pieces(bytes, length, steps[i], data[0], &results[i]);
        check_result(&results[i], progress);
        require_same(&results[i], &results[0]);
    }
    for (size_t i = 0; i < 3; i++)
        meter_result_done(&results[i]);
    struct meter_batch_line line;
    if (meter_read_batch_line(bytes, length, METER_FREE_REFUSALS_DEFAULT, &line)) {
        require(strcmp(line.type, "succeeded") == 0 || line.result.quality == METER_NOTHING);
        meter_result_done(&line.result);
    }
    return 0;
}
