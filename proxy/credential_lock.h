// Credential lock: Claude Code's own lock around a refresh, for files that are shared with it.
//
// Claude Code 2.1 makes the folder `.oauth_refresh.lock` beside its `.credentials.json`, and, for
// older versions, `FOLDER.lock` beside the folder that is in; whoever cannot make both waits. A
// lock that has not been touched for 60 s is dead and may be removed.
#pragma once

#include "error.h"

#include <limits.h>

#define CREDENTIAL_LOCK_STALE_S 60

// Zeroed is not held.
struct credential_lock {
    char paths[2][PATH_MAX]; // "" for one that is not held
};

// Takes the locks of the credential file `path`. -EBUSY: somebody else has them; ask again.
int credential_lock_take(struct credential_lock *lock, const char *path, struct error *err);

// Says that the lock is still in use; at least every CREDENTIAL_LOCK_STALE_S / 2.
void credential_lock_touch(const struct credential_lock *lock);

void credential_lock_release(struct credential_lock *lock);
