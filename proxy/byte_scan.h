// Byte scan: finds the first byte of a kind, sixteen at a time, on any machine (GCC and Clang
// vector extension). Most of what passes through is text in which such bytes are rare.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t byte_vector __attribute__((vector_size(16)));
typedef uint64_t word_vector __attribute__((vector_size(16)));

// The index of the first byte of `marks` that is not 0, 16 if all are.
static inline size_t byte_scan_first_mark(word_vector marks)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTE_SCAN_ZEROS_BEFORE __builtin_ctzll
#else
#define BYTE_SCAN_ZEROS_BEFORE __builtin_clzll
#endif
    if (marks[0] != 0)
        return (size_t)BYTE_SCAN_ZEROS_BEFORE(marks[0]) / 8;
    return marks[1] != 0 ? 8 + (size_t)BYTE_SCAN_ZEROS_BEFORE(marks[1]) / 8 : 16;
#undef BYTE_SCAN_ZEROS_BEFORE
}

// Defines `size_t name(const char *bytes, size_t length)`: how many bytes there are before the
// first for which `condition` holds; it is an expression of `byte` that is good for one byte and
// for sixteen.
#define BYTE_SCAN_DEFINE(name, condition)                                                          \
    static inline size_t name(const char *bytes, size_t length)                                    \
    {                                                                                              \
        size_t at = 0;                                                                             \
        for (; at + sizeof(byte_vector) <= length; at += sizeof(byte_vector)) {                    \
            byte_vector byte;                                                                      \
            memcpy(&byte, bytes + at, sizeof(byte));                                               \
            size_t first = byte_scan_first_mark((word_vector)(condition));                         \
            if (first < sizeof(byte_vector))                                                       \
                return at + first;                                                                 \
        }                                                                                          \
        for (; at < length; at++) {                                                                \
            uint8_t byte = (uint8_t)bytes[at];                                                     \
            if (condition)                                                                         \
                break;                                                                             \
        }                                                                                          \
        return at;                                                                                 \
    }

BYTE_SCAN_DEFINE(byte_scan_line_end, (byte == '\n') | (byte == '\r'))

// What ends the plain part of a JSON string: a quote, a backslash, or a control byte that is an
// error.
BYTE_SCAN_DEFINE(byte_scan_json_special, (byte == '"') | (byte == '\\') | (byte < ' '))

// Control bytes that no header value may have: all but the tab.
BYTE_SCAN_DEFINE(byte_scan_control, ((byte < ' ') & (byte != '\t')) | (byte == 0x7f))
