// Credential places: which credentials there are, and where.

#include "credential_places.h"

#include "cleanup.h"
#include "credential_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define STORE "credentials" // in the state directory
#define SWITCH_PERCENT 95   // where no section says

static int name_check(const char *name, struct error *err)
{
    if (config_name_is_valid(name))
        return 0;
    return error_set(err, -EINVAL,
                     "name '%.100s': accepted are 1 to %d of A-Z a-z 0-9 . _ -, the first one a "
                     "letter or digit",
                     name, JOB_NAME_MAX - 1);
}

// The empty file that says that a credential is disabled.
static int marker_path(const struct paths *paths, const char *name, char path[static PATH_MAX],
                       struct error *err)
{
    char relative[sizeof(STORE) + JOB_NAME_MAX + 16];
    snprintf(relative, sizeof(relative), STORE "/.%s.disabled", name);
    return paths_in_state(paths, relative, path, err);
}

// What systemd has brought, if it has that file.
static bool systemd_path(const struct config_credential *section, char path[static PATH_MAX])
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    const char *file = section->file != NULL ? section->file : section->name;
    if (directory == NULL || section->type == CONFIG_CREDENTIAL_OAUTH || strchr(file, '/') != NULL)
        return false;
    return snprintf(path, PATH_MAX, "%s/%s", directory, file) < PATH_MAX && access(path, F_OK) == 0;
}

static bool is_inside(const char *path, const char *directory)
{
    size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && path[length] == '/';
}

// Follows links, as far as there is a file: a pair that rotates is replaced where it lies.
static void links_follow(char path[static PATH_MAX])
{
    char resolved[PATH_MAX];
    if (realpath(path, resolved) != NULL)
        memcpy(path, resolved, PATH_MAX);
}

int credential_place_find(struct credential_place *place, const struct config *config,
                          const struct paths *paths, const char *name, struct error *err)
{
    struct credential_place found = {0};
    char marker[PATH_MAX], state[PATH_MAX], stored[sizeof(STORE) + JOB_NAME_MAX + 1];
    int result = name_check(name, err);
    if (result < 0)
        return result;
    snprintf(found.name, sizeof(found.name), "%s", name);
    snprintf(stored, sizeof(stored), STORE "/%s", name);
    found.section = config_find_credential(config, name);
    const char *file =
        found.section != NULL && found.section->file != NULL ? found.section->file : stored;
    if (found.section == NULL || !systemd_path(found.section, found.path))
        result = paths_in_state(paths, file, found.path, err);
    if (result == 0)
        result = paths_in_state(paths, "", state, err);
    if (result == 0)
        result = marker_path(paths, name, marker, err);
    if (result < 0)
        return result;
    links_follow(found.path);
    links_follow(state);
    found.is_shared = !is_inside(found.path, state);
    found.is_disabled = access(marker, F_OK) == 0;
    *place = found;
    return 0;
}

struct credential_options credential_place_options(const struct credential_place *place)
{
    static const enum credential_type types[] = {
        [CONFIG_CREDENTIAL_OAUTH] = CREDENTIAL_OAUTH,
        [CONFIG_CREDENTIAL_OAUTH_TOKEN] = CREDENTIAL_OAUTH_TOKEN,
        [CONFIG_CREDENTIAL_API_KEY] = CREDENTIAL_API_KEY,
        [CONFIG_CREDENTIAL_ANY] = CREDENTIAL_ANY,
    };
    static const enum credential_serves serves[] = {
        [CONFIG_SERVES_BY_TYPE] = CREDENTIAL_SERVES_BY_TYPE,
        [CONFIG_SERVES_CLAUDE_CODE] = CREDENTIAL_SERVES_CLAUDE_CODE,
        [CONFIG_SERVES_ANY] = CREDENTIAL_SERVES_ANY,
    };
    const struct config_credential *section = place->section;
    struct credential_options options = {
        .name = place->name,
        .path = place->path,
        .shared = place->is_shared,
        .disabled = place->is_disabled,
        .priority = 1,
        .switch_percent = SWITCH_PERCENT,
    };
    if (section != NULL) {
        options.expected = types[section->type];
        options.serves = serves[section->serves];
        options.priority = (int)section->priority;
        options.switch_percent =
            section->switch_at_percent > INT_MAX ? INT_MAX : (int)section->switch_at_percent;
    }
    return options;
}

static int is_name(const struct dirent *entry)
{
    return config_name_is_valid(entry->d_name);
}

struct names {
    struct dirent **list;
    int count;
};

static void names_free(struct names *names)
{
    for (int i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
}

int credential_places_each(const struct config *config, const struct paths *paths, bool with_stored,
                           int (*visit)(const struct credential_place *place, void *context,
                                        struct error *err),
                           void *context, struct error *err)
{
    struct credential_place place;
    char directory[PATH_MAX];
    cleanup_with(names_free) struct names names = {NULL, 0};
    int result = 0;
    for (size_t i = 0; result >= 0 && i < config->credential_count; i++) {
        result = credential_place_find(&place, config, paths, config->credentials[i].name, err);
        if (result == 0)
            result = visit(&place, context, err);
    }
    if (result < 0 || !with_stored)
        return result;
    result = paths_in_state(paths, STORE, directory, err);
    if (result < 0)
        return result;
    names.count = scandir(directory, &names.list, is_name, alphasort);
    if (names.count < 0)
        return errno == ENOENT ? 0 : error_set_errno(err, -errno, "reading %s", directory);
    for (int i = 0; result >= 0 && i < names.count; i++) {
        if (config_find_credential(config, names.list[i]->d_name) != NULL)
            continue;
        result = credential_place_find(&place, config, paths, names.list[i]->d_name, err);
        if (result == 0)
            result = visit(&place, context, err);
    }
    return result;
}

int credential_place_disable(const struct paths *paths, const char *name, bool disabled,
                             struct error *err)
{
    char marker[PATH_MAX], directory[PATH_MAX];
    int result = name_check(name, err);
    if (result == 0)
        result = marker_path(paths, name, marker, err);
    if (result == 0)
        result = paths_in_state(paths, STORE, directory, err);
    if (result < 0)
        return result;
    if (!disabled)
        return unlink(marker) == 0 || errno == ENOENT
                   ? 0
                   : error_set_errno(err, -errno, "removing %s", marker);
    result = credential_store_make(directory, err);
    if (result < 0)
        return result;
    cleanup_fd int fd = open(marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 ? 0 : error_set_errno(err, -errno, "making %s", marker);
}

bool credential_place_is_stored(const struct credential_place *place)
{
    return place->section == NULL || (place->section->file == NULL && !place->is_shared);
}
