// Tests of serve_alerts.c, and so of alert_send.c and alert_channel.c: what happens becomes an
// alert, is in the journal before it is sent, and reaches a command once, or after a restart.
#include "serve_alerts.h"

#include "alert_channel.h"
#include "cleanup.h"
#include "clock.h"
#include "money.h"
#include "suite_run.h"

#include <check.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SEGMENT_BYTES (INT64_C(256) << 10)
#define PATIENCE_US INT64_C(30000000) // not the time that anything takes

// The daemon, as far as alerts go: a journal of small segments, a loop, and one command that
// appends what it is told to the file `told` and fails while the file `broken` is there.
static struct {
    char directory[64];
    char script[96];
    struct config config;
    struct paths paths;
    struct event_base *base;
    struct curl_loop *curl;
    struct price_table *prices;
    struct restore_targets targets;
    struct journal *journal;
    struct serve_alerts *alerts;
    struct event *synced;
} daemon_;

static struct error err;
static struct live_run run = {
    .id = "20261125-120000-abcdef", .job = "outreach", .limits = {.cost_max_pico_usd = LIMIT_NONE}};
static const struct budget_ceiling ceiling = {
    .scope = BUDGET_RUN, .kind = BUDGET_COST, .settled = 99, .limit = 100, .resets_at_us = -1};

static char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", daemon_.directory, name);
    return path;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    cleanup_file FILE *file = fopen(path_of(name), "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fchmod(fileno(file), mode);
}

// The lines of `told`, and how many there are.
static const char *read_told(size_t *count)
{
    static char text[65536];
    cleanup_file FILE *file = fopen(path_of("told"), "r");
    size_t length = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
    text[length] = '\0';
    *count = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        ++*count;
    return text;
}

static int on_replay(const struct journal_record *record, void *context, struct error *error)
{
    (void)context;
    (void)error;
    daemon_.targets.witnesses[0].replay(record, daemon_.targets.witnesses[0].context);
    return 0;
}

static void on_checkpoint(struct journal_checkpoint *checkpoint, void *context)
{
    (void)context;
    daemon_.targets.witnesses[0].checkpoint(checkpoint, daemon_.targets.witnesses[0].context);
}

static void on_synced(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
    journal_dispatch(daemon_.journal);
    serve_alerts_synced(daemon_.alerts);
}

// Starts, or fails, with a configuration.
static int try_start(const char *text)
{
    ck_assert_msg(config_parse(&daemon_.config, "test", text, strlen(text), NULL, &err) == 0, "%s",
                  err.text);
    daemon_.base = event_base_new();
    ck_assert_int_eq(curl_loop_new(&daemon_.curl, daemon_.base, &err), 0);
    ck_assert_int_eq(price_table_load_builtin(&daemon_.prices, &err), 0);
    ck_assert_int_eq(serve_alerts_new(&daemon_.alerts, &daemon_.config, &err), 0);
    serve_alerts_restore(daemon_.alerts, &daemon_.targets);
    ck_assert_msg(journal_open(&daemon_.journal,
                               &(struct journal_options){.directory = path_of("journal"),
                                                         .segment_bytes = SEGMENT_BYTES,
                                                         .replay = on_replay,
                                                         .checkpoint = on_checkpoint},
                               NULL, &err) == 0,
                  "%s", err.text);
    daemon_.synced = event_new(daemon_.base, journal_event_fd(daemon_.journal),
                               EV_READ | EV_PERSIST, on_synced, NULL);
    event_add(daemon_.synced, NULL);
    return serve_alerts_start(daemon_.alerts,
                              &(struct serve_alerts_options){
                                  .base = daemon_.base,
                                  .curl = daemon_.curl,
                                  .journal = daemon_.journal,
                                  .config = &daemon_.config,
                                  .paths = &daemon_.paths,
                                  .prices = daemon_.prices,
                              },
                              &err);
}

static void start(const char *more)
{
    char text[1024];
    snprintf(
        text, sizeof(text),
        "[Alert ops]\nExec=%s\nTimeoutSec=30s\n"
        "On=ceiling soft oom timeout escape caller credential ledger price duplicate cache\n%s",
        daemon_.script, more);
    ck_assert_msg(try_start(text) == 0, "%s", err.text);
}

static void stop(void)
{
    serve_alerts_stop(daemon_.alerts);
    curl_loop_free(daemon_.curl);
    event_free(daemon_.synced);
    journal_close(daemon_.journal);
    serve_alerts_free(daemon_.alerts);
    price_table_free(daemon_.prices);
    event_base_free(daemon_.base);
    config_done(&daemon_.config);
    daemon_.targets = (struct restore_targets){0};
}

static void setup(void)
{
    char text[256];
    memset(&daemon_, 0, sizeof(daemon_));
    snprintf(daemon_.directory, sizeof(daemon_.directory), "/tmp/reeve-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(daemon_.directory));
    snprintf(daemon_.paths.state_dir, sizeof(daemon_.paths.state_dir), "%s", daemon_.directory);
    snprintf(text, sizeof(text),
             "#!/bin/sh\ncd %s\n[ ! -e broken ] || exit 3\n{ cat; echo; } >> told\n",
             daemon_.directory);
    write_file("script", text, 0700);
    memcpy(daemon_.script, path_of("script"), strlen(path_of("script")) + 1);
}

static void teardown(void)
{
    char remove[128];
    snprintf(remove, sizeof(remove), "rm -rf %s", daemon_.directory);
    FILE *shell = popen(remove, "r");
    pclose(shell);
}

// Turns the loop until `count` alerts have been told, and then until all that is under way is over.
static const char *await_told(size_t count)
{
    size_t told;
    int64_t deadline_us = clock_monotonic_us() + PATIENCE_US;
    for (read_told(&told); told < count && clock_monotonic_us() < deadline_us; read_told(&told)) {
        event_base_loop(daemon_.base, EVLOOP_NONBLOCK);
        usleep(500);
    }
    for (int i = 0; i < 50; i++) {
        event_base_loop(daemon_.base, EVLOOP_NONBLOCK);
        usleep(1000);
    }
    const char *text = read_told(&told);
    ck_assert_msg(told == count, "%zu were told: %s", told, text);
    return text;
}

// What the control socket would say; peers are not looked into.
static struct control_message answer;

void control_peer_send(struct control_peer *peer, const struct control_message *message)
{
    uint8_t *frame;
    size_t length;
    (void)peer;
    ck_assert_int_eq(control_message_encode(message, &frame, &length, &err), 0);
    control_message_done(&answer);
    ck_assert_int_eq(control_message_decode(frame + 4, length - 4, &answer, &err), 0);
    free(frame);
}

void control_peer_close(struct control_peer *peer)
{
    (void)peer;
}

void *control_peer_owner(const struct control_peer *peer)
{
    (void)peer;
    return NULL;
}

void control_peer_refuse(struct control_peer *peer, enum control_refusal code, const char *format,
                         ...)
{
    va_list arguments;
    (void)peer;
    control_message_done(&answer);
    answer.type = CONTROL_REFUSED;
    answer.refused.code = code;
    va_start(arguments, format);
    vsnprintf(answer.refused.text, sizeof(answer.refused.text), format, arguments);
    va_end(arguments);
}

static void ask(const struct control_message *message)
{
    static char peer;
    ck_assert(serve_alerts_receive(daemon_.alerts, (struct control_peer *)(void *)&peer, message));
}

static const struct control_alerts *ask_list(void)
{
    ask(&(struct control_message){.type = CONTROL_ALERT_LIST});
    ck_assert_int_eq(answer.type, CONTROL_ALERTS);
    return &answer.alerts;
}

// ---- what happens becomes an alert

START_TEST(everything_that_happens_is_told_once)
{
    static const char *const kinds[] = {"ceiling", "soft",   "oom",       "timeout",
                                        "escape",  "caller", "credential"};
    start("");
    for (int twice = 0; twice < 2; twice++) {
        serve_alerts_ceiling(daemon_.alerts, &run, &ceiling);
        serve_alerts_soft_limit(daemon_.alerts, &run, &ceiling);
        serve_alerts_run_closed(daemon_.alerts, &run, RUN_OUT_OF_MEMORY, 5);
        serve_alerts_run_closed(daemon_.alerts, &run, RUN_TIMEOUT, 5);
        serve_alerts_escape(daemon_.alerts, &run, "pid 1 (init)");
        serve_alerts_caller(daemon_.alerts, &run, CALLER_STRANGER, 1000, true);
        serve_alerts_credential(daemon_.alerts, "main", "needs-login", "");
        serve_alerts_run_closed(daemon_.alerts, &run, RUN_EXITED, 5); // nothing is wrong
    }
    const char *told = await_told(sizeof(kinds) / sizeof(kinds[0]));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char member[32];
        snprintf(member, sizeof(member), "\"kind\":\"%s\"", kinds[i]);
        ck_assert_ptr_nonnull(strstr(told, member));
    }
    stop();
}
END_TEST

static void settle(const char *model, int64_t reserved_at_us, const char *body,
                   const struct token_counts *tokens, bool unknown)
{
    struct journal_settlement settlement = {.reserved_at_us = reserved_at_us,
                                            .settled_at_us = reserved_at_us + 1,
                                            .cost_pico_usd = 7,
                                            .attempt = 1,
                                            .tokens = *tokens,
                                            .unknown_model = unknown};
    struct body_hash hash = body_hash_make(body, strlen(body));
    memcpy(settlement.run_id, run.id, sizeof(settlement.run_id));
    memcpy(settlement.job, run.job, sizeof(settlement.job));
    snprintf(settlement.model, sizeof(settlement.model), "%s", model);
    serve_alerts_settled(daemon_.alerts, &run, &settlement, &hash);
}

START_TEST(exchanges_are_looked_at)
{
    static const struct token_counts few = {.input = 5};
    int64_t now_us = clock_now_us();
    start("");
    settle("claude-haiku-4-5", now_us, "x", &few, false);
    settle("claude-haiku-4-5", now_us + 5000, "y", &few, false);
    settle("claude-haiku-4-5", now_us + 13000, "x", &few, false); // again
    settle("claude-made-up", now_us, "z", &few, true);
    settle("claude-made-up", now_us, "u", &few, true); // told already
    const char *told = await_told(2);
    ck_assert_ptr_nonnull(strstr(told, "\"kind\":\"duplicate\""));
    ck_assert_ptr_nonnull(strstr(told, "within 14 ms"));
    ck_assert_ptr_nonnull(strstr(told, "no price for model claude-made-up"));
    stop();
}
END_TEST

// Three runs whose prompts come from the cache, a restart, and one whose prompt does not.
START_TEST(cache_habits_survive_a_restart)
{
    static const struct token_counts cached = {.input = 10000, .cache_read = 990000};
    static const struct token_counts uncached = {.input = 1000000};
    int64_t now_us = clock_now_us();
    start("");
    for (int i = 0; i < 3; i++) {
        settle("claude-haiku-4-5", now_us, i % 2 == 0 ? "a" : "b", &cached, false);
        serve_alerts_run_closed(daemon_.alerts, &run, RUN_EXITED, 5);
    }
    stop();
    start("");
    settle("claude-haiku-4-5", now_us, "c", &uncached, false);
    serve_alerts_run_closed(daemon_.alerts, &run, RUN_EXITED, 5);
    ck_assert_ptr_nonnull(strstr(await_told(1), "saved job outreach 0% of what it could"));
    stop();
}
END_TEST

START_TEST(books_are_looked_at)
{
    struct ledger_feed_report report = {.state = LEDGER_FEED_LEVEL, .quarantined = 3};
    start("");
    serve_alerts_feed(daemon_.alerts, &report);
    serve_alerts_feed(daemon_.alerts, &report);
    ck_assert_ptr_nonnull(strstr(await_told(1), "3 records cannot be written into the ledger"));
    stop();
}
END_TEST

// ---- delivery

START_TEST(alerts_wait_for_the_disk)
{
    size_t told;
    start("");
    serve_alerts_ceiling(daemon_.alerts, &run, &ceiling);
    struct journal_status status;
    journal_read_status(daemon_.journal, &status);
    // The journal's end is told by the loop alone, which has not turned.
    ck_assert_uint_gt(status.position, status.synced);
    ck_assert_str_eq(ask_list()->channels[0].state, "idle");
    ck_assert_int_eq(answer.alerts.channels[0].owed, 1);
    read_told(&told);
    ck_assert_uint_eq(told, 0);
    await_told(1);
    ck_assert_int_eq(ask_list()->channels[0].owed, 0);
    ck_assert_int_eq(answer.alerts.alerts[0].sent, 1);
    stop();
}
END_TEST

START_TEST(failures_are_tried_again)
{
    write_file("broken", "", 0600);
    start("");
    serve_alerts_ceiling(daemon_.alerts, &run, &ceiling);
    while (strcmp(ask_list()->channels[0].state, "resting") != 0)
        event_base_loop(daemon_.base, EVLOOP_ONCE);
    ck_assert_str_eq(answer.alerts.channels[0].problem, "exit code 3");
    ck_assert_int_gt(answer.alerts.channels[0].retry_at_us, 0);
    ck_assert_str_eq(answer.alerts.alerts[0].owed_to, "ops/exec");
    unlink(path_of("broken"));
    await_told(1);
    ck_assert_str_eq(ask_list()->channels[0].problem, "");
    ck_assert_int_eq(answer.alerts.channels[0].retry_at_us, -1);
    stop();
}
END_TEST

START_TEST(what_is_owed_survives_restarts_and_segments)
{
    char id[RUN_ID_MAX];
    write_file("broken", "", 0600);
    start("");
    serve_alerts_ceiling(daemon_.alerts, &run, &ceiling);
    stop();
    start("");
    // Fills segments with something else.
    for (int i = 0; i < 10000; i++) {
        struct journal_run_open open = {.opened_at_us = i};
        struct journal_run_close close = {.closed_at_us = i};
        snprintf(id, sizeof(id), "run-%d", i);
        memcpy(open.run_id, id, sizeof(id));
        memcpy(close.run_id, id, sizeof(id));
        while (journal_append(daemon_.journal, &(struct journal_record){JOURNAL_RUN_OPEN, {&open}},
                              NULL, &err) == -ENOSPC)
            event_base_loop(daemon_.base, EVLOOP_ONCE); // the next segment is being made
        ck_assert_int_eq(
            journal_append(daemon_.journal,
                           &(struct journal_record){JOURNAL_RUN_CLOSE, {.run_close = &close}}, NULL,
                           &err),
            0);
    }
    struct journal_status status;
    journal_read_status(daemon_.journal, &status);
    ck_assert_uint_gt(journal_position_segment(status.position), 1);
    stop();
    unlink(path_of("broken"));
    start("");
    ck_assert_ptr_nonnull(strstr(await_told(1), "is ended at a ceiling"));
    serve_alerts_ceiling(daemon_.alerts, &run, &ceiling); // and is still known
    stop();
    start("");
    serve_alerts_ceiling(daemon_.alerts, &run, &ceiling);
    await_told(1);
    stop();
}
END_TEST

START_TEST(channels_that_are_gone_are_given_up)
{
    write_file("broken", "", 0600);
    start("[Alert late]\nExec=/there/is/none\nOn=ceiling\n");
    serve_alerts_ceiling(daemon_.alerts, &run, &ceiling);
    ck_assert_str_eq(ask_list()->alerts[0].owed_to, "ops/exec late/exec");
    stop();
    start("");
    ck_assert_str_eq(ask_list()->alerts[0].owed_to, "ops/exec");
    ck_assert_int_eq(answer.alerts.alerts[0].given_up, 1);
    stop();
}
END_TEST

START_TEST(channels_get_the_kinds_that_they_ask_for)
{
    start("[Alert late]\nExec=/there/is/none\nOn=oom\nJournal=yes\n");
    serve_alerts_ceiling(daemon_.alerts, &run, &ceiling);
    ck_assert_str_eq(ask_list()->alerts[0].owed_to, "ops/exec");
    serve_alerts_run_closed(daemon_.alerts, &run, RUN_OUT_OF_MEMORY, 5);
    ck_assert_str_eq(ask_list()->alerts[0].owed_to, "ops/exec late/exec late/journal");
    stop();
}
END_TEST

START_TEST(nobody_configured_is_nobody_told)
{
    ck_assert_int_eq(try_start(""), 0);
    serve_alerts_ceiling(daemon_.alerts, &run, &ceiling);
    ck_assert_uint_eq(ask_list()->channel_count, 0);
    ck_assert_uint_eq(answer.alerts.alert_count, 1);
    ck_assert_str_eq(answer.alerts.alerts[0].owed_to, "");
    ask(&(struct control_message){.type = CONTROL_ALERT_TEST});
    ck_assert_str_eq(answer.refused.text, "no [Alert NAME] is configured: nobody is told");
    stop();
}
END_TEST

// ---- tests of channels

static void await_answer(void)
{
    control_message_done(&answer);
    while (answer.type == 0)
        event_base_loop(daemon_.base, EVLOOP_ONCE);
}

START_TEST(trials_tell_what_came_of_them)
{
    start("[Alert late]\nExec=/there/is/none x\n");
    ask(&(struct control_message){.type = CONTROL_ALERT_TEST});
    await_answer();
    ck_assert_int_eq(answer.type, CONTROL_ALERT_TESTED);
    ck_assert_uint_eq(answer.alert_tested.trial_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct status_trial *trial = &answer.alert_tested.trials[i];
        if (strcmp(trial->channel, "late/exec") == 0) {
            ck_assert_str_eq(trial->problem, "executing /there/is/none: No such file or directory");
            ck_assert_str_eq(trial->target, "/there/is/none ...");
        } else {
            ck_assert_str_eq(trial->channel, "ops/exec");
            ck_assert_str_eq(trial->problem, "");
        }
    }
    await_told(1);
    ck_assert_str_eq(ask_list()->alerts[0].kind, "test");
    ck_assert_str_eq(answer.alerts.alerts[0].owed_to, "");

    ask(&(struct control_message){.type = CONTROL_ALERT_TEST, .alert_test = {"ops"}});
    await_answer();
    ck_assert_uint_eq(answer.alert_tested.trial_count, 1);
    ask(&(struct control_message){.type = CONTROL_ALERT_TEST, .alert_test = {"none"}});
    ck_assert_str_eq(answer.refused.text, "there is no [Alert none]; reeve alert list shows them");
    stop();
}
END_TEST

START_TEST(a_peer_that_does_not_wait_is_refused)
{
    start("");
    ask(&(struct control_message){.type = CONTROL_ALERT_TEST});
    ask(&(struct control_message){.type = CONTROL_STATUS});
    ck_assert_int_eq(answer.type, CONTROL_REFUSED);
    struct control_message status = {.type = CONTROL_STATUS};
    ck_assert(!serve_alerts_receive(daemon_.alerts, NULL, &status)); // the test is over
    ask(&(struct control_message){.type = CONTROL_ALERT_TEST});
    stop(); // in the middle of it
}
END_TEST

// ---- channels

static const struct {
    const char *text;
    const char *targets[3];
} targets[] = {
    {"Url=https://hooks.example.com/T0KEN/x?y=z", {"https://hooks.example.com/..."}},
    {"Url=http://127.0.0.1:9?t0ken", {"http://127.0.0.1:9/..."}},
    {"Url=https://[::1]:9", {"https://[::1]:9"}},
    {"Exec=/usr/bin/page --key T0KEN", {"/usr/bin/page ..."}},
    {"Exec=page", {"page"}},
    {"Journal=yes", {"/run/systemd/journal/socket"}},
    {"Url=https://a/b\nExec=c d\nJournal=yes",
     {"https://a/...", "c ...", "/run/systemd/journal/socket"}},
};

START_TEST(targets_hold_no_secrets)
{
    char text[256];
    snprintf(text, sizeof(text), "[Alert x]\n%s\n", targets[_i].text);
    ck_assert_msg(try_start(text) == 0, "%s", err.text);
    const struct control_alerts *list = ask_list();
    for (size_t i = 0; i < list->channel_count; i++)
        ck_assert_str_eq(list->channels[i].target, targets[_i].targets[i]);
    ck_assert(list->channel_count == 3 || targets[_i].targets[list->channel_count] == NULL);
    stop();
}
END_TEST

static const struct {
    const char *secret; // NULL: there is no file
    mode_t mode;
    int result;
    const char *says;
} secrets[] = {
    {"key", 0600, 0, ""},
    {"key\r\n", 0400, 0, ""},
    {"key", 0640, -EPERM, "chmod 600"},
    {"key", 0604, -EPERM, "chmod 600"},
    {"\n", 0600, -EINVAL, "is empty"},
    {NULL, 0, -ENOENT, "No such file"},
};

START_TEST(secret_files_are_for_their_owner)
{
    if (secrets[_i].secret != NULL)
        write_file("hook.key", secrets[_i].secret, secrets[_i].mode);
    ck_assert_int_eq(try_start("[Alert x]\nUrl=https://a/b\nSecretFile=hook.key\n"),
                     secrets[_i].result);
    if (secrets[_i].result < 0) {
        ck_assert_ptr_nonnull(strstr(err.text, "[Alert x]: SecretFile=/tmp/reeve-test."));
        ck_assert_ptr_nonnull(strstr(err.text, secrets[_i].says));
        ck_assert_ptr_null(strstr(err.text, "key\n"));
    }
    stop();
}
END_TEST

START_TEST(addresses_can_be_in_files)
{
    write_file("hook.url", "https://hooks.example.com/T0KEN\n", 0600);
    ck_assert_int_eq(try_start("[Alert x]\nUrlFile=hook.url\n"), 0);
    ck_assert_str_eq(ask_list()->channels[0].target, "https://hooks.example.com/...");
    stop();
    write_file("hook.url", "ftp://hooks.example.com/T0KEN", 0600);
    ck_assert_int_eq(try_start("[Alert x]\nUrlFile=hook.url\n"), -EINVAL);
    ck_assert_str_eq(err.text, "[Alert x]: UrlFile=hook.url: write a URL such as "
                               "https://hooks.example.com/alerts, without user and password");
    stop();
}
END_TEST

START_TEST(channels_have_an_end)
{
    char text[4096] = "";
    for (int i = 0; i < 6; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text),
                 "[Alert x%d]\nUrl=https://a/b\nExec=c\nJournal=yes\n", i);
    ck_assert_int_eq(try_start(text), -E2BIG);
    stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serve_alerts");
    TCase *cases = tcase_create("serve_alerts");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, everything_that_happens_is_told_once);
    tcase_add_test(cases, exchanges_are_looked_at);
    tcase_add_test(cases, cache_habits_survive_a_restart);
    tcase_add_test(cases, books_are_looked_at);
    tcase_add_test(cases, alerts_wait_for_the_disk);
    tcase_add_test(cases, failures_are_tried_again);
    tcase_add_test(cases, what_is_owed_survives_restarts_and_segments);
    tcase_add_test(cases, channels_that_are_gone_are_given_up);
    tcase_add_test(cases, channels_get_the_kinds_that_they_ask_for);
    tcase_add_test(cases, nobody_configured_is_nobody_told);
    tcase_add_test(cases, trials_tell_what_came_of_them);
    tcase_add_test(cases, a_peer_that_does_not_wait_is_refused);
    tcase_add_loop_test(cases, targets_hold_no_secrets, 0, sizeof(targets) / sizeof(targets[0]));
    tcase_add_loop_test(cases, secret_files_are_for_their_owner, 0,
                        sizeof(secrets) / sizeof(secrets[0]));
    tcase_add_test(cases, addresses_can_be_in_files);
    tcase_add_test(cases, channels_have_an_end);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
