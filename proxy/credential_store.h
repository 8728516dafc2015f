// Credential store: the file of a credential that rotates, replaced whole or not at all.
//
// A refresh token is good once. Whatever happens on the way, one of the two tokens must be found on
// the disk afterwards, and it must be told apart whether the old one has been spent:
//
//     prepare   makes .NAME.next-FINGERPRINT beside the file, with room    before the token goes
//     out commit    writes the new text into it, renames it over the file      before the answer is
//     used recover   finds what a kill has left: the new text, or only that the token may have gone
//     out
//
// FINGERPRINT is of the refresh token that is being spent. Each step is on the disk when it returns
// (fsync of file and folder), so all of this blocks: it belongs on a helper thread.
#pragma once

#include "credential_renew.h"
#include "error.h"

enum credential_leftover {
    LEFTOVER_NONE,
    LEFTOVER_ADOPTED,    // the new pair had been written whole: it is the file now
    LEFTOVER_UNANSWERED, // the token may have gone out; what came back was not stored
};

// Looks for what an earlier refresh of the pair in `path` has left; removes what is left of others.
int credential_store_recover(const char *path, enum credential_leftover *leftover,
                             struct error *err);

// Makes the successor of the file that holds `refresh`. Fails where it could not be stored later:
// no room, no right to write, or no place in the file's text; -ESTALE as credential_store_commit().
int credential_store_prepare(const char *path, const char *refresh, struct error *err);

// Puts the renewed pair in place of the one with `refresh`. -ESTALE: the file holds another pair by
// now, or is gone, and was left alone.
int credential_store_commit(const char *path, const char *refresh,
                            const struct credential_renewal *renewal, struct error *err);

// The token endpoint has answered, and not with a new pair.
void credential_store_discard(const char *path, const char *refresh);

// Makes a folder for credentials, mode 0700, unless it is there. As root it becomes that of the
// owner of the folder it is in, as whom the daemon runs.
int credential_store_make(const char *directory, struct error *err);

// Replaces or makes a credential's file, and its folder if need be, mode 0600. As root the file
// becomes that of the folder's owner.
int credential_store_write(const char *path, const char *text, struct error *err);

// Removes it, and what a refresh that was killed has left.
int credential_store_remove(const char *path, struct error *err);
