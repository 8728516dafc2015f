// Environment: what a run's command finds in its environment, and what it does not find there.
#pragma once

#include "control_message.h"
#include "error.h"

// Builds the command's environment out of `base` (as environ is): real credentials and whatever
// would lead around the proxy are left out, the run's identity is put in. The caller ends with
// environment_free(), which wipes it.
int environment_new(char ***environment, char *const *base, const struct control_granted *granted,
                    const char *job, struct error *err);
void environment_free(char **environment); // NULL is allowed

// Whether a variable of this name ("AWS_REGION", no value) is kept from the command.
int environment_is_removed(const char *name);
