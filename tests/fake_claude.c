// The fake Claude: a strict, scriptable stand-in for api.anthropic.com that keeps its own books.
//
// WHAT A TEST CAN ASK
// A script is a JSON object. It reaches the fake, first found first used,
//   - in the request header `x-fake-script: {...}`, which a proxy passes on as it knows it not;
//   - in the text of a user message, for real clients: `[[fake {...}]]`; the last one counts;
//   - from a queue: `--script FILE` or `POST /fake/script`, one object a line, each used once,
//     by the next unscripted request for its `path` (default "/v1/messages").
// Words of a script (an unknown one is answered with 400, so that a misspelling is seen):
//   turns [{}, ...]      by the number of assistant messages since the marker: a tool loop
//   attempts [{}, ...]   by how often this very script was seen: fail once, then work
//   id                   stands in the books; makes scripts with attempts differ
//  how the request has to come, else it is refused
//   body_sha256 HEX; expect_headers {name: value, or null for none}
//  instead of a message
//   status N, error TYPE, message TEXT, error_code CODE; count_tokens_status N
//   body TEXT, content_type TYPE       any answer at all
//   headers {name: value or null}      added to the answer, or taken from it
//  the message
//   text, thinking TEXT; tool_use {name, input} or a list; content [...] for any other blocks
//   model NAME           that answers; fallback {from, to, category} or a list: fallback blocks
//   stop_reason, stop_category         a "refusal" without text has no content and no output
//   usage {...}          over the default; "output_tokens": "max" is all of max_tokens, which no
//                        answer exceeds; start_usage {...}: over what message_start shows of it
//   web_search_requests N              the input grows fourfold after message_start
//   web_fetch_requests N, iterations [{}, ...]
//  its events
//   events N             deltas a block; message_deltas N; ping_every N deltas
//   null_usage true      null for what did not change in message_delta
//   extra_events [{}, ...]             after message_start
//   stream_error TYPE, error_after_events N
//   bill "full", "streamed" or "none"  of an answer that does not reach its end: "streamed" (the
//                        input, and output in proportion) is the default for a stream
//  the wire
//   delay_ms before the head, events_delay_ms between events
//   gzip, crlf, close true; framing "chunked", "length" or "close"; interim [100, 103]
//   chunk_bytes N of body in a chunk; write_bytes N on the wire in a write
//   cut_after_bytes N of body, cut "close" or "reset"; hang true: never the end
//   early true           (header) answered before the body is read; with status or body
//   drop true: closed without being looked at; lost true: done, and closed without an answer
//  the token endpoint (by the queue, path "/v1/oauth/token")
//   expires_in N; omit_expires_in, omit_refresh_token true
//  batches
//   batch_ms N           (header) until it is processed, default 0; in a request's own marker:
//   batch_result "succeeded", "errored", "canceled" or "expired"
// Without a script the answer says what it was asked, a token is four bytes of prompt or answer,
// and prefixes marked with cache_control are written once and then read.
//
// WHAT IT REFUSES
// None, two or wrong credentials; an OAuth token without its beta; no anthropic-version; broken
// JSON; unknown models; hop-by-hop headers; `reeve-run-` in any header: each in the API's own
// error shape. What is not HTTP gets a plain 400 and no more.
//
// ITS CREDENTIALS
// Without `--accept`, whatever looks like an API key or an OAuth token is one, each an account of
// its own. `--refresh-token` begins a chain at /v1/oauth/token: every refresh token is good once,
// its replay revokes the chain (`token_reused` in the books); access tokens end after
// `--access-seconds` or `--access-uses` requests. POST /fake/credential {"secret", "state": "good",
// "revoked", "forbidden" or "limited", "reset_s", "utilization", "uses_left"} changes one.
// `--require-identity` holds subscription tokens to Claude Code and the Agent SDK.
//
// ITS BOOKS
// `--books FILE` gets one JSON line for each request before the last byte of its answer is sent,
// and one for each message of a batch when that is processed; GET /fake/books has the totals;
// POST /fake/reset empties both, the queue and the caches. Money is in picodollars.

#include "fake.h"

#include "cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/listener.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BACKLOG 1024

struct options {
    const char *listen;
    const char *tls_listen;
    const char *certificates;
    const char *books;
    const char *script;
    const char *refresh_token;
    int64_t access_s;
    int64_t access_uses;
    bool bench;
    bool require_identity;
};

struct listener {
    struct fake *fake;
    SSL_CTX *tls;
    struct evconnlistener *accepting;
};

static const char usage[] =
    "usage: fake_claude [--listen 127.0.0.1:PORT] [--tls-listen 127.0.0.1:PORT --cert-dir DIR]\n"
    "                   [--books FILE] [--script FILE] [--bench]\n"
    "                   [--accept SECRET[@ACCOUNT]]... [--refresh-token TOKEN[@ACCOUNT]]\n"
    "                   [--access-seconds N] [--access-uses N] [--require-identity]\n"
    "PORT 0 picks one. Prints a line `plain http://...` and a line `tls https://...`.\n";

static void on_accept(struct evconnlistener *accepting, evutil_socket_t fd, struct sockaddr *peer,
                      int length, void *context)
{
    (void)accepting;
    (void)peer;
    (void)length;
    struct listener *listener = context;
    fake_connection_start(listener->fake, fd, listener->tls);
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
    (void)number;
    (void)what;
    event_base_loopexit(context, NULL);
}

// Listens on `text` and prints the address under `name`.
static bool start_listener(struct listener *listener, const char *text, const char *name)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    static const char host[] = "127.0.0.1:";
    char *end = NULL;
    unsigned long port = 0;
    if (strncmp(text, host, strlen(host)) == 0)
        port = strtoul(text + strlen(host), &end, 10);
    if (end == NULL || end == text + strlen(host) || *end != '\0' || port > UINT16_MAX) {
        fprintf(stderr, "fake_claude: %s is not 127.0.0.1:PORT\n", text);
        return false;
    }
    address.sin_port = htons((uint16_t)port);
    listener->accepting =
        evconnlistener_new_bind(listener->fake->base, on_accept, listener,
                                LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                BACKLOG, (struct sockaddr *)&address, sizeof(address));
    if (listener->accepting == NULL) {
        fprintf(stderr, "fake_claude: listening on %s: %s\n", text, strerror(errno));
        return false;
    }
    socklen_t size = sizeof(address);
    getsockname(evconnlistener_get_fd(listener->accepting), (struct sockaddr *)&address, &size);
    printf("%s %s://127.0.0.1:%d\n", name, listener->tls != NULL ? "https" : "http",
           ntohs(address.sin_port));
    return true;
}

static bool read_options(struct fake *fake, struct options *options, int argc, char **argv)
{
    static const struct option names[] = {
        {"listen", required_argument, NULL, 'l'},
        {"tls-listen", required_argument, NULL, 't'},
        {"cert-dir", required_argument, NULL, 'c'},
        {"books", required_argument, NULL, 'b'},
        {"script", required_argument, NULL, 's'},
        {"accept", required_argument, NULL, 'a'},
        {"bench", no_argument, NULL, 'B'},
        {"refresh-token", required_argument, NULL, 'r'},
        {"access-seconds", required_argument, NULL, 'S'},
        {"access-uses", required_argument, NULL, 'U'},
        {"require-identity", no_argument, NULL, 'I'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'l':
            options->listen = optarg;
            break;
        case 't':
            options->tls_listen = optarg;
            break;
        case 'c':
            options->certificates = optarg;
            break;
        case 'b':
            options->books = optarg;
            break;
        case 's':
            options->script = optarg;
            break;
        case 'a':
            if (fake_credentials_accept(fake->credentials, optarg) == NULL)
                return false;
            break;
        case 'B':
            options->bench = true;
            break;
        case 'r':
            options->refresh_token = optarg;
            break;
        case 'S':
            options->access_s = atoll(optarg);
            break;
        case 'U':
            options->access_uses = atoll(optarg);
            break;
        case 'I':
            options->require_identity = true;
            break;
        default:
            return false;
        }
    }
    if (options->tls_listen == NULL && options->listen == NULL)
        options->listen = "127.0.0.1:0";
    return optind == argc && (options->tls_listen == NULL) == (options->certificates == NULL);
}

static bool init_fake(struct fake *fake, const struct options *options)
{
    char problem[FAKE_SCRIPT_PROBLEM_MAX] = "";
    uint64_t nonce;
    if (getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce))
        return false;
    snprintf(fake->nonce, sizeof(fake->nonce), "%012llx", (unsigned long long)(nonce >> 16));
    fake->base = event_base_new();
    fake->cache = fake_cache_new();
    fake->scripts = fake_scripts_new(options->script, problem);
    fake->books = fake_books_new(options->books);
    fake->batches = fake_batches_new();
    fake->oauth = fake_oauth_new(options->access_s, options->access_uses);
    fake->files = json_object();
    fake->threads = json_object();
    fake->require_identity = options->require_identity;
    if (options->refresh_token != NULL && !fake_oauth_seed(fake->oauth, options->refresh_token))
        return false;
    if (options->bench)
        fake_bench_init(fake);
    if (fake->scripts == NULL)
        fprintf(stderr, "fake_claude: %s\n", problem);
    if (fake->books == NULL)
        perror(options->books);
    return fake->base != NULL && fake->cache != NULL && fake->scripts != NULL &&
           fake->books != NULL;
}

static void done_fake(struct fake *fake)
{
    fake_connections_close(fake);
    fake_credentials_free(fake->credentials);
    fake_scripts_free(fake->scripts);
    fake_books_free(fake->books);
    fake_cache_free(fake->cache);
    fake_batches_free(fake->batches);
    fake_oauth_free(fake->oauth);
    json_decref(fake->files);
    json_decref(fake->threads);
    free(fake->bench_answers[0]);
    free(fake->bench_answers[1]);
    if (fake->base != NULL)
        event_base_free(fake->base);
    free(fake);
}

// Serves until SIGTERM or SIGINT.
static int serve(struct fake *fake, const struct options *options)
{
    struct listener plain = {.fake = fake};
    struct listener tls = {.fake = fake};
    struct event *terminate = evsignal_new(fake->base, SIGTERM, on_signal, fake->base);
    struct event *interrupt = evsignal_new(fake->base, SIGINT, on_signal, fake->base);
    bool good = true;
    if (options->listen != NULL)
        good = start_listener(&plain, options->listen, "plain");
    if (good && options->tls_listen != NULL) {
        tls.tls = fake_tls_new(options->certificates);
        good = tls.tls != NULL && start_listener(&tls, options->tls_listen, "tls");
    }
    if (good) {
        fflush(stdout);
        event_add(terminate, NULL);
        event_add(interrupt, NULL);
        event_base_dispatch(fake->base);
    }
    if (plain.accepting != NULL)
        evconnlistener_free(plain.accepting);
    if (tls.accepting != NULL)
        evconnlistener_free(tls.accepting);
    SSL_CTX_free(tls.tls);
    event_free(terminate);
    event_free(interrupt);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct options options = {.access_s = 28800, .access_uses = -1};
    struct fake *fake = calloc(1, sizeof(*fake));
    signal(SIGPIPE, SIG_IGN);
    fake->credentials = fake_credentials_new();
    if (!read_options(fake, &options, argc, argv)) {
        fputs(usage, stderr);
        done_fake(fake);
        return 64;
    }
    int code = init_fake(fake, &options) ? serve(fake, &options) : 1;
    done_fake(fake);
    return code;
}
