// Kept answer: the response to an attempt that failed, held back while another one is tried.

#include "kept_answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kept_answer {
    struct http_head head; // its slices point into `texts`, or `retry_after`
    char retry_after[24];
    char *texts; // owned
    char *body;  // owned
    size_t length, capacity;
};

// Copies what a slice shows to `*place`, and has it show the copy.
static void slice_move(struct slice *slice, char **place)
{
    if (slice->length > 0)
        memcpy(*place, slice->bytes, slice->length);
    slice->bytes = *place;
    *place += slice->length;
}

struct kept_answer *kept_answer_new(const struct http_head *head)
{
    struct kept_answer *kept = calloc(1, sizeof(*kept));
    size_t length = head->reason.length + 1;
    for (size_t i = 0; i < head->header_count; i++)
        length += head->headers[i].name.length + head->headers[i].value.length;
    char *place = malloc(length);
    if (kept == NULL || place == NULL) {
        free(kept);
        free(place);
        return NULL;
    }
    kept->texts = place;
    memcpy(&kept->head, head,
           offsetof(struct http_head, headers) + head->header_count * sizeof(head->headers[0]));
    slice_move(&kept->head.reason, &place);
    for (size_t i = 0; i < head->header_count; i++) {
        slice_move(&kept->head.headers[i].name, &place);
        slice_move(&kept->head.headers[i].value, &place);
    }
    return kept;
}

void kept_answer_free(struct kept_answer *kept)
{
    if (kept == NULL)
        return;
    free(kept->texts);
    free(kept->body);
    free(kept);
}

bool kept_answer_append(struct kept_answer *kept, const char *bytes, size_t length)
{
    if (kept->length + length > KEPT_ANSWER_BYTES_MAX)
        return false;
    if (kept->length + length > kept->capacity) {
        size_t capacity = 2 * (kept->length + length);
        char *grown = realloc(kept->body, capacity);
        if (grown == NULL)
            return false;
        kept->body = grown;
        kept->capacity = capacity;
    }
    memcpy(kept->body + kept->length, bytes, length);
    kept->length += length;
    return true;
}

struct slice kept_answer_body(const struct kept_answer *kept)
{
    return (struct slice){kept->body != NULL ? kept->body : "", kept->length};
}

const struct http_head *kept_answer_head(struct kept_answer *kept, int64_t retry_after_s)
{
    static const char name[] = "retry-after", name_ms[] = "retry-after-ms";
    struct http_head *head = &kept->head;
    size_t count = 0;
    if (retry_after_s == 0)
        return head;
    for (size_t i = 0; i < head->header_count; i++)
        if (!slice_is_any_case(head->headers[i].name, name) &&
            !slice_is_any_case(head->headers[i].name, name_ms))
            head->headers[count++] = head->headers[i];
    if (count < HTTP_HEADERS_MAX) {
        snprintf(kept->retry_after, sizeof(kept->retry_after), "%" PRId64, retry_after_s);
        head->headers[count++] = (struct http_header){slice_of(name), slice_of(kept->retry_after),
                                                      HTTP_FIELD_RETRY_AFTER};
    }
    head->header_count = count;
    return head;
}
