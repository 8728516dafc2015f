// Credential list: what is known of the credentials, as a table or JSON.

#include "credential_list.h"

#include "clock.h"
#include "credential_places.h"
#include "serve_status.h"
#include "value_json.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COLUMN_MAX 96

// ---- from the files

struct reader {
    struct credential_pool *pool;
    int64_t now_ms;
};

static int on_place(const struct credential_place *place, void *context, struct error *err)
{
    const struct reader *reader = context;
    struct credential_options options = credential_place_options(place);
    struct credential *credential;
    int result = credential_pool_put(reader->pool, &options, 0, reader->now_ms, &credential, err);
    return result < 0 ? result : 0;
}

// What is root's own reading of the files is not what the daemon will find.
static void become_owner(const struct paths *paths)
{
    struct stat owner;
    if (geteuid() == 0 && stat(paths->state_dir, &owner) == 0 && owner.st_uid != 0)
        (void)!seteuid(owner.st_uid);
}

int credential_list_read(struct status *status, const struct config *config,
                         const struct paths *paths, struct error *err)
{
    struct reader reader = {credential_pool_new(), clock_now_us() / 1000};
    if (reader.pool == NULL)
        return error_set(err, -ENOMEM, "out of memory for the credentials");
    become_owner(paths);
    credential_pool_begin(reader.pool);
    int result = credential_places_each(config, paths, true, on_place, &reader, err);
    if (result == 0) {
        status->now_us = reader.now_ms * 1000;
        serve_status_credentials(status, reader.pool);
    }
    credential_pool_free(reader.pool);
    return result;
}

// ---- as a table

static const char *time_text(int64_t time_us, char text[static CLOCK_TEXT_MAX])
{
    return time_us < 0 ? "-" : clock_format_utc(time_us, text);
}

// "cooling until …" where the state ends by itself, else the state alone.
static const char *state_text(const struct status_credential *credential, int64_t now_us,
                              char text[static COLUMN_MAX])
{
    char until[CLOCK_TEXT_MAX];
    if (credential->until_us <= now_us)
        snprintf(text, COLUMN_MAX, "%s", credential->state);
    else
        snprintf(text, COLUMN_MAX, "%s for %s", credential->state,
                 clock_format_duration(credential->until_us - now_us, until));
    return text;
}

void credential_list_print(const struct status *status, FILE *stream)
{
    fprintf(stream, "%-16s %-12s %-19s %-18s %-20s %-11s %4s %9s %-20s\n", "NAME", "TYPE",
            "FINGERPRINT", "STATE", "EXPIRES", "SERVES", "USED", "EXCHANGES", "LAST");
    for (size_t i = 0; i < status->credential_count; i++) {
        const struct status_credential *each = &status->credentials[i];
        char state[COLUMN_MAX], expires[CLOCK_TEXT_MAX], served[CLOCK_TEXT_MAX], used[8] = "-";
        if (each->used_percent >= 0)
            snprintf(used, sizeof(used), "%d%%", (int)each->used_percent);
        fprintf(stream, "%-16s %-12s %-19s %-18s %-20s %-11s %4s %9" PRId64 " %-20s\n", each->name,
                each->type[0] != '\0' ? each->type : "-",
                each->fingerprint[0] != '\0' ? each->fingerprint : "-",
                state_text(each, status->now_us, state), time_text(each->expires_at_us, expires),
                each->serves, used, each->exchanges, time_text(each->served_at_us, served));
        if (each->text[0] != '\0')
            fprintf(stream, "  %s\n", each->text);
    }
}

// ---- as JSON

json_t *credential_list_json(const struct status_credential *credential)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:s, s:o, s:o, s:o, s:I, s:I, s:o, s:s}", "name",
        credential->name, "type", credential->type, "state", credential->state, "serves",
        credential->serves, "priority", (json_int_t)credential->priority, "fingerprint",
        credential->fingerprint, "expires_at", time_json(credential->expires_at_us), "until",
        time_json(credential->until_us), "served_at", time_json(credential->served_at_us),
        "exchanges", (json_int_t)credential->exchanges, "refreshes",
        (json_int_t)credential->refreshes, "used_percent",
        credential->used_percent < 0 ? json_null() : json_integer(credential->used_percent),
        "problem", credential->text);
}
