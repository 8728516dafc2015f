// Paths: where the state and the control socket are.

#include "paths.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The private Postgres of a daemon that runs as root is another user's: it must get through. What
// is secret in there has modes of its own.
#define STATE_DIRECTORY_MODE 0711

#define SYSTEM_RUNTIME_DIR "/run/reeve"
#define SYSTEM_STATE_DIR "/var/lib/reeve"

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

static int join(char *path, size_t size, const char *directory, const char *name, struct error *err)
{
    int length = snprintf(path, size, "%s%s%s", directory, *name != '\0' ? "/" : "", name);
    if (length < 0 || (size_t)length >= size)
        return error_set(err, -ENAMETOOLONG,
                         "%s/%s is longer than the %zu bytes that the system takes; name a shorter "
                         "state directory",
                         directory, name, size - 1);
    return 0;
}

// The state directory that somebody named outright, NULL if nobody did.
static const char *named_state_dir(const char *option, const struct config *config)
{
    if (option != NULL)
        return option;
    if (config != NULL && config->reeve.state_directory != NULL)
        return config->reeve.state_directory;
    return environment("REEVE_STATE_DIR");
}

// Joins the working directory and a relative path: processes that are handed it may be elsewhere.
static int make_absolute(char path[static PATH_MAX], const char *given, struct error *err)
{
    char current[PATH_MAX] = "";
    if (given[0] == '/')
        return join(path, PATH_MAX, given, "", err);
    if (getcwd(current, sizeof(current)) == NULL)
        return error_set_errno(err, -errno, "finding the working directory");
    return join(path, PATH_MAX, current, given, err);
}

static int find_state_dir(char path[static PATH_MAX], const char *named, struct error *err)
{
    const char *home = environment("HOME");
    const char *place;
    if ((place = named) != NULL || (place = environment("STATE_DIRECTORY")) != NULL)
        return make_absolute(path, place, err);
    if (geteuid() == 0)
        return join(path, PATH_MAX, SYSTEM_STATE_DIR, "", err);
    if ((place = environment("XDG_STATE_HOME")) != NULL)
        return join(path, PATH_MAX, place, "reeve", err);
    if (home != NULL)
        return join(path, PATH_MAX, home, ".local/state/reeve", err);
    return error_set(err, -ENOENT,
                     "there is no place for the state: name --state-dir, or set HOME");
}

// The directory of the daemon's socket.
static int find_runtime_dir(char path[static PATH_MAX], const char *named, const char *state_dir,
                            struct error *err)
{
    const char *place;
    if (named != NULL)
        return join(path, PATH_MAX, state_dir, "", err);
    if ((place = environment("RUNTIME_DIRECTORY")) != NULL)
        return join(path, PATH_MAX, place, "", err);
    if (geteuid() == 0)
        return join(path, PATH_MAX, SYSTEM_RUNTIME_DIR, "", err);
    if ((place = environment("XDG_RUNTIME_DIR")) != NULL)
        return join(path, PATH_MAX, place, "reeve", err);
    return join(path, PATH_MAX, state_dir, "", err);
}

int paths_find(struct paths *paths, const char *state_dir_option, const struct config *config,
               struct error *err)
{
    struct paths found;
    char runtime_dir[PATH_MAX];
    const char *named = named_state_dir(state_dir_option, config);
    int result = find_state_dir(found.state_dir, named, err);
    if (result == 0)
        result = find_runtime_dir(runtime_dir, named, found.state_dir, err);
    if (result == 0)
        result = join(found.journal_dir, PATH_MAX, found.state_dir, "journal", err);
    if (result == 0)
        result = join(found.postgres_dir, PATH_MAX, found.state_dir, "postgres", err);
    if (result == 0)
        result = join(found.control_socket, sizeof(found.control_socket), runtime_dir,
                      "control.sock", err);
    if (result < 0)
        return result;
    if (named == NULL && geteuid() != 0 && access(found.control_socket, F_OK) != 0 &&
        access(SYSTEM_RUNTIME_DIR "/control.sock", F_OK) == 0)
        strncpy(found.control_socket, SYSTEM_RUNTIME_DIR "/control.sock",
                sizeof(found.control_socket));
    *paths = found;
    return 0;
}

// Makes a directory and those above it, which get 0755.
static int make_directory(const char *path, mode_t mode, struct error *err)
{
    char above[PATH_MAX];
    for (size_t length = 1; path[length] != '\0'; length++) {
        if (path[length] != '/')
            continue;
        memcpy(above, path, length);
        above[length] = '\0';
        if (mkdir(above, 0755) != 0 && errno != EEXIST)
            return error_set_errno(err, -errno, "making the directory %s", above);
    }
    if (mkdir(path, mode) == 0)
        return chmod(path, mode) == 0 // whatever the umask says
                   ? 0
                   : error_set_errno(err, -errno, "setting the mode of %s", path);
    if (errno != EEXIST)
        return error_set_errno(err, -errno, "making the directory %s", path);
    return 0;
}

int paths_resolve(struct paths *paths, const char *state_dir_option, const struct config *config,
                  struct error *err)
{
    struct paths found;
    char runtime_dir[PATH_MAX];
    const char *named = named_state_dir(state_dir_option, config);
    int result = paths_find(&found, state_dir_option, config, err);
    if (result == 0)
        result = find_runtime_dir(runtime_dir, named, found.state_dir, err);
    // The daemon listens at its own place, wherever a client would look.
    if (result == 0)
        result = join(found.control_socket, sizeof(found.control_socket), runtime_dir,
                      "control.sock", err);
    if (result == 0)
        result = make_directory(found.state_dir, STATE_DIRECTORY_MODE, err);
    if (result == 0)
        result = make_directory(runtime_dir, 0755, err);
    if (result == 0)
        *paths = found;
    return result;
}

int paths_in_state(const struct paths *paths, const char *name, char path[static PATH_MAX],
                   struct error *err)
{
    if (name[0] == '/')
        return join(path, PATH_MAX, name, "", err);
    return join(path, PATH_MAX, paths->state_dir, name, err);
}
