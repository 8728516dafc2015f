// start_clock FILE [COMMAND…]: notes the time in FILE, and becomes COMMAND; without one adds the
// time to FILE, as what a measured start ends with.

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct timespec now;
    if (argc < 2) {
        fputs("usage: start_clock FILE [COMMAND…]\n", stderr);
        return 64;
    }
    int fd =
        open(argv[1],
             argc > 2 ? O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC : O_WRONLY | O_APPEND | O_CLOEXEC,
             0644);
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (fd < 0 || dprintf(fd, "%lld\n", now.tv_sec * 1000000LL + now.tv_nsec / 1000) < 0) {
        perror(argv[1]);
        return 1;
    }
    if (argc == 2)
        return 0;
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}
