// Upstream: a warm pool of verified connections to the Claude API, one exchange at a time on each.

#include "upstream.h"

#include "cleanup.h"
#include "clock.h"
#include "http_write.h"
#include "upstream_pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define UPKEEP_INTERVAL_US 15000000

// *head is malloc'ed; whoever frees it wipes it, as it holds the credential.
static int request_head_write(struct upstream *upstream, const struct upstream_request *request,
                              char **head, size_t *head_length, struct error *err)
{
    struct http_writer writer;
    http_writer_init(&writer, upstream->buffer, sizeof(upstream->buffer));
    http_write_request_line(&writer, request->method, slice_of(upstream->path), request->target);
    http_write_text(&writer, "Host", upstream->host);
    for (size_t i = 0; i < request->header_count; i++)
        http_write_header(&writer, request->headers[i].name, request->headers[i].value);
    if (request->body_length == UPSTREAM_LENGTH_UNKNOWN)
        http_write_text(&writer, "Transfer-Encoding", "chunked");
    else if (request->body_length > 0 || slice_is(request->method, "POST"))
        http_write_number(&writer, "Content-Length", request->body_length);
    int result = http_write_end(&writer, err);
    char *copy = result == 0 ? malloc(writer.length) : NULL;
    if (copy != NULL) {
        memcpy(copy, upstream->buffer, writer.length);
        *head = copy;
        *head_length = writer.length;
    } else if (result == 0) {
        result = error_set(err, -ENOMEM, "out of memory for a request to %s", upstream->url);
    }
    explicit_bzero(upstream->buffer, writer.length);
    return result;
}

int upstream_open(struct upstream *upstream, const struct upstream_request *request,
                  const struct upstream_receiver *receiver, void *context,
                  struct upstream_transfer **transfer, struct error *err)
{
    if (upstream->waiting_count == UPSTREAM_WAITING_MAX)
        return error_set(err, -EAGAIN, "%d requests wait for a connection to %s",
                         UPSTREAM_WAITING_MAX, upstream->url);
    struct upstream_transfer *new_transfer = calloc(1, sizeof(*new_transfer));
    if (new_transfer == NULL)
        return error_set(err, -ENOMEM, "out of memory for a request to %s", upstream->url);
    int result =
        request_head_write(upstream, request, &new_transfer->head, &new_transfer->head_length, err);
    if (result < 0) {
        free(new_transfer);
        return result;
    }
    new_transfer->upstream = upstream;
    new_transfer->receiver = receiver;
    new_transfer->context = context;
    new_transfer->body_length = request->body_length;
    new_transfer->head_request = slice_is(request->method, "HEAD");
    TAILQ_INSERT_TAIL(&upstream->waiting, new_transfer, link);
    upstream->waiting_count++;
    *transfer = new_transfer;
    connections_advance(upstream);
    return 0;
}

void upstream_body_ready(struct upstream_transfer *transfer)
{
    if (transfer->state == TRANSFER_SENDING &&
        !event_pending(&transfer->connection->writable, EV_WRITE, NULL))
        event_active(&transfer->connection->writable, EV_WRITE, 0);
}

void upstream_pause(struct upstream_transfer *transfer)
{
    if (!transfer->paused && transfer->connection != NULL)
        event_del(&transfer->connection->readable);
    transfer->paused = true;
}

void upstream_resume(struct upstream_transfer *transfer)
{
    if (!transfer->paused)
        return;
    transfer->paused = false;
    if (transfer->connection != NULL) {
        transfer->connection->moved_us = clock_monotonic_us();
        event_add(&transfer->connection->readable, NULL);
        event_active(&transfer->connection->readable, EV_READ, 0);
    }
}

bool upstream_has_sent(const struct upstream_transfer *transfer)
{
    return transfer->any_sent;
}

void upstream_cancel(struct upstream_transfer *transfer)
{
    struct upstream *upstream = transfer->upstream;
    if (transfer->state == TRANSFER_WAITING) {
        TAILQ_REMOVE(&upstream->waiting, transfer, link);
        upstream->waiting_count--;
    } else {
        transfer->connection->transfer = NULL;
        connection_close(transfer->connection);
    }
    transfer_free(transfer);
}

struct upstream_counts upstream_count(const struct upstream *upstream)
{
    return (struct upstream_counts){upstream->used_count + upstream->idle_count,
                                    upstream->idle_count, upstream->waiting_count};
}

static void on_upkeep(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    connections_keep_up(context);
}

static void on_reap(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    connections_reap(context);
    connections_advance(context); // there is room for those in line
}

// Splits the base URL into what curl connects to, the Host header and the path before every target.
static int base_url_split(struct upstream *upstream, const char *base_url, struct error *err)
{
    CURLU *parsed = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL;
    int result = -EINVAL;
    if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, base_url, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_PATH, &path, 0) == CURLUE_OK &&
        (strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0)) {
        bool has_port = curl_url_get(parsed, CURLUPART_PORT, &port, 0) == CURLUE_OK;
        size_t length = strlen(path);
        while (length > 0 && path[length - 1] == '/')
            length--;
        if (asprintf(&upstream->host, "%s%s%s", host, has_port ? ":" : "", has_port ? port : "") >
                0 &&
            asprintf(&upstream->url, "%s://%s", scheme, upstream->host) > 0)
            upstream->path = strndup(path, length);
        result = upstream->path != NULL ? 0 : -ENOMEM;
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_url_cleanup(parsed);
    if (result < 0)
        error_set(err, result, "upstream '%s': accepted is https://HOST[:PORT][/PATH], or http://",
                  base_url);
    return result;
}

int upstream_new(struct upstream **upstream, struct event_base *base, struct curl_loop *loop,
                 const struct upstream_options *options, struct error *err)
{
    struct upstream *pool = calloc(1, sizeof(*pool));
    if (pool == NULL)
        return error_set(err, -ENOMEM, "out of memory for the upstream");
    pool->base = base;
    pool->loop = loop;
    TAILQ_INIT(&pool->waiting);
    pool->connections_warm = (size_t)options->connections_warm;
    pool->silence_max_us = options->silence_max_us;
    int result = base_url_split(pool, options->base_url, err);
    if (result == 0) {
        pool->share = curl_share_init();
        pool->reaper = event_new(base, -1, 0, on_reap, pool);
        pool->upkeep = event_new(base, -1, EV_PERSIST, on_upkeep, pool);
        if (options->ca_file != NULL)
            pool->ca_file = strdup(options->ca_file);
        if (pool->share == NULL || pool->reaper == NULL || pool->upkeep == NULL ||
            (options->ca_file != NULL && pool->ca_file == NULL))
            result = error_set(err, -ENOMEM, "out of memory for the upstream");
    }
    if (result == 0 && pool->ca_file != NULL && access(pool->ca_file, R_OK) < 0)
        result = error_set_errno(err, -errno, "reading CA file %s", pool->ca_file);
    if (result < 0) {
        upstream_free(pool);
        return result;
    }
    curl_share_setopt(pool->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    curl_share_setopt(pool->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    int64_t interval_us = UPKEEP_INTERVAL_US;
    if (pool->silence_max_us > 0 && pool->silence_max_us / 4 < interval_us)
        interval_us = pool->silence_max_us / 4;
    event_add(pool->upkeep, &(struct timeval){interval_us / 1000000, interval_us % 1000000});
    event_active(pool->upkeep, EV_TIMEOUT, 0);
    *upstream = pool;
    return 0;
}

void upstream_free(struct upstream *upstream)
{
    if (upstream == NULL)
        return;
    assert(TAILQ_EMPTY(&upstream->waiting));
    while (!LIST_EMPTY(&upstream->idle))
        connection_close(LIST_FIRST(&upstream->idle));
    while (!LIST_EMPTY(&upstream->used))
        connection_close(LIST_FIRST(&upstream->used));
    connections_reap(upstream);
    if (upstream->reaper != NULL)
        event_free(upstream->reaper);
    if (upstream->upkeep != NULL)
        event_free(upstream->upkeep);
    curl_share_cleanup(upstream->share);
    free(upstream->url);
    free(upstream->host);
    free(upstream->path);
    free(upstream->ca_file);
    free(upstream);
}
