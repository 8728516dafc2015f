// Load generator of the benchmark: keeps a number of HTTP/1.1 connections busy, one request after
// the other on each, reads every response to its end, and prints what it saw as one line of JSON.
//
//     load --url http://127.0.0.1:8377/v1/messages --connections 16 --requests 20000 --body FILE
//
// With --fresh, each request has a connection of its own.
//
// With --hold, each connection asks once, for a stream that stays open; once the first byte of
// every response has come, "holding" is printed and all is kept as it is until standard input ends.
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "clock.h"

#define CONNECTIONS_MAX 4096
#define REQUESTS_MAX 100000000
#define HEAD_BYTES_MAX 16384
#define LINE_BYTES_MAX 128
#define BODY_BYTES_MAX (64 << 20)
#define READ_BYTES 65536
#define EVENTS_PER_WAIT 256
#define SILENCE_MS_MAX 60000

enum client_state {
    CLIENT_HEAD,       // reading the head of a response
    CLIENT_LENGTH,     // reading `body_left` bytes of a body with a Content-Length
    CLIENT_CHUNK_SIZE, // reading the line before a chunk
    CLIENT_CHUNK,      // reading `body_left` bytes of a chunk and its line end
    CLIENT_TRAILER,    // reading lines after the last chunk, up to an empty one
    CLIENT_FINISHED,   // a response has ended
    CLIENT_BROKEN,     // what came was not HTTP, or ended too early
};

struct client {
    enum client_state state;
    int fd;
    int64_t started_us;
    int64_t first_byte_us; // 0 until it came
    int64_t body_left;
    size_t kept; // bytes in `text`
    char text[HEAD_BYTES_MAX + 1];
};

struct load {
    struct sockaddr_in address;
    const char *path;
    long connections;
    long requests;
    bool hold, fresh;
    char headers[4096];
    char *request;
    size_t request_length;

    int epoll;
    struct client *clients;
    long asked, answered, failed, streaming;
    int64_t bytes;
    uint32_t *first_byte_us, *total_us; // of each request that was answered
};

__attribute__((noreturn)) static void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, errno != 0 ? strerror(errno) : "not accepted");
    exit(EXIT_FAILURE);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        fail("allocating");
    return memory;
}

static void client_connect(struct load *load, struct client *client)
{
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 ||
        connect(client->fd, (struct sockaddr *)&load->address, sizeof(load->address)) < 0)
        fail("connecting");
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = client}};
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, client->fd, &event) < 0)
        fail("epoll_ctl");
}

// Sends the next request, if one is left, in blocking writes: the peer reads without our help.
static void client_ask(struct load *load, struct client *client)
{
    if (load->asked == load->requests)
        return;
    load->asked++;
    client->state = CLIENT_HEAD;
    client->kept = 0;
    client->first_byte_us = 0;
    client->started_us = clock_monotonic_us();
    for (size_t sent = 0; sent < load->request_length;) {
        ssize_t length =
            send(client->fd, load->request + sent, load->request_length - sent, MSG_NOSIGNAL);
        if (length < 0 && errno != EINTR)
            return; // the read that follows fails as well, and is counted
        sent += length > 0 ? (size_t)length : 0;
    }
}

// A header of the head in `text`, as a string that starts after the colon; NULL if there is none.
static const char *find_header(const char *text, const char *name)
{
    for (const char *line = strstr(text, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, strlen(name)) == 0 && line[2 + strlen(name)] == ':')
            return line + 2 + strlen(name) + 1;
    return NULL;
}

// Keeps bytes up to and with `end`, of at most `limit`. Returns how many it took; *complete tells
// whether `end` has come, and then `text` is terminated.
static size_t client_keep(struct client *client, const char *bytes, size_t length, const char *end,
                          size_t limit, bool *complete)
{
    size_t end_length = strlen(end);
    *complete = false;
    for (size_t i = 0; i < length; i++) {
        if (client->kept == limit) {
            client->state = CLIENT_BROKEN;
            return i;
        }
        client->text[client->kept++] = bytes[i];
        if (client->kept >= end_length &&
            memcmp(client->text + client->kept - end_length, end, end_length) == 0) {
            client->text[client->kept] = '\0';
            *complete = true;
            return i + 1;
        }
    }
    return length;
}

static size_t client_read_head(struct client *client, const char *bytes, size_t length)
{
    bool complete;
    size_t taken = client_keep(client, bytes, length, "\r\n\r\n", HEAD_BYTES_MAX, &complete);
    if (!complete)
        return taken;
    const char *content_length = find_header(client->text, "content-length");
    bool good = strncmp(client->text, "HTTP/1.1 2", strlen("HTTP/1.1 2")) == 0;
    client->kept = 0;
    client->body_left = content_length != NULL ? strtoll(content_length, NULL, 10) : 0;
    if (!good)
        client->state = CLIENT_BROKEN;
    else if (find_header(client->text, "transfer-encoding") != NULL)
        client->state = CLIENT_CHUNK_SIZE;
    else
        client->state = client->body_left > 0 ? CLIENT_LENGTH : CLIENT_FINISHED;
    return taken;
}

// A chunk size or a trailer.
static size_t client_read_line(struct client *client, const char *bytes, size_t length)
{
    bool complete;
    size_t taken = client_keep(client, bytes, length, "\r\n", LINE_BYTES_MAX, &complete);
    if (!complete)
        return taken;
    bool is_empty = client->kept == strlen("\r\n");
    client->kept = 0;
    if (client->state == CLIENT_TRAILER) {
        if (is_empty)
            client->state = CLIENT_FINISHED;
        return taken;
    }
    long long size = strtoll(client->text, NULL, 16);
    client->state = size > 0 ? CLIENT_CHUNK : CLIENT_TRAILER;
    client->body_left = size + (long long)strlen("\r\n");
    return taken;
}

// Takes bytes of one response. Returns how many, which is fewer than `length` only at its end.
static size_t client_take(struct client *client, const char *bytes, size_t length)
{
    size_t taken = 0;
    while (taken < length && client->state < CLIENT_FINISHED) {
        size_t left = length - taken;
        switch (client->state) {
        case CLIENT_HEAD:
            taken += client_read_head(client, bytes + taken, left);
            break;
        case CLIENT_CHUNK_SIZE:
        case CLIENT_TRAILER:
            taken += client_read_line(client, bytes + taken, left);
            break;
        default:
            if ((int64_t)left > client->body_left)
                left = (size_t)client->body_left;
            client->body_left -= (int64_t)left;
            taken += left;
            if (client->body_left == 0)
                client->state = client->state == CLIENT_CHUNK ? CLIENT_CHUNK_SIZE : CLIENT_FINISHED;
            break;
        }
    }
    return taken;
}

static void client_on_readable(struct load *load, struct client *client)
{
    static char bytes[READ_BYTES];
    ssize_t length = read(client->fd, bytes, sizeof(bytes));
    if (length < 0 && errno == EINTR)
        return;
    int64_t now_us = clock_monotonic_us();
    if (length > 0 && client->first_byte_us == 0) {
        client->first_byte_us = now_us;
        load->streaming++;
    }
    if (length <= 0 || client_take(client, bytes, (size_t)length) < (size_t)length)
        client->state = CLIENT_BROKEN;
    load->bytes += length > 0 ? length : 0;
    if (client->state < CLIENT_FINISHED)
        return;
    if (client->state == CLIENT_FINISHED) {
        load->first_byte_us[load->answered] =
            (uint32_t)(client->first_byte_us - client->started_us);
        load->total_us[load->answered++] = (uint32_t)(now_us - client->started_us);
    } else {
        load->failed++;
    }
    if (client->state == CLIENT_BROKEN || (load->fresh && load->asked < load->requests)) {
        close(client->fd); // also leaves the epoll set
        client_connect(load, client);
    }
    client_ask(load, client);
}

static int compare_us(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static uint32_t percentile(const uint32_t *sorted_us, long count, long percent)
{
    return count == 0 ? 0 : sorted_us[(count - 1) * percent / 100];
}

static void print_result(struct load *load, int64_t duration_us)
{
    qsort(load->first_byte_us, (size_t)load->answered, sizeof(uint32_t), compare_us);
    qsort(load->total_us, (size_t)load->answered, sizeof(uint32_t), compare_us);
    printf("{\"answered\": %ld, \"failed\": %ld, \"bytes\": %lld, \"duration_us\": %lld, "
           "\"first_byte_us\": {\"p50\": %u, \"p99\": %u}, \"total_us\": {\"p50\": %u, \"p99\": "
           "%u}}\n",
           load->answered, load->failed, (long long)load->bytes, (long long)duration_us,
           percentile(load->first_byte_us, load->answered, 50),
           percentile(load->first_byte_us, load->answered, 99),
           percentile(load->total_us, load->answered, 50),
           percentile(load->total_us, load->answered, 99));
}

static void load_run(struct load *load)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    int64_t started_us = clock_monotonic_us();
    for (long i = 0; i < load->connections; i++)
        client_ask(load, &load->clients[i]);
    while (load->answered + load->failed < load->requests) {
        int count = epoll_wait(load->epoll, events, EVENTS_PER_WAIT, SILENCE_MS_MAX);
        if (count <= 0 && errno != EINTR)
            fail("waiting for responses");
        for (int i = 0; i < count; i++)
            client_on_readable(load, events[i].data.ptr);
        if (load->hold && load->streaming == load->connections) {
            printf("holding\n");
            fflush(stdout);
            while (getchar() != EOF)
                ;
            return;
        }
    }
    print_result(load, clock_monotonic_us() - started_us);
}

static void load_prepare_request(struct load *load, const char *body_path)
{
    cleanup_free char *body = allocate(1, BODY_BYTES_MAX);
    cleanup_file FILE *file = fopen(body_path, "re");
    if (file == NULL)
        fail(body_path);
    size_t body_length = fread(body, 1, BODY_BYTES_MAX, file);
    cleanup_file FILE *request = open_memstream(&load->request, &load->request_length);
    if (request == NULL)
        fail("allocating");
    fprintf(request,
            "POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            "anthropic-version: 2023-06-01\r\ncontent-length: %zu\r\n%s\r\n",
            load->path, body_length, load->headers);
    fwrite(body, 1, body_length, request);
    fflush(request);
}

static void load_set_url(struct load *load, const char *url)
{
    char host[64];
    unsigned port;
    int path_at = 0;
    if (sscanf(url, "http://%63[0-9.]:%u%n", host, &port, &path_at) != 2 || port > UINT16_MAX ||
        url[path_at] != '/')
        fail("--url (http://ADDRESS:PORT/PATH)");
    load->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &load->address.sin_addr) != 1)
        fail("--url (http://ADDRESS:PORT/PATH)");
    load->path = url + path_at;
}

static void load_add_header(struct load *load, const char *header)
{
    size_t used = strlen(load->headers);
    size_t room = sizeof(load->headers) - used;
    int length = snprintf(load->headers + used, room, "%s\r\n", header);
    if (length < 0 || (size_t)length >= room)
        fail("--header");
}

static long parse_count(const char *text, long max)
{
    char *end;
    long count = strtol(text, &end, 10);
    if (end == text || *end != '\0' || count < 1 || count > max)
        fail(text);
    return count;
}

static void load_set_options(struct load *load, int argc, char **argv)
{
    static const struct option options[] = {
        {"url", required_argument, NULL, 'u'},      {"connections", required_argument, NULL, 'c'},
        {"requests", required_argument, NULL, 'n'}, {"header", required_argument, NULL, 'h'},
        {"body", required_argument, NULL, 'b'},     {"hold", no_argument, NULL, 'o'},
        {"fresh", no_argument, NULL, 'f'},          {NULL, 0, NULL, 0},
    };
    const char *body_path = "/dev/null";
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'u')
            load_set_url(load, optarg);
        else if (option == 'c')
            load->connections = parse_count(optarg, CONNECTIONS_MAX);
        else if (option == 'n')
            load->requests = parse_count(optarg, REQUESTS_MAX);
        else if (option == 'h')
            load_add_header(load, optarg);
        else if (option == 'b')
            body_path = optarg;
        else if (option == 'o')
            load->hold = true;
        else if (option == 'f')
            load->fresh = true;
        else
            exit(EXIT_FAILURE);
    }
    if (load->path == NULL)
        fail("a command line without --url");
    if (load->hold || load->requests < load->connections)
        load->requests = load->connections;
    load_prepare_request(load, body_path);
}

int main(int argc, char **argv)
{
    struct load load = {.connections = 1, .requests = 1};
    load_set_options(&load, argc, argv);
    cleanup_fd int epoll = epoll_create1(EPOLL_CLOEXEC);
    cleanup_free struct client *clients = allocate((size_t)load.connections, sizeof(*clients));
    cleanup_free uint32_t *first_byte_us = allocate((size_t)load.requests, sizeof(uint32_t));
    cleanup_free uint32_t *total_us = allocate((size_t)load.requests, sizeof(uint32_t));
    load.epoll = epoll;
    load.clients = clients;
    load.first_byte_us = first_byte_us;
    load.total_us = total_us;
    for (long i = 0; i < load.connections; i++)
        client_connect(&load, &clients[i]);
    load_run(&load);
    free(load.request);
    return load.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
