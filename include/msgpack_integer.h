// Msgpack integer: any integer of msgpack that an int64_t holds.
#pragma once

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

// False, and *number is untouched: it is none, or is above INT64_MAX.
static inline bool msgpack_integer_read(const msgpack_object *value, int64_t *number)
{
    if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 <= INT64_MAX)
        *number = (int64_t)value->via.u64;
    else if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        *number = value->via.i64;
    else
        return false;
    return true;
}
