// Configuration options: the table that reading, command lines and showing share. For config*.c.
#pragma once

#include "config.h"
#include "config_value.h"

enum config_section { CONFIG_REEVE, CONFIG_CREDENTIAL, CONFIG_JOB, CONFIG_ALERT, CONFIG_SECTIONS };

struct config_option {
    enum config_section section;
    const char *name;
    const struct config_type *type;
    size_t offset;       // of the field in the section's struct
    const char *initial; // the default, as it would be written; "" is unset text
};

extern const struct config_option config_options[];
extern const size_t config_option_count;

const char *config_section_name(enum config_section section);

// The option's field in an object of its section.
void *config_option_field(const struct config_option *option, const void *object);

// The option's value as one would write it, but for secrets, malloc'ed; NULL when out of memory.
char *config_option_text(const struct config_option *option, const void *object);

// The option of that name, NULL if the section has none.
const struct config_option *config_option_find(enum config_section section, const char *name);

// Sets an option by name; "" sets the default. -EINVAL says which form, or which names, there are.
int config_set_option(enum config_section section, void *object, const char *name,
                      const char *value, struct error *err);

// The object that a heading names, added with defaults if it is not there. NULL with `err` set.
void *config_section_open(struct config *config, enum config_section section, const char *name,
                          struct error *err);

// All objects of a section, for showing. `name` is NULL for [Reeve].
void config_section_each(const struct config *config, enum config_section section,
                         void (*visit)(const void *object, const char *name, void *context),
                         void *context);
