// Fuzz: a zone file of any bytes is read or refused; what is read has days that follow each other.
#include "time_zone.h"

#include <stdbool.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct time_zone *zone = NULL;
    struct error err = {0};
    int result = time_zone_parse(&zone, "fuzz", data, size, &err);
    require((result == 0) == (zone != NULL) && (result == 0) == (err.code == 0));
    if (result < 0)
        return 0;
    for (int64_t time_s = 0; time_s < INT64_C(4200000000); time_s += 86400 * 97) {
        int64_t day = time_zone_day(zone, time_s);
        require(time_zone_day_start_s(zone, day) <= time_s);
        require(time_zone_day_start_s(zone, day + 1) > time_s);
        require(time_zone_month_first_day(day, 0) <= day);
        require(time_zone_month_first_day(day, 1) > day);
    }
    time_zone_free(zone);
    return 0;
}
