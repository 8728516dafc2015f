// Checks reading, refusing and showing the configuration.
#include "clock.h"
#include "config.h"
#include "config_value.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GB (INT64_C(1) << 30)

static struct config config;
static struct config_problems problems;
static struct error err;

static int parse(const char *text)
{
    config_done(&config);
    return config_parse(&config, "reeve.conf", text, strlen(text), &problems, &err);
}

static void teardown(void)
{
    config_done(&config);
}

START_TEST(defaults_need_no_file)
{
    ck_assert_int_eq(parse(""), 0);
    ck_assert_str_eq(config.reeve.listen, "127.0.0.1:8377");
    ck_assert_str_eq(config.reeve.upstream, "https://api.anthropic.com");
    ck_assert_ptr_null(config.reeve.ledger);
    ck_assert_int_eq(config.reeve.slots, 2);
    ck_assert_int_eq(config.reeve.cost_max_per_day_pico_usd, LIMIT_NONE);
    ck_assert_int_eq(config.reeve.memory_reserve_bytes, GB / 2);
    ck_assert_int_eq(config.reeve.tokens_count, TOKENS_UNCACHED);
    ck_assert_int_eq(config.reeve.unbounded, CONFIG_UNBOUNDED_ALLOW);
    ck_assert(!config.reeve.listen_anywhere);
    ck_assert_uint_eq(config.job_count + config.credential_count + config.alert_count, 0);
}
END_TEST

START_TEST(everything_is_read)
{
    ck_assert_int_eq(parse("\xEF\xBB\xBF# a comment\n"
                           "[Reeve]\r\n"
                           "Slots = 7\n"
                           "  CostMaxPerDay=$10\n"
                           "TokensCount=all\n"
                           "Unbounded=deny\n"
                           "CallerCheck=log\n"
                           "TimeZone=UTC\n"
                           "; another comment\n"
                           "[Credential main]\n"
                           "Type=api-key\n"
                           "File=main.json\n"
                           "Priority=-3\n"
                           "[Job outreach]\n"
                           "Command=sh -c \"a ; b # c\" \\\n"
                           "    --and more=\\\n"
                           "  still\n"
                           "TokensMax=200K\n"
                           "CostMax=$0.50\n"
                           "MemoryMax=1G\n"
                           "CPUQuota=150%\n"
                           "RuntimeMaxSec=1h 30min\n"
                           "OnCeiling=deny\n"
                           "[Job empty]\n"
                           "[Alert ops]\n"
                           "Url=https://[::1]:9/x?a@b\n"
                           "SecretFile=hook.key\n"
                           "Journal=yes\n"
                           "TimeoutSec=5min\n"
                           "On=ceiling oom\n"
                           "[Job outreach]\n"
                           "TasksMax=9\n"
                           "MemoryMax=\n"),
                     0);
    ck_assert_int_eq(config.reeve.slots, 7);
    ck_assert_int_eq(config.reeve.cost_max_per_day_pico_usd, 10000000000000);
    ck_assert_int_eq(config.reeve.tokens_count, TOKENS_ALL);
    ck_assert_int_eq(config.reeve.unbounded, CONFIG_UNBOUNDED_DENY);
    const struct config_credential *credential = config_find_credential(&config, "main");
    ck_assert_ptr_nonnull(credential);
    ck_assert_int_eq(credential->type, CONFIG_CREDENTIAL_API_KEY);
    ck_assert_str_eq(credential->file, "main.json");
    ck_assert_int_eq(credential->priority, -3);
    const struct config_job *job = config_find_job(&config, "outreach");
    ck_assert_ptr_nonnull(job);
    ck_assert_str_eq(job->command, "sh -c \"a ; b # c\"      --and more=   still");
    ck_assert_int_eq(job->limits.tokens_max, 200000);
    ck_assert_int_eq(job->limits.cost_max_pico_usd, 500000000000);
    ck_assert_int_eq(job->limits.cpu_quota_percent, 150);
    ck_assert_int_eq(job->limits.runtime_max_us, 5400000000);
    ck_assert_int_eq(job->limits.tasks_max, 9);
    ck_assert_int_eq(job->limits.memory_max_bytes, LIMIT_NONE); // set back to its default
    ck_assert_int_eq(job->limits.memory_swap_max_bytes, 0);
    ck_assert_int_eq(job->on_ceiling, CONFIG_ON_CEILING_DENY);
    ck_assert_uint_eq(config.job_count, 2);
    ck_assert_ptr_nonnull(config_find_job(&config, "empty"));
    ck_assert_str_eq(config.alerts[0].url, "https://[::1]:9/x?a@b");
    ck_assert_str_eq(config.alerts[0].secret_file, "hook.key");
    ck_assert_str_eq(config.alerts[0].on, "ceiling oom");
    ck_assert(config.alerts[0].journal);
    ck_assert_int_eq(config.alerts[0].timeout_us, 300000000);
    ck_assert_ptr_null(config_find_job(&config, "other"));
    ck_assert_int_eq(config.reeve.caller_check, CALLER_CHECK_LOG);
}
END_TEST

// One bad line each; the problem names the line and says what to write.
static const struct {
    const char *text;
    const char *problem;
} bad[] = {
    {"[Reeve]\nSlots=zero\n", "reeve.conf:2: Slots=zero: write a whole number"},
    {"[Reeve]\nCallerCheck=on\n", "CallerCheck=on: write enforce, log or off"},
    {"[Reeve]\nSlots=0\n", "reeve.conf:2: Slots=0: write a whole number of at least 1"},
    {"[Reeve]\nSlots=1 2\n", "Slots=1 2: write"},
    {"[Reeve]\nSlot=1\n", "reeve.conf:2: Slot: [Reeve] has no such option; it has Listen"},
    {"[Reeve]\nSlots\n", "reeve.conf:2: Slots: write NAME=VALUE"},
    {"[Reeve]\nSlots: 1\n", "reeve.conf:2: Slots: 1: write NAME=VALUE"},
    {"\n\n=1\n", "reeve.conf:3: an option stands before the first heading"},
    {"[Reeve]\n=1\n", "reeve.conf:2: : [Reeve] has no such option"},
    {"Slots=1\n[Reeve]\n", "reeve.conf:1: an option stands before the first heading"},
    {"[Reeve\nSlots=1\n", "reeve.conf:1: [Reeve: write [Reeve], [Credential NAME]"},
    {"[Reeve x]\n", "reeve.conf:1: [Reeve x]: write [Reeve]"},
    {"[Job]\n", "reeve.conf:1: [Job]: write [Reeve]"},
    {"[job x]\n", "reeve.conf:1: [job x]: write [Reeve]"},
    {"[Job a b]\n", "[Job a b]: write a name of at most 63 of"},
    {"[Job ../etc]\n", "[Job ../etc]: write a name"},
    {"[Job -x]\n", "[Job -x]: write a name"},
    {"[Job x]\nMemoryMax=1X\n", "MemoryMax=1X: write a size such as 512M or 1G"},
    {"[Job x]\nMemoryMax=-1\n", "MemoryMax=-1: write a size"},
    {"[Job x]\nMemoryMax=1.5G\n", "MemoryMax=1.5G: write a size"},
    {"[Job x]\nMemoryMax=9999999999G\n", "MemoryMax=9999999999G: write a size"},
    {"[Job x]\nCostMax=0.0000000000001\n", "CostMax=0.0000000000001: write an amount such as"},
    {"[Job x]\nCostMax=-1\n", "CostMax=-1: write an amount"},
    {"[Job x]\nTokensMax=1.5M\n", "TokensMax=1.5M: write a number of tokens"},
    {"[Job x]\nRuntimeMaxSec=20minn\n", "RuntimeMaxSec=20minn: write a duration"},
    {"[Job x]\nCPUQuota=50\n", "CPUQuota=50: write a percentage"},
    {"[Job x]\nOnCeiling=maybe\n", "OnCeiling=maybe: write clamp or deny"},
    {"[Alert x]\nExec=x\nOn=oom fire\n", "reeve.conf:3: On=oom fire: write some of ceiling"},
    {"[Alert x]\n", "[Alert x]: write Url=, Exec= or Journal=yes"},
    {"[Alert x]\nUrl=ftp://host/x\n", "reeve.conf:2: Url=…: write a URL such as"},
    {"[Alert x]\nUrl=https:///x\n", "Url=…: write a URL such as"},
    {"[Alert x]\nUrl=https://a b\n", "Url=…: write a URL such as"},
    {"[Alert x]\nUrl=https://me:word@host/x\n", "Url=…: write a URL such as"},
    {"[Alert x]\nUrl=http://a\nUrlFile=b\n", "[Alert x]: write either Url= or UrlFile="},
    {"[Alert x]\nExec=x\nSecretFile=k\n", "[Alert x]: SecretFile= signs what goes to an Url="},
    {"[Alert x]\nExec=x\nTimeoutSec=999ms\n", "[Alert x]: TimeoutSec=: write 1s to 5min"},
    {"[Alert x]\nExec=x\nTimeoutSec=301s\n", "[Alert x]: TimeoutSec=: write 1s to 5min"},
    {"[Reeve]\nTokenEndpoint=http://token.example/\n", "would cross a network in the clear"},
    {"[Reeve]\nTokenEndpoint=http://127.0.0.1.example/\n", "would cross a network in the clear"},
    {"[Credential x]\nServes=all\n", "Serves=all: write by-type, claude-code or any"},
    {"[Job x]\nCacheTtl=2h\n", "CacheTtl=2h: write client, 5m or 1h"},
    {"[Credential x]\nType=password\n", "Type=password: write oauth, oauth-token, api-key or any"},
    {"[Reeve]\nListen=8377\n", "Listen=8377: write a numeric address and a port"},
    {"[Reeve]\nListen=127.0.0.1\n", "Listen=127.0.0.1: write a numeric address"},
    {"[Reeve]\nListen=localhost:1\n", "Listen=localhost:1: write a numeric address"},
    {"[Reeve]\nListen=127.0.0.1:65536\n", "Listen=127.0.0.1:65536: write a numeric address"},
    {"[Reeve]\nListen=127.0.0.1:1x\n", "Listen=127.0.0.1:1x: write a numeric address"},
    {"[Reeve]\nListen=0.0.0.0:8377\n", "or ListenAnywhere=yes as well"},
    {"[Reeve]\nListen=[::]:8377\n", "or ListenAnywhere=yes as well"},
    {"[Reeve]\nUpstream=api.anthropic.com\n", "Upstream=api.anthropic.com: write an origin"},
    {"[Reeve]\nUpstream=https://x/v1\n", "Upstream=https://x/v1: write an origin"},
    {"[Job x]\nKey=%J-%q\n", "Key=%J-%q: write text such as %J-%Y%m%d%H"},
    {"[Job x]\nKey=a\tb\n", "Key=a\tb: write text"},
    {"[Reeve]\nTimeZone=../etc/passwd\n", "TimeZone=../etc/passwd: write a time zone"},
    {"[Reeve]\nTimeZone=Mars/Olympus\n", "TimeZone=Mars/Olympus: write a time zone"},
    {"[Reeve]\nUnbounded=\n[Reeve]\nUnbounded=yes\n", "reeve.conf:4: Unbounded=yes: write deny or"},
    {"[Job x]\nCommand=a\\\n b\nTasksMax=x\n", "reeve.conf:4: TasksMax=x"},
};

START_TEST(bad_lines_are_refused)
{
    ck_assert_int_eq(parse(bad[_i].text), -EINVAL);
    ck_assert_uint_eq(problems.count, 1);
    ck_assert_msg(strstr(problems.text[0], bad[_i].problem) != NULL, "%s lacks %s",
                  problems.text[0], bad[_i].problem);
    ck_assert_ptr_nonnull(strstr(err.text, bad[_i].problem));
}
END_TEST

START_TEST(all_problems_are_reported)
{
    ck_assert_int_eq(parse("[Reeve]\nA=1\nB=2\n[Bad]\nC=3\nD=4\n[Job x]\nMemoryMax=z\n"), -EINVAL);
    ck_assert_uint_eq(problems.count, 4); // what stands under a bad heading is not one more
    ck_assert_ptr_nonnull(strstr(problems.text[3], "reeve.conf:8: MemoryMax=z"));
}
END_TEST

START_TEST(more_problems_than_room_are_counted)
{
    char text[CONFIG_PROBLEMS_MAX * 8] = "[Reeve]\n";
    for (int i = 0; i < CONFIG_PROBLEMS_MAX + 3; i++)
        strncat(text, "A=1\n", 5);
    ck_assert_int_eq(parse(text), -EINVAL);
    ck_assert_uint_eq(problems.count, CONFIG_PROBLEMS_MAX + 3);
}
END_TEST

START_TEST(long_lines_and_zero_bytes_are_refused)
{
    static char text[CONFIG_VALUE_MAX * 2];
    memset(text, 'x', sizeof(text) - 1);
    memcpy(text, "[Job x]\nCommand=", 16);
    ck_assert_int_eq(parse(text), -EINVAL);
    ck_assert_ptr_nonnull(strstr(problems.text[0], "reeve.conf:2: the line has a zero byte or is"));
    text[CONFIG_VALUE_MAX - 4 + 8] = '\0'; // the longest that is read
    ck_assert_int_eq(parse(text), 0);
    ck_assert_uint_eq(strlen(config.jobs[0].command), CONFIG_VALUE_MAX - 4 - 8);
    config_done(&config);
    ck_assert_int_eq(config_parse(&config, "f", "[Reeve]\nPrices=a\0b\n", 19, &problems, &err),
                     -EINVAL);
}
END_TEST

START_TEST(listening_anywhere_is_said_outright)
{
    ck_assert_int_eq(parse("[Reeve]\nListen=0.0.0.0:80\nListenAnywhere=yes\n"), 0);
    ck_assert_int_eq(parse("[Reeve]\nListen=[::1]:0\n"), 0);
    ck_assert_int_eq(parse("[Reeve]\nListen=127.3.2.1:1\n"), 0);
    ck_assert(config_address_is_loopback("[::1]:1"));
    ck_assert(!config_address_is_loopback("126.0.0.1:1"));
    ck_assert(!config_address_is_loopback("[::2]:1"));
}
END_TEST

START_TEST(options_are_set_as_in_the_file)
{
    ck_assert_int_eq(config_init(&config, &err), 0);
    ck_assert_int_eq(config_set(&config, "Slots", "5", &err), 0);
    ck_assert_int_eq(config_set(&config, "Slots", "many", &err), -EINVAL);
    ck_assert_str_eq(err.text, "Slots=many: write a whole number of at least 1");
    ck_assert_int_eq(config.reeve.slots, 5); // untouched by the failure
    ck_assert_int_eq(config_set(&config, "MemoryMax", "1G", &err), -EINVAL);
    ck_assert_int_eq(config_add_credential(&config, "a", CONFIG_CREDENTIAL_API_KEY, "/f", &err), 0);
    ck_assert_int_eq(config_add_credential(&config, "a", CONFIG_CREDENTIAL_API_KEY, "/f", &err),
                     -EEXIST);
    ck_assert_int_eq(config_check(&config, &err), 0);
    struct config_job job;
    ck_assert_int_eq(config_job_init(&job, "x", &err), 0);
    ck_assert_int_eq(config_set_job(&job, "MemoryMax", "512M", &err), 0);
    ck_assert_int_eq(job.limits.memory_max_bytes, GB / 2);
    config_job_done(&job);
}
END_TEST

START_TEST(names)
{
    char longest[JOB_NAME_MAX + 1] = "";
    memset(longest, 'a', JOB_NAME_MAX);
    ck_assert(!config_name_is_valid(longest));
    ck_assert(config_name_is_valid(longest + 1));
    ck_assert(config_name_is_valid("a.b_c-9"));
    ck_assert(!config_name_is_valid(""));
    ck_assert(!config_name_is_valid(".a"));
    ck_assert(!config_name_is_valid("a/b"));
    ck_assert(!config_name_is_valid("\xc3\xa4"));
}
END_TEST

static char *show(void)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);
    config_show(&config, stream);
    fclose(stream);
    return text;
}

START_TEST(what_is_shown_reads_as_the_same)
{
    ck_assert_int_eq(parse("[Reeve]\nSlots=3\nCostMaxPerMonth=$12.345\nWaitMax=1500ms\n"
                           "[Credential c]\nFile=x y\n[Job j]\nMemoryMax=1536M\nTokensMax=1500\n"
                           "RuntimeMaxSec=90min\nCommand=a b\n[Alert a]\nExec=x\n"),
                     0);
    char *first = show();
    ck_assert_ptr_nonnull(strstr(first, "\nMemoryMax=1536M\n"));
    ck_assert_ptr_nonnull(strstr(first, "\nRuntimeMaxSec=90min\n"));
    ck_assert_ptr_nonnull(strstr(first, "\nCostMaxPerMonth=$12.345\n"));
    ck_assert_ptr_nonnull(strstr(first, "\nTokensMax=1500\n"));
    ck_assert_int_eq(parse(first), 0);
    char *second = show();
    ck_assert_str_eq(first, second);
    free(first);
    free(second);
}
END_TEST

START_TEST(secrets_are_not_shown)
{
    char *text = NULL;
    size_t length;
    ck_assert_int_eq(parse("[Reeve]\nLedger=host=db password=hunter2\n"
                           "[Alert a]\nUrl=https://hooks.example.com/hunter2\n"),
                     0);
    char *shown = show();
    FILE *stream = open_memstream(&text, &length);
    ck_assert_int_eq(config_show_json(&config, stream, &err), 0);
    fclose(stream);
    ck_assert_ptr_null(strstr(shown, "hunter2"));
    ck_assert_ptr_null(strstr(text, "hunter2"));
    ck_assert_ptr_nonnull(strstr(shown, "\nUrl=https://hooks.example.com/"));
    free(shown);
    free(text);
}
END_TEST

START_TEST(json_holds_every_section)
{
    char *text = NULL;
    size_t length;
    ck_assert_int_eq(parse("[Job j]\nMemoryMax=1G\n"), 0);
    FILE *stream = open_memstream(&text, &length);
    ck_assert_int_eq(config_show_json(&config, stream, &err), 0);
    fclose(stream);
    ck_assert_ptr_nonnull(strstr(text, "\"Slots\": \"2\""));
    ck_assert_ptr_nonnull(strstr(text, "\"j\": {"));
    ck_assert_ptr_nonnull(strstr(text, "\"MemoryMax\": \"1G\""));
    free(text);
}
END_TEST

START_TEST(files)
{
    char path[] = "/tmp/reeve-config.XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_eq(write(fd, "[Reeve]\nSlots=4\n", 16), 16);
    close(fd);
    ck_assert_int_eq(config_load(&config, path, &problems, &err), 0);
    ck_assert_int_eq(config.reeve.slots, 4);
    config_done(&config);
    unlink(path);
    ck_assert_int_eq(config_load(&config, path, &problems, &err), -ENOENT); // it was named outright
    ck_assert_uint_eq(problems.count, 0);
    ck_assert_ptr_nonnull(strstr(err.text, path));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tests = tcase_create("config");
    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, defaults_need_no_file);
    tcase_add_test(tests, everything_is_read);
    tcase_add_loop_test(tests, bad_lines_are_refused, 0, (int)(sizeof(bad) / sizeof(bad[0])));
    tcase_add_test(tests, all_problems_are_reported);
    tcase_add_test(tests, more_problems_than_room_are_counted);
    tcase_add_test(tests, long_lines_and_zero_bytes_are_refused);
    tcase_add_test(tests, listening_anywhere_is_said_outright);
    tcase_add_test(tests, options_are_set_as_in_the_file);
    tcase_add_test(tests, names);
    tcase_add_test(tests, what_is_shown_reads_as_the_same);
    tcase_add_test(tests, secrets_are_not_shown);
    tcase_add_test(tests, json_holds_every_section);
    tcase_add_test(tests, files);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
