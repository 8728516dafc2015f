// Credential renewal: the text of a credential's file with a new pair in it. Pure.

#include "credential_renew.h"

#include "json_walk.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define EDITS_MAX 4
#define EDIT_TEXT_MAX (CREDENTIAL_SECRET_MAX + 32)

// Other bytes in place of [offset, offset + length).
struct edit {
    size_t offset, length;
    char text[EDIT_TEXT_MAX];
};

struct edits {
    const char *text;
    struct edit list[EDITS_MAX]; // by offset
    size_t count;
};

static void edit_add(struct edits *edits, struct slice place, const char *text)
{
    struct edit edit = {.offset = (size_t)(place.bytes - edits->text), .length = place.length};
    size_t at = edits->count++;
    assert(at < EDITS_MAX);
    snprintf(edit.text, sizeof(edit.text), "%s", text);
    for (; at > 0 && edits->list[at - 1].offset > edit.offset; at--)
        edits->list[at] = edits->list[at - 1];
    edits->list[at] = edit;
    explicit_bzero(edit.text, sizeof(edit.text));
}

static void token_set(struct edits *edits, struct slice place, const char *token)
{
    char quoted[CREDENTIAL_SECRET_MAX + 2];
    assert(strpbrk(token, "\"\\") == NULL);
    snprintf(quoted, sizeof(quoted), "\"%s\"", token);
    edit_add(edits, place, quoted);
    explicit_bzero(quoted, sizeof(quoted));
}

// Sets member `name` of the pair; where there is none, adds it behind the value `behind`, if that
// is there.
static void time_set(struct edits *edits, struct slice pair, const char *name, int64_t time,
                     struct slice behind)
{
    char text[64];
    struct slice place = json_member(pair, name);
    if (place.bytes != NULL) {
        snprintf(text, sizeof(text), "%" PRId64, time);
        edit_add(edits, place, text);
    } else if (behind.bytes != NULL) {
        snprintf(text, sizeof(text), ",\"%s\":%" PRId64, name, time);
        edit_add(edits, (struct slice){behind.bytes + behind.length, 0}, text);
    }
}

// The text with its edits made, NULL when out of memory.
static char *edits_apply(const struct edits *edits)
{
    size_t length = strlen(edits->text), from = 0, used = 0;
    for (size_t i = 0; i < edits->count; i++)
        length += strlen(edits->list[i].text);
    char *made = malloc(length + 1);
    if (made == NULL)
        return NULL;
    for (size_t i = 0; i < edits->count; i++) {
        const struct edit *edit = &edits->list[i];
        memcpy(made + used, edits->text + from, edit->offset - from);
        used += edit->offset - from;
        memcpy(made + used, edit->text, strlen(edit->text));
        used += strlen(edit->text);
        from = edit->offset + edit->length;
    }
    memcpy(made + used, edits->text + from, strlen(edits->text + from) + 1);
    return made;
}

int credential_text_renew(const char *text, const struct credential_renewal *renewal,
                          char **renewed, struct error *err)
{
    struct edits edits = {.text = text};
    struct slice root = slice_of(text), nowhere = {NULL, 0};
    struct slice pair = json_member(root, "claudeAiOauth");
    bool profile = pair.bytes == NULL;
    pair = profile ? root : pair;
    struct slice access = json_member(pair, profile ? "access_token" : "accessToken");
    struct slice refresh = json_member(pair, profile ? "refresh_token" : "refreshToken");
    if (access.bytes == NULL || refresh.bytes == NULL)
        return error_set(err, -EINVAL, "there is no pair of tokens in the file to be replaced");
    token_set(&edits, access, renewal->access);
    if (renewal->refresh[0] != '\0')
        token_set(&edits, refresh, renewal->refresh);
    time_set(&edits, pair, profile ? "expires_at" : "expiresAt",
             renewal->expires_at_ms / (profile ? 1000 : 1), access);
    if (!profile && renewal->refresh_expires_at_ms >= 0)
        time_set(&edits, pair, "refreshTokenExpiresAt", renewal->refresh_expires_at_ms, nowhere);
    char *made = edits_apply(&edits);
    explicit_bzero(&edits, sizeof(edits));
    if (made == NULL)
        return error_set(err, -ENOMEM, "out of memory to renew a credential");
    *renewed = made;
    return 0;
}
