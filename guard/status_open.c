// Status open: `reeve status --open`: a one-time link to the live page, and a browser that follows
// it.

#include "status_open.h"

#include "cleanup.h"
#include "clock.h"

#include <fcntl.h>
#include <jansson.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define OPENER "xdg-open"
#define DOOR_NAME "reeve-page.html"
#define DOOR_MAX (CONTROL_TEXT_MAX + 128)

// A page that goes on to the link. Everybody sees the arguments of a process, so that the browser
// gets the link by this file, which is its user's alone.
static bool door_write(const char *path, const char *url)
{
    char html[DOOR_MAX];
    int length =
        snprintf(html, sizeof(html),
                 "<!doctype html><meta http-equiv=\"refresh\" content=\"0; url=%s\">\n", url);
    unlink(path);
    cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write(fd, html, (size_t)length) == length;
    explicit_bzero(html, sizeof(html));
    return written;
}

// Starts whatever the desktop's user browses with, in a session of its own, as it is to outlive the
// terminal.
static bool browser_start(char *path)
{
    static const struct {
        int fd, flags;
    } streams[] = {{STDIN_FILENO, O_RDONLY}, {STDOUT_FILENO, O_WRONLY}, {STDERR_FILENO, O_WRONLY}};
    char *const arguments[] = {OPENER, path, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
        posix_spawn_file_actions_addopen(&actions, streams[i].fd, "/dev/null", streams[i].flags, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    int failed = posix_spawnp(&pid, OPENER, &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed == 0;
}

// For a person on a desktop alone. False: there is none, or no browser.
static bool browser_open(const char *url)
{
    const char *directory = getenv("XDG_RUNTIME_DIR");
    char path[PATH_MAX];
    if ((getenv("DISPLAY") == NULL && getenv("WAYLAND_DISPLAY") == NULL) || directory == NULL ||
        !isatty(STDOUT_FILENO) ||
        snprintf(path, sizeof(path), "%s/" DOOR_NAME, directory) >= (int)sizeof(path))
        return false;
    return door_write(path, url) && browser_start(path);
}

// "8377" of "http://127.0.0.1:8377/reeve/…".
static int port_of(const char *url)
{
    int port = 0;
    const char *end = strstr(url, "/reeve/");
    while (end != NULL && end > url && end[-1] != ':')
        end--;
    return end != NULL && sscanf(end, "%d", &port) == 1 ? port : 0;
}

static void print_text(const struct control_page_link *link)
{
    char valid[CLOCK_TEXT_MAX];
    printf("%s\n", link->url);
    fflush(stdout);
    bool opened = browser_open(link->url);
    fprintf(stderr, "The link works once, within %s.%s\n",
            clock_format_duration(link->valid_us, valid), opened ? " A browser opens it." : "");
    if (!opened && getenv("SSH_CONNECTION") != NULL)
        fprintf(stderr, "From another machine: ssh -L %d:127.0.0.1:%d THIS-MACHINE\n",
                port_of(link->url), port_of(link->url));
}

static int print_json(const struct control_page_link *link)
{
    json_t *json = json_pack("{s:s, s:I}", "url", link->url, "valid_s",
                             (json_int_t)(link->valid_us / 1000000));
    int failed = json == NULL ? -1 : json_dumpf(json, stdout, JSON_INDENT(2));
    fputc('\n', stdout);
    json_decref(json);
    return failed != 0 ? EX_IOERR : EX_OK;
}

int status_open(const struct client_options *options, bool json)
{
    struct control_message answer;
    const struct control_message request = {.type = CONTROL_PAGE_OPEN};
    int code = client_ask(options, "status", &request, CLIENT_TIMEOUT_MS, &answer);
    if (code != 0)
        return code;
    if (answer.type != CONTROL_PAGE_LINK) {
        fputs("reeve status: the daemon answered something else\n", stderr);
        code = EX_PROTOCOL;
    } else if (json) {
        code = print_json(&answer.page_link);
    } else {
        print_text(&answer.page_link);
    }
    control_message_done(&answer);
    return code;
}
