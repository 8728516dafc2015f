// Fuzzes what ledger_rows.c does to text from outside: what Postgres is sent is UTF-8 without NUL,
// an array of as many elements as there were rows, and text that was right comes back as it was.
#include "ledger_rows.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// UTF-8 by another reckoning: decodes, and wants the shortest form of a scalar value.
static bool is_utf8(const char *text)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    for (const unsigned char *byte = (const unsigned char *)text; *byte != 0;) {
        size_t length = *byte < 0x80   ? 1
                        : *byte < 0xc0 ? 0
                        : *byte < 0xe0 ? 2
                        : *byte < 0xf0 ? 3
                        : *byte < 0xf8 ? 4
                                       : 0;
        if (length == 0)
            return false;
        uint32_t value = length == 1 ? *byte : *byte & (0x7fu >> length);
        for (size_t i = 1; i < length; i++) {
            if ((byte[i] & 0xc0) != 0x80)
                return false;
            value = value << 6 | (byte[i] & 0x3f);
        }
        if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
            return false;
        byte += length;
    }
    return true;
}

// Reads the next element of an array literal as array_in() of Postgres does. Returns what follows.
static const char *read_element(const char *array, char *element)
{
    assert((array[0] == '{' || array[0] == ',') && array[1] == '"');
    for (array += 2; *array != '"'; array++) {
        if (*array == '\\')
            array++;
        assert(*array != '\0');
        *element++ = *array;
    }
    *element = '\0';
    return array + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ledger_rows rows = {0};
    struct error err;
    char *array = NULL;
    size_t count = 0;
    char *text = malloc(size + 1);
    char *element = malloc(3 * size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    // The input is the job's name of two rows, the second one without its first byte.
    const char *jobs[] = {text, *text == '\0' ? text : text + 1};
    for (size_t i = 0; i < 2; i++)
        assert(ledger_rows_add_texts(&rows, LEDGER_JOB, (const char *const[]){jobs[i], NULL},
                                     &err) == 0);
    assert(ledger_rows_array(&rows, LEDGER_JOB, 0, 0, 2, &array, &count, &err) == 0);
    assert(count == 2 && is_utf8(array));
    const char *rest = array;
    for (size_t i = 0; i < 2; i++) {
        rest = read_element(rest, element);
        assert(is_utf8(element));
        assert((strcmp(element, jobs[i]) == 0) == is_utf8(jobs[i]));
        assert(strlen(element) >= strlen(jobs[i]));
    }
    assert(strcmp(rest, "}") == 0);
    free(array);
    free(element);
    free(text);
    ledger_rows_done(&rows);
    return 0;
}
