// Source state server: see source_state_server.h.
#include "source_state_server.h"

#include "clock.h"
#include "ledger_local.h"
#include "ledger_schema.h"
#include "log.h"
#include "source_state_link.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

// A connection that is idle for so long is closed, like the feed's own.
#define REST_MS 60000

struct source_state_server {
    const struct ledger_catch_up_options *options;
    pthread_t thread;
    int fd;
    int stop_fd; // an eventfd
    char host[SOURCE_STATE_HOST_MAX];
    struct ledger_local local;
    struct ledger *ledger; // NULL: not connected
};

static void disconnect(struct source_state_server *server)
{
    ledger_close(server->ledger);
    server->ledger = NULL;
}

static const char *configured_dsn(const struct source_state_server *server)
{
    const char *dsn = server->options->dsn;
    return dsn == NULL || *dsn == '\0' ? NULL : dsn;
}

static int find_local(struct source_state_server *server, struct error *err)
{
    if (configured_dsn(server) != NULL || *server->local.dsn != '\0')
        return 0;
    return ledger_local_init(&server->local, server->options->postgres_directory, err);
}

static int connect_ledger(struct source_state_server *server, struct error *err)
{
    const char *dsn = configured_dsn(server);
    int code = find_local(server, err);
    if (code == 0 && dsn == NULL)
        code = ledger_local_start(&server->local, err);
    if (code == 0)
        code = ledger_open(&server->ledger, dsn != NULL ? dsn : server->local.dsn, err);
    if (code == 0)
        code = ledger_schema_migrate(server->ledger, NULL, err);
    if (code != 0)
        disconnect(server);
    return code;
}

static bool is_overdue(const struct source_state_question *question)
{
    return clock_monotonic_us() >= question->deadline_us;
}

// Asks, on a new connection if the one there is has died while it was idle: every question may be
// asked twice.
static int ask(struct source_state_server *server, const struct source_state_question *question,
               struct source_state_answer *answer, struct error *err)
{
    for (bool was_connected = true; was_connected;) {
        was_connected = server->ledger != NULL;
        int code = was_connected ? 0 : connect_ledger(server, err);
        if (code == 0 && is_overdue(question))
            return error_set(err, -ETIMEDOUT, "the ledger did not answer in time");
        if (code == 0)
            code = source_state_ask(server->ledger, server->host, question, answer, err);
        if (code == 0)
            return 0;
        disconnect(server);
    }
    return err->code;
}

// An asker who is slow to take answers is waited for as long as it waits itself.
static void send_answer(struct source_state_server *server,
                        const struct source_state_question *question,
                        const struct source_state_answer *answer)
{
    struct pollfd polled[] = {{.fd = server->fd, .events = POLLOUT},
                              {.fd = server->stop_fd, .events = POLLIN}};
    struct error err = {0};
    int code;
    while ((code = source_state_send_answer(server->fd, answer, &err)) == -EAGAIN &&
           !is_overdue(question) && polled[1].revents == 0)
        poll(polled, 2, (int)((question->deadline_us - clock_monotonic_us()) / 1000) + 1);
    if (code != 0)
        log_event(LOG_WARNING, "state_answer_lost", "error", err.text, NULL);
}

static void serve_question(struct source_state_server *server,
                           const struct source_state_question *question)
{
    struct source_state_answer answer = {
        .id = question->id,
        .action = question->action,
        .outcome = SOURCE_STATE_UNREACHABLE,
    };
    struct error err = {0};
    if (is_overdue(question))
        return;
    if (ask(server, question, &answer, &err) != 0)
        snprintf(answer.text, sizeof(answer.text), "%.*s", (int)sizeof(answer.text) - 1, err.text);
    send_answer(server, question, &answer);
}

// The questions that are there. False: no more will come.
static bool serve_all(struct source_state_server *server)
{
    struct source_state_question question;
    struct error err = {0};
    int code;
    while ((code = source_state_receive_question(server->fd, &question, &err)) == 0)
        serve_question(server, &question);
    if (code != -EAGAIN && code != -EPIPE)
        log_event(LOG_ERR, "state_questions_end", "error", err.text, NULL);
    return code == -EAGAIN;
}

// Until it is told to stop, even if nobody asks any more: the private Postgres that it may have
// started ends with the thread, and the journal's last records are on their way there.
static void *serve_questions(void *context)
{
    struct source_state_server *server = context;
    struct pollfd polled[] = {{.fd = server->fd, .events = POLLIN},
                              {.fd = server->stop_fd, .events = POLLIN}};
    while (polled[1].revents == 0) {
        int ready = poll(polled, 2, server->ledger != NULL ? REST_MS : -1);
        if (ready == 0)
            disconnect(server);
        else if (ready > 0 && polled[0].revents != 0 && !serve_all(server))
            polled[0].fd = -1;
    }
    disconnect(server);
    ledger_local_stop(&server->local);
    return NULL;
}

int source_state_server_start(struct source_state_server **server,
                              const struct ledger_catch_up_options *options, int fd,
                              struct error *err)
{
    struct source_state_server *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set(err, -ENOMEM, "no memory to answer questions about state");
    made->options = options;
    made->fd = fd;
    made->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (gethostname(made->host, sizeof(made->host) - 1) != 0)
        snprintf(made->host, sizeof(made->host), "unknown");
    find_local(made, err); // if it cannot be found now, then with a question
    int code =
        made->stop_fd < 0 ? errno : pthread_create(&made->thread, NULL, serve_questions, made);
    if (code != 0) {
        if (made->stop_fd >= 0)
            close(made->stop_fd);
        free(made);
        return error_set_errno(err, -code, "starting the thread that answers about state");
    }
    *server = made;
    return 0;
}

void source_state_server_stop(struct source_state_server *server)
{
    if (server == NULL)
        return;
    eventfd_write(server->stop_fd, 1);
    pthread_join(server->thread, NULL);
    close(server->stop_fd);
    free(server);
}
