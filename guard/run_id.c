// Run id: the name of a run, sortable by time.

#include "run_id.h"

#include <stddef.h>
#include <sys/random.h>
#include <time.h>

void run_id_make(int64_t now_us, char id[static RUN_ID_MAX])
{
    static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm parts;
    uint8_t random[6];
    gmtime_r(&seconds, &parts);
    size_t length = strftime(id, RUN_ID_MAX, "%Y%m%d-%H%M%S-", &parts);
    while (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        ;
    for (size_t i = 0; i < sizeof(random); i++)
        id[length++] = letters[random[i] % 32];
    id[length] = '\0';
}
