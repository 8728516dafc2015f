// Morning words: see morning_words.h.
#include "morning_words.h"

#include <stdio.h>
#include <time.h>

static const char *format_time(int64_t local_s, const char *form,
                               char text[static MORNING_DATE_MAX])
{
    time_t seconds = (time_t)local_s;
    struct tm parts;
    gmtime_r(&seconds, &parts); // of local seconds: their own calendar
    strftime(text, MORNING_DATE_MAX, form, &parts);
    return *text == '0' ? text + 1 : text;
}

const char *morning_format_date(const struct morning_report *report, size_t index,
                                enum morning_date form, char text[static MORNING_DATE_MAX])
{
    static const char *const forms[] = {
        [MORNING_DATE_SHORT] = "%d %b",  [MORNING_DATE_LONG] = "%A, %d %B %Y",
        [MORNING_DATE_ISO] = "%Y-%m-%d", [MORNING_DATE_WEEKDAY] = "%A",
        [MORNING_DATE_MONTH] = "%B",
    };
    return format_time((report->first_day + (int64_t)index) * 86400, forms[form], text);
}

const char *morning_format_moment(const struct morning_report *report, int64_t time_us,
                                  char text[static MORNING_DATE_MAX])
{
    int64_t seconds = time_us / 1000000;
    return format_time(seconds + time_zone_offset_s(report->query.zone, seconds, NULL),
                       "%d %b %H:%M", text);
}

int morning_permille(int64_t part, int64_t whole)
{
    if (whole <= 0 || part <= 0)
        return 0;
    while (part > INT64_MAX / 1000) { // both of picodollars: what is lost is no share
        part /= 1000;
        whole /= 1000;
    }
    return whole == 0 ? 0 : (int)(part * 1000 / whole);
}

const char *morning_format_share(int64_t permille, char text[static MORNING_SHARE_MAX])
{
    if (permille < 0)
        snprintf(text, MORNING_SHARE_MAX, "-");
    else
        snprintf(text, MORNING_SHARE_MAX, "%d.%d%%", (int)(permille / 10), (int)(permille % 10));
    return text;
}

const char *morning_cost_word(int64_t cost_pico_usd, int64_t equivalent_pico_usd)
{
    return equivalent_pico_usd > 0 && equivalent_pico_usd == cost_pico_usd ? "API-equivalent"
                                                                           : "cost";
}

const char *morning_plural(int64_t count)
{
    return count == 1 ? "" : "s";
}
