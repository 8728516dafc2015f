// Credential list: what is known of the credentials, as a table or JSON. None of it is a secret.
#pragma once

#include "config.h"
#include "control_message.h"
#include "error.h"
#include "paths.h"

#include <jansson.h>
#include <stdio.h>

// Reads the files, as a daemon that starts now would; a credential has not served anything then.
// As root it reads as the state directory's owner. The caller frees the lists of the zeroed
// `status` with control_message_done().
int credential_list_read(struct status *status, const struct config *config,
                         const struct paths *paths, struct error *err);

void credential_list_print(const struct status *status, FILE *stream);

// One entry of `struct status`; NULL when out of memory.
json_t *credential_list_json(const struct status_credential *credential);
