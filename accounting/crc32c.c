// CRC-32C: by the instruction of SSE 4.2 where there is one, else by a table of half bytes.
#include "crc32c.h"

#include <string.h>

uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t length)
{
    // Remainders of the sixteen half bytes.
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    const uint8_t *next = bytes;
    crc = ~crc;
    for (; length > 0; length--) {
        crc ^= *next++;
        crc = table[crc & 15] ^ crc >> 4;
        crc = table[crc & 15] ^ crc >> 4;
    }
    return ~crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *bytes,
                                                               size_t length)
{
    const uint8_t *next = bytes;
    uint64_t state = ~crc;
    for (; length >= sizeof(uint64_t); length -= sizeof(uint64_t), next += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, next, sizeof(word));
        state = __builtin_ia32_crc32di(state, word);
    }
    uint32_t rest = (uint32_t)state;
    for (; length > 0; length--)
        rest = __builtin_ia32_crc32qi(rest, *next++);
    return ~rest;
}
#endif

uint32_t crc32c(uint32_t crc, const void *bytes, size_t length)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_sse42(crc, bytes, length);
#endif
    return crc32c_portable(crc, bytes, length);
}
