// Configuration masks: values that hold a secret, shown without it. Pure.

#include "config_mask.h"

#include <string.h>

void config_mask_url(const char *url, FILE *stream)
{
    const char *host = strstr(url, "://");
    host = host != NULL ? host + 3 : url;
    size_t shown = (size_t)(host - url) + strcspn(host, "/?#");
    fprintf(stream, "%.*s%s", (int)shown, url, url[shown] != '\0' ? "/" CONFIG_MASK : "");
}
