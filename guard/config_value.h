// Configuration values: each type's parser, writer and accepted form. Pure.
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>

// A type of option. `field` is the address of what its comment names.
struct config_type {
    const char *form; // what to write, for messages: "a size such as 512M or 1G, or infinity"
    // Reads `value`, which is not empty. 0; -EINVAL: not of this form; -ENOMEM. The field is
    // untouched on failure.
    int (*parse)(const struct config_type *type, const char *value, void *field);
    // Writes the value as parse() reads it; nothing where it is unset.
    void (*print)(const struct config_type *type, const void *field, FILE *stream);
    const char *const *words; // of CONFIG_WORD and CONFIG_WORDS types, NULL at the end
    // Writes it without the secret that it may hold; NULL: there is none. Where there may be one,
    // the value is not repeated in messages.
    void (*mask)(const char *text, FILE *stream);
    bool owns_text; // the field is a char * to be freed
};

extern const struct config_type config_type_text;     // char *
extern const struct config_type config_type_path;     // char *
extern const struct config_type config_type_url;      // char *: http://host[:port][/path]
extern const struct config_type config_type_webhook;  // char *: the same, and a secret
extern const struct config_type config_type_dsn;      // char *: a libpq connection string
extern const struct config_type config_type_origin;   // char *: http://host[:port]
extern const struct config_type config_type_address;  // char *: numeric address and port
extern const struct config_type config_type_zone;     // char *: a time zone of this machine
extern const struct config_type config_type_flag;     // bool
extern const struct config_type config_type_count;    // int64_t, at least 1
extern const struct config_type config_type_number;   // int64_t, any
extern const struct config_type config_type_tasks;    // int64_t, at least 1, or LIMIT_NONE
extern const struct config_type config_type_size;     // int64_t bytes or LIMIT_NONE
extern const struct config_type config_type_duration; // int64_t microseconds or LIMIT_NONE
extern const struct config_type config_type_money;    // int64_t picodollars or LIMIT_NONE
extern const struct config_type config_type_tokens;   // int64_t or LIMIT_NONE
extern const struct config_type config_type_percent;  // int64_t, at least 1, or LIMIT_NONE

// For CONFIG_WORD types: an enum whose values are the indices of `words`.
int config_parse_word(const struct config_type *type, const char *value, void *field);
void config_print_word(const struct config_type *type, const void *field, FILE *stream);

// For CONFIG_WORDS types: a char *, some of `words` with spaces between.
int config_parse_words(const struct config_type *type, const char *value, void *field);
void config_print_text(const struct config_type *type, const void *field, FILE *stream);

// Reads "127.0.0.1:8377" or "[::1]:8377" strictly; port 0 is allowed.
bool config_address_parse(const char *text, struct sockaddr_storage *address, socklen_t *length);
