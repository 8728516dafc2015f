// Usage of an unscripted answer: a fixed function of the request and of what was cached before it.

#include "fake_usage.h"

#include "cleanup.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PREFIXES_MAX 65536 // older ones are overwritten, which is a cache that expires
#define BYTES_PER_TOKEN 4
#define OVERHEAD_TOKENS 4 // the API counts a few for its own framing of a prompt

struct fake_cache {
    uint64_t prefixes[PREFIXES_MAX]; // a hash in the slot that it selects; 0: empty
};

// Walks the blocks of a prompt in the order in which the API caches them.
struct walk {
    struct fake_cache *cache;
    bool remember;
    uint64_t hash;
    int64_t bytes;
    int64_t known_bytes;  // longest prefix that is cached
    int64_t marked_bytes; // prefix up to the last cache_control so far
    int64_t write_5m, write_1h;
};

struct fake_cache *fake_cache_new(void)
{
    return calloc(1, sizeof(struct fake_cache));
}

void fake_cache_free(struct fake_cache *cache)
{
    free(cache);
}

// FNV-1a, 64 bits.
static uint64_t hash_bytes(uint64_t hash, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
    return hash;
}

static int64_t tokens_of(int64_t bytes)
{
    return bytes / BYTES_PER_TOKEN;
}

// A breakpoint: what lies between the cached prefix and here is written for the TTL that it asks
// for.
static void mark(struct walk *walk, const json_t *cache_control)
{
    const char *ttl = json_string_value(json_object_get(cache_control, "ttl"));
    int64_t start = walk->known_bytes > walk->marked_bytes ? walk->known_bytes : walk->marked_bytes;
    int64_t written = tokens_of(walk->bytes) - tokens_of(start);
    if (written > 0 && ttl != NULL && strcmp(ttl, "1h") == 0)
        walk->write_1h += written;
    else if (written > 0)
        walk->write_5m += written;
    walk->marked_bytes = walk->bytes;
    if (walk->remember)
        walk->cache->prefixes[walk->hash % PREFIXES_MAX] = walk->hash;
}

// One tool or content block. cache_control itself is no part of the prefix: clients move it along.
static void walk_block(struct walk *walk, const json_t *block)
{
    json_t *bare =
        json_is_object(block) ? json_copy((json_t *)block) : json_incref((json_t *)block);
    if (json_is_object(bare))
        json_object_del(bare, "cache_control");
    cleanup_free char *text = json_dumps(bare, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(bare);
    if (text == NULL)
        return;
    size_t length = strlen(text);
    walk->hash = hash_bytes(walk->hash, text, length);
    walk->bytes += (int64_t)length;
    if (walk->cache->prefixes[walk->hash % PREFIXES_MAX] == walk->hash)
        walk->known_bytes = walk->bytes;
    const json_t *cache_control = json_object_get(block, "cache_control");
    if (json_is_object(cache_control))
        mark(walk, cache_control);
}

// A string or an array of blocks.
static void walk_content(struct walk *walk, const json_t *content)
{
    size_t i;
    const json_t *block;
    if (json_is_string(content))
        walk_block(walk, content);
    json_array_foreach(content, i, block) walk_block(walk, block);
}

json_t *fake_usage_of_prompt(struct fake_cache *cache, const char *account, const json_t *body,
                             bool remember)
{
    const char *model = json_string_value(json_object_get(body, "model"));
    struct walk walk = {
        .cache = cache, .remember = remember, .hash = UINT64_C(14695981039346656037)};
    walk.hash = hash_bytes(walk.hash, account, strlen(account) + 1);
    walk.hash = hash_bytes(walk.hash, model, strlen(model) + 1);
    walk_content(&walk, json_object_get(body, "tools"));
    walk_content(&walk, json_object_get(body, "system"));
    size_t i;
    const json_t *message;
    json_array_foreach(json_object_get(body, "messages"), i, message)
        walk_content(&walk, json_object_get(message, "content"));
    const json_t *automatic = json_object_get(body, "cache_control");
    if (json_is_object(automatic))
        mark(&walk, automatic);
    int64_t written = walk.write_5m + walk.write_1h;
    int64_t read = walk.marked_bytes > 0 ? tokens_of(walk.marked_bytes) - written : 0;
    int64_t input = tokens_of(walk.bytes) - written - read + OVERHEAD_TOKENS;
    return json_pack("{s:I, s:I, s:I, s:{s:I, s:I}}", "input_tokens", (json_int_t)input,
                     "cache_creation_input_tokens", (json_int_t)written, "cache_read_input_tokens",
                     (json_int_t)read, "cache_creation", "ephemeral_5m_input_tokens",
                     (json_int_t)walk.write_5m, "ephemeral_1h_input_tokens",
                     (json_int_t)walk.write_1h);
}

int64_t fake_usage_prompt_tokens(const json_t *usage)
{
    return json_integer_value(json_object_get(usage, "input_tokens")) +
           json_integer_value(json_object_get(usage, "cache_creation_input_tokens")) +
           json_integer_value(json_object_get(usage, "cache_read_input_tokens"));
}

int64_t fake_usage_output_tokens(size_t bytes)
{
    return (int64_t)((bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN);
}
