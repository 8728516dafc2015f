// reeve cgroup-helper: root's part, on a Unix socket alone: a scope for the supervisor that asks,
// and its end for the daemon that asks.
//
// A supervisor shares its user with the agent, so whoever asks is not trusted: the kernel says
// which process it is, the scope is that process's own, and it is no looser than where the process
// was.

#include "cgroup_backend.h"
#include "cgroup_helper_message.h"
#include "cleanup.h"
#include "command_line.h"
#include "log.h"
#include "subcommands.h"
#include "systemd_scope.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-login.h>

#define IDLE_MAX_MS 60000   // then it ends; the socket unit starts it again
#define REQUEST_MAX_MS 1000 // for a client to say what it wants

static const char usage[] =
    "usage: reeve cgroup-helper [OPTION…]\n"
    "\n"
    "Makes cgroups for supervisors that cannot, as root. Started by reeve-cgroup-helper.socket;\n"
    "see reeve-cgroup-helper(8).\n";

struct caller {
    struct ucred credentials;
    int process_fd; // /proc/PID, of this very process
    char *unit;     // the system unit that it is in, NULL for none
    char *slice;
};

static void caller_done(struct caller *caller)
{
    if (caller->process_fd >= 0)
        close(caller->process_fd);
    free(caller->unit);
    free(caller->slice);
}

// False if the process has become another user's since it connected, as by a set-uid program.
static bool is_still(const struct caller *caller)
{
    char status[1024];
    unsigned real, effective;
    if (cgroup_file_read(caller->process_fd, "status", status, sizeof(status)) < 0)
        return false;
    const char *line = strstr(status, "\nUid:");
    return line != NULL && sscanf(line, " Uid: %u %u", &real, &effective) == 2 &&
           real == effective && real == caller->credentials.uid;
}

static int caller_init(struct caller *caller, int connection, struct error *err)
{
    char path[32];
    socklen_t size = sizeof(caller->credentials);
    *caller = (struct caller){.process_fd = -1};
    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &caller->credentials, &size) != 0)
        return error_set_errno(err, -errno, "asking who asks");
    snprintf(path, sizeof(path), "/proc/%d", caller->credentials.pid);
    caller->process_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (caller->process_fd < 0)
        return error_set_errno(err, -errno, "looking at process %d", caller->credentials.pid);
    if (!is_still(caller))
        return error_set(err, -EPERM, "process %d is another user's", caller->credentials.pid);
    sd_peer_get_unit(connection, &caller->unit);
    sd_peer_get_slice(connection, &caller->slice);
    return 0;
}

static int64_t smaller(int64_t limit, int directory_fd, const char *name)
{
    int64_t other = cgroup_file_number(directory_fd, name); // -1: "max", or no such file
    return other >= 0 && other < limit ? other : limit;
}

// Tightens what is asked for to what holds where the caller is now, and above.
static int tighten(struct systemd_scope *scope, const struct caller *caller, struct error *err)
{
    char path[RUN_CGROUP_PATH_MAX];
    int result = cgroup_read_path(caller->process_fd, path, err);
    while (result == 0 && path[0] == '/' && path[1] != '\0') {
        cleanup_fd int fd = cgroup_open(path, err);
        if (fd < 0)
            return fd;
        scope->memory_max_bytes = smaller(scope->memory_max_bytes, fd, "memory.max");
        scope->memory_swap_max_bytes = smaller(scope->memory_swap_max_bytes, fd, "memory.swap.max");
        scope->tasks_max = smaller(scope->tasks_max, fd, "pids.max");
        *strrchr(path, '/') = '\0';
    }
    return result;
}

// Makes the scope's cgroup, and nothing above it, the caller's.
static int give_away(const struct caller *caller, const char *unit, struct error *err)
{
    static const char *const files[] = {"cgroup.procs", "cgroup.subtree_control", "cgroup.threads"};
    uid_t uid = caller->credentials.uid;
    gid_t gid = caller->credentials.gid;
    char path[RUN_CGROUP_PATH_MAX];
    int result = cgroup_read_path(caller->process_fd, path, err);
    if (result < 0)
        return result;
    if (strcmp(strrchr(path, '/') + 1, unit) != 0)
        return error_set(err, -ESRCH, "process %d is not in %s", caller->credentials.pid, unit);
    cleanup_fd int fd = cgroup_open(path, err);
    if (fd < 0)
        return fd;
    if (fchown(fd, uid, gid) != 0)
        return error_set_errno(err, -errno, "giving the cgroup %s to user %u", path, uid);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (fchownat(fd, files[i], uid, gid, AT_SYMLINK_NOFOLLOW) != 0)
            return error_set_errno(err, -errno, "giving %s of %s to user %u", files[i], path, uid);
    return 0;
}

static int make_scope(const struct cgroup_helper_request *request, const struct caller *caller,
                      struct error *err)
{
    char name[CGROUP_HELPER_UNIT_MAX];
    struct systemd_scope scope = {
        .name = name,
        .pid = caller->credentials.pid,
        .slice = caller->slice,
        .service = caller->unit,
        .memory_max_bytes = request->memory_max_bytes,
        .memory_swap_max_bytes = request->memory_swap_max_bytes,
        .tasks_max = request->tasks_max,
    };
    cgroup_helper_unit(request->run_id, name);
    int result = tighten(&scope, caller, err);
    if (result == 0)
        result = systemd_scope_start(SYSTEMD_SYSTEM, &scope, err);
    if (result == 0)
        result = give_away(caller, name, err);
    return result;
}

static int kill_scope(const struct cgroup_helper_request *request, const struct caller *caller,
                      uid_t daemon_uid, struct error *err)
{
    char name[CGROUP_HELPER_UNIT_MAX], path[RUN_CGROUP_PATH_MAX];
    struct stat scope;
    uid_t uid = caller->credentials.uid;
    cgroup_helper_unit(request->run_id, name);
    int result = systemd_unit_cgroup(name, path, sizeof(path), err);
    if (result < 0)
        return result;
    cleanup_fd int fd = cgroup_open(path, err);
    if (fd < 0)
        return fd;
    if (fstat(fd, &scope) != 0)
        return error_set_errno(err, -errno, "looking at %s", path);
    if (uid != 0 && uid != daemon_uid && uid != scope.st_uid)
        return error_set(err, -EPERM, "the run %s is not yours to kill", request->run_id);
    return cgroup_file_write(fd, "cgroup.kill", "1", err);
}

// Receives a request and does as it says.
static int serve_request(int connection, const struct caller *caller, uid_t daemon_uid,
                         struct cgroup_helper_request *request, struct error *err)
{
    char text[CGROUP_HELPER_MESSAGE_MAX];
    struct pollfd readable = {.fd = connection, .events = POLLIN};
    if (poll(&readable, 1, REQUEST_MAX_MS) != 1)
        return error_set(err, -ETIMEDOUT, "nothing was asked for");
    ssize_t length = recv(connection, text, sizeof(text), MSG_DONTWAIT);
    if (length < 0)
        return error_set_errno(err, -errno, "receiving a request");
    int result = cgroup_helper_request_read(text, (size_t)length, request, err);
    if (result < 0)
        return result;
    return request->verb == CGROUP_HELPER_SCOPE ? make_scope(request, caller, err)
                                                : kill_scope(request, caller, daemon_uid, err);
}

// The log comes after the answer, as a run waits for that.
static void answer(int connection, uid_t daemon_uid)
{
    struct error err;
    struct cgroup_helper_request request = {.verb = CGROUP_HELPER_SCOPE};
    cleanup_with(caller_done) struct caller caller;
    int result = caller_init(&caller, connection, &err);
    if (result == 0)
        result = serve_request(connection, &caller, daemon_uid, &request, &err);
    const char *text = result == 0 ? CGROUP_HELPER_DONE : err.text;
    send(connection, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
    log_event(result < 0 ? LOG_WARNING : LOG_INFO,
              request.verb == CGROUP_HELPER_SCOPE ? "scope" : "scope_kill", "run", request.run_id,
              "uid", log_int(caller.credentials.uid), "pid", log_int(caller.credentials.pid),
              "unit", caller.unit, "error", result < 0 ? err.text : NULL, NULL);
}

static int run(int listen_fd, uid_t daemon_uid)
{
    struct pollfd listening = {.fd = listen_fd, .events = POLLIN};
    int ready;
    while ((ready = poll(&listening, 1, IDLE_MAX_MS)) != 0) {
        cleanup_fd int connection = ready < 0 ? -1 : accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (connection >= 0)
            answer(connection, daemon_uid);
        else if (errno != EINTR && errno != ECONNABORTED && errno != EAGAIN)
            return EX_OSERR;
    }
    return EX_OK;
}

static int user_parse(void *uid, const char *name, struct error *err)
{
    const struct passwd *user = getpwnam(name);
    if (user == NULL)
        return error_set(err, -EINVAL, "there is no such user");
    *(uid_t *)uid = user->pw_uid;
    return 0;
}

int cgroup_helper_main(int argc, char **argv)
{
    uid_t daemon_uid = 0;
    const struct command_option options[] = {
        {.name = "daemon-user",
         .value = "USER",
         .help = "the daemon's, which may have any run's scope killed",
         .parse = user_parse,
         .into = &daemon_uid},
        {0},
    };
    const struct command_line line = {"cgroup-helper", usage, options, NULL};
    struct command_words words;
    int code = command_line_read(&line, argc, argv, &words);
    if (code >= 0)
        return code;
    if (sd_listen_fds(1) != 1 ||
        sd_is_socket(SD_LISTEN_FDS_START, AF_UNIX, SOCK_SEQPACKET, 1) <= 0) {
        fputs("reeve cgroup-helper: is started by reeve-cgroup-helper.socket, which passes it a "
              "socket of ListenSequentialPacket=\n",
              stderr);
        return EX_USAGE;
    }
    return run(SD_LISTEN_FDS_START, daemon_uid);
}
