// JSON walk: see json_walk.h.
#include "json_walk.h"

#include "byte_scan.h"

void json_walker_init(struct json_walker *walker, const char *bytes, size_t length)
{
    memset(walker, 0, offsetof(struct json_walker, is_object));
    walker->bytes = bytes;
    walker->length = length;
    walker->expectation = JSON_EXPECTS_VALUE;
}

static enum json_token fail(struct json_walker *walker, const char *problem)
{
    walker->expectation = JSON_EXPECTS_NOTHING;
    walker->problem = problem;
    return JSON_TOKEN_BROKEN;
}

size_t json_plain_length(const char *bytes, size_t length)
{
    return byte_scan_json_special(bytes, length);
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static int hexadecimal_value(char byte)
{
    if (is_digit(byte))
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

// The value of the four digits of a \u escape, -1 if they are not four digits.
static int escape_value(const char *digits, size_t length)
{
    int value = 0;
    if (length < 4)
        return -1;
    for (size_t i = 0; i < 4; i++) {
        int digit = hexadecimal_value(digits[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

// The length of the escape at `bytes`, which begins with a backslash; 0 if it is none.
static size_t escape_length(const char *bytes, size_t length)
{
    if (length < 2)
        return 0;
    switch (bytes[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return 2;
    case 'u':
        return escape_value(bytes + 2, length - 2) >= 0 ? 6 : 0;
    default:
        return 0;
    }
}

// Takes the string that begins at `at` with its quote.
static enum json_token take_string(struct json_walker *walker, enum json_token token)
{
    const char *bytes = walker->bytes;
    size_t start = ++walker->at;
    walker->escaped = false;
    for (;;) {
        walker->at += json_plain_length(bytes + walker->at, walker->length - walker->at);
        if (walker->at == walker->length)
            return fail(walker, "the string does not end");
        if (bytes[walker->at] == '"')
            break;
        if (bytes[walker->at] != '\\')
            return fail(walker, "a control byte in a string must be escaped");
        size_t escape = escape_length(bytes + walker->at, walker->length - walker->at);
        if (escape == 0)
            return fail(walker,
                        "an escape in a string is none of \\\" \\\\ \\/ \\b \\f \\n \\r \\t "
                        "\\uXXXX");
        walker->escaped = true;
        walker->at += escape;
    }
    walker->text = (struct slice){bytes + start, walker->at - start};
    walker->at++;
    return token;
}

static size_t count_digits(const struct json_walker *walker, size_t at)
{
    size_t start = at;
    while (at < walker->length && is_digit(walker->bytes[at]))
        at++;
    return at - start;
}

static bool byte_is(const struct json_walker *walker, size_t at, char byte)
{
    return at < walker->length && walker->bytes[at] == byte;
}

static enum json_token take_number(struct json_walker *walker)
{
    size_t start = walker->at, at = start;
    if (walker->bytes[at] == '-')
        at++;
    size_t digits = count_digits(walker, at);
    if (digits == 0 || (digits > 1 && walker->bytes[at] == '0'))
        return fail(walker, "a number has no digits or a leading zero");
    at += digits;
    if (byte_is(walker, at, '.')) {
        digits = count_digits(walker, ++at);
        if (digits == 0)
            return fail(walker, "a number has no digits after its point");
        at += digits;
    }
    if (byte_is(walker, at, 'e') || byte_is(walker, at, 'E')) {
        at += byte_is(walker, at + 1, '+') || byte_is(walker, at + 1, '-') ? 2 : 1;
        digits = count_digits(walker, at);
        if (digits == 0)
            return fail(walker, "a number has no digits in its exponent");
        at += digits;
    }
    walker->text = (struct slice){walker->bytes + start, at - start};
    walker->at = at;
    return JSON_TOKEN_NUMBER;
}

static enum json_token take_word(struct json_walker *walker, const char *word,
                                 enum json_token token)
{
    struct slice rest = {walker->bytes + walker->at, walker->length - walker->at};
    if (!slice_starts_with(rest, word))
        return fail(walker, "this is no JSON value");
    walker->text = (struct slice){rest.bytes, strlen(word)};
    walker->at += walker->text.length;
    return token;
}

static enum json_token open_container(struct json_walker *walker, bool is_object)
{
    if (walker->depth == JSON_DEPTH_MAX)
        return fail(walker, "objects and arrays are nested deeper than 128");
    walker->text = (struct slice){walker->bytes + walker->at, 1};
    walker->at++;
    walker->is_object[walker->depth++] = is_object;
    walker->expectation = is_object ? JSON_EXPECTS_FIRST_NAME : JSON_EXPECTS_FIRST_VALUE;
    return is_object ? JSON_TOKEN_OBJECT : JSON_TOKEN_ARRAY;
}

static enum json_token close_container(struct json_walker *walker)
{
    walker->text = (struct slice){walker->bytes + walker->at, 1};
    walker->at++;
    walker->depth--;
    walker->expectation = JSON_EXPECTS_COMMA;
    return walker->is_object[walker->depth] ? JSON_TOKEN_OBJECT_END : JSON_TOKEN_ARRAY_END;
}

static enum json_token take_value(struct json_walker *walker)
{
    char byte = walker->bytes[walker->at];
    walker->expectation = JSON_EXPECTS_COMMA;
    switch (byte) {
    case '{':
        return open_container(walker, true);
    case '[':
        return open_container(walker, false);
    case '"':
        return take_string(walker, JSON_TOKEN_STRING);
    case 't':
        return take_word(walker, "true", JSON_TOKEN_TRUE);
    case 'f':
        return take_word(walker, "false", JSON_TOKEN_FALSE);
    case 'n':
        return take_word(walker, "null", JSON_TOKEN_NULL);
    default:
        if (byte != '-' && !is_digit(byte))
            return fail(walker, "this is no JSON value");
        return take_number(walker);
    }
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static inline void skip_space(struct json_walker *walker)
{
    while (walker->at < walker->length && (uint8_t)walker->bytes[walker->at] <= ' ' &&
           is_space(walker->bytes[walker->at]))
        walker->at++;
}

static enum json_token take_name(struct json_walker *walker)
{
    if (!byte_is(walker, walker->at, '"'))
        return fail(walker, "a member's name in quotes is missing");
    enum json_token token = take_string(walker, JSON_TOKEN_NAME);
    if (token == JSON_TOKEN_BROKEN)
        return token;
    skip_space(walker);
    if (!byte_is(walker, walker->at, ':'))
        return fail(walker, "the colon after a member's name is missing");
    walker->at++;
    walker->expectation = JSON_EXPECTS_VALUE;
    return token;
}

// After a value: a comma and what must follow it, or the end of what is open.
static enum json_token take_after_value(struct json_walker *walker)
{
    bool in_object = walker->is_object[walker->depth - 1];
    if (byte_is(walker, walker->at, in_object ? '}' : ']'))
        return close_container(walker);
    if (!byte_is(walker, walker->at, ','))
        return fail(walker, in_object ? "a comma or } is missing" : "a comma or ] is missing");
    walker->at++;
    skip_space(walker);
    if (in_object)
        return take_name(walker);
    if (walker->at == walker->length)
        return fail(walker, "the text ends within a value");
    return take_value(walker);
}

enum json_token json_walker_next(struct json_walker *walker)
{
    if (walker->expectation == JSON_EXPECTS_NOTHING)
        return JSON_TOKEN_BROKEN;
    skip_space(walker);
    if (walker->expectation == JSON_EXPECTS_COMMA && walker->depth == 0)
        return walker->at == walker->length ? JSON_TOKEN_END
                                            : fail(walker, "something follows the value");
    if (walker->at == walker->length)
        return fail(walker, "the text ends within a value");
    switch (walker->expectation) {
    case JSON_EXPECTS_COMMA:
        return take_after_value(walker);
    case JSON_EXPECTS_FIRST_NAME:
        return walker->bytes[walker->at] == '}' ? close_container(walker) : take_name(walker);
    case JSON_EXPECTS_FIRST_VALUE:
        return walker->bytes[walker->at] == ']' ? close_container(walker) : take_value(walker);
    default:
        return take_value(walker);
    }
}

enum json_token json_walker_skip(struct json_walker *walker, enum json_token token)
{
    if (token != JSON_TOKEN_OBJECT && token != JSON_TOKEN_ARRAY)
        return token;
    size_t outside = walker->depth - 1;
    do {
        token = json_walker_next(walker);
    } while (token != JSON_TOKEN_BROKEN && walker->depth > outside);
    return token;
}
