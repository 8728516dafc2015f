// Size text: bytes for people.

#include "size_text.h"

#include <stddef.h>
#include <stdio.h>

const char *size_format(int64_t bytes, char text[static SIZE_TEXT_MAX])
{
    static const char units[] = "BKMGT";
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && units[unit + 1] != '\0') {
        value /= 1024;
        unit++;
    }
    snprintf(text, SIZE_TEXT_MAX, unit == 0 ? "%.0f%c" : "%.1f%c", value, units[unit]);
    return text;
}
