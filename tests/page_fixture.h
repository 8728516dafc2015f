// A server of reeve's own paths, for tests: requests over socket pairs, answers as text.
#pragma once

#include "agents.h"
#include "http_message.h"
#include "proxy.h"

#include <check.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAGE_FIXTURE_HOST "Host: 127.0.0.1:8377\r\n"

struct page_fixture {
    struct event_base *base;
    struct proxy proxy;
    struct agents *agents;
    char answer[1 << 20]; // of the last page_ask()
};

static void page_fixture_closed(void *context)
{
    (void)context;
}

static void page_fixture_open(struct page_fixture *fixture,
                              void (*serve_local)(struct agent *agent, const struct http_head *head,
                                                  void *context))
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->base = event_base_new();
    fixture->proxy = (struct proxy){.base = fixture->base, .serve_local = serve_local};
    TAILQ_INIT(&fixture->proxy.exchanges);
    TAILQ_INIT(&fixture->proxy.waiting);
    ck_assert_int_eq(agents_new(&fixture->agents, fixture->base, &fixture->proxy,
                                page_fixture_closed, NULL, NULL),
                     0);
}

static void page_fixture_close(struct page_fixture *fixture)
{
    agents_free(fixture->agents);
    event_base_free(fixture->base);
}

// Opens a connection and sends a request; the test's end, which does not block.
static inline int page_send(struct page_fixture *fixture, const char *request)
{
    int fds[2], small = 4096;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    agents_accept(fixture->agents, fds[0]);
    ck_assert_int_eq(send(fds[1], request, strlen(request), 0), (ssize_t)strlen(request));
    event_base_loop(fixture->base, EVLOOP_NONBLOCK);
    return fds[1];
}

// What has come, added to `text`, which is terminated. Returns how much, -1 once closed.
static inline ssize_t page_receive(int fd, char *text, size_t size)
{
    size_t used = strlen(text);
    ssize_t got = recv(fd, text + used, size - used - 1, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        return -1;
    text[used + (size_t)(got > 0 ? got : 0)] = '\0';
    return got > 0 ? got : 0;
}

// Asks on a connection of its own and returns the answer, head and body.
static inline const char *page_ask(struct page_fixture *fixture, const char *method,
                                   const char *path, const char *headers)
{
    char request[2048];
    snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\n%sConnection: close\r\n\r\n", method,
             path, headers);
    int fd = page_send(fixture, request);
    fixture->answer[0] = '\0';
    while (page_receive(fd, fixture->answer, sizeof(fixture->answer)) >= 0)
        event_base_loop(fixture->base, EVLOOP_NONBLOCK);
    close(fd);
    event_base_loop(fixture->base, EVLOOP_NONBLOCK);
    return fixture->answer;
}

static inline int page_status(const char *answer)
{
    int status = 0;
    ck_assert_msg(sscanf(answer, "HTTP/1.1 %d", &status) == 1, "%s", answer);
    return status;
}
