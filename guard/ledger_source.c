// Ledger source: see ledger_source.h.
#include "ledger_source.h"

#include "ledger_feed.h"
#include "ledger_schema.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int ledger_source_init(struct ledger_source *source, const struct ledger_source_options *options,
                       struct error *err)
{
    *source = (struct ledger_source){0};
    int code = config_load(&source->config, options->client.config_path, NULL, err);
    if (code == 0)
        code = paths_find(&source->paths, options->client.state_dir, &source->config, err);
    if (code != 0)
        return code;
    source->dsn = options->dsn;
    if (source->dsn == NULL)
        source->dsn = getenv(LEDGER_DSN_ENV);
    if (source->dsn == NULL || *source->dsn == '\0')
        source->dsn = source->config.reeve.ledger;
    if (source->dsn != NULL && *source->dsn == '\0')
        source->dsn = NULL;
    return 0;
}

// Only its owner and root may use the private Postgres.
static int check_owner(const struct ledger_source *source, struct error *err)
{
    struct stat status;
    const char *directory = source->paths.postgres_dir;
    if (stat(directory, &status) != 0 && errno == ENOENT)
        return error_set(err, -ENOENT,
                         "there are no books in %s yet: reeve serve begins them; --state-dir or "
                         "--ledger name others",
                         directory);
    if (stat(directory, &status) != 0)
        return error_set_errno(err, -errno, "looking at the books in %s", directory);
    if (geteuid() == 0 || geteuid() == status.st_uid)
        return 0;
    const struct passwd *owner = getpwuid(status.st_uid);
    return error_set(err, -EACCES, "the books in %s belong to the user %s: do this as %s or root",
                     directory, owner == NULL ? "of another name" : owner->pw_name,
                     owner == NULL ? "that user" : owner->pw_name);
}

static int open_private(struct ledger_source *source, struct error *err)
{
    int code = check_owner(source, err);
    if (code == 0)
        code = ledger_local_init(&source->local, source->paths.postgres_dir, err);
    // The daemon starts it when there is something to write, which may be at this very moment.
    bool is_running = code == 0 && ledger_local_is_running(&source->local);
    if (code == 0 && !is_running) {
        fputs("reeve: the private Postgres does not run; it is started for this command\n", stderr);
        code = ledger_local_start(&source->local, err);
    }
    if (code == 0)
        code = ledger_open(&source->ledger, source->local.dsn, err);
    if (code == 0 && !is_running)
        code = ledger_schema_migrate(source->ledger, NULL, err);
    return code;
}

int ledger_source_open(struct ledger_source *source, struct error *err)
{
    if (source->dsn != NULL)
        return ledger_open(&source->ledger, source->dsn, err);
    return open_private(source, err);
}

void ledger_source_done(struct ledger_source *source)
{
    ledger_close(source->ledger);
    ledger_local_stop(&source->local);
    config_done(&source->config);
    *source = (struct ledger_source){0};
}
