// Answer edit: what an agent is not to see of a small JSON answer as the upstream gives it. Pure.

#include "answer_edit.h"

#include "json_walk.h"

#include <stdio.h>
#include <stdlib.h>

struct slice answer_object_id(struct slice body)
{
    return json_string_text(json_member(body, "id"));
}

bool answer_batch_has_ended(struct slice body)
{
    return slice_is(json_string_text(json_member(body, "processing_status")), "ended");
}

static void write_slice(FILE *out, struct slice slice)
{
    fwrite(slice.bytes, 1, slice.length, out);
}

// Writes the object, with its results at the reader's origin.
static void write_object(const struct answer_reader *reader, enum route_object kind,
                         struct slice object, FILE *out)
{
    struct slice id = answer_object_id(object);
    struct slice url = json_member(object, "results_url");
    if (kind != ROUTE_OBJECT_BATCH || id.bytes == NULL || json_string_text(url).bytes == NULL) {
        write_slice(out, object);
        return;
    }
    const char *behind = url.bytes + url.length;
    write_slice(out, (struct slice){object.bytes, (size_t)(url.bytes - object.bytes)});
    fprintf(out, "\"%s/v1/messages/batches/%.*s/results\"", reader->origin, (int)id.length,
            id.bytes);
    write_slice(out, (struct slice){behind, (size_t)(object.bytes + object.length - behind)});
}

static bool reader_sees(const struct answer_reader *reader, struct slice object)
{
    if (reader->ownership == NULL)
        return true;
    switch (ownership_find(reader->ownership, answer_object_id(object), reader->job)) {
    case OWNERSHIP_OWN:
        return true;
    case OWNERSHIP_UNKNOWN:
        return reader->sees_unknown;
    case OWNERSHIP_OTHERS:
        break;
    }
    return false;
}

// Writes the elements that the reader sees. The walker has just entered the array.
static bool write_elements(const struct answer_reader *reader, enum route_object kind,
                           struct json_walker *walker, FILE *out)
{
    bool is_first = true;
    for (;;) {
        enum json_token token = json_walker_next(walker);
        if (token == JSON_TOKEN_ARRAY_END)
            return true;
        if (token != JSON_TOKEN_OBJECT)
            return false;
        const char *start = walker->text.bytes;
        if (json_walker_skip(walker, token) != JSON_TOKEN_OBJECT_END)
            return false;
        struct slice object = {start, (size_t)(walker->bytes + walker->at - start)};
        if (!reader_sees(reader, object))
            continue;
        if (!is_first)
            fputc(',', out);
        is_first = false;
        write_object(reader, kind, object, out);
    }
}

// Writes the list, whose elements are in its member `data`, all else as it is.
static bool write_list(const struct answer_reader *reader, enum route_object kind,
                       struct slice body, FILE *out)
{
    struct json_walker walker;
    size_t written = 0;
    bool found = false;
    json_walker_init(&walker, body.bytes, body.length);
    if (json_walker_next(&walker) != JSON_TOKEN_OBJECT)
        return false;
    while (json_walker_next(&walker) == JSON_TOKEN_NAME) {
        bool is_data = json_text_is(walker.text, "data");
        enum json_token token = json_walker_next(&walker);
        if (!is_data) {
            json_walker_skip(&walker, token);
            continue;
        }
        if (token != JSON_TOKEN_ARRAY || found)
            return false;
        found = true;
        write_slice(out, (struct slice){body.bytes, walker.at});
        if (!write_elements(reader, kind, &walker, out))
            return false;
        written = walker.at - 1; // the bracket
    }
    write_slice(out, (struct slice){body.bytes + written, body.length - written});
    return found && json_walker_next(&walker) == JSON_TOKEN_END;
}

bool answer_edit(const struct answer_reader *reader, struct route route, struct slice body,
                 char **edited, size_t *length)
{
    struct json_walker walker;
    char *text = NULL;
    bool is_good = true;
    FILE *out = open_memstream(&text, length);
    if (out == NULL)
        return false;
    json_walker_init(&walker, body.bytes, body.length);
    if (json_walker_skip(&walker, json_walker_next(&walker)) != JSON_TOKEN_OBJECT_END ||
        json_walker_next(&walker) != JSON_TOKEN_END)
        is_good = false;
    else if (route.answer == ROUTE_ANSWER_LIST)
        is_good = write_list(reader, route.object, body, out);
    else
        write_object(reader, route.object, body, out);
    if (fclose(out) != 0 || !is_good) {
        free(text);
        return false;
    }
    *edited = text;
    return true;
}
