// Fuzz: a configuration of any bytes is read or refused with a reason; what is read can be shown
// and reads as the same again.
#include "config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static char *show(const struct config *config, size_t *length)
{
    char *text = NULL;
    FILE *stream = open_memstream(&text, length);
    config_show(config, stream);
    fclose(stream);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config_problems problems;
    struct config config, again;
    struct error err = {0};
    int result = config_parse(&config, "fuzz", (const char *)data, size, &problems, &err);
    require((result == 0) == (problems.count == 0));
    for (size_t i = 0; i < problems.count && i < CONFIG_PROBLEMS_MAX; i++)
        require(strncmp(problems.text[i], "fuzz:", 5) == 0);
    if (result == 0) {
        size_t lengths[2];
        char *first = show(&config, &lengths[0]);
        require(config_parse(&again, "again", first, lengths[0], &problems, &err) == 0);
        char *second = show(&again, &lengths[1]);
        require(lengths[0] == lengths[1] && memcmp(first, second, lengths[0]) == 0);
        config_done(&again);
        free(first);
        free(second);
    }
    config_done(&config);
    return 0;
}
