// Configuration masks: connection strings, shown without the password. Pure.

#include "config_mask.h"

#include <libpq-fe.h>
#include <stdbool.h>

// libpq, PQconninfoOption: a "*" as dispchar marks what is to be hidden.
static bool is_secret(const PQconninfoOption *option)
{
    return option->val != NULL && option->dispchar[0] == '*';
}

// libpq, "Keyword/Value Connection Strings": quotes and backslashes are escaped in quotes.
static void print_quoted(const char *value, FILE *stream)
{
    fputc('\'', stream);
    for (; *value != '\0'; value++) {
        if (*value == '\'' || *value == '\\')
            fputc('\\', stream);
        fputc(*value, stream);
    }
    fputc('\'', stream);
}

static void print_options(const PQconninfoOption *options, FILE *stream)
{
    const char *blank = "";
    for (const PQconninfoOption *each = options; each->keyword != NULL; each++) {
        if (each->val == NULL)
            continue;
        fprintf(stream, "%s%s=", blank, each->keyword);
        if (is_secret(each))
            fputs(CONFIG_MASK, stream);
        else
            print_quoted(each->val, stream);
        blank = " ";
    }
}

void config_mask_dsn(const char *dsn, FILE *stream)
{
    PQconninfoOption *options = PQconninfoParse(dsn, NULL);
    bool has_secret = options == NULL;
    for (const PQconninfoOption *each = options; each != NULL && each->keyword != NULL; each++)
        has_secret |= is_secret(each);
    if (!has_secret)
        fputs(dsn, stream);
    else if (options == NULL)
        fputs(CONFIG_MASK, stream);
    else
        print_options(options, stream);
    PQconninfoFree(options);
}
