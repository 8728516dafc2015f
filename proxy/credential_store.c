// Credential store: the file of a credential that rotates, replaced whole or not at all.

#include "credential_store.h"

#include "cleanup.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

// ---- names

// The folder of a file, and the file's name in it.
struct place {
    char directory[PATH_MAX];
    const char *name; // into the path that was split
};

static int place_split(struct place *place, const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash != NULL ? (size_t)(slash - path) : 0;
    place->name = "";
    if (slash == NULL || length >= sizeof(place->directory))
        return error_set(err, -EINVAL, "credential file %s: not an absolute path", path);
    memcpy(place->directory, path, length);
    place->directory[length] = '\0';
    if (length == 0)
        strncpy(place->directory, "/", sizeof(place->directory));
    place->name = slash + 1;
    return 0;
}

// Begins with the name of every successor of the file.
static int prefix_make(const struct place *place, char prefix[static NAME_MAX + 1],
                       struct error *err)
{
    if (snprintf(prefix, NAME_MAX + 1, ".%s.next-", place->name) > NAME_MAX - 16)
        return error_set(err, -ENAMETOOLONG, "credential file %s: too long a name", place->name);
    return 0;
}

static int successor_name(const struct place *place, const char *refresh,
                          char path[static PATH_MAX], struct error *err)
{
    char prefix[NAME_MAX + 1], fingerprint[CREDENTIAL_FINGERPRINT_MAX];
    int result = prefix_make(place, prefix, err);
    if (result < 0)
        return result;
    credential_fingerprint(refresh, fingerprint);
    if (snprintf(path, PATH_MAX, "%s/%s%s", place->directory, prefix,
                 strchr(fingerprint, ':') + 1) >= PATH_MAX)
        return error_set(err, -ENAMETOOLONG, "%s", place->directory);
    return 0;
}

// ---- steps

// Opens the folder and keeps other reeves out of it until it is closed.
static int directory_lock(const struct place *place, struct error *err)
{
    cleanup_fd int directory = open(place->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 || flock(directory, LOCK_EX) < 0)
        return error_set_errno(err, -errno, "locking %s", place->directory);
    return take_fd(&directory);
}

static int directory_sync(int directory, const struct place *place, struct error *err)
{
    return fsync(directory) < 0 ? error_set_errno(err, -errno, "syncing %s", place->directory) : 0;
}

static int text_write(int fd, const char *path, const char *text, struct error *err)
{
    size_t length = strlen(text);
    for (size_t done = 0; done < length;) {
        ssize_t written = pwrite(fd, text + done, length - done, (off_t)done);
        if (written < 0 && errno != EINTR)
            return error_set_errno(err, -errno, "writing %s", path);
        done += written > 0 ? (size_t)written : 0;
    }
    if (ftruncate(fd, (off_t)length) < 0 || fsync(fd) < 0)
        return error_set_errno(err, -errno, "writing %s", path);
    return 0;
}

// As root: the file stays whose it was, or becomes the folder's owner's.
static int owner_set(int fd, int directory, const char *path, struct error *err)
{
    struct stat owner;
    if (geteuid() != 0)
        return 0;
    if (stat(path, &owner) < 0 && fstat(directory, &owner) < 0)
        return error_set_errno(err, -errno, "finding the owner of %s", path);
    if (fchown(fd, owner.st_uid, owner.st_gid) < 0)
        return error_set_errno(err, -errno, "giving %s to its owner", path);
    return 0;
}

// ---- recover

// Removes the successors that other tokens have left behind.
static void others_remove(const struct place *place, const char *successor)
{
    char prefix[NAME_MAX + 1];
    const char *own = strrchr(successor, '/') + 1;
    cleanup_dir DIR *listing = opendir(place->directory);
    if (listing == NULL)
        return;
    if (prefix_make(place, prefix, NULL) == 0)
        for (const struct dirent *each; (each = readdir(listing)) != NULL;)
            if (strncmp(each->d_name, prefix, strlen(prefix)) == 0 &&
                strcmp(each->d_name, own) != 0)
                unlinkat(dirfd(listing), each->d_name, 0);
}

// Whether the successor holds a whole pair that is not the one at hand.
static bool successor_is_whole(const char *successor, const struct credential_secret *now)
{
    struct credential_secret next = {0};
    bool whole = credential_file_read(successor, CREDENTIAL_OAUTH, &next, NULL) == 0 &&
                 next.refresh[0] != '\0' && strcmp(next.access, now->access) != 0;
    explicit_bzero(&next, sizeof(next));
    return whole;
}

int credential_store_recover(const char *path, enum credential_leftover *leftover,
                             struct error *err)
{
    struct place place;
    struct credential_secret now = {0};
    char successor[PATH_MAX];
    enum credential_leftover found = LEFTOVER_NONE;
    int result = place_split(&place, path, err);
    cleanup_fd int directory = result == 0 ? directory_lock(&place, err) : -1;
    if (directory < 0)
        return result < 0 ? result : directory;
    result = credential_file_read(path, CREDENTIAL_OAUTH, &now, err);
    if (result == 0)
        result = successor_name(&place, now.refresh, successor, err);
    if (result == 0) {
        others_remove(&place, successor);
        if (access(successor, F_OK) == 0)
            found = successor_is_whole(successor, &now) ? LEFTOVER_ADOPTED : LEFTOVER_UNANSWERED;
        if (found == LEFTOVER_ADOPTED)
            result = rename(successor, path) < 0
                         ? error_set_errno(err, -errno, "renaming %s", successor)
                         : directory_sync(directory, &place, err);
    }
    explicit_bzero(&now, sizeof(now));
    if (result == 0)
        *leftover = found;
    return result;
}

// ---- prepare and commit

// Reads the file as it is now, and renews it, if it still is the one that held `refresh`.
static int text_renew(const char *path, const char *refresh,
                      const struct credential_renewal *renewal, char **renewed, struct error *err)
{
    struct credential_secret now = {0};
    cleanup_with(credential_text_free) char *text = NULL;
    int result = credential_file_text(path, &text, err);
    if (result == -ENOENT)
        return error_set(err, -ESTALE, "%s is gone", path);
    if (result < 0)
        return result;
    // A pair that is gone from it has been logged out of.
    if (credential_text_read(text, path, CREDENTIAL_OAUTH, &now, NULL) < 0 ||
        strcmp(now.refresh, refresh) != 0)
        result = error_set(err, -ESTALE, "%s holds another login by now, or none", path);
    explicit_bzero(&now, sizeof(now));
    return result < 0 ? result : credential_text_renew(text, renewal, renewed, err);
}

// Locks the place, and names what succeeds the file there when `refresh` is used up. Returns the
// folder's descriptor, the caller's.
static int successor_lock(struct place *place, const char *path, const char *refresh,
                          char successor[static PATH_MAX], struct error *err)
{
    int result = place_split(place, path, err);
    if (result == 0)
        result = successor_name(place, refresh, successor, err);
    return result < 0 ? result : directory_lock(place, err);
}

int credential_store_prepare(const char *path, const char *refresh, struct error *err)
{
    static const struct credential_renewal trial = {
        .access = "A", .refresh = "R", .refresh_expires_at_ms = -1};
    struct place place;
    char successor[PATH_MAX];
    cleanup_with(credential_text_free) char *text = NULL;
    cleanup_fd int directory = successor_lock(&place, path, refresh, successor, err);
    if (directory < 0)
        return directory;
    int result = text_renew(path, refresh, &trial, &text, err);
    if (result < 0)
        return result;
    cleanup_fd int fd = open(successor, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(err, -errno, "making %s", successor);
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, CREDENTIAL_FILE_BYTES_MAX) < 0 && errno != EOPNOTSUPP)
        result = error_set_errno(err, -errno, "making room for %s", successor);
    if (result == 0)
        result = owner_set(fd, directory, path, err);
    if (result == 0 && fsync(fd) < 0)
        result = error_set_errno(err, -errno, "syncing %s", successor);
    if (result == 0)
        result = directory_sync(directory, &place, err);
    if (result < 0)
        unlink(successor);
    return result;
}

int credential_store_commit(const char *path, const char *refresh,
                            const struct credential_renewal *renewal, struct error *err)
{
    struct place place;
    char successor[PATH_MAX];
    cleanup_with(credential_text_free) char *text = NULL;
    cleanup_fd int directory = successor_lock(&place, path, refresh, successor, err);
    if (directory < 0)
        return directory;
    int result = text_renew(path, refresh, renewal, &text, err);
    if (result == -ESTALE)
        unlink(successor);
    if (result < 0)
        return result;
    cleanup_fd int fd = open(successor, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(err, -errno, "opening %s", successor);
    result = owner_set(fd, directory, path, err);
    if (result == 0)
        result = text_write(fd, successor, text, err);
    if (result == 0 && rename(successor, path) < 0)
        result = error_set_errno(err, -errno, "renaming %s", successor);
    return result < 0 ? result : directory_sync(directory, &place, err);
}

void credential_store_discard(const char *path, const char *refresh)
{
    struct place place;
    char successor[PATH_MAX];
    if (place_split(&place, path, NULL) == 0 &&
        successor_name(&place, refresh, successor, NULL) == 0)
        unlink(successor);
}

int credential_store_make(const char *directory, struct error *err)
{
    char parent[PATH_MAX];
    struct stat owner;
    if (mkdir(directory, 0700) < 0)
        return errno == EEXIST ? 0 : error_set_errno(err, -errno, "making %s", directory);
    snprintf(parent, sizeof(parent), "%s/..", directory);
    if (geteuid() == 0 &&
        (stat(parent, &owner) < 0 || chown(directory, owner.st_uid, owner.st_gid) < 0))
        return error_set_errno(err, -errno, "giving %s to its parent's owner", directory);
    return 0;
}

int credential_store_write(const char *path, const char *text, struct error *err)
{
    struct place place;
    char temporary[PATH_MAX];
    int result = place_split(&place, path, err);
    if (result < 0)
        return result;
    result = credential_store_make(place.directory, err);
    if (result < 0)
        return result;
    cleanup_fd int directory = directory_lock(&place, err);
    if (directory < 0)
        return directory;
    if (snprintf(temporary, sizeof(temporary), "%s/.new-XXXXXX", place.directory) >= PATH_MAX)
        return error_set(err, -ENAMETOOLONG, "%s", place.directory);
    cleanup_fd int fd = mkostemp(temporary, O_CLOEXEC); // mode 0600
    if (fd < 0)
        return error_set_errno(err, -errno, "writing into %s", place.directory);
    result = owner_set(fd, directory, path, err);
    if (result == 0)
        result = text_write(fd, temporary, text, err);
    if (result == 0 && rename(temporary, path) < 0)
        result = error_set_errno(err, -errno, "renaming %s", temporary);
    if (result < 0) {
        unlink(temporary);
        return result;
    }
    return directory_sync(directory, &place, err);
}

int credential_store_remove(const char *path, struct error *err)
{
    struct place place;
    int result = place_split(&place, path, err);
    cleanup_fd int directory = result == 0 ? directory_lock(&place, err) : -1;
    if (directory < 0)
        return result < 0 ? result : directory;
    if (unlink(path) < 0)
        return error_set_errno(err, -errno, "removing %s", path);
    others_remove(&place, "/"); // all of them
    return directory_sync(directory, &place, err);
}
