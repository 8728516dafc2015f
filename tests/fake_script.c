// Scripts: what a test asks of one answer.

#include "fake_script.h"

#include "cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARKER "[[fake "
#define DEFAULT_PATH "/v1/messages"

struct fake_scripts {
    json_t *queue;    // array
    json_t *attempts; // text of a script with `attempts` -> how often it was met
};

enum word_type { INTEGER, STRING, FLAG, OBJECT, ARRAY, ANY };

static const struct {
    const char *name;
    enum word_type type;
} words[] = {
    {"id", ANY},
    {"path", STRING},
    {"turns", ARRAY},
    {"attempts", ARRAY},
    // how the request has to come
    {"body_sha256", STRING},
    {"expect_headers", OBJECT},
    {"early", FLAG},
    // errors
    {"status", INTEGER},
    {"error", STRING},
    {"message", STRING},
    {"error_code", STRING},
    {"headers", OBJECT},
    {"body", STRING},
    {"content_type", STRING},
    {"count_tokens_status", INTEGER},
    // the message
    {"model", STRING},
    {"text", STRING},
    {"thinking", STRING},
    {"tool_use", ANY},
    {"content", ARRAY},
    {"fallback", ANY},
    {"stop_reason", STRING},
    {"stop_category", STRING},
    {"usage", OBJECT},
    {"start_usage", OBJECT},
    {"web_search_requests", INTEGER},
    {"web_fetch_requests", INTEGER},
    {"iterations", ARRAY},
    // its events
    {"events", INTEGER},
    {"message_deltas", INTEGER},
    {"null_usage", FLAG},
    {"extra_events", ARRAY},
    {"ping_every", INTEGER},
    {"stream_error", STRING},
    {"error_after_events", INTEGER},
    {"bill", STRING},
    // the wire
    {"delay_ms", INTEGER},
    {"events_delay_ms", INTEGER},
    {"gzip", FLAG},
    {"chunk_bytes", INTEGER},
    {"write_bytes", INTEGER},
    {"crlf", FLAG},
    {"cut_after_bytes", INTEGER},
    {"cut", STRING},
    {"framing", STRING},
    {"interim", ARRAY},
    {"close", FLAG},
    {"hang", FLAG},
    // the token endpoint and batches
    {"drop", FLAG},
    {"lost", FLAG},
    {"expires_in", INTEGER},
    {"omit_expires_in", FLAG},
    {"omit_refresh_token", FLAG},
    {"batch_result", STRING},
    {"batch_ms", INTEGER},
};

static bool word_fits(enum word_type type, const json_t *value)
{
    switch (type) {
    case INTEGER:
        return json_is_integer(value);
    case STRING:
        return json_is_string(value);
    case FLAG:
        return json_is_boolean(value);
    case OBJECT:
        return json_is_object(value);
    case ARRAY:
        return json_is_array(value);
    case ANY:
        break;
    }
    return true;
}

// A misspelt word would silently test nothing, so it is an error.
static int check_script(const json_t *script, char *problem)
{
    const char *name;
    json_t *value;
    if (!json_is_object(script)) {
        snprintf(problem, FAKE_SCRIPT_PROBLEM_MAX, "a script is a JSON object");
        return -1;
    }
    json_object_foreach((json_t *)script, name, value)
    {
        bool known = false;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && !known; i++)
            known = strcmp(words[i].name, name) == 0 && word_fits(words[i].type, value);
        if (!known) {
            snprintf(problem, FAKE_SCRIPT_PROBLEM_MAX, "unknown or of the wrong type: %s", name);
            return -1;
        }
    }
    return 0;
}

struct fake_scripts *fake_scripts_new(const char *path,
                                      char problem[static FAKE_SCRIPT_PROBLEM_MAX])
{
    struct fake_scripts *scripts = calloc(1, sizeof(*scripts));
    if (scripts == NULL)
        return NULL;
    scripts->queue = json_array();
    scripts->attempts = json_object();
    if (path == NULL)
        return scripts;
    cleanup_file FILE *file = fopen(path, "re");
    cleanup_free char *text = NULL;
    size_t size = 0;
    ssize_t length = file != NULL ? getdelim(&text, &size, '\0', file) : -1;
    if (length >= 0 && fake_scripts_queue(scripts, text, (size_t)length, problem) >= 0)
        return scripts;
    if (length < 0)
        snprintf(problem, FAKE_SCRIPT_PROBLEM_MAX, "%s: %s", path, strerror(errno));
    fake_scripts_free(scripts);
    return NULL;
}

void fake_scripts_free(struct fake_scripts *scripts)
{
    if (scripts == NULL)
        return;
    json_decref(scripts->queue);
    json_decref(scripts->attempts);
    free(scripts);
}

int fake_scripts_queue(struct fake_scripts *scripts, const char *text, size_t length,
                       char problem[static FAKE_SCRIPT_PROBLEM_MAX])
{
    int added = 0;
    for (const char *line = text; line < text + length;) {
        const char *end = memchr(line, '\n', (size_t)(text + length - line));
        size_t line_length = (size_t)((end != NULL ? end : text + length) - line);
        if (line_length > 0) {
            json_error_t broken;
            json_t *script = json_loadb(line, line_length, JSON_REJECT_DUPLICATES, &broken);
            if (script == NULL)
                snprintf(problem, FAKE_SCRIPT_PROBLEM_MAX, "%s", broken.text);
            if (script == NULL || check_script(script, problem) != 0 ||
                json_array_size(scripts->queue) >= FAKE_SCRIPT_QUEUE_MAX) {
                json_decref(script);
                return -1;
            }
            json_array_append_new(scripts->queue, script);
            added++;
        }
        line += line_length + 1;
    }
    return added;
}

void fake_scripts_reset(struct fake_scripts *scripts)
{
    json_array_clear(scripts->queue);
    json_object_clear(scripts->attempts);
}

static int parse_script(const char *text, const char *end_mark, json_t **script, char *problem)
{
    json_error_t broken;
    size_t flags = JSON_REJECT_DUPLICATES | (*end_mark != '\0' ? JSON_DISABLE_EOF_CHECK : 0);
    json_t *parsed = json_loads(text, flags, &broken);
    if (parsed == NULL) {
        snprintf(problem, FAKE_SCRIPT_PROBLEM_MAX, "%s", broken.text);
        return -1;
    }
    const char *end = text + broken.position;
    if (*end_mark != '\0' && strncmp(end, end_mark, strlen(end_mark)) != 0) {
        snprintf(problem, FAKE_SCRIPT_PROBLEM_MAX, "the marker does not end in ]]");
        json_decref(parsed);
        return -1;
    }
    if (check_script(parsed, problem) != 0) {
        json_decref(parsed);
        return -1;
    }
    *script = parsed;
    return 0;
}

// The member `index` of the array `name`, or its last; an empty object past the end of a script
// without it, so that a scripted answer is given once and the conversation then ends normally.
static json_t *choose(json_t *script, const char *name, size_t index)
{
    json_t *list = json_object_get(script, name);
    size_t count = json_array_size(list);
    if (count == 0)
        return index == 0 ? json_incref(script) : json_object();
    return json_incref(json_array_get(list, index < count ? index : count - 1));
}

// Picks the script of this turn and of this attempt out of `script`, which it takes.
static int resolve(struct fake_scripts *scripts, json_t *script, size_t turn, json_t **chosen,
                   char *problem)
{
    json_t *of_turn = choose(script, "turns", turn);
    json_decref(script);
    if (json_object_get(of_turn, "attempts") == NULL) {
        *chosen = of_turn;
        return check_script(of_turn, problem);
    }
    cleanup_free char *text = json_dumps(of_turn, JSON_COMPACT | JSON_SORT_KEYS);
    json_int_t seen = json_integer_value(json_object_get(scripts->attempts, text));
    json_object_set_new(scripts->attempts, text, json_integer(seen + 1));
    *chosen = choose(of_turn, "attempts", (size_t)seen);
    json_decref(of_turn);
    return check_script(*chosen, problem);
}

// The text after the last marker in a message's content (a string, or an array of blocks), or NULL.
static const char *find_marker(const json_t *content)
{
    if (json_is_string(content)) {
        const char *found = strstr(json_string_value(content), MARKER);
        return found != NULL ? found + strlen(MARKER) : NULL;
    }
    for (size_t i = json_array_size(content); i-- > 0;) {
        const json_t *text = json_object_get(json_array_get(content, i), "text");
        const char *found = json_is_string(text) ? find_marker(text) : NULL;
        if (found != NULL)
            return found;
    }
    return NULL;
}

static bool has_role(const json_t *message, const char *role)
{
    const char *value = json_string_value(json_object_get(message, "role"));
    return value != NULL && strcmp(value, role) == 0;
}

int fake_scripts_find_marker(struct fake_scripts *scripts, const json_t *body, json_t **script,
                             char problem[static FAKE_SCRIPT_PROBLEM_MAX])
{
    const json_t *messages = json_object_get(body, "messages");
    size_t turn = 0;
    *script = NULL;
    for (size_t i = json_array_size(messages); i-- > 0;) {
        const json_t *message = json_array_get(messages, i);
        turn += has_role(message, "assistant");
        if (!has_role(message, "user"))
            continue;
        const char *text = find_marker(json_object_get(message, "content"));
        if (text == NULL)
            continue;
        json_t *parsed;
        if (parse_script(text, "]]", &parsed, problem) != 0)
            return -1;
        return resolve(scripts, parsed, turn, script, problem);
    }
    return 0;
}

// Takes the queue's first script for this path.
static json_t *take_queued(struct fake_scripts *scripts, const char *target)
{
    size_t length = strcspn(target, "?");
    size_t i;
    json_t *script;
    json_array_foreach(scripts->queue, i, script)
    {
        const char *path = fake_script_string(script, "path", DEFAULT_PATH);
        if (strlen(path) != length || strncmp(path, target, length) != 0)
            continue;
        json_incref(script);
        json_array_remove(scripts->queue, i);
        return script;
    }
    return NULL;
}

int fake_scripts_find(struct fake_scripts *scripts, const struct fake_head *head,
                      const json_t *body, json_t **script,
                      char problem[static FAKE_SCRIPT_PROBLEM_MAX])
{
    const char *header = fake_head_find(head, "x-fake-script");
    *script = NULL;
    if (header != NULL) {
        json_t *parsed;
        if (parse_script(header, "", &parsed, problem) != 0)
            return -1;
        return resolve(scripts, parsed, 0, script, problem);
    }
    if (fake_scripts_find_marker(scripts, body, script, problem) != 0)
        return -1;
    if (*script == NULL)
        *script = take_queued(scripts, head->target);
    return 0;
}

int64_t fake_script_integer(const json_t *script, const char *name, int64_t otherwise)
{
    const json_t *value = json_object_get(script, name);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

const char *fake_script_string(const json_t *script, const char *name, const char *otherwise)
{
    const json_t *value = json_object_get(script, name);
    return json_is_string(value) ? json_string_value(value) : otherwise;
}

bool fake_script_flag(const json_t *script, const char *name)
{
    return json_is_true(json_object_get(script, name));
}
