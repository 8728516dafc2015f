// Elsewhere: the subcommands that `reeve` leaves to the whole program, which it becomes for them.
//
// `reeve run` is started for every run, and to find and bind libcurl and libpq, with what they
// bring along (TLS, LDAP, Kerberos), takes longer than all that it has to do. So there are two
// programs of one table: the whole one has every subcommand; `reeve` is linked with this file in
// place of those that need such libraries.

#include "config_mask.h"
#include "subcommands.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

// Seen from the folder that `reeve` is in: installed, and where it was built.
static const char *const places[] = {"../lib/reeve/reeve", "whole/reeve"};

// argv is the subcommand's; `reeve` itself is in front of it, as main() has got it.
static int become_whole(char **argv)
{
    char folder[PATH_MAX], path[PATH_MAX + 32];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
    folder[length < 0 ? 0 : length] = '\0';
    char *name = strrchr(folder, '/');
    if (name != NULL)
        *name = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, places[i]);
        execv(path, argv - 1);
        if (errno != ENOENT && errno != ENOTDIR)
            break;
    }
    fprintf(stderr, "reeve %s: %s: %s; is reeve installed as a whole?\n", argv[0], path,
            strerror(errno));
    return EX_UNAVAILABLE;
}

#define ELSEWHERE(subcommand)                                                                      \
    int subcommand(int argc, char **argv)                                                          \
    {                                                                                              \
        (void)argc;                                                                                \
        return become_whole(argv);                                                                 \
    }

ELSEWHERE(serve_main)
ELSEWHERE(report_main)
ELSEWHERE(ledger_main)
ELSEWHERE(credential_main)
ELSEWHERE(job_main)
ELSEWHERE(price_main)
ELSEWHERE(alert_main)
ELSEWHERE(config_main)

// libpq reads connection strings, and the subcommands that show one are elsewhere.
void config_mask_dsn(const char *dsn, FILE *stream)
{
    (void)dsn;
    fputs(CONFIG_MASK, stream);
}
