// reeve alert: who is told of what, what was told, and a test of it.

#include "alert.h"
#include "client_options.h"
#include "clock.h"
#include "command_line.h"
#include "subcommands.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define SENT_TEXT_MAX 48
#define TEST_TIMEOUT_MS 330000 // TimeoutSec= is at most 5min

static const char usage[] =
    "usage: reeve alert list [OPTION…]\n"
    "       reeve alert test [NAME] [OPTION…]\n"
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

int alert_main(int argc, char **argv)
{
    enum { LIST, TEST };
    static const struct command_verb verbs[] = {
        [LIST] = {"list", NULL, 0, 0},
        [TEST] = {"test", "NAME", 0, 1},
        {0},
    };
    struct client_options client = {0};
    bool json = false;
    const struct command_option options[] = {JSON_OPTION(&json), CLIENT_OPTIONS(&client), {0}};
    const struct command_line line = {"alert", usage, options, verbs};
    struct command_words words;
    int code = command_line_read(&line, argc, argv, &words);
    if (code >= 0)
        return code;
    struct control_message request = {.type = words.verb == LIST ? CONTROL_ALERT_LIST
                                                                 : CONTROL_ALERT_TEST};
    const char *name = words.operand_count > 0 ? words.operands[0] : NULL;
    if (name != NULL && !config_name_is_valid(name))
        return command_line_refuse(&line, "%s is no name: write A-Z a-z 0-9 . _ -", name);
    if (name != NULL)
        memcpy(request.alert_test.section, name, strlen(name) + 1);
    return ask(&client, &request, json);
}
