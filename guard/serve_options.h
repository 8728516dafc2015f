// Serve options: the command line of `reeve serve`, over the configuration.
#pragma once

#include "config.h"
#include "error.h"

#include <stdbool.h>

struct serve_options {
    const char *config_path;     // NULL: the default, which may be missing
    const char *credential_file; // NULL: what the configuration or the state directory has
    const char *state_dir;
    // Options of [Reeve] that the command line sets, by name.
    const char *values[16][2];
    size_t value_count;
};

// False: the process ends with *code, after --help or with what is wrong on stderr.
bool serve_options_parse(struct serve_options *options, int argc, char **argv, int *code);

// Loads the configuration and sets the options over it.
int serve_options_apply(const struct serve_options *options, struct config *config,
                        struct error *err);
