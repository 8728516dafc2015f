// Fuzz: a message between daemons of any bytes is decoded or refused with a reason; what is decoded
// encodes to bytes that decode to the same.
#include "handover_message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t first[HANDOVER_BYTES_MAX], second[HANDOVER_BYTES_MAX];
    struct handover_message message, again;
    struct error err = {0};
    if (size > HANDOVER_BYTES_MAX)
        return 0;
    int result = handover_message_decode(data, size, &message, &err);
    require((result == 0) == (err.code == 0));
    if (result < 0)
        return 0;
    int length = handover_message_encode(&message, first, &err);
    if (length == -EMSGSIZE)
        return 0;
    require(length > 0);
    require(handover_message_decode(first, (size_t)length, &again, &err) == 0);
    require(handover_message_encode(&again, second, &err) == length);
    require(memcmp(first, second, (size_t)length) == 0);
    return 0;
}
