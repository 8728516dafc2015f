// Batch fetch: one free call about a batch, under the credential that created it: how far it is, or
// its results, line by line.

#include "batch_fetch.h"

#include "authorize.h"
#include "cleanup.h"
#include "credential_keeper.h"
#include "json_walk.h"
#include "upstream.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_BYTES_MAX 65536
#define TARGET_MAX (UPSTREAM_ID_MAX + 64)
#define SILENCE_MAX_S 120     // of the upstream, in the midst of an answer
#define OFFER_AGAIN_US 100000 // a line that was not taken
#define HEADERS 2

struct batch_fetch {
    struct proxy *proxy;
    const struct batch_fetch_receiver *receiver;
    void *context;
    enum batch_fetch_kind kind;
    struct credential *credential; // held
    uint32_t secret_number;        // of its secret, as it was sent
    int status;
    struct upstream_transfer *transfer; // NULL once it is done
    enum upstream_end upstream_end;
    struct error err;
    struct event silence;
    struct event again; // offers a line again; pending: the answer is paused
    char *bytes;        // of the answer, not yet handed out
    size_t length, capacity;
    bool in_long_line; // what comes up to the next LF is passed over
};

static void fetch_free(struct batch_fetch *fetch)
{
    event_del(&fetch->silence);
    event_del(&fetch->again);
    credential_release(credential_keeper_pool(fetch->proxy->keeper), fetch->credential);
    free(fetch->bytes);
    free(fetch);
}

void batch_fetch_cancel(struct batch_fetch *fetch)
{
    if (fetch->transfer != NULL)
        upstream_cancel(fetch->transfer);
    fetch_free(fetch);
}

static void fetch_end(struct batch_fetch *fetch, enum batch_fetch_end end)
{
    const struct batch_fetch_receiver *receiver = fetch->receiver;
    void *context = fetch->context;
    struct error err = fetch->err;
    batch_fetch_cancel(fetch);
    receiver->done(context, end, &err);
}

static void fetch_fail(struct batch_fetch *fetch, const char *why)
{
    error_set(&fetch->err, -EIO, "%s", why);
    fetch_end(fetch, BATCH_FETCH_FAILED);
}

// ---- lines

static bool take_line(struct batch_fetch *fetch, struct slice line)
{
    if (fetch->in_long_line)
        line = (struct slice){NULL, 0};
    if (!fetch->receiver->line(fetch->context, line))
        return false;
    fetch->in_long_line = false;
    return true;
}

// Hands out the whole lines at hand, and at the answer's end what is left. False: not all were
// taken.
static bool take_lines(struct batch_fetch *fetch)
{
    size_t at = 0;
    bool taken = true;
    for (const char *end; taken && at < fetch->length &&
                          (end = memchr(fetch->bytes + at, '\n', fetch->length - at)) != NULL;) {
        struct slice line = {fetch->bytes + at, (size_t)(end - fetch->bytes) - at};
        taken = take_line(fetch, line);
        at += taken ? line.length + 1 : 0;
    }
    fetch->length -= at;
    if (at > 0)
        memmove(fetch->bytes, fetch->bytes + at, fetch->length);
    if (taken && fetch->length > BATCH_LINE_BYTES_MAX) {
        fetch->length = 0;
        fetch->in_long_line = true;
    }
    if (taken && fetch->transfer == NULL && (fetch->length > 0 || fetch->in_long_line)) {
        taken = take_line(fetch, (struct slice){fetch->bytes, fetch->length});
        fetch->length = taken ? 0 : fetch->length;
    }
    return taken;
}

static bool append(struct batch_fetch *fetch, const char *bytes, size_t length)
{
    if (fetch->length + length > fetch->capacity) {
        size_t capacity = 2 * (fetch->length + length);
        char *grown = realloc(fetch->bytes, capacity);
        if (grown == NULL)
            return false;
        fetch->bytes = grown;
        fetch->capacity = capacity;
    }
    memcpy(fetch->bytes + fetch->length, bytes, length);
    fetch->length += length;
    return true;
}

// ---- the end

static enum batch_fetch_end read_status(struct batch_fetch *fetch)
{
    struct slice answer = {fetch->bytes, fetch->length};
    struct slice status = json_string_text(json_member(answer, "processing_status"));
    if (status.bytes == NULL) {
        error_set(&fetch->err, -EBADMSG, "the upstream's answer is no batch");
        return BATCH_FETCH_FAILED;
    }
    if (!slice_is(status, "ended"))
        return BATCH_FETCH_PROCESSING;
    // Without a place to read them at, the results have been archived.
    bool has_results = json_string_text(json_member(answer, "results_url")).bytes != NULL;
    return has_results ? BATCH_FETCH_READY : BATCH_FETCH_GONE;
}

// Its token may have died before its time: then it is refreshed, and the next fetch succeeds.
static void note_unauthorized(const struct batch_fetch *fetch)
{
    const struct credential_signs signs = {.verdict = VERDICT_UNAUTHORIZED,
                                           .http_status = fetch->status,
                                           .retry_after_ms = -1,
                                           .used_percent = -1};
    credential_keeper_answered(fetch->proxy->keeper, fetch->credential, fetch->secret_number,
                               &signs, slice_of(""), true);
}

// The answer has ended and its lines are taken.
static void fetch_conclude(struct batch_fetch *fetch)
{
    enum batch_fetch_end end = BATCH_FETCH_READ;
    if (fetch->status == 401)
        note_unauthorized(fetch);
    if (fetch->upstream_end != UPSTREAM_COMPLETE) {
        end = BATCH_FETCH_FAILED;
    } else if (fetch->status == 404) {
        end = BATCH_FETCH_GONE;
    } else if (fetch->status != 200) {
        error_set(&fetch->err, -EPROTO, "the upstream answered %d", fetch->status);
        end = BATCH_FETCH_FAILED;
    } else if (fetch->kind == BATCH_FETCH_STATUS) {
        end = read_status(fetch);
    }
    fetch_end(fetch, end);
}

static void on_again(evutil_socket_t fd, short what, void *context)
{
    struct batch_fetch *fetch = context;
    (void)fd;
    (void)what;
    if (!take_lines(fetch))
        event_add(&fetch->again, &(struct timeval){0, OFFER_AGAIN_US});
    else if (fetch->transfer == NULL)
        fetch_conclude(fetch);
    else
        upstream_resume(fetch->transfer);
}

static void on_silence(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    fetch_fail(context, "the upstream has fallen silent");
}

// ---- what the upstream says

static bool has_lines(const struct batch_fetch *fetch)
{
    return fetch->kind == BATCH_FETCH_RESULTS && fetch->status == 200;
}

static size_t on_body_peek(void *context, uint64_t offset, const char **bytes)
{
    (void)context;
    (void)offset;
    *bytes = NULL;
    return 0;
}

static void on_head(void *context, const struct http_head *head)
{
    struct batch_fetch *fetch = context;
    const struct http_header *coding = http_head_find_field(head, HTTP_FIELD_CONTENT_ENCODING);
    fetch->status = head->status;
    if (coding != NULL && !slice_is_any_case(coding->value, "identity"))
        fetch->status = 415; // it was asked for as it is
}

static void on_body(void *context, const char *bytes, size_t length, bool last)
{
    struct batch_fetch *fetch = context;
    (void)last;
    event_add(&fetch->silence, &(struct timeval){SILENCE_MAX_S, 0});
    if (!has_lines(fetch) && fetch->length + length > STATUS_BYTES_MAX)
        length = STATUS_BYTES_MAX - fetch->length;
    if (length > 0 && !append(fetch, bytes, length)) {
        fetch_fail(fetch, "out of memory for the results of a batch");
        return;
    }
    if (!has_lines(fetch) || event_pending(&fetch->again, EV_TIMEOUT, NULL) || take_lines(fetch))
        return;
    upstream_pause(fetch->transfer);
    event_add(&fetch->again, &(struct timeval){0, OFFER_AGAIN_US});
}

static void on_done(void *context, enum upstream_end end, const struct error *err)
{
    struct batch_fetch *fetch = context;
    fetch->transfer = NULL;
    fetch->upstream_end = end;
    if (end != UPSTREAM_COMPLETE)
        fetch->err = *err;
    event_del(&fetch->silence);
    // What was cut off may end within a line.
    if (end != UPSTREAM_COMPLETE || !has_lines(fetch))
        fetch_conclude(fetch);
    else if (!event_pending(&fetch->again, EV_TIMEOUT, NULL))
        event_active(&fetch->again, EV_TIMEOUT, 0);
}

static const struct upstream_receiver receiver = {
    .body_peek = on_body_peek, .head = on_head, .body = on_body, .done = on_done};

static int request_open(struct batch_fetch *fetch, const struct journal_batch *batch,
                        const struct credential *credential, struct error *err)
{
    struct authorized_request authorized;
    char target[TARGET_MAX];
    struct http_head head = {.header_count = HEADERS};
    head.headers[0] =
        (struct http_header){slice_of("anthropic-version"), slice_of("2023-06-01"), 0};
    head.headers[1] = (struct http_header){slice_of("User-Agent"), slice_of("reeve"), 0};
    snprintf(target, sizeof(target), "/v1/messages/batches/%s%s", batch->batch_id,
             fetch->kind == BATCH_FETCH_RESULTS ? "/results" : "");
    int result = authorize(&authorized, &head, &credential->secret, err);
    if (result == 0)
        result = upstream_open(fetch->proxy->upstream,
                               &(struct upstream_request){
                                   .method = slice_of("GET"),
                                   .target = slice_of(target),
                                   .headers = authorized.headers,
                                   .header_count = authorized.header_count,
                               },
                               &receiver, fetch, &fetch->transfer, err);
    explicit_bzero(authorized.authorization, sizeof(authorized.authorization));
    return result;
}

int batch_fetch_start(struct batch_fetch **fetch, struct proxy *proxy,
                      const struct journal_batch *batch, enum batch_fetch_kind kind,
                      const struct batch_fetch_receiver *fetch_receiver, void *context,
                      struct error *err)
{
    struct credential *credential =
        credential_pool_find(credential_keeper_pool(proxy->keeper), batch->credential);
    if (credential == NULL)
        return error_set(err, -ENOENT, "there is no credential %s any more", batch->credential);
    struct batch_fetch *started = calloc(1, sizeof(*started));
    if (started == NULL)
        return error_set(err, -ENOMEM, "out of memory for a fetch");
    started->proxy = proxy;
    started->receiver = fetch_receiver;
    started->context = context;
    started->kind = kind;
    started->credential = credential;
    started->secret_number = credential->secret_number;
    credential_hold(credential);
    event_assign(&started->silence, proxy->base, -1, 0, on_silence, started);
    event_assign(&started->again, proxy->base, -1, 0, on_again, started);
    int result = request_open(started, batch, credential, err);
    if (result < 0) {
        fetch_free(started);
        return result;
    }
    event_add(&started->silence, &(struct timeval){SILENCE_MAX_S, 0});
    *fetch = started;
    return 0;
}
