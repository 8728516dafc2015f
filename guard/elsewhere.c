// Elsewhere: the subcommands that `reeve` leaves to the whole program, which it becomes for them.
//
// `reeve run` is started for every run, and to find and bind libcurl, libpq and libsystemd, with
// what they bring along (TLS, LDAP, Kerberos, gcrypt), takes longer than all that it has to do. So
// there are two programs of one table: the whole one has every subcommand; `reeve` is linked with
// this file in place of those that need such libraries. What few runs need of them, to ask systemd
// for a scope, is in a shared object, loaded then.

#include "config_mask.h"
#include "subcommands.h"
#include "systemd_scope.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define PATH_SIZE (PATH_MAX + 64)

// Finds a file of the whole: installed, and where it was built, as seen from `reeve`'s folder.
static void find_file(const char *name, char path[static PATH_SIZE])
{
    static const char *const places[] = {"../lib/reeve", "whole"};
    char folder[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
    folder[length < 0 ? 0 : length] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        *slash = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(path, PATH_SIZE, "%s/%s/%s", folder, places[i], name);
        if (access(path, F_OK) == 0)
            return;
    }
}

// argv is the subcommand's; `reeve` itself is in front of it, as main() has got it.
static int become_whole(char **argv)
{
    char path[PATH_SIZE];
    find_file("reeve", path);
    execv(path, argv - 1);
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
ELSEWHERE(cgroup_helper_main)

int systemd_scope_start_here(enum systemd_manager manager, const char *name,
                             const struct run_limits *limits, struct error *err)
{
    char path[PATH_SIZE];
    find_file("systemd_scope.so", path);
    void *library = dlopen(path, RTLD_NOW); // stays to the end
    __typeof__(systemd_scope_start_here) *start_here =
        library != NULL ? dlsym(library, __func__) : NULL;
    return start_here != NULL
               ? start_here(manager, name, limits, err)
               : error_set(err, -ELIBACC, "asking systemd for a scope: %s", dlerror());
}

// libpq reads connection strings, and the subcommands that show one are elsewhere.
void config_mask_dsn(const char *dsn, FILE *stream)
{
    (void)dsn;
    fputs(CONFIG_MASK, stream);
}
