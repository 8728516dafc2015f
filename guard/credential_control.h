// Credential control: what `reeve credential` asks of the daemon, answered when it is done.
#pragma once

#include "control.h"

struct credential_control;
struct credential_keeper;
struct credential_set;

// NULL when out of memory.
struct credential_control *credential_control_new(struct credential_keeper *keeper,
                                                  struct credential_set *set);
void credential_control_free(struct credential_control *control); // NULL is allowed

// Takes a CONTROL_CREDENTIAL message.
void credential_control_receive(struct credential_control *control, struct control_peer *peer,
                                const struct control_credential *asked);

// The peer has gone; whatever it asked for goes on.
void credential_control_peer_gone(struct credential_control *control, struct control_peer *peer);
