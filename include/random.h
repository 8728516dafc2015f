// Random: numbers from the kernel, for jitter and seeds.
#pragma once

#include <stdint.h>
#include <sys/random.h>

static inline uint32_t random_number(void)
{
    uint32_t number = 0;
    ssize_t drawn = getrandom(&number, sizeof(number), GRND_NONBLOCK);
    (void)drawn; // early at boot it may be 0, which is no jitter and no harm
    return number;
}
