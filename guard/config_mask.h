// Configuration masks: values that hold a secret, shown without it. Pure.
#pragma once

#include <stdio.h>

#define CONFIG_MASK "…" // stands for what is not shown

// A URL whose path or query lets whoever knows it in: scheme, host and port alone.
void config_mask_url(const char *url, FILE *stream);

// A libpq connection string, as it is where it holds no password, else its parameters without
// that; nothing but the mask where libpq cannot read it.
void config_mask_dsn(const char *dsn, FILE *stream);
