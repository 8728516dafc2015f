// A credential set in the loop of the test, with its keeper, its folder and the upstream that it
// would ask.
#pragma once

#include "credential_set.h"

#include "credential_keeper.h"
#include "curl_loop.h"
#include "raw_server.h"
#include "remove_tree.h"
#include "sticky.h"
#include "upstream.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#define KEY "sk-ant-api03-of-a-test"
#define TOKEN "sk-ant-oat01-of-a-test"

static char directory[40], endpoint_url[96];
static struct curl_loop *loop;
static struct upstream *upstream;
static struct credential_keeper *keeper;
static struct sticky *sticky;
static struct credential_set *set;
static struct paths paths;
static struct config config;
static struct error err;

// Replaces a file below the test's folder, as `reeve credential add` does: by renaming.
static inline void file_put(const char *name, const char *text)
{
    char path[PATH_MAX], before[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    snprintf(before, sizeof(before), "%s/.new", directory);
    int fd = open(before, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    ck_assert_int_eq(rename(before, path), 0);
}

static inline void file_remove(const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    ck_assert_int_eq(unlink(path), 0);
}

static inline void folder_make(const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void on_changed(void *context)
{
    (void)context;
}

static void on_alert(const char *name, const char *state, const char *text, void *context)
{
    (void)name;
    (void)state;
    (void)text;
    (void)context;
}

static void set_up(void)
{
    server_start();
    snprintf(directory, sizeof(directory), "/tmp/reeve-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(paths.state_dir, sizeof(paths.state_dir), "%s", directory);
    snprintf(endpoint_url, sizeof(endpoint_url), "%s/v1/oauth/token", url);
    unsetenv("CREDENTIALS_DIRECTORY");
    ck_assert_int_eq(config_init(&config, &err), 0);
    ck_assert_ptr_nonnull(sticky = sticky_new(1));
    ck_assert_int_eq(curl_loop_new(&loop, base, &err), 0);
    ck_assert_int_eq(
        upstream_new(&upstream, base, loop, &(struct upstream_options){.base_url = url}, &err), 0);
    const struct credential_keeper_options options = {
        .base = base,
        .curl = loop,
        .upstream = upstream,
        .endpoint = {.url = endpoint_url, .client_id = "client", .scope = "scope"},
        .changed = on_changed,
        .alert = on_alert,
    };
    ck_assert_int_eq(credential_keeper_new(&keeper, &options, &err), 0);
}

static void tear_down(void)
{
    credential_set_free(set);
    set = NULL;
    credential_keeper_free(keeper);
    upstream_free(upstream);
    curl_loop_free(loop);
    sticky_free(sticky);
    config_done(&config);
    server_stop_and_free();
    remove_tree(directory);
}

// Begins the set. `config_path` is read at SIGHUP, `file` is --credential; each NULL for none.
static inline int set_begin(const char *config_path, const char *file)
{
    const struct credential_set_options options = {
        .base = base,
        .keeper = keeper,
        .sticky = sticky,
        .paths = &paths,
        .config = &config,
        .config_path = config_path,
        .credential_file = file,
    };
    return credential_set_new(&set, &options, &err);
}

static inline struct credential *find(const char *name)
{
    return credential_pool_find(credential_keeper_pool(keeper), name);
}
