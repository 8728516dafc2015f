// Fuzz: a control message of any bytes is decoded or refused with a reason; what is decoded encodes
// to a frame that decodes to the same.
#include "control_message.h"

#include <stdbool.h>
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
    struct control_message message, again;
    struct error err = {0};
    uint8_t *frames[2];
    size_t lengths[2];
    int result = control_message_decode(data, size, &message, &err);
    require((result == 0) == (err.code == 0));
    if (result < 0)
        return 0;
    require(control_message_encode(&message, &frames[0], &lengths[0], &err) == 0);
    require(control_message_decode(frames[0] + 4, lengths[0] - 4, &again, &err) == 0);
    require(control_message_encode(&again, &frames[1], &lengths[1], &err) == 0);
    require(lengths[0] == lengths[1] && memcmp(frames[0], frames[1], lengths[0]) == 0);
    control_message_done(&message);
    control_message_done(&again);
    free(frames[0]);
    free(frames[1]);
    return 0;
}
