// Fuzz: a stream of any bytes gives the same events however it comes in pieces.
#include "sse.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

// A digest of all that was heard.
static bool hear(void *context, const struct sse_event *event)
{
    uint64_t *digest = context;
    struct slice parts[] = {event->name, event->data};
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < parts[k].length; i++)
            *digest = (*digest ^ (uint8_t)parts[k].bytes[i]) * UINT64_C(0x100000001b3);
        *digest = (*digest ^ (parts[k].length << 8)) * UINT64_C(0x100000001b3);
    }
    require(!event->oversized || event->data.length == 0);
    require(memchr(event->name.bytes == NULL ? "" : event->name.bytes, '\n', event->name.length) ==
            NULL);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    size_t length = size - 1, random_step = (size_t)data[0] + 2;
    const size_t steps[] = {length + 1, 1, 3, random_step};
    uint64_t digests[4];
    for (size_t i = 0; i < 4; i++) {
        struct sse_splitter splitter;
        digests[i] = 0;
        sse_init(&splitter);
        for (size_t at = 0; at < length; at += steps[i])
            sse_feed(&splitter, bytes + at, length - at < steps[i] ? length - at : steps[i], hear,
                     &digests[i]);
        sse_done(&splitter);
        require(digests[i] == digests[0]);
    }
    return 0;
}
