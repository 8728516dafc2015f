// Credential places: which credentials there are, and where: those of the configuration, and those
// that `reeve credential add` has stored.
#pragma once

#include "config.h"
#include "credential_pool.h"
#include "error.h"
#include "paths.h"

#include <stdbool.h>

struct credential_place {
    char name[JOB_NAME_MAX];
    char path[PATH_MAX];                     // absolute, links followed
    const struct config_credential *section; // of the configuration; NULL: stored, and no more
    bool is_shared;   // outside of the state directory: Claude Code may be at work on it as well
    bool is_disabled; // by `reeve credential disable`
};

// The place of the credential `name`, whether or not it is there: File= of its section; for a kind
// that does not rotate, the file of that name in $CREDENTIALS_DIRECTORY (systemd's LoadCredential=)
// before; without File= or a section, credentials/NAME in the state directory. -EINVAL: no name.
int credential_place_find(struct credential_place *place, const struct config *config,
                          const struct paths *paths, const char *name, struct error *err);

// Whether its file is where `reeve credential add` puts one, and so is ours to write and to remove.
bool credential_place_is_stored(const struct credential_place *place);

// What the pool is told of it. Its texts are the place's.
struct credential_options credential_place_options(const struct credential_place *place);

// Calls `visit` for each: the sections in their order, then what is stored, by name. Stops at a
// negative value, and returns it. `with_stored` false: the sections alone.
int credential_places_each(const struct config *config, const struct paths *paths, bool with_stored,
                           int (*visit)(const struct credential_place *place, void *context,
                                        struct error *err),
                           void *context, struct error *err);

// Notes that a credential is disabled, or not any more.
int credential_place_disable(const struct paths *paths, const char *name, bool disabled,
                             struct error *err);
