// Alert channel: one way to tell somebody, and one attempt at it.
#include "alert_channel.h"

#include "alert_exec.h"
#include "alert_text.h"
#include "alert_webhook.h"
#include "cleanup.h"
#include "config_value.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// The fields below are all there is to be said of the place in the code.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

// ---- channels

static const char *const type_names[] = {"url", "exec", "journal"};

static void secret_free(char **secret)
{
    if (*secret != NULL)
        explicit_bzero(*secret, strlen(*secret));
    free(take_pointer(secret));
}

// Reads what `option` says is in a file, without an editor's end of line. The caller frees it.
static int secret_read(char **secret, const char *option, const char *name,
                       const struct paths *paths, struct error *err)
{
    char path[PATH_MAX];
    struct stat status;
    int result = paths_in_state(paths, name, path, err);
    if (result < 0)
        return result;
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) < 0)
        return error_set_errno(err, -errno, "%s=%s", option, path);
    if (!S_ISREG(status.st_mode) || (status.st_mode & 077) != 0)
        return error_set(err, -EPERM,
                         "%s=%s: has to be a file that its owner alone can read; mend it with: "
                         "chmod 600 %s",
                         option, path, path);
    cleanup_with(secret_free) char *text = calloc(1, ALERT_SECRET_MAX);
    if (text == NULL)
        return error_set_errno(err, -ENOMEM, "%s=%s", option, path);
    ssize_t length = read(fd, text, ALERT_SECRET_MAX);
    if (length < 0)
        return error_set_errno(err, -errno, "%s=%s", option, path);
    if (length == ALERT_SECRET_MAX || memchr(text, '\0', (size_t)length) != NULL) {
        text[ALERT_SECRET_MAX - 1] = '\0';
        return error_set(err, -EFBIG, "%s=%s: write a line of less than %d bytes", option, path,
                         ALERT_SECRET_MAX);
    }
    while (length > 0 && strchr("\r\n", text[length - 1]) != NULL)
        text[--length] = '\0';
    if (length == 0)
        return error_set(err, -EINVAL, "%s=%s: is empty", option, path);
    *secret = take_pointer(&text);
    return 0;
}

static int url_read(struct alert_channel *channel, const struct paths *paths, struct error *err)
{
    const struct config_alert *config = channel->config;
    cleanup_with(secret_free) char *text = NULL;
    int result =
        config->url_file != NULL ? secret_read(&text, "UrlFile", config->url_file, paths, err) : 0;
    if (result < 0)
        return result;
    const char *url = text != NULL ? text : config->url;
    if (config_type_url.parse(&config_type_url, url, &channel->url) < 0)
        return error_set(err, -EINVAL, "UrlFile=%s: write %s", config->url_file,
                         config_type_url.form);
    if (config->secret_file == NULL)
        return 0;
    result = secret_read(&channel->secret, "SecretFile", config->secret_file, paths, err);
    if (result == 0)
        channel->secret_length = strlen(channel->secret);
    return result;
}

int alert_channels_make(struct alert_channel channels[static ALERT_CHANNELS_MAX], size_t *count,
                        const struct config *config, const struct paths *paths, struct error *err)
{
    *count = 0;
    for (size_t i = 0; i < config->alert_count; i++) {
        const struct config_alert *alert = &config->alerts[i];
        const bool has[] = {alert->url != NULL || alert->url_file != NULL, alert->exec != NULL,
                            alert->journal};
        for (enum alert_channel_type type = ALERT_TO_URL; type <= ALERT_TO_JOURNAL; type++) {
            if (!has[type])
                continue;
            if (*count == ALERT_CHANNELS_MAX)
                return error_set(err, -E2BIG, "[Alert %s]: there are more than %d ways to tell",
                                 alert->name, ALERT_CHANNELS_MAX);
            struct alert_channel *channel = &channels[(*count)++];
            *channel = (struct alert_channel){.type = type, .config = alert};
            snprintf(channel->name, sizeof(channel->name), "%s/%s", alert->name, type_names[type]);
            int result = type == ALERT_TO_URL ? url_read(channel, paths, err) : 0;
            if (result < 0)
                return error_wrap(err, "[Alert %s]", alert->name);
        }
    }
    return 0;
}

void alert_channels_done(struct alert_channel *channels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        secret_free(&channels[i].url);
        secret_free(&channels[i].secret);
    }
}

bool alert_channel_takes(const struct alert_channel *channel, const char *kind)
{
    return alert_list_has(channel->config->on, kind) ||
           strcmp(kind, alert_kind_name(ALERT_TEST)) == 0;
}

const char *alert_channel_target(const struct alert_channel *channel,
                                 char text[static ALERT_TARGET_MAX])
{
    const char *shown = SYSTEM_JOURNAL_SOCKET;
    size_t length = strlen(shown);
    if (channel->type == ALERT_TO_URL) {
        shown = channel->url;
        const char *host = strstr(shown, "//") + 2;
        length = (size_t)(host - shown) + strcspn(host, "/?");
    } else if (channel->type == ALERT_TO_EXEC) {
        shown = channel->config->exec;
        length = strcspn(shown, " \t");
    }
    bool is_cut = shown[length] != '\0';
    const char *mark = channel->type == ALERT_TO_URL ? "/..." : " ...";
    snprintf(text, ALERT_TARGET_MAX, "%.*s%s", length < 200 ? (int)length : 200, shown,
             is_cut ? mark : "");
    return text;
}

// ---- attempts

struct alert_attempt {
    struct alert_receiver receiver;
    struct alert_webhook *webhook;
    struct alert_exec *exec;
    struct event *later; // tells how it went, where that is known at once
};

void alert_attempt_cancel(struct alert_attempt *attempt)
{
    if (attempt == NULL)
        return;
    alert_webhook_cancel(attempt->webhook);
    alert_exec_cancel(attempt->exec);
    if (attempt->later != NULL)
        event_free(attempt->later);
    free(attempt);
}

static void attempt_end(struct alert_attempt *attempt, const struct error *failure,
                        int64_t retry_after_us)
{
    struct alert_receiver receiver = attempt->receiver;
    alert_attempt_cancel(attempt);
    receiver.done(receiver.context, failure, retry_after_us);
}

static void on_webhook(void *context, const struct error *failure, int64_t retry_after_us)
{
    struct alert_attempt *attempt = context;
    attempt->webhook = NULL;
    attempt_end(attempt, failure, retry_after_us);
}

static void on_exec(void *context, const struct error *failure)
{
    struct alert_attempt *attempt = context;
    attempt->exec = NULL;
    attempt_end(attempt, failure, 0);
}

static void on_later(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    attempt_end(context, NULL, 0);
}

// Where no journal is, sd_journal_send(3) says that all is well.
static int journal_send(const struct journal_alert *alert, struct error *err)
{
    char amount[ALERT_AMOUNT_MAX], limit[ALERT_AMOUNT_MAX];
    const char *unit = alert_unit_name(alert->unit);
    if (access(SYSTEM_JOURNAL_SOCKET, F_OK) < 0)
        return error_set_errno(err, -errno, "%s", SYSTEM_JOURNAL_SOCKET);
    int result = sd_journal_send(
        "MESSAGE=reeve: %s: %s", alert->kind, alert->text, "PRIORITY=4", "SYSLOG_IDENTIFIER=reeve",
        "REEVE_ALERT=%s", alert->kind, "REEVE_ALERT_ID=%lld", (long long)alert->raised_at_us,
        "REEVE_RUN=%s", alert->run_id, "REEVE_JOB=%s", alert->job, "REEVE_AMOUNT=%s",
        unit != NULL ? alert_format_amount(alert->unit, alert->amount, amount) : "",
        "REEVE_LIMIT=%s",
        alert->limit != 0 ? alert_format_amount(alert->unit, alert->limit, limit) : "",
        "REEVE_UNIT=%s", unit != NULL ? unit : "", NULL);
    return result < 0 ? error_set_errno(err, result, "sending to the system journal") : 0;
}

static int attempt_begin(struct alert_attempt *attempt, const struct alert_channel *channel,
                         const struct alert_place *place, const struct journal_alert *alert,
                         const char *body, struct error *err)
{
    const struct config_alert *config = channel->config;
    int result = 0;
    switch (channel->type) {
    case ALERT_TO_URL:
        return alert_webhook_post(&attempt->webhook,
                                  &(struct alert_webhook_options){
                                      .loop = place->curl,
                                      .url = channel->url,
                                      .ca_file = config->url_ca_file,
                                      .secret = channel->secret,
                                      .secret_length = channel->secret_length,
                                      .timeout_us = config->timeout_us,
                                  },
                                  body, &(struct alert_webhook_receiver){on_webhook, attempt}, err);
    case ALERT_TO_EXEC:
        return alert_exec_start(&attempt->exec, place->base, config->exec, config->timeout_us, body,
                                &(struct alert_exec_receiver){on_exec, attempt}, err);
    case ALERT_TO_JOURNAL:
        attempt->later = event_new(place->base, -1, 0, on_later, attempt);
        if (attempt->later == NULL)
            return error_set(err, -ENOMEM, "out of memory for an event");
        result = journal_send(alert, err);
        if (result == 0)
            event_active(attempt->later, EV_TIMEOUT, 0);
        return result;
    }
    return result;
}

int alert_attempt_start(struct alert_attempt **attempt, const struct alert_channel *channel,
                        const struct alert_place *place, const struct journal_alert *alert,
                        const struct alert_receiver *receiver, struct error *err)
{
    struct alert_attempt *started = calloc(1, sizeof(*started));
    cleanup_free char *body = alert_to_json(alert, place->host);
    int result;
    if (started == NULL || body == NULL) {
        result = error_set(err, -ENOMEM, "out of memory for an alert");
    } else {
        started->receiver = *receiver;
        result = attempt_begin(started, channel, place, alert, body, err);
    }
    if (result < 0) {
        alert_attempt_cancel(started);
        return result;
    }
    *attempt = started;
    return 0;
}
