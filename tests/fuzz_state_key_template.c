// Fuzz: a template of any bytes makes a key that is one, or is refused with a reason; what the
// check takes, a job of any name and any time can be put into.
#include "state_key_template.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct time_zone *zone = NULL;
    char key[SOURCE_STATE_KEY_MAX];
    int64_t time_us = 0;
    if (size < sizeof(uint32_t))
        return 0;
    memcpy(&time_us, data, sizeof(uint32_t));
    char *template = strndup((const char *)data + sizeof(uint32_t), size - sizeof(uint32_t));
    require(template != NULL && time_zone_load(&zone, "UTC", &err) == 0);
    int checked = state_key_template_check(template, &err);
    require((checked == 0) == (err.code == 0));
    int result = state_key_template_expand(template, "j", zone, time_us * 1000000, key, &err);
    require(checked != 0 || result == 0);
    require(result != 0 || source_state_key_is_valid(key));
    time_zone_free(zone);
    free(template);
    return 0;
}
