// Page answer: the HTTP answers of reeve's own paths, with the headers that keep others out.

#include "page_answer.h"

#include "agent.h"
#include "http_write.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define HEAD_MAX 2048

// Only what this listener serves is loaded, run or shown, and nobody frames, embeds or reads it.
static void write_guards(struct http_writer *writer)
{
    static const char policy[] =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    http_write_text(writer, "Cache-Control", "no-store");
    http_write_text(writer, "Content-Security-Policy", policy);
    http_write_text(writer, "Cross-Origin-Opener-Policy", "same-origin");
    http_write_text(writer, "Cross-Origin-Resource-Policy", "same-origin");
    http_write_text(writer, "Referrer-Policy", "no-referrer");
    http_write_text(writer, "X-Content-Type-Options", "nosniff");
}

void page_answer_send(struct agent *agent, const struct page_answer *answer)
{
    char head[HEAD_MAX];
    struct http_writer writer;
    http_writer_init(&writer, head, sizeof(head));
    http_write_status_line(&writer, answer->status, NULL);
    if (answer->type != NULL)
        http_write_text(&writer, "Content-Type", answer->type);
    http_write_number(&writer, "Content-Length", (int64_t)answer->length);
    if (answer->location != NULL)
        http_write_text(&writer, "Location", answer->location);
    if (answer->cookie != NULL)
        http_write_text(&writer, "Set-Cookie", answer->cookie);
    if (answer->allow != NULL)
        http_write_text(&writer, "Allow", answer->allow);
    write_guards(&writer);
    if (!agent_keeps_alive(agent))
        http_write_text(&writer, "Connection", "close");
    int result = http_write_end(&writer, NULL);
    assert(result == 0);
    struct iovec parts[] = {{head, writer.length},
                            {(void *)(uintptr_t)answer->bytes, answer->length}};
    agent_write(agent, parts, agent_asked_head(agent) || answer->length == 0 ? 1 : 2);
    explicit_bzero(head, writer.length); // a cookie may be in it
    agent_answered(agent, true);
}

void page_answer_text(struct agent *agent, int status, const char *text)
{
    page_answer_send(agent, &(struct page_answer){.status = status,
                                                  .type = "text/plain; charset=utf-8",
                                                  .bytes = text,
                                                  .length = strlen(text)});
}

void page_answer_stream(struct agent *agent, const char *text)
{
    char head[HEAD_MAX];
    struct http_writer writer;
    http_writer_init(&writer, head, sizeof(head));
    http_write_status_line(&writer, 200, NULL);
    http_write_text(&writer, "Content-Type", "text/event-stream");
    write_guards(&writer);
    http_write_text(&writer, "Connection", "close");
    int result = http_write_end(&writer, NULL);
    assert(result == 0);
    struct iovec parts[] = {{head, writer.length}, {(void *)(uintptr_t)text, strlen(text)}};
    agent_write(agent, parts, 2);
}
