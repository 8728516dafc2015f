// Job keys: what lets an agent outside `reeve run` in, as an implicit run of a job.

#include "job_keys.h"

#include "cleanup.h"
#include "config.h"
#include "log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX_DIGITS (2 * AGENT_KEY_DIGEST_BYTES)
#define LINE_MAX_BYTES 256

void job_keys_init(struct job_keys *keys, const char *path)
{
    *keys = (struct job_keys){.read_bytes = -1};
    snprintf(keys->path, sizeof(keys->path), "%s", path);
}

void job_keys_done(struct job_keys *keys)
{
    free(take_pointer(&keys->keys));
    keys->count = 0;
}

static bool hex_decode(const char *text, unsigned char bytes[static AGENT_KEY_DIGEST_BYTES])
{
    if (strlen(text) != HEX_DIGITS || strspn(text, "0123456789abcdef") != HEX_DIGITS)
        return false;
    for (size_t i = 0; i < AGENT_KEY_DIGEST_BYTES; i++) {
        char digits[] = {text[2 * i], text[2 * i + 1], '\0'};
        bytes[i] = (unsigned char)strtoul(digits, NULL, 16);
    }
    return true;
}

static void revoke_keys(struct job_keys *keys, const char *job)
{
    size_t kept = 0;
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->keys[i].job, job) != 0)
            keys->keys[kept++] = keys->keys[i];
    keys->count = kept;
}

// Returns false for a line that is none of ours: torn by a power cut, or written by hand.
static bool take_line(struct job_keys *keys, char *line)
{
    struct job_key key = {.job = ""};
    char *rest = line;
    const char *verb = strsep(&rest, " ");
    const char *hex = strcmp(verb, "key") == 0 ? strsep(&rest, " ") : NULL;
    const char *job = strsep(&rest, " "), *time = strsep(&rest, " ");
    if (job == NULL || time == NULL || rest != NULL || !config_name_is_valid(job))
        return false;
    if (strcmp(verb, "revoked") == 0) {
        revoke_keys(keys, job);
        return true;
    }
    if (hex == NULL || !hex_decode(hex, key.digest) || keys->count == JOB_KEYS_MAX)
        return false;
    snprintf(key.job, sizeof(key.job), "%s", job);
    snprintf(key.made_at, sizeof(key.made_at), "%s", time);
    keys->keys[keys->count++] = key;
    return true;
}

static int read_file(struct job_keys *keys, int fd, int64_t bytes, struct error *err)
{
    cleanup_free char *text = calloc(1, (size_t)bytes + 1);
    keys->keys = calloc(JOB_KEYS_MAX, sizeof(*keys->keys));
    if (text == NULL || keys->keys == NULL)
        return error_set(err, -ENOMEM, "out of memory for %s", keys->path);
    if (pread(fd, text, (size_t)bytes, 0) < 0)
        return error_set_errno(err, -errno, "reading %s", keys->path);
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        if (*line != '\0' && !take_line(keys, line))
            log_event(LOG_WARNING, "job_key_passed_over", "file", keys->path, "line", line, NULL);
    return 0;
}

int job_keys_refresh(struct job_keys *keys, struct error *err)
{
    struct stat now;
    cleanup_fd int fd = open(keys->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) {
        job_keys_done(keys);
        return 0;
    }
    if (fd < 0 || fstat(fd, &now) < 0)
        return error_set_errno(err, -errno, "opening %s", keys->path);
    int64_t changed_us = (int64_t)now.st_mtim.tv_sec * 1000000 + now.st_mtim.tv_nsec / 1000;
    if (keys->keys != NULL && now.st_ino == keys->read_inode && now.st_size == keys->read_bytes &&
        changed_us == keys->read_changed_us)
        return 0;
    job_keys_done(keys);
    if (!S_ISREG(now.st_mode) || (now.st_mode & (S_IWGRP | S_IWOTH)) != 0 ||
        (now.st_uid != 0 && now.st_uid != geteuid()))
        return error_set(err, -EACCES, "%s: others may write it; do: chmod 600 %s", keys->path,
                         keys->path);
    if (now.st_size > JOB_KEYS_BYTES_MAX)
        return error_set(err, -EFBIG, "%s: more than %d bytes", keys->path, JOB_KEYS_BYTES_MAX);
    keys->read_inode = now.st_ino;
    keys->read_bytes = now.st_size;
    keys->read_changed_us = changed_us;
    return read_file(keys, fd, now.st_size, err);
}

const struct job_key *job_keys_find(struct job_keys *keys, const char *key, size_t length)
{
    unsigned char digest[AGENT_KEY_DIGEST_BYTES];
    const struct job_key *found = NULL;
    struct error err;
    if (job_keys_refresh(keys, &err) < 0)
        log_event(LOG_ERR, "job_keys_not_read", "error", err.text, NULL);
    agent_key_digest(key, length, digest);
    for (size_t i = 0; i < keys->count; i++)
        if (agent_key_digests_equal(keys->keys[i].digest, digest))
            found = &keys->keys[i];
    return found;
}

// Adds a line, to a new file if there is none, on the disk before it returns.
static int add_line(const char *path, const char *line, struct error *err)
{
    cleanup_fd int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return error_set_errno(err, -errno, "opening %s", path);
    size_t length = strlen(line);
    if (write(fd, line, length) != (ssize_t)length || fsync(fd) < 0)
        return error_set_errno(err, -errno, "writing %s", path);
    // The daemon may run as another user: the state directory's owner.
    char directory[PATH_MAX];
    struct stat owner;
    snprintf(directory, sizeof(directory), "%s", path);
    *strrchr(directory, '/') = '\0';
    if (geteuid() == 0 && stat(directory, &owner) == 0 && owner.st_uid != 0 &&
        fchown(fd, owner.st_uid, owner.st_gid) < 0)
        return error_set_errno(err, -errno, "giving %s to its directory's owner", path);
    return 0;
}

int job_keys_add(const char *path, const char *job, char key[static RUN_KEY_MAX], struct error *err)
{
    unsigned char digest[AGENT_KEY_DIGEST_BYTES];
    char hex[HEX_DIGITS + 1], time[CLOCK_TEXT_MAX], line[LINE_MAX_BYTES];
    int result = agent_key_draw(JOB_KEY_PREFIX, key, digest, err);
    if (result < 0)
        return result;
    for (size_t i = 0; i < AGENT_KEY_DIGEST_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    snprintf(line, sizeof(line), "key %s %s %s\n", hex, job,
             clock_format_utc(clock_now_us(), time));
    result = add_line(path, line, err);
    if (result < 0)
        explicit_bzero(key, RUN_KEY_MAX);
    return result;
}

int job_keys_revoke(const char *path, const char *job, struct error *err)
{
    char time[CLOCK_TEXT_MAX], line[LINE_MAX_BYTES];
    snprintf(line, sizeof(line), "revoked %s %s\n", job, clock_format_utc(clock_now_us(), time));
    return add_line(path, line, err);
}
