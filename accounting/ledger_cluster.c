// Ledger cluster: see ledger_cluster.h.
#include "ledger_cluster.h"

#include "cleanup.h"

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKET_FILE "/.s.PGSQL.5432"
#define ARGUMENTS_MAX 64

// Where distributions put the server: Debian and Ubuntu, Fedora and PGDG's RPMs, the rest.
static const char *const binaries_patterns[] = {
    "/usr/lib/postgresql/%s/bin",
    "/usr/pgsql-%s/bin",
};

// The owner of what is there; else the caller, or for root the first of these users that exists.
static int find_owner(struct ledger_cluster *cluster, struct error *err)
{
    static const char *const candidates[] = {"reeve", "postgres", "nobody"};
    struct stat status;
    struct passwd *user = NULL;
    if (geteuid() != 0) {
        user = getpwuid(geteuid());
    } else if (stat(cluster->data, &status) == 0 && status.st_uid != 0) {
        user = getpwuid(status.st_uid);
    } else {
        for (size_t i = 0; user == NULL && i < sizeof(candidates) / sizeof(candidates[0]); i++)
            user = getpwnam(candidates[i]);
    }
    if (user == NULL || strlen(user->pw_name) >= sizeof(cluster->user))
        return error_set(err, -ENOENT,
                         "no user for the private Postgres: neither reeve, postgres nor nobody "
                         "has an entry in /etc/passwd, or the caller has none");
    snprintf(cluster->user, sizeof(cluster->user), "%s", user->pw_name);
    cluster->uid = user->pw_uid;
    cluster->gid = user->pw_gid;
    return 0;
}

// The version that the cluster was made by, e.g. "15"; "*" if there is no cluster yet.
static void read_version(const struct ledger_cluster *cluster, char version[static 8])
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof(path), "%s/PG_VERSION", cluster->data);
    cleanup_file FILE *file = fopen(path, "re");
    if (file == NULL || fscanf(file, "%7[0-9.]", version) != 1)
        snprintf(version, 8, "*");
}

// The directory of the newest server that matches `version`.
static int find_binaries(struct ledger_cluster *cluster, struct error *err)
{
    char version[8];
    double newest = -1;
    read_version(cluster, version);
    for (size_t i = 0; i < sizeof(binaries_patterns) / sizeof(binaries_patterns[0]); i++) {
        char pattern[PATH_MAX];
        glob_t found = {0};
        const char *star = strchr(binaries_patterns[i], '%');
        snprintf(pattern, sizeof(pattern), "%.*s%s%s/postgres", (int)(star - binaries_patterns[i]),
                 binaries_patterns[i], version, star + 2);
        if (glob(pattern, 0, NULL, &found) == 0) {
            for (size_t k = 0; k < found.gl_pathc; k++) {
                double number = strtod(found.gl_pathv[k] + (star - binaries_patterns[i]), NULL);
                if (number <= newest)
                    continue;
                newest = number;
                snprintf(cluster->binaries, sizeof(cluster->binaries), "%.*s",
                         (int)(strlen(found.gl_pathv[k]) - strlen("/postgres")), found.gl_pathv[k]);
            }
        }
        globfree(&found);
    }
    if (newest >= 0)
        return 0;
    if (*version != '*')
        return error_set(err, -ENOENT,
                         "the books in %s were made by PostgreSQL %s, which is not installed; "
                         "install postgresql-%s, or name another ledger with --ledger DSN",
                         cluster->directory, version, version);
    return error_set(err, -ENOENT,
                     "no PostgreSQL server is installed; install the package postgresql, or name "
                     "a ledger with --ledger DSN");
}

// The cluster's own directory, or where its path is too long for a socket, one that its hash names.
static void find_socket_directory(struct ledger_cluster *cluster)
{
    size_t room = sizeof(cluster->socket_directory) - sizeof(SOCKET_FILE);
    if (strlen(cluster->directory) <= room) {
        memcpy(cluster->socket_directory, cluster->directory, strlen(cluster->directory) + 1);
        return;
    }
    uint64_t hash = UINT64_C(0xcbf29ce484222325); // FNV-1a
    for (const char *byte = cluster->directory; *byte != '\0'; byte++)
        hash = (hash ^ (unsigned char)*byte) * UINT64_C(0x100000001b3);
    snprintf(cluster->socket_directory, sizeof(cluster->socket_directory),
             "%s/reeve-postgres-%016" PRIx64, geteuid() == 0 ? "/run" : "/tmp", hash);
}

int ledger_cluster_find(struct ledger_cluster *cluster, const char *directory, struct error *err)
{
    struct ledger_cluster found = {0};
    cleanup_free char *current = *directory == '/' ? NULL : getcwd(NULL, 0);
    int length = snprintf(found.directory, sizeof(found.directory), "%s%s%s",
                          current == NULL ? "" : current, current == NULL ? "" : "/", directory);
    if (length < 0 || (size_t)length >= sizeof(found.directory))
        return error_set(err, -ENAMETOOLONG, "the path of the private Postgres is too long: %s",
                         directory);
    snprintf(found.data, sizeof(found.data), "%s/data", found.directory);
    snprintf(found.log, sizeof(found.log), "%s/log", found.directory);
    find_socket_directory(&found);
    int code = find_owner(&found, err);
    if (code == 0)
        code = find_binaries(&found, err);
    if (code == 0)
        *cluster = found;
    return code;
}

// Makes a directory of the owner's, or checks that it is one.
static int make_directory(const struct ledger_cluster *cluster, const char *path, struct error *err)
{
    struct stat status;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_set_errno(err, -errno, "making %s", path);
    if (lstat(path, &status) != 0)
        return error_set_errno(err, -errno, "looking at %s", path);
    if (!S_ISDIR(status.st_mode))
        return error_set(err, -ENOTDIR, "%s is not a directory", path);
    if (status.st_uid != cluster->uid && lchown(path, cluster->uid, cluster->gid) != 0)
        return error_set_errno(err, -errno, "giving %s to the user %s", path, cluster->user);
    return 0;
}

// Lets the owner pass through the state directory, which the daemon made for itself alone. What
// lies in it keeps its own rights.
static int open_way(const struct ledger_cluster *cluster, struct error *err)
{
    char parent[PATH_MAX];
    struct stat status;
    if (geteuid() != 0)
        return 0;
    snprintf(parent, sizeof(parent), "%s", cluster->directory);
    *strrchr(parent, '/') = '\0';
    if (*parent == '\0' || stat(parent, &status) != 0 || (status.st_mode & S_IXOTH) != 0)
        return 0;
    if (chmod(parent, (status.st_mode & 07777) | S_IXOTH) != 0)
        return error_set_errno(err, -errno, "letting the user %s pass through %s", cluster->user,
                               parent);
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static int write_file(const struct ledger_cluster *cluster, const char *directory, const char *name,
                      const char *text, struct error *err)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t length = strlen(text);
    if (fd < 0 || write(fd, text, length) != (ssize_t)length ||
        (geteuid() == 0 && fchown(fd, cluster->uid, cluster->gid) != 0)) // a sandbox may forbid it
        return error_set_errno(err, -errno, "writing %s", path);
    return 0;
}

// Runs initdb into `directory` and waits for it.
static int run_initdb(const struct ledger_cluster *cluster, const char *directory,
                      struct error *err)
{
    const char *const arguments[] = {"initdb", "-D", directory, "-U",         LEDGER_CLUSTER_ROLE,
                                     "-N",     "-A", "peer",    "--locale=C", "--encoding=UTF8",
                                     NULL};
    char words[256];
    pid_t pid;
    int status;
    int code = ledger_cluster_run(cluster, arguments, &pid, err);
    if (code != 0)
        return code;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_set_errno(err, -errno, "waiting for initdb");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    ledger_cluster_last_words(cluster, words, sizeof(words));
    return error_set(err, -EIO, "initdb could not make %s: %s", directory, words);
}

// initdb goes to a name of its own, so that one that was interrupted is never taken for a cluster.
static int make_data(const struct ledger_cluster *cluster, struct error *err)
{
    char fresh[PATH_MAX + 8];
    snprintf(fresh, sizeof(fresh), "%s.new", cluster->data);
    if (nftw(fresh, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        return error_set_errno(err, -errno, "removing %s", fresh);
    int code = run_initdb(cluster, fresh, err);
    if (code != 0)
        return code;
    cleanup_fd int fd = open(fresh, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || syncfs(fd) != 0) // once, instead of initdb's fsync of each file
        return error_set_errno(err, -errno, "writing %s to the disk", fresh);
    if (rename(fresh, cluster->data) != 0)
        return error_set_errno(err, -errno, "renaming %s", fresh);
    return 0;
}

int ledger_cluster_lock(const struct ledger_cluster *cluster, int *lock_fd, struct error *err)
{
    int code = open_way(cluster, err);
    if (code == 0)
        code = make_directory(cluster, cluster->directory, err);
    if (code == 0)
        code = make_directory(cluster, cluster->socket_directory, err);
    if (code != 0)
        return code;
    cleanup_fd int fd = open(cluster->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX) != 0)
        return error_set_errno(err, -errno, "locking %s", cluster->directory);
    *lock_fd = take_fd(&fd);
    return 0;
}

int ledger_cluster_make(const struct ledger_cluster *cluster, struct error *err)
{
    char users[2 * LEDGER_CLUSTER_USER_MAX + 64];
    struct stat status;
    snprintf(users, sizeof(users), "reeve root reeve\nreeve \"%s\" reeve\n", cluster->user);
    int code = write_file(cluster, cluster->directory, "log", "", err);
    if (code == 0 && stat(cluster->data, &status) != 0)
        code = make_data(cluster, err);
    if (code == 0)
        code = write_file(cluster, cluster->data, "pg_hba.conf", "local all all peer map=reeve\n",
                          err);
    if (code == 0)
        code = write_file(cluster, cluster->data, "pg_ident.conf", users, err);
    return code == 0 ? 0 : error_wrap(err, "making the private Postgres");
}

// In the child: becomes the owner and the program. Returns only if that fails.
static void become(const struct ledger_cluster *cluster, const char *const *arguments, int log_fd,
                   pid_t parent)
{
    static char *const environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", NULL};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid(); // a terminal's ^C is not meant for it
    int null_fd = open("/dev/null", O_RDONLY);
    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(log_fd, STDOUT_FILENO) < 0 ||
        dup2(log_fd, STDERR_FILENO) < 0)
        return;
    if (geteuid() == 0 &&
        (setgroups(0, NULL) != 0 || setgid(cluster->gid) != 0 || setuid(cluster->uid) != 0))
        return;
    // After the change of user, which clears it.
    if (prctl(PR_SET_PDEATHSIG, SIGINT) != 0 || getppid() != parent || chdir("/") != 0)
        return;
    execve(arguments[0], (char *const *)arguments, environment);
}

int ledger_cluster_run(const struct ledger_cluster *cluster, const char *const *arguments,
                       pid_t *pid, struct error *err)
{
    char path[PATH_MAX + 64];
    const char *vector[ARGUMENTS_MAX] = {path}; // the programs find each other by it
    snprintf(path, sizeof(path), "%s/%s", cluster->binaries, arguments[0]);
    for (size_t i = 1; arguments[i] != NULL; i++) {
        assert(i < ARGUMENTS_MAX - 1);
        vector[i] = arguments[i];
    }
    cleanup_fd int log_fd = open(cluster->log, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (log_fd < 0)
        return error_set_errno(err, -errno, "opening %s", cluster->log);
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0)
        return error_set_errno(err, -errno, "starting %s", path);
    if (child == 0) {
        become(cluster, vector, log_fd, parent);
        dprintf(log_fd, "%s could not be run as the user %s: %s\n", path, cluster->user,
                strerror(errno));
        _exit(127);
    }
    *pid = child;
    return 0;
}

void ledger_cluster_last_words(const struct ledger_cluster *cluster, char *text, size_t size)
{
    char *line = NULL;
    size_t capacity = 0;
    snprintf(text, size, "nothing is said in %s", cluster->log);
    cleanup_file FILE *file = fopen(cluster->log, "re");
    if (file == NULL)
        return;
    while (getline(&line, &capacity, file) > 0)
        if (strncmp(line, "\n", 1) != 0)
            snprintf(text, size, "%.*s", (int)strcspn(line, "\n"), line);
    free(line);
}
