// Msgpack scan: whether bytes keep what their counts promise.

#include "msgpack_scan.h"

enum body {
    BODY_NONE,  // the head is all there is
    BODY_BYTES, // as many bytes as the length says
    BODY_ARRAY, // as many elements
    BODY_MAP,   // as many pairs
};

// The heads from 0xc0 to 0xdf (msgpack specification, "Formats").
static const struct head {
    uint8_t length_bytes; // of a big-endian length that follows
    uint8_t fixed_bytes;  // after that, whatever the length is
    enum body body;
} heads[32] = {
    [0xc4 - 0xc0] = {1, 0, BODY_BYTES}, // bin
    [0xc5 - 0xc0] = {2, 0, BODY_BYTES}, [0xc6 - 0xc0] = {4, 0, BODY_BYTES},
    [0xc7 - 0xc0] = {1, 1, BODY_BYTES}, // ext, and its type
    [0xc8 - 0xc0] = {2, 1, BODY_BYTES}, [0xc9 - 0xc0] = {4, 1, BODY_BYTES},
    [0xca - 0xc0] = {0, 4, BODY_NONE},                                     // float
    [0xcb - 0xc0] = {0, 8, BODY_NONE},  [0xcc - 0xc0] = {0, 1, BODY_NONE}, // uint
    [0xcd - 0xc0] = {0, 2, BODY_NONE},  [0xce - 0xc0] = {0, 4, BODY_NONE},
    [0xcf - 0xc0] = {0, 8, BODY_NONE},  [0xd0 - 0xc0] = {0, 1, BODY_NONE}, // int
    [0xd1 - 0xc0] = {0, 2, BODY_NONE},  [0xd2 - 0xc0] = {0, 4, BODY_NONE},
    [0xd3 - 0xc0] = {0, 8, BODY_NONE},  [0xd4 - 0xc0] = {0, 2, BODY_NONE}, // fixext, and its type
    [0xd5 - 0xc0] = {0, 3, BODY_NONE},  [0xd6 - 0xc0] = {0, 5, BODY_NONE},
    [0xd7 - 0xc0] = {0, 9, BODY_NONE},  [0xd8 - 0xc0] = {0, 17, BODY_NONE},
    [0xd9 - 0xc0] = {1, 0, BODY_BYTES}, // str
    [0xda - 0xc0] = {2, 0, BODY_BYTES}, [0xdb - 0xc0] = {4, 0, BODY_BYTES},
    [0xdc - 0xc0] = {2, 0, BODY_ARRAY}, [0xdd - 0xc0] = {4, 0, BODY_ARRAY},
    [0xde - 0xc0] = {2, 0, BODY_MAP},   [0xdf - 0xc0] = {4, 0, BODY_MAP},
};

bool msgpack_counts_are_honest(const uint8_t *bytes, size_t length)
{
    uint64_t promised = 0; // elements: each is a byte at least
    size_t offset = 0;
    while (offset < length) {
        uint8_t first = bytes[offset++];
        struct head head = {0, 0, BODY_NONE};
        uint64_t size = 0;
        if (first >= 0x80 && first < 0xc0) { // fixmap, fixarray, fixstr
            head.body = first < 0x90 ? BODY_MAP : first < 0xa0 ? BODY_ARRAY : BODY_BYTES;
            size = first & (first < 0xa0 ? 0x0f : 0x1f);
        } else if (first >= 0xc0 && first < 0xe0) {
            head = heads[first - 0xc0];
        }
        if (length - offset < (size_t)head.length_bytes + head.fixed_bytes)
            return false;
        for (int i = 0; i < head.length_bytes; i++)
            size = size << 8 | bytes[offset++];
        offset += head.fixed_bytes;
        if (head.body == BODY_ARRAY || head.body == BODY_MAP)
            promised += head.body == BODY_MAP ? 2 * size : size;
        else if (size > length - offset)
            return false;
        else
            offset += size;
        if (promised > length)
            return false;
    }
    return true;
}
