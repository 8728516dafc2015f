// Batch admit: what a Message Batch can cost at most: the sum over all of its requests, reserved
// at once, or the batch is refused.

#include "batch_admit.h"

#include "batches.h"
#include "bound.h"
#include "clock.h"
#include "money.h"
#include "request_batch.h"

#include <stdlib.h>

// What one turn of the event loop takes of a body; together some milliseconds of work.
#define TURN_REQUESTS_MAX 128
#define TURN_BYTES_MAX (1 << 20)

enum batch_request_state { BATCH_UNREAD, BATCH_READING, BATCH_READ };

struct batch_request {
    enum batch_request_state state;
    struct slice body;
    struct request_batch walk;
    struct request_batch_item item; // the one at hand
    int64_t begun_us;               // since 1970: decides the prices
    bool is_capped;
    char model[MODEL_NAME_MAX]; // of the first request
    struct budget_amounts sum;
    struct budget_amounts growth; // the largest of one request
};

struct batch_request *batch_request_new(struct slice body)
{
    struct batch_request *batch = calloc(1, sizeof(*batch));
    if (batch != NULL)
        batch->body = body;
    return batch;
}

void batch_request_free(struct batch_request *batch)
{
    free(batch);
}

// Says which request of the batch `text` is about.
static void locate(const struct batch_request *batch, char message[static ADMIT_MESSAGE_MAX])
{
    char text[ADMIT_MESSAGE_MAX];
    memcpy(text, message, sizeof(text));
    snprintf(message, ADMIT_MESSAGE_MAX, "requests.%zu.params: %.*s", batch->walk.count - 1,
             ADMIT_MESSAGE_MAX - 64, text);
}

static bool sum_add(struct budget_amounts *sum, const struct budget_amounts *amounts)
{
    for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++)
        if (!money_add(sum->of[kind], amounts->of[kind], &sum->of[kind]))
            return false;
    return true;
}

// Adds the bound of the request at hand. What nobody can bound is added as it is taken to grow, and
// once more held ready for the one of them that may go beyond.
static int sum_request(const struct proxy *proxy, struct batch_request *batch, struct error *err)
{
    const struct request_scan *scan = &batch->item.scan;
    char model[MODEL_NAME_MAX];
    struct bound bound = {
        .scan = scan,
        .model = model,
        .input_tokens = bound_input_by_size((int64_t)batch->item.params.length),
        .is_batched = true,
    };
    struct budget_amounts amounts, growth = {0};
    slice_copy(scan->model, model, sizeof(model));
    if ((scan->features & REQUEST_INPUT_UNBOUNDED) != 0)
        bound.input_tokens = BOUND_CONTEXT_TOKENS;
    int result = bound_amounts(&bound, proxy->prices, proxy->tokens_count, scan->max_tokens,
                               batch->begun_us, &amounts, err);
    if (result == 0 && (scan->features & BOUND_OPEN) != 0)
        result =
            bound_growth(&bound, proxy->prices, proxy->tokens_count, batch->begun_us, &growth, err);
    if (result < 0)
        return result;
    if (!sum_add(&batch->sum, &amounts) || !sum_add(&batch->sum, &growth))
        return error_set(err, -ERANGE, "what the batch can cost is beyond all measure");
    if (growth.of[BUDGET_COST] > batch->growth.of[BUDGET_COST])
        batch->growth = growth;
    return 0;
}

static enum admit_outcome take_request(const struct proxy *proxy, const struct live_run *run,
                                       struct batch_request *batch,
                                       char message[static ADMIT_MESSAGE_MAX])
{
    const struct request_scan *scan = &batch->item.scan;
    struct error err;
    enum admit_outcome outcome = admit_check(proxy, run, scan, message);
    if (outcome == ADMIT_FITS && batch->is_capped && (scan->features & BOUND_OPEN) != 0 &&
        !run->policy.allows_unbounded) {
        snprintf(message, ADMIT_MESSAGE_MAX,
                 "reeve: what this request can cost has no bound (server tools, a container, or "
                 "fallbacks that the upstream picks), and the job is under a ceiling; "
                 "Unbounded=allow lets it pass");
        outcome = ADMIT_DENIED;
    }
    if (outcome == ADMIT_FITS && sum_request(proxy, batch, &err) < 0) {
        snprintf(message, ADMIT_MESSAGE_MAX, "%s", err.text);
        outcome = ADMIT_BAD;
    }
    if (outcome != ADMIT_FITS)
        locate(batch, message);
    else if (batch->model[0] == '\0')
        slice_copy(scan->model, batch->model, sizeof(batch->model));
    return outcome;
}

// Reads one turn's part. ADMIT_FITS: that was the last one.
static enum admit_outcome read_on(const struct proxy *proxy, const struct live_run *run,
                                  struct batch_request *batch,
                                  char message[static ADMIT_MESSAGE_MAX])
{
    struct error err;
    size_t count = batch->walk.count + TURN_REQUESTS_MAX;
    size_t start = batch->walk.walker.at;
    while (batch->walk.count < count && batch->walk.walker.at - start < TURN_BYTES_MAX) {
        int found = request_batch_next(&batch->walk, &batch->item, &err);
        if (found < 0) {
            snprintf(message, ADMIT_MESSAGE_MAX, "%s", err.text);
            return ADMIT_BAD;
        }
        if (found == 0) {
            batch->state = BATCH_READ;
            return ADMIT_FITS;
        }
        enum admit_outcome outcome = take_request(proxy, run, batch, message);
        if (outcome != ADMIT_FITS)
            return outcome;
    }
    return ADMIT_UNREAD;
}

static enum admit_outcome begin(const struct proxy *proxy, const struct live_run *run,
                                struct batch_request *batch, char message[static ADMIT_MESSAGE_MAX])
{
    struct error err;
    if (request_batch_begin(&batch->walk, batch->body.bytes, batch->body.length, &err) < 0) {
        snprintf(message, ADMIT_MESSAGE_MAX, "%s", err.text);
        return ADMIT_BAD;
    }
    batch->begun_us = clock_now_us();
    batch->is_capped = admit_input_is_capped(proxy, run, batch->begun_us);
    batch->state = BATCH_READING;
    return ADMIT_FITS;
}

static enum admit_outcome reserve(struct proxy *proxy, const struct admit_request *request,
                                  const struct batch_request *batch, struct admission *admission,
                                  char message[static ADMIT_MESSAGE_MAX])
{
    if (!batches_have_room(proxy->batches)) {
        snprintf(message, ADMIT_MESSAGE_MAX,
                 "reeve: %d batches have not been processed yet, which is the most",
                 BATCHES_OPEN_MAX);
        return ADMIT_FAILED;
    }
    admission_init(admission, request->run, slice_of(batch->model), batch->begun_us);
    admission->reservation.held = batch->sum;
    admission->reservation.growth = batch->growth;
    if (request->is_behind)
        return ADMIT_WAITS;
    enum admit_outcome outcome = admission_reserve(proxy, admission, message);
    return outcome == ADMIT_REFUSED ? ADMIT_TOO_DEAR : outcome;
}

enum admit_outcome batch_admit(struct proxy *proxy, const struct admit_request *request,
                               struct batch_request *batch, struct admission *admission,
                               char message[static ADMIT_MESSAGE_MAX])
{
    enum admit_outcome outcome = ADMIT_FITS;
    if (batch == NULL) {
        snprintf(message, ADMIT_MESSAGE_MAX, "reeve: out of memory");
        return ADMIT_FAILED;
    }
    if (batch->state == BATCH_UNREAD)
        outcome = begin(proxy, request->run, batch, message);
    if (outcome == ADMIT_FITS && batch->state == BATCH_READING)
        outcome = read_on(proxy, request->run, batch, message);
    return outcome == ADMIT_FITS ? reserve(proxy, request, batch, admission, message) : outcome;
}
