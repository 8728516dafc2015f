// Credential set: fills the daemon's pool with the credentials there are.

#include "credential_set.h"

#include "cleanup.h"
#include "clock.h"
#include "credential_keeper.h"
#include "credential_places.h"
#include "credential_store.h"
#include "log.h"
#include "random.h"
#include "sticky.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#define RELOAD_DELAY_US 50000 // so that what happens together is read once
#define WATCHED (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB)

struct credential_set {
    struct credential_set_options options;
    struct config *config; // of the last SIGHUP; NULL: options.config is in force
    int inotify_fd;
    struct event *watch, *reload, *hangup;
};

// ---- filling the pool

// Hears of changes in the folder of a file, as files are replaced by renaming.
static void folder_watch(const struct credential_set *set, const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
    if (set->inotify_fd >= 0)
        inotify_add_watch(set->inotify_fd, folder, WATCHED | IN_ONLYDIR);
}

static int on_place(const struct credential_place *place, void *context, struct error *err)
{
    struct credential_set *set = context;
    struct credential_options options = credential_place_options(place);
    struct credential *credential;
    folder_watch(set, place->path);
    int changed = credential_pool_put(credential_keeper_pool(set->options.keeper), &options,
                                      random_number(), clock_now_us() / 1000, &credential, err);
    if (changed > 0)
        log_event(credential->file_problem[0] != '\0' ? LOG_ERR : LOG_INFO, "credential", "name",
                  credential->name, "type", credential_type_name(credential->secret.type), "state",
                  credential_state_name(credential->state), "problem",
                  credential->file_problem[0] != '\0' ? credential->file_problem : NULL, NULL);
    return changed < 0 ? changed : 0;
}

static void on_gone(const struct credential *credential, void *context)
{
    struct credential_set *set = context;
    sticky_forget(set->options.sticky, credential->number);
    log_event(LOG_INFO, "credential", "name", credential->name, "state", "removed", NULL);
}

// The one of --credential.
static int file_put(struct credential_set *set, struct error *err)
{
    struct credential_place place = {.name = "main"};
    if (realpath(set->options.credential_file, place.path) == NULL)
        return error_set_errno(err, -errno, "credential file %s", set->options.credential_file);
    place.is_shared = true; // for all that we know
    return on_place(&place, set, err);
}

static int set_fill(struct credential_set *set, struct error *err)
{
    const struct config *config = set->config != NULL ? set->config : set->options.config;
    struct credential_pool *pool = credential_keeper_pool(set->options.keeper);
    credential_pool_begin(pool);
    int result = set->options.credential_file != NULL ? file_put(set, err) : 0;
    if (result == 0)
        result = credential_places_each(config, set->options.paths,
                                        set->options.credential_file == NULL, on_place, set, err);
    if (result < 0)
        return result; // and nothing is taken out
    credential_pool_sweep(pool, on_gone, set);
    credential_keeper_filled(set->options.keeper);
    return 0;
}

void credential_set_reload(struct credential_set *set)
{
    struct error err;
    if (set_fill(set, &err) < 0)
        log_event(LOG_ERR, "credentials_not_read", "error", err.text, NULL);
}

// ---- what calls for it

static void on_watch(evutil_socket_t fd, short what, void *context)
{
    struct credential_set *set = context;
    char events[4096];
    (void)what;
    while (read(fd, events, sizeof(events)) > 0) // which ones does not matter
        ;
    event_add(set->reload, &(struct timeval){0, RELOAD_DELAY_US});
}

static void on_reload(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    credential_set_reload(context);
}

static void config_free(struct config *config)
{
    if (config != NULL)
        config_done(config);
    free(config);
}

static void on_hangup(evutil_socket_t signal_number, short what, void *context)
{
    struct credential_set *set = context;
    struct error err;
    (void)what;
    struct config *read_again = calloc(1, sizeof(*read_again));
    log_event(LOG_NOTICE, "reloading", "signal", log_int(signal_number), NULL);
    if (read_again != NULL && config_load(read_again, set->options.config_path, NULL, &err) < 0) {
        log_event(LOG_ERR, "configuration_not_read", "error", err.text, NULL);
        config_free(take_pointer(&read_again));
    }
    if (read_again != NULL) {
        config_free(set->config);
        set->config = read_again;
    }
    credential_set_reload(set);
}

// ---- begin and end

// The folder that `reeve credential add` stores into, so that it can be watched.
static int store_make(const struct paths *paths, char path[static PATH_MAX], struct error *err)
{
    int result = paths_in_state(paths, "credentials", path, err);
    return result < 0 ? result : credential_store_make(path, err);
}

static int events_open(struct credential_set *set, struct error *err)
{
    struct event_base *base = set->options.base;
    set->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (set->inotify_fd < 0)
        return error_set_errno(err, -errno, "watching for credentials");
    set->watch = event_new(base, set->inotify_fd, EV_READ | EV_PERSIST, on_watch, set);
    set->reload = event_new(base, -1, 0, on_reload, set);
    set->hangup = evsignal_new(base, SIGHUP, on_hangup, set);
    if (set->watch == NULL || set->reload == NULL || set->hangup == NULL)
        return error_set(err, -ENOMEM, "out of memory for credentials");
    event_add(set->watch, NULL);
    event_add(set->hangup, NULL);
    return 0;
}

// The one file that was named outright is not to be looked for in a log.
static int file_check(const struct credential_set *set, struct error *err)
{
    const struct credential *credential =
        credential_pool_find(credential_keeper_pool(set->options.keeper), "main");
    if (set->options.credential_file == NULL || credential->state != CREDENTIAL_UNREADABLE)
        return 0;
    return error_set(err, -EINVAL, "%s", credential->file_problem);
}

int credential_set_new(struct credential_set **set, const struct credential_set_options *options,
                       struct error *err)
{
    char store[PATH_MAX];
    struct credential_set *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set(err, -ENOMEM, "out of memory for credentials");
    made->options = *options;
    made->inotify_fd = -1;
    int result = store_make(options->paths, store, err);
    if (result == 0)
        result = events_open(made, err);
    if (result == 0) {
        inotify_add_watch(made->inotify_fd, store, WATCHED | IN_ONLYDIR);
        result = set_fill(made, err);
    }
    if (result == 0)
        result = file_check(made, err);
    if (result < 0) {
        credential_set_free(made);
        return result;
    }
    if (credential_pool_count(credential_keeper_pool(options->keeper)) == 0)
        log_event(LOG_WARNING, "no_credential", "hint", "reeve credential add", NULL);
    *set = made;
    return 0;
}

void credential_set_free(struct credential_set *set)
{
    if (set == NULL)
        return;
    struct event *const events[] = {set->watch, set->reload, set->hangup};
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (events[i] != NULL)
            event_free(events[i]);
    if (set->inotify_fd >= 0)
        close(set->inotify_fd);
    config_free(set->config);
    free(set);
}
