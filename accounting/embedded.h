// Embedded: the files of sql/ and of the live page that are built into the binary, so that it needs
// none at run time.
#pragma once

#include <stddef.h>

struct embedded_file {
    const char *name;  // path in the source tree: "sql/prices.csv"
    const char *bytes; // not terminated; lives as long as the program
    size_t length;
};

// The file called `name`, or NULL.
const struct embedded_file *embedded_find(const char *name);

// The file at `index`, in ascending order of names, or NULL after the last. Migrations are the ones
// whose names end in ".sql".
const struct embedded_file *embedded_at(size_t index);
