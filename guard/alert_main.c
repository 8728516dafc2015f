// reeve alert: who is told of what, what was told, and a test of it.

#include "alert.h"
#include "client_options.h"
#include "clock.h"
#include "subcommands.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define SENT_TEXT_MAX 48
#define TEST_TIMEOUT_MS 330000 // TimeoutSec= is at most 5min

static const char usage[] =
    "usage: reeve alert list [--json] [--state-dir DIR] [--config FILE]\n"
    "       reeve alert test [NAME] [--json] [--state-dir DIR] [--config FILE]\n"
    "\n"
    "list  the channels of each [Alert NAME] section, and the last alerts, the newest first, with\n"
    "      the channels that have yet to deliver them\n"
    "test  has the daemon send a test to each channel of [Alert NAME], or of all, and says what\n"
    "      came of it; exit code 1 if one of them failed\n";

// ---- text

static void print_channels(const struct control_alerts *list)
{
    if (list->channel_count == 0) {
        puts("nobody is told: there is no [Alert NAME] in the configuration");
        return;
    }
    printf("%-20s %-32s %-8s %4s  %s\n", "CHANNEL", "TO", "STATE", "OWED", "ON");
    for (size_t i = 0; i < list->channel_count; i++) {
        const struct status_channel *channel = &list->channels[i];
        char retry[CLOCK_TEXT_MAX];
        printf("%-20s %-32s %-8s %4" PRId64 "  %s\n", channel->name, channel->target,
               channel->state, channel->owed, channel->kinds);
        if (channel->problem[0] != '\0')
            printf("%20s last attempt: %s", "", channel->problem);
        if (channel->problem[0] != '\0' && channel->retry_at_us >= 0)
            printf("; the next one is due at %s", clock_format_utc(channel->retry_at_us, retry));
        if (channel->problem[0] != '\0')
            putchar('\n');
    }
}

// "2 of 3", or "-" for one that nobody was to be told of.
static const char *format_sent(const struct status_alert *alert, char text[static SENT_TEXT_MAX])
{
    int64_t all = alert->sent + alert->given_up;
    char word[ALERT_CHANNEL_MAX];
    for (const char *rest = alert->owed_to;
         (rest = alert_list_next(rest, word, sizeof(word))) != NULL;)
        all++;
    if (all == 0)
        return "-";
    snprintf(text, SENT_TEXT_MAX, "%" PRId64 " of %" PRId64, alert->sent, all);
    return text;
}

static void print_alerts(const struct control_alerts *list)
{
    char time[CLOCK_TEXT_MAX];
    if (list->alert_count > 0)
        printf("\n%-20s %-10s %-11s %s\n", "TIME", "KIND", "SENT", "TEXT");
    for (size_t i = 0; i < list->alert_count; i++) {
        const struct status_alert *alert = &list->alerts[i];
        char sent[SENT_TEXT_MAX];
        printf("%-20s %-10s %-11s %s\n", clock_format_utc(alert->raised_at_us, time), alert->kind,
               format_sent(alert, sent), alert->text);
        if (alert->owed_to[0] != '\0')
            printf("%43s owed to: %s\n", "", alert->owed_to);
    }
}

static int print_trials(const struct control_alert_tested *tested)
{
    int code = EX_OK;
    for (size_t i = 0; i < tested->trial_count; i++) {
        const struct status_trial *trial = &tested->trials[i];
        char lasted[CLOCK_TEXT_MAX];
        bool failed = trial->problem[0] != '\0';
        printf("%s: %s after %s (%s)\n", trial->channel, failed ? trial->problem : "delivered",
               clock_format_duration(trial->lasted_us, lasted), trial->target);
        code = failed ? EXIT_FAILURE : code;
    }
    return code;
}

// ---- JSON

// Prints and frees the object.
static int print_json(json_t *object, const char *command)
{
    int failed = object == NULL || json_dumpf(object, stdout, JSON_INDENT(2)) != 0;
    putchar('\n');
    json_decref(object);
    if (failed)
        fprintf(stderr, "reeve %s: writing JSON failed\n", command);
    return failed ? EX_IOERR : EX_OK;
}

static json_t *words_to_json(const char *list)
{
    json_t *words = json_array();
    char word[ALERT_CHANNEL_MAX];
    while ((list = alert_list_next(list, word, sizeof(word))) != NULL)
        json_array_append_new(words, json_string(word));
    return words;
}

static json_t *text_or_null(const char *text)
{
    return *text != '\0' ? json_string(text) : json_null();
}

static json_t *time_or_null(int64_t time_us)
{
    char text[CLOCK_TEXT_MAX];
    return time_us >= 0 ? json_string(clock_format_utc(time_us, text)) : json_null();
}

static json_t *alerts_to_json(const struct control_alerts *list)
{
    json_t *channels = json_array(), *alerts = json_array();
    for (size_t i = 0; i < list->channel_count; i++) {
        const struct status_channel *channel = &list->channels[i];
        json_array_append_new(channels,
                              json_pack("{ss ss so ss sI so so}", "name", channel->name, "to",
                                        channel->target, "on", words_to_json(channel->kinds),
                                        "state", channel->state, "owed", (json_int_t)channel->owed,
                                        "retry_at", time_or_null(channel->retry_at_us), "problem",
                                        text_or_null(channel->problem)));
    }
    for (size_t i = 0; i < list->alert_count; i++) {
        const struct status_alert *alert = &list->alerts[i];
        json_array_append_new(
            alerts,
            json_pack("{so sI ss so so ss sI sI so}", "time", time_or_null(alert->raised_at_us),
                      "id", (json_int_t)alert->raised_at_us, "kind", alert->kind, "run",
                      text_or_null(alert->run_id), "job", text_or_null(alert->job), "text",
                      alert->text, "sent", (json_int_t)alert->sent, "given_up",
                      (json_int_t)alert->given_up, "owed_to", words_to_json(alert->owed_to)));
    }
    return json_pack("{so so}", "channels", channels, "alerts", alerts);
}

static int print_trials_json(const struct control_alert_tested *tested)
{
    json_t *trials = json_array();
    int code = EX_OK;
    for (size_t i = 0; i < tested->trial_count; i++) {
        const struct status_trial *trial = &tested->trials[i];
        bool failed = trial->problem[0] != '\0';
        json_array_append_new(trials, json_pack("{ss ss sb so sI}", "channel", trial->channel, "to",
                                                trial->target, "delivered", !failed, "problem",
                                                text_or_null(trial->problem), "lasted_us",
                                                (json_int_t)trial->lasted_us));
        code = failed ? EXIT_FAILURE : code;
    }
    int printed = print_json(json_pack("{so}", "channels", trials), "alert test");
    return printed != EX_OK ? printed : code;
}

// ---- the command

static int show(const struct control_message *answer, bool json)
{
    switch (answer->type) {
    case CONTROL_ALERTS:
        if (json)
            return print_json(alerts_to_json(&answer->alerts), "alert list");
        print_channels(&answer->alerts);
        print_alerts(&answer->alerts);
        return EX_OK;
    case CONTROL_ALERT_TESTED:
        return json ? print_trials_json(&answer->alert_tested)
                    : print_trials(&answer->alert_tested);
    default:
        fputs("reeve alert: the daemon answered something else\n", stderr);
        return EX_PROTOCOL;
    }
}

static int ask(const struct client_options *options, const struct control_message *request,
               bool json)
{
    struct control_message answer;
    int code = client_ask(options, "alert", request, TEST_TIMEOUT_MS, &answer);
    if (code != 0)
        return code;
    code = show(&answer, json);
    control_message_done(&answer);
    return code;
}

// False: the words are no command.
static bool request_make(int count, char **words, struct control_message *request)
{
    if (count == 1 && strcmp(words[0], "list") == 0) {
        *request = (struct control_message){.type = CONTROL_ALERT_LIST};
        return true;
    }
    if (count < 1 || count > 2 || strcmp(words[0], "test") != 0 ||
        (count == 2 && !config_name_is_valid(words[1])))
        return false;
    *request = (struct control_message){.type = CONTROL_ALERT_TEST};
    if (count == 2)
        memcpy(request->alert_test.section, words[1], strlen(words[1]) + 1);
    return true;
}

int alert_main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"json", no_argument, NULL, 'j'},
        {"config", required_argument, NULL, 'c'},
        {"state-dir", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct client_options options = {NULL, NULL};
    struct control_message request;
    bool json = false;
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (option) {
        case 'j':
            json = true;
            break;
        case 'c':
            options.config_path = optarg;
            break;
        case 's':
            options.state_dir = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return EX_OK;
        default:
            fputs(usage, stderr);
            return EX_USAGE;
        }
    }
    if (!request_make(argc - optind, argv + optind, &request)) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    return ask(&options, &request, json);
}
