// Paths: where the state and the control socket are.
//
// State, the first of: --state-dir; StateDirectory=; $REEVE_STATE_DIR; $STATE_DIRECTORY (systemd);
// /var/lib/reeve as root; $XDG_STATE_HOME/reeve; ~/.local/state/reeve.
// The control socket is in the state directory if one of the first three named it, else in
// $RUNTIME_DIRECTORY (systemd); /run/reeve as root; $XDG_RUNTIME_DIR/reeve; the state directory. A
// client that is not root and finds no socket of its own takes /run/reeve/control.sock.
#pragma once

#include "config.h"
#include "error.h"

#include <limits.h>
#include <sys/un.h>

#define PATHS_CONTROL_SOCKET_MAX sizeof(((struct sockaddr_un *)NULL)->sun_path)

struct paths {
    char state_dir[PATH_MAX];
    char journal_dir[PATH_MAX];  // state_dir/journal
    char postgres_dir[PATH_MAX]; // state_dir/postgres: the private cluster
    char control_socket[PATHS_CONTROL_SOCKET_MAX];
};

// For the daemon: makes the directories (0711 state, 0755 socket's) and fills `paths`.
// `state_dir_option` is --state-dir or NULL. -ENAMETOOLONG: the socket's path does not fit
// sun_path.
int paths_resolve(struct paths *paths, const char *state_dir_option, const struct config *config,
                  struct error *err);

// For clients: the same places, nothing is made. `config` may be NULL.
int paths_find(struct paths *paths, const char *state_dir_option, const struct config *config,
               struct error *err);

// Joins the state directory and a relative name; an absolute one stays. -ENAMETOOLONG.
int paths_in_state(const struct paths *paths, const char *name, char path[static PATH_MAX],
                   struct error *err);
