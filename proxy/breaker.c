// Breaker: whether what the upstream has failed is tried again, and when. Pure.

#include "breaker.h"

#include <assert.h>
#include <stdbool.h>

static void breaker_enter(struct breaker *breaker, enum breaker_state state)
{
    static const bool legal[][3] = {
        [BREAKER_CLOSED] = {[BREAKER_OPEN] = true},
        [BREAKER_OPEN] = {[BREAKER_PROBING] = true, [BREAKER_CLOSED] = true},
        [BREAKER_PROBING] = {[BREAKER_OPEN] = true, [BREAKER_CLOSED] = true},
    };
    assert(legal[breaker->state][state]);
    breaker->state = state;
}

// Three quarters to five quarters of it.
static int64_t jitter(int64_t duration_us, uint32_t random)
{
    return duration_us * 3 / 4 + duration_us / 2 * (random % 1024) / 1024;
}

int64_t breaker_delay_us(int retry, uint32_t random)
{
    int64_t delay_us = BREAKER_DELAY_FIRST_US;
    for (int i = 1; i < retry && delay_us < BREAKER_DELAY_MAX_US; i++)
        delay_us *= 2;
    return jitter(delay_us, random);
}

int64_t breaker_ask_us(struct breaker *breaker, int64_t now_us, uint32_t random)
{
    if (breaker->state == BREAKER_CLOSED)
        return 0;
    if (now_us < breaker->changes_at_us) {
        int64_t left_us = breaker->changes_at_us - now_us;
        // A probe may be answered at any time; an open breaker stays open until its time is up.
        if (breaker->state == BREAKER_PROBING && left_us > BREAKER_ASK_AGAIN_US)
            left_us = BREAKER_ASK_AGAIN_US;
        return left_us + jitter(BREAKER_ASK_AGAIN_US, random);
    }
    if (breaker->state == BREAKER_OPEN)
        breaker_enter(breaker, BREAKER_PROBING);
    breaker->changes_at_us = now_us + BREAKER_PROBE_MAX_US;
    return 0;
}

void breaker_succeeded(struct breaker *breaker)
{
    breaker->failures = 0;
    breaker->open_for_us = 0;
    if (breaker->state != BREAKER_CLOSED)
        breaker_enter(breaker, BREAKER_CLOSED);
}

void breaker_failed(struct breaker *breaker, int64_t now_us)
{
    if (breaker->state == BREAKER_OPEN) // a first attempt, or one that was under way
        return;
    if (breaker->state == BREAKER_CLOSED && ++breaker->failures < BREAKER_FAILURES_MAX)
        return;
    breaker->open_for_us =
        breaker->open_for_us == 0 ? BREAKER_OPEN_FIRST_US : breaker->open_for_us * 2;
    if (breaker->open_for_us > BREAKER_OPEN_MAX_US)
        breaker->open_for_us = BREAKER_OPEN_MAX_US;
    breaker->changes_at_us = now_us + breaker->open_for_us;
    breaker_enter(breaker, BREAKER_OPEN);
}
