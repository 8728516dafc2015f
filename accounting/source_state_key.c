// Source state, words: what states are called, and what can be a key. Pure.
#include "source_state.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

const char *source_state_name(enum source_state state)
{
    static const char *const names[] = {"free", "held", "done"};
    assert(state < SOURCE_STATES);
    return names[state];
}

bool source_state_key_is_valid(const char *key)
{
    size_t length = strnlen(key, SOURCE_STATE_KEY_MAX);
    if (length == 0 || length == SOURCE_STATE_KEY_MAX)
        return false;
    for (const char *byte = key; *byte != '\0'; byte++)
        if ((unsigned char)*byte < 0x20 || *byte == 0x7f)
            return false;
    json_t *text = json_string(key); // NULL: not UTF-8
    json_decref(text);
    return text != NULL;
}
