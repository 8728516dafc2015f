// Credential set: fills the daemon's pool with the credentials there are, at the start and whenever
// a file, or at SIGHUP the configuration, has changed.
#pragma once

#include "config.h"
#include "error.h"
#include "paths.h"

struct credential_keeper;
struct credential_set;
struct event_base;
struct sticky;

struct credential_set_options {
    struct event_base *base;
    struct credential_keeper *keeper;
    struct sticky *sticky;
    const struct paths *paths;
    const struct config *config; // for its [Credential] sections, until the first SIGHUP
    const char *config_path;     // that those are read from again; NULL: the default one
    const char *credential_file; // of --credential, or NULL: then what is stored belongs to the set
};

// Reads all of them. What cannot be read is logged and shown, and does not keep the others from
// serving; but a `credential_file` must be good.
int credential_set_new(struct credential_set **set, const struct credential_set_options *options,
                       struct error *err);
void credential_set_free(struct credential_set *set); // NULL is allowed

// Reads the files again, now.
void credential_set_reload(struct credential_set *set);
