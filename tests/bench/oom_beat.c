// oom_beat MEGABYTES: a good neighbour: works in its memory 100 times a second, and notices when it
// is kept from it.
//
// On SIGUSR1 it prints the longest time from one beat to the next since the last SIGUSR1, in
// microseconds.

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BEAT_NS 10000000
#define PAGE_BYTES 4096
#define PAGES_PER_BEAT 400 // all of 150 MB within a second

static volatile sig_atomic_t asked;

static void on_ask(int signal_number)
{
    (void)signal_number;
    asked = 1;
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void work(volatile char *memory, size_t bytes, size_t *at)
{
    for (int i = 0; i < PAGES_PER_BEAT; i++) {
        memory[*at]++;
        *at = (*at + PAGE_BYTES) % bytes;
    }
}

int main(int argc, char **argv)
{
    size_t bytes = argc == 2 ? strtoul(argv[1], NULL, 10) << 20 : 0;
    size_t at = 0;
    volatile char *memory = bytes > 0 ? malloc(bytes) : NULL;
    if (memory == NULL) {
        fprintf(stderr, "usage: oom_beat MEGABYTES\n");
        return 64;
    }
    for (size_t i = 0; i < bytes; i += PAGE_BYTES)
        memory[i] = 1;
    signal(SIGUSR1, on_ask);
    int64_t longest_us = 0, last_us = now_us();
    for (;;) {
        nanosleep(&(struct timespec){.tv_nsec = BEAT_NS}, NULL);
        work(memory, bytes, &at);
        int64_t beat_us = now_us();
        if (beat_us - last_us > longest_us)
            longest_us = beat_us - last_us;
        last_us = beat_us;
        if (asked) {
            asked = 0;
            printf("%lld\n", (long long)longest_us);
            fflush(stdout);
            longest_us = 0;
        }
    }
}
