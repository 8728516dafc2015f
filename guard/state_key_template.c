// State key template: see state_key_template.h.

#include "state_key_template.h"

#include <time.h>

#define TIME_LETTERS "YmdHMjGV" // strftime(3) writes digits alone for these, in every locale

// What stands for one letter behind a per cent sign. False: nothing does.
static bool expand_letter(char letter, const char *job, const struct tm *local,
                          char text[static JOB_NAME_MAX])
{
    if (letter == 'J' || letter == '%') {
        snprintf(text, JOB_NAME_MAX, "%s", letter == 'J' ? job : "%");
        return true;
    }
    const char format[] = {'%', letter, '\0'};
    return letter != '\0' && strchr(TIME_LETTERS, letter) != NULL &&
           strftime(text, JOB_NAME_MAX, format, local) > 0;
}

static int expand(const char *template, const char *job, const struct tm *local,
                  char key[static SOURCE_STATE_KEY_MAX], struct error *err)
{
    char expanded[SOURCE_STATE_KEY_MAX] = "";
    size_t used = 0;
    for (const char *next = template; *next != '\0'; next++) {
        char text[JOB_NAME_MAX] = {*next, '\0'};
        if (*next == '%' && !expand_letter(*++next, job, local, text))
            return error_set(err, -EINVAL, "%s: %%%.1s is not known; write %s", template, next,
                             STATE_KEY_TEMPLATE_FORM);
        if (used + strlen(text) >= sizeof(expanded))
            return error_set(err, -EINVAL, "%.64s…: a key has less than %d bytes", template,
                             SOURCE_STATE_KEY_MAX);
        memcpy(expanded + used, text, strlen(text) + 1);
        used += strlen(text);
    }
    if (!source_state_key_is_valid(expanded))
        return error_set(err, -EINVAL,
                         "'%s' makes no key: write some UTF-8, without control characters",
                         template);
    memcpy(key, expanded, used + 1);
    return 0;
}

int state_key_template_check(const char *template, struct error *err)
{
    char longest_job[JOB_NAME_MAX] = "";
    char key[SOURCE_STATE_KEY_MAX];
    const struct tm some_time = {.tm_mday = 1, .tm_year = 126};
    memset(longest_job, 'j', sizeof(longest_job) - 1);
    return expand(template, longest_job, &some_time, key, err);
}

int state_key_template_expand(const char *template, const char *job, const struct time_zone *zone,
                              int64_t time_us, char key[static SOURCE_STATE_KEY_MAX],
                              struct error *err)
{
    struct tm local;
    int64_t time_s = time_us / 1000000;
    time_t local_s = (time_t)(time_s + time_zone_offset_s(zone, time_s, NULL));
    gmtime_r(&local_s, &local);
    return expand(template, job, &local, key, err);
}
