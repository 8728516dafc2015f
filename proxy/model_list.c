// Model list: names of models with spaces between them, as Models= and StepDown= have them. Pure.

#include "model_list.h"

bool model_list_next(const char **list, struct slice *model)
{
    const char *start = *list + strspn(*list, " ");
    size_t length = strcspn(start, " ");
    *list = start + length;
    *model = (struct slice){start, length};
    return length > 0;
}

static struct slice without_suffix(struct slice model)
{
    static const char suffix[] = "[1m]";
    size_t length = sizeof(suffix) - 1;
    if (model.length > length && memcmp(model.bytes + model.length - length, suffix, length) == 0)
        model.length -= length;
    return model;
}

bool model_list_has(const char *list, struct slice model)
{
    struct slice each;
    while (model_list_next(&list, &each))
        if (slice_equals(each, without_suffix(model)))
            return true;
    return false;
}
