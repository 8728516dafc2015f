// Configuration shown: the whole of it in the file's own form, or as JSON.

#include "config.h"

#include "cleanup.h"
#include "config_option.h"

#include <jansson.h>
#include <stdlib.h>

struct shower {
    enum config_section section;
    FILE *stream;
    json_t *json; // of the section
    int result;
};

// For people: without a password, or what lets one in as well.
static void show_value(const struct config_option *option, const void *object, FILE *stream)
{
    const void *field = config_option_field(option, object);
    if (option->type->mask == NULL)
        option->type->print(option->type, field, stream);
    else if (*(char *const *)field != NULL)
        option->type->mask(*(char *const *)field, stream);
}

char *config_option_text(const struct config_option *option, const void *object)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    if (stream == NULL)
        return NULL;
    show_value(option, object, stream);
    if (fclose(stream) != 0)
        free(take_pointer(&text));
    return text;
}

static void show_object(const void *object, const char *name, void *context)
{
    struct shower *shower = context;
    const char *section = config_section_name(shower->section);
    fprintf(shower->stream, "%s[%s%s%s]\n", shower->section == CONFIG_REEVE ? "" : "\n", section,
            name != NULL ? " " : "", name != NULL ? name : "");
    for (size_t i = 0; i < config_option_count; i++) {
        const struct config_option *option = &config_options[i];
        if (option->section != shower->section)
            continue;
        fprintf(shower->stream, "%s=", option->name);
        show_value(option, object, shower->stream);
        fputc('\n', shower->stream);
    }
}

void config_show(const struct config *config, FILE *stream)
{
    struct shower shower = {.stream = stream};
    for (shower.section = 0; shower.section < CONFIG_SECTIONS; shower.section++)
        config_section_each(config, shower.section, show_object, &shower);
}

static void object_to_json(const void *object, const char *name, void *context)
{
    struct shower *shower = context;
    json_t *values = name == NULL ? shower->json : json_object();
    for (size_t i = 0; i < config_option_count; i++) {
        const struct config_option *option = &config_options[i];
        if (option->section != shower->section)
            continue;
        cleanup_free char *text = config_option_text(option, object);
        if (text == NULL || json_object_set_new(values, option->name, json_string(text)) != 0)
            shower->result = -ENOMEM;
    }
    if (name != NULL && json_object_set_new(shower->json, name, values) != 0)
        shower->result = -ENOMEM;
}

int config_show_json(const struct config *config, FILE *stream, struct error *err)
{
    json_t *root = json_object();
    struct shower shower = {.result = 0};
    for (shower.section = 0; shower.section < CONFIG_SECTIONS; shower.section++) {
        shower.json = json_object();
        config_section_each(config, shower.section, object_to_json, &shower);
        if (json_object_set_new(root, config_section_name(shower.section), shower.json) != 0)
            shower.result = -ENOMEM;
    }
    if (shower.result == 0 && json_dumpf(root, stream, JSON_INDENT(2)) != 0)
        shower.result = -EIO;
    fputc('\n', stream);
    json_decref(root);
    return shower.result < 0 ? error_set_errno(err, shower.result, "writing JSON") : 0;
}
