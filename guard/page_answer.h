// Page answer: the HTTP answers of reeve's own paths, with the headers that keep others out.
#pragma once

#include <stddef.h>

struct agent;

struct page_answer {
    int status;
    const char *type;     // of the content
    const char *bytes;    // may be NULL when length is 0
    size_t length;        //
    const char *location; // NULL: none
    const char *cookie;   // a whole Set-Cookie value, NULL: none
    const char *allow;    // methods, beside a 405; NULL: none
};

// Answers and ends the request.
void page_answer_send(struct agent *agent, const struct page_answer *answer);

// The same with a sentence for a person.
void page_answer_text(struct agent *agent, int status, const char *text);

// Begins an answer of server-sent events, which lasts until the connection is closed, with `text`.
void page_answer_stream(struct agent *agent, const char *text);
