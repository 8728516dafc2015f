// Kills the program that it is preloaded into with SIGKILL, before the n-th step of what is to
// survive that: a credential's refresh.
//
//     LD_PRELOAD=kill_at.so KILL_FOLDER=/the/credentials KILL_LOG=file KILL_AT=n reeve serve …
//
// A step is a call that changes a file in KILL_FOLDER, or syncs or locks one, or the folder; and
// the refresh token's way out, and the answer's way in, each of them before and after. KILL_LOG
// gets a line for each step that was reached. Without KILL_AT nothing is killed.

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static atomic_int steps;

// One step is about to be made.
static void step(const char *what)
{
    const char *at = getenv("KILL_AT"), *log = getenv("KILL_LOG");
    char line[64];
    int length = snprintf(line, sizeof(line), "%s\n", what);
    int number = atomic_fetch_add(&steps, 1) + 1;
    int fd = log != NULL ? NEXT(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd >= 0 && write(fd, line, (size_t)length) == length)
        close(fd);
    if (at != NULL && number == strtol(at, NULL, 10))
        kill(getpid(), SIGKILL);
}

static bool is_watched(const char *path)
{
    const char *folder = getenv("KILL_FOLDER");
    return folder != NULL && strncmp(path, folder, strlen(folder)) == 0;
}

static void path_step(const char *what, const char *path)
{
    if (is_watched(path))
        step(what);
}

static void fd_step(const char *what, int fd)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof(path) - 1);
    if (length < 0)
        return;
    path[length] = '\0';
    path_step(what, path);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t); // NOLINT: clang 14 does not see va_start() here
        va_end(arguments);
        path_step("create", path);
    }
    return NEXT(open)(path, flags, mode);
}

int mkdir(const char *path, mode_t mode)
{
    path_step("mkdir", path);
    return NEXT(mkdir)(path, mode);
}

int rmdir(const char *path)
{
    path_step("rmdir", path);
    return NEXT(rmdir)(path);
}

int unlink(const char *path)
{
    path_step("unlink", path);
    return NEXT(unlink)(path);
}

int rename(const char *from, const char *to)
{
    path_step("rename", to);
    return NEXT(rename)(from, to);
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
    fd_step("fallocate", fd);
    return NEXT(fallocate)(fd, mode, offset, length);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    fd_step("write", fd);
    return NEXT(pwrite)(fd, bytes, length, offset);
}

int ftruncate(int fd, off_t length)
{
    fd_step("truncate", fd);
    return NEXT(ftruncate)(fd, length);
}

int fsync(int fd)
{
    fd_step("sync", fd);
    return NEXT(fsync)(fd);
}

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
    bool is_token = memmem(bytes, length, "\"refresh_token\"", 15) != NULL;
    if (is_token)
        step("send");
    ssize_t sent = NEXT(send)(fd, bytes, length, flags);
    if (is_token)
        step("sent");
    return sent;
}

ssize_t recv(int fd, void *bytes, size_t length, int flags)
{
    ssize_t got = NEXT(recv)(fd, bytes, length, flags);
    if (got > 0 && memmem(bytes, (size_t)got, "\"access_token\"", 14) != NULL)
        step("received");
    return got;
}
