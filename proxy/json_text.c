// JSON text: members, strings and numbers as they stand in a JSON text; see json_walk.h.
#include "json_walk.h"

// Takes the value of the member whose name was the last token, as it stands.
static bool take_value(struct json_walker *walker, struct slice *value)
{
    enum json_token token = json_walker_next(walker);
    const char *start = token == JSON_TOKEN_STRING ? walker->text.bytes - 1 : walker->text.bytes;
    if (json_walker_skip(walker, token) == JSON_TOKEN_BROKEN)
        return false;
    *value = (struct slice){start, (size_t)(walker->bytes + walker->at - start)};
    return true;
}

struct slice json_member(struct slice object, const char *name)
{
    struct json_walker walker;
    struct slice value;
    json_walker_init(&walker, object.bytes, object.length);
    if (object.bytes == NULL || json_walker_next(&walker) != JSON_TOKEN_OBJECT)
        return (struct slice){NULL, 0};
    while (json_walker_next(&walker) == JSON_TOKEN_NAME) {
        bool found = json_text_is(walker.text, name);
        if (!take_value(&walker, &value))
            break;
        if (found)
            return value;
    }
    return (struct slice){NULL, 0};
}

bool json_members_read(struct slice object, struct json_members *members)
{
    struct json_walker walker;
    enum json_token token;
    members->count = 0;
    json_walker_init(&walker, object.bytes, object.length);
    if (object.bytes == NULL || json_walker_next(&walker) != JSON_TOKEN_OBJECT)
        return false;
    while ((token = json_walker_next(&walker)) == JSON_TOKEN_NAME) {
        if (members->count == JSON_MEMBERS_MAX)
            return false;
        members->items[members->count].name = walker.text;
        if (!take_value(&walker, &members->items[members->count++].value))
            return false;
    }
    return token == JSON_TOKEN_OBJECT_END && json_walker_next(&walker) == JSON_TOKEN_END;
}

struct slice json_members_find(const struct json_members *members, const char *name)
{
    struct slice wanted = slice_of(name);
    for (size_t i = members->count; i > 0; i--)
        if (slice_equals(members->items[i - 1].name, wanted))
            return members->items[i - 1].value;
    return (struct slice){NULL, 0};
}

struct slice json_string_text(struct slice value)
{
    if (value.bytes == NULL || value.length < 2 || value.bytes[0] != '"')
        return (struct slice){NULL, 0};
    return (struct slice){value.bytes + 1, value.length - 2};
}

static uint32_t hexadecimal_value(const char *digits)
{
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        uint32_t digit = (uint8_t)digits[i];
        value = value * 16 + (digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
    }
    return value;
}

// Takes the next character off a raw text that is known to be well formed: a byte as it stands, or
// the code point that an escape stands for, of both halves if it is a surrogate pair.
static uint32_t take_character(struct slice *raw)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    const char *bytes = raw->bytes;
    uint32_t character = (uint8_t)bytes[0];
    size_t length = 1;
    if (character == '\\') {
        const char *letter = strchr(letters, bytes[1]);
        character = (uint8_t)(letter != NULL ? meanings[letter - letters] : bytes[1]);
        length = 2;
    }
    if (length == 2 && bytes[1] == 'u') {
        character = hexadecimal_value(bytes + 2);
        length = 6;
        if ((character & 0xfc00) == 0xd800 && raw->length >= 12 && bytes[6] == '\\' &&
            bytes[7] == 'u' && (hexadecimal_value(bytes + 8) & 0xfc00) == 0xdc00) {
            character =
                0x10000 + ((character & 0x3ff) << 10) + (hexadecimal_value(bytes + 8) & 0x3ff);
            length = 12;
        }
    }
    raw->bytes += length;
    raw->length -= length;
    return character;
}

bool json_text_starts_with(struct slice raw, const char *plain)
{
    for (; *plain != '\0'; plain++)
        if (raw.length == 0 || take_character(&raw) != (uint8_t)*plain)
            return false;
    return true;
}

bool json_text_is(struct slice raw, const char *plain)
{
    size_t length = strlen(plain);
    if (raw.length == length)
        return memcmp(raw.bytes, plain, length) == 0;
    // Only an escape makes the raw text longer than what it stands for.
    if (raw.length < length || memchr(raw.bytes, '\\', raw.length) == NULL)
        return false;
    size_t characters = 0;
    for (struct slice rest = raw; rest.length > 0; characters++)
        take_character(&rest);
    return characters == length && json_text_starts_with(raw, plain);
}

size_t json_text_utf8_length(struct slice raw)
{
    size_t length = 0;
    while (raw.length > 0) {
        const char *escape = memchr(raw.bytes, '\\', raw.length);
        size_t plain = escape == NULL ? raw.length : (size_t)(escape - raw.bytes);
        length += plain;
        raw = (struct slice){raw.bytes + plain, raw.length - plain};
        if (escape != NULL) {
            uint32_t character = take_character(&raw);
            length += character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
        }
    }
    return length;
}

bool json_number_integer(struct slice number, int64_t *value)
{
    int64_t result = 0;
    bool negative = number.length > 0 && number.bytes[0] == '-';
    if (number.length == (negative ? 1 : 0))
        return false;
    for (size_t i = negative ? 1 : 0; i < number.length; i++) {
        int digit = number.bytes[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(result, 10, &result) ||
            __builtin_sub_overflow(result, digit, &result))
            return false;
    }
    if (!negative && __builtin_mul_overflow(result, -1, &result))
        return false;
    *value = result;
    return true;
}
