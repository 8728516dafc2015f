// Report mailer: see report_mailer.h.
#include "report_mailer.h"

#include "cleanup.h"
#include "morning_document.h"
#include "report_html.h"
#include "report_mail.h"
#include "report_text.h"

#include <inttypes.h>
#include <pwd.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

// Text and HTML of a document; both are malloc'ed.
static int render(const struct report_document *document, char **text, char **html,
                  struct error *err)
{
    size_t length;
    FILE *stream = open_memstream(text, &length);
    if (stream != NULL) {
        report_write_text(document, false, stream);
        fclose(stream);
        stream = open_memstream(html, &length);
    }
    if (stream != NULL) {
        report_write_html(document, stream);
        fclose(stream);
    }
    return *text != NULL && *html != NULL ? 0 : error_set(err, -ENOMEM, "no memory for the mail");
}

static int write_message(const struct morning_report *report, const char *to, FILE *stream,
                         struct error *err)
{
    char host[256] = "localhost", from[MAIL_HEADER_MAX], id[MAIL_HEADER_MAX];
    char line[MORNING_LINE_MAX], subject[MORNING_LINE_MAX + 16];
    cleanup_with(report_document_done) struct report_document document = {0};
    cleanup_free char *text = NULL;
    cleanup_free char *html = NULL;
    const struct passwd *user = getpwuid(geteuid());
    int code = morning_document_make(report, &document, err);
    if (code == 0)
        code = render(&document, &text, &html, err);
    if (code != 0)
        return code;
    gethostname(host, sizeof(host) - 1);
    snprintf(from, sizeof(from), "reeve <%.64s@%s>", user == NULL ? "reeve" : user->pw_name, host);
    snprintf(id, sizeof(id), "reeve.%" PRId64 ".%" PRId64 "@%s", report->query.day,
             report->query.now_us, host);
    snprintf(subject, sizeof(subject), "reeve: %s", morning_format_line(report, line));
    return report_mail_write(&(struct report_mail){.to = to,
                                                   .from = from,
                                                   .subject = subject,
                                                   .id = id,
                                                   .sent_at_us = report->query.now_us,
                                                   .text = text,
                                                   .html = html},
                             stream, err);
}

// Starts sendmail with the message as its standard input. It is outside of the PATH of most users.
static int spawn_sendmail(int message_fd, pid_t *pid)
{
    static const char *const places[] = {"sendmail", "/usr/sbin/sendmail", "/usr/lib/sendmail"};
    // -t: recipients are in the header; -i: a line of one dot is no end.
    char *const arguments[] = {(char *)"sendmail", (char *)"-t", (char *)"-i", NULL};
    posix_spawn_file_actions_t actions;
    int result = posix_spawn_file_actions_init(&actions);
    if (result != 0)
        return -result;
    result = posix_spawn_file_actions_adddup2(&actions, message_fd, STDIN_FILENO);
    int spawned = ENOENT;
    for (size_t i = 0; result == 0 && spawned == ENOENT && i < sizeof(places) / sizeof(places[0]);
         i++)
        spawned = posix_spawnp(pid, places[i], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return result != 0 ? -result : -spawned;
}

static int run_sendmail(int message_fd, struct error *err)
{
    pid_t pid = -1;
    int status;
    int result = spawn_sendmail(message_fd, &pid);
    if (result == -ENOENT)
        return error_set(err, result,
                         "there is no sendmail; install a mail server, or msmtp-mta to relay");
    if (result != 0)
        return error_set_errno(err, result, "starting sendmail");
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_set_errno(err, -errno, "waiting for sendmail");
    if (WIFSIGNALED(status))
        return error_set(err, -EIO, "sendmail was killed by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return error_set(err, -EIO, "sendmail ended with code %d: the mail is not sent",
                         WEXITSTATUS(status));
    return 0;
}

// The message is a file without a name: sendmail may read it as slowly as it likes.
int report_send_mail(const struct morning_report *report, const char *to, struct error *err)
{
    cleanup_file FILE *message = NULL;
    int fd = memfd_create("reeve-report", MFD_CLOEXEC);
    if (fd >= 0)
        message = fdopen(fd, "w+");
    if (message == NULL)
        return error_set_errno(err, -errno, "making a file for the mail");
    int code = write_message(report, to, message, err);
    if (code != 0)
        return code;
    if (fflush(message) != 0 || lseek(fileno(message), 0, SEEK_SET) < 0)
        return error_set_errno(err, -errno, "writing the mail");
    return run_sendmail(fileno(message), err);
}
