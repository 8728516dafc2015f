// Credential lock: Claude Code's own lock around a refresh, for files that are shared with it.

#include "credential_lock.h"

#include "cleanup.h"
#include "clock.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLAUDE_CODE_FILE "/.credentials.json"

static bool is_stale(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 &&
           clock_now_us() / 1000000 - status.st_mtime > CREDENTIAL_LOCK_STALE_S;
}

static int folder_make(const char *path, struct error *err)
{
    if (mkdir(path, 0700) == 0)
        return 0;
    // Of those who find it dead one removes it; the others' mkdir() fails.
    if (errno == EEXIST && is_stale(path) && rmdir(path) == 0 && mkdir(path, 0700) == 0)
        return 0;
    if (errno == EEXIST || errno == ENOENT)
        return error_set(err, -EBUSY, "another process is refreshing: %s is taken", path);
    return error_set_errno(err, -errno, "locking %s", path);
}

int credential_lock_take(struct credential_lock *lock, const char *path, struct error *err)
{
    static const char name[] = "/.oauth_refresh.lock", suffix[] = ".lock";
    const char *slash = strrchr(path, '/');
    size_t length = slash != NULL ? (size_t)(slash - path) : 0;
    char parent[PATH_MAX], folder[PATH_MAX], beside[PATH_MAX];
    if (length == 0 || length + sizeof(name) > PATH_MAX)
        return error_set(err, -EINVAL, "credential file %s: it has no folder of its own", path);
    snprintf(parent, sizeof(parent), "%.*s", (int)length, path);
    snprintf(folder, sizeof(folder), "%.*s%s", (int)length, path, name);
    snprintf(beside, sizeof(beside), "%.*s%s", (int)length, path, suffix);
    // Two reeves that find a dead lock at once must not remove each other's.
    cleanup_fd int directory = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return error_set_errno(err, -errno, "opening %s", parent);
    if (flock(directory, LOCK_EX | LOCK_NB) < 0)
        return error_set(err, -EBUSY, "another process is at work in %s", parent);
    int result = folder_make(folder, err);
    if (result < 0)
        return result;
    memcpy(lock->paths[0], folder, sizeof(folder));
    if (strcmp(slash, CLAUDE_CODE_FILE) != 0)
        return 0;
    result = folder_make(beside, err);
    if (result == -EBUSY) {
        credential_lock_release(lock);
        return result;
    }
    if (result == 0) // where we may not, older versions are not kept out
        memcpy(lock->paths[1], beside, sizeof(beside));
    return 0;
}

void credential_lock_touch(const struct credential_lock *lock)
{
    for (size_t i = 0; i < sizeof(lock->paths) / sizeof(lock->paths[0]); i++)
        if (lock->paths[i][0] != '\0')
            utimensat(AT_FDCWD, lock->paths[i], NULL, 0);
}

void credential_lock_release(struct credential_lock *lock)
{
    for (size_t i = sizeof(lock->paths) / sizeof(lock->paths[0]); i-- > 0;)
        if (lock->paths[i][0] != '\0')
            rmdir(lock->paths[i]);
    *lock = (struct credential_lock){0};
}
