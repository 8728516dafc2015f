// Cgroup helper messages: what the root helper is asked for, as one datagram of text.

#include "cgroup_helper_message.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const verbs[] = {"scope", "kill"};

static const struct {
    const char *name;
    size_t offset;
} limits[] = {
    {"MemoryMax", offsetof(struct cgroup_helper_request, memory_max_bytes)},
    {"MemorySwapMax", offsetof(struct cgroup_helper_request, memory_swap_max_bytes)},
    {"TasksMax", offsetof(struct cgroup_helper_request, tasks_max)},
};
#define LIMIT_COUNT (sizeof(limits) / sizeof(limits[0]))

static int64_t *limit_of(const struct cgroup_helper_request *request, size_t index)
{
    return (int64_t *)(void *)((char *)(void *)request + limits[index].offset);
}

size_t cgroup_helper_request_write(const struct cgroup_helper_request *request,
                                   char text[static CGROUP_HELPER_MESSAGE_MAX])
{
    int used =
        snprintf(text, CGROUP_HELPER_MESSAGE_MAX, "%s %s", verbs[request->verb], request->run_id);
    for (size_t i = 0; request->verb == CGROUP_HELPER_SCOPE && i < LIMIT_COUNT; i++)
        if (*limit_of(request, i) != LIMIT_NONE)
            used += snprintf(text + used, CGROUP_HELPER_MESSAGE_MAX - (size_t)used, " %s=%" PRId64,
                             limits[i].name, *limit_of(request, i));
    return (size_t)used;
}

// Ends a word in place. Returns what comes after it, NULL if it was the last one.
static char *part_word(char *text)
{
    char *end = strchr(text, ' ');
    if (end != NULL)
        *end++ = '\0';
    return end;
}

static bool read_verb(const char *word, enum cgroup_helper_verb *verb)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(word, verbs[i]) != 0)
            continue;
        *verb = (enum cgroup_helper_verb)i;
        return true;
    }
    return false;
}

static bool read_run_id(const char *word, char run_id[static RUN_ID_MAX])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
    size_t length = strlen(word);
    if (length == 0 || length >= RUN_ID_MAX || strspn(word, letters) != length)
        return false;
    memcpy(run_id, word, length + 1);
    return true;
}

// Digits only, no sign, no leading zero.
static bool read_number(const char *text, int64_t *number)
{
    char *end;
    if (*text < '0' || *text > '9' || (*text == '0' && text[1] != '\0'))
        return false;
    errno = 0;
    *number = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' && *number != LIMIT_NONE;
}

static bool read_limit(char *word, struct cgroup_helper_request *request)
{
    char *value = strchr(word, '=');
    if (value == NULL)
        return false;
    *value++ = '\0';
    for (size_t i = 0; i < LIMIT_COUNT; i++)
        if (strcmp(word, limits[i].name) == 0)
            return *limit_of(request, i) == LIMIT_NONE && // the first of this name
                   read_number(value, limit_of(request, i));
    return false;
}

static bool read_words(char *text, struct cgroup_helper_request *request)
{
    char *word = text;
    char *rest = part_word(word);
    if (!read_verb(word, &request->verb) || rest == NULL)
        return false;
    word = rest;
    rest = part_word(word);
    if (!read_run_id(word, request->run_id))
        return false;
    while (rest != NULL) {
        word = rest;
        rest = part_word(word);
        if (request->verb != CGROUP_HELPER_SCOPE || !read_limit(word, request))
            return false;
    }
    return true;
}

int cgroup_helper_request_read(const char *bytes, size_t length,
                               struct cgroup_helper_request *request, struct error *err)
{
    char text[CGROUP_HELPER_MESSAGE_MAX];
    struct cgroup_helper_request found = {
        .memory_max_bytes = LIMIT_NONE,
        .memory_swap_max_bytes = LIMIT_NONE,
        .tasks_max = LIMIT_NONE,
    };
    if (length < sizeof(text) && memchr(bytes, '\0', length) == NULL) {
        memcpy(text, bytes, length);
        text[length] = '\0';
        if (read_words(text, &found)) {
            *request = found;
            return 0;
        }
    }
    return error_set(err, -EBADMSG,
                     "not understood; write: scope RUN MemoryMax=BYTES MemorySwapMax=BYTES "
                     "TasksMax=N, or: kill RUN");
}

void cgroup_helper_unit(const char *run_id, char name[static CGROUP_HELPER_UNIT_MAX])
{
    snprintf(name, CGROUP_HELPER_UNIT_MAX, "reeve-run-%s.scope", run_id);
}
