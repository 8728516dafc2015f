// A control message of every type with every field set, for tests.
#pragma once

#include "control_message.h"

#include <stdio.h>
#include <string.h>

#define CONTROL_LAST CONTROL_RELOADED

static struct run_limits sample_limits(void)
{
    return (struct run_limits){.cost_max_pico_usd = 1,
                               .tokens_max = 2,
                               .output_tokens_max = 3,
                               .requests_max = LIMIT_NONE,
                               .memory_max_bytes = INT64_C(1) << 40,
                               .memory_high_bytes = 5,
                               .memory_swap_max_bytes = 0,
                               .tasks_max = 7,
                               .cpu_quota_percent = 150,
                               .runtime_max_us = 9};
}

static void sample_status(struct status *status)
{
    *status = (struct status){.version = "1.2.3",
                              .listen = "127.0.0.1:8377",
                              .upstream = "https://api.anthropic.com",
                              .pid = 4711,
                              .started_at_us = 1795622444000000,
                              .now_us = 1795622504000000,
                              .slots = 2,
                              .memory_for_runs_bytes = INT64_C(7) << 30,
                              .memory_taken_bytes = 1 << 30,
                              .exchanges_in_flight = 1,
                              .ledger_lag_bytes = 4096,
                              .ledger = "behind: connection refused"};
    struct status_run *run =
        control_list_add(&status->runs, &status->run_count, sizeof(*status->runs));
    *run = (struct status_run){.id = "20261125-160044-k3f9qx",
                               .job = "outreach",
                               .command = "claude",
                               .state = "running",
                               .pid = 12,
                               .opened_at_us = 1795622444000000,
                               .cost_pico_usd = 123400000000,
                               .cost_max_pico_usd = 500000000000,
                               .counted_tokens = 1500,
                               .tokens_max = LIMIT_NONE,
                               .exchanges = 4,
                               .exchanges_in_flight = 1,
                               .tokens = {1, 2, 3, 4, 5}};
    struct status_waiting *waiting =
        control_list_add(&status->waiting, &status->waiting_count, sizeof(*status->waiting));
    *waiting = (struct status_waiting){.job = "nightly",
                                       .pid = 13,
                                       .priority = -2,
                                       .since_us = 1795622494000000,
                                       .why = "all 2 slots are taken"};
    struct status_credential *credential = control_list_add(
        &status->credentials, &status->credential_count, sizeof(*status->credentials));
    *credential = (struct status_credential){.name = "main",
                                             .type = "oauth",
                                             .state = "expired",
                                             .serves = "claude-code",
                                             .fingerprint = "sha256:0123456789ab",
                                             .priority = -1,
                                             .until_us = 1795622450000000,
                                             .served_at_us = -1,
                                             .exchanges = 12,
                                             .refreshes = 3,
                                             .used_percent = 96,
                                             .expires_at_us = 1795622444000000,
                                             .text = "invalid_grant"};
    for (int i = 0; i < 2; i++) {
        struct status_ceiling *ceiling =
            control_list_add(&status->ceilings, &status->ceiling_count, sizeof(*status->ceilings));
        *ceiling = (struct status_ceiling){.scope = "job outreach",
                                           .period = "day",
                                           .limit = 10000000000000,
                                           .settled = 2500000000000,
                                           .held = 1000000000000,
                                           .resets_at_us = 1795651200000000};
        snprintf(ceiling->kind, sizeof(ceiling->kind), "%s", i == 0 ? "cost" : "tokens");
    }
}

static void sample_alerts(struct control_alerts *list)
{
    struct status_channel *channel =
        control_list_add(&list->channels, &list->channel_count, sizeof(*list->channels));
    *channel = (struct status_channel){.name = "ops/url",
                                       .target = "https://hooks.example.com/…",
                                       .kinds = "ceiling oom",
                                       .state = "resting",
                                       .owed = 2,
                                       .retry_at_us = 1795622454000000,
                                       .problem = "HTTP 500"};
    struct status_alert *alert =
        control_list_add(&list->alerts, &list->alert_count, sizeof(*list->alerts));
    *alert = (struct status_alert){.kind = "oom",
                                   .run_id = "20261125-160044-k3f9qx",
                                   .job = "outreach",
                                   .text = "ran out of memory",
                                   .raised_at_us = 1795622444000000,
                                   .owed_to = "ops/url ops/exec",
                                   .sent = 1,
                                   .given_up = 2};
}

static void sample_tested(struct control_alert_tested *tested)
{
    struct status_trial *trial =
        control_list_add(&tested->trials, &tested->trial_count, sizeof(*tested->trials));
    *trial = (struct status_trial){.channel = "ops/exec",
                                   .target = "/usr/bin/page …",
                                   .problem = "exit code 3",
                                   .lasted_us = 12345};
}

static void sample_told(struct control_state_told *told)
{
    told->outcome = SOURCE_STATE_HELD;
    snprintf(told->text, sizeof(told->text), "why");
    snprintf(told->result, sizeof(told->result), "{\"pages\": 3}");
    struct source_state_row *row =
        control_list_add(&told->rows, &told->row_count, sizeof(*told->rows));
    *row = (struct source_state_row){.state = SOURCE_STATE_IS_HELD,
                                     .whole_run = true,
                                     .fence = 7,
                                     .claimed_at_us = 1795622444000000,
                                     .expires_at_us = 1795622504000000,
                                     .done_at_us = -1,
                                     .job = "outreach",
                                     .key = "outreach-2026112516",
                                     .holder = "20261125-160044-k3f9qx",
                                     .host = "box"};
}

// NOLINTNEXTLINE(readability-function-size): a case for each message, and nothing else
static void sample_message(enum control_type type, struct control_message *message)
{
    memset(message, 0, sizeof(*message));
    message->type = type;
    switch (type) {
    case CONTROL_RUN_OPEN:
        message->run_open = (struct control_run_open){.job = "outreach",
                                                      .command = "claude",
                                                      .pid = 17,
                                                      .priority = -3,
                                                      .wait_us = INT64_MAX,
                                                      .limits = sample_limits()};
        break;
    case CONTROL_QUEUED:
        message->queued.position = 3;
        break;
    case CONTROL_GRANTED:
        message->granted = (struct control_granted){.run_id = "20261125-160044-k3f9qx",
                                                    .run_key = "reeve-run-not-a-secret",
                                                    .base_url = "http://127.0.0.1:8377",
                                                    .job = "outreach",
                                                    .kill_grace_us = 10000000,
                                                    .cache_ttl = CONFIG_CACHE_TTL_1H,
                                                    .limits = sample_limits()};
        break;
    case CONTROL_REFUSED:
        message->refused =
            (struct control_refused){.code = CONTROL_CEILING, .text = "the day's $10 are spent"};
        break;
    case CONTROL_RUN_PLACED:
        message->run_placed =
            (struct control_run_placed){.directory = "/sys/fs/cgroup/reeve/20261125-160044-k3f9qx"};
        break;
    case CONTROL_RUN_STARTED:
        message->run_started =
            (struct control_run_started){.cgroup = "/reeve/20261125-160044-k3f9qx", .pid = 18};
        break;
    case CONTROL_RUN_KILL:
        message->run_kill = (struct control_run_kill){.reason = RUN_CEILING, .text = "cost"};
        break;
    case CONTROL_RUN_ENDED:
        message->run_ended = (struct control_run_ended){.end = RUN_SIGNALED,
                                                        .exit_code = 137,
                                                        .memory_peak_bytes = -1,
                                                        .cpu_us = 12,
                                                        .io_read_bytes = 4096,
                                                        .io_written_bytes = 8192,
                                                        .memory_stall_us = -1};
        break;
    case CONTROL_SETTLED:
        message->settled = (struct control_settled){.end = RUN_OUT_OF_MEMORY,
                                                    .exchanges = 5,
                                                    .free_calls = 1,
                                                    .refused = 2,
                                                    .cost_pico_usd = 23572000000,
                                                    .tokens = {1, 2, 3, 4, 5}};
        break;
    case CONTROL_KILL:
        message->kill = (struct control_kill){.run_id = "20261125-160044-k3f9qx"};
        break;
    case CONTROL_DONE:
    case CONTROL_STATUS:
    case CONTROL_ALERT_LIST:
    case CONTROL_RUN_ADOPTED:
    case CONTROL_PAGE_OPEN:
    case CONTROL_RELOAD:
        break;
    case CONTROL_STATUS_REPLY:
        sample_status(&message->status);
        break;
    case CONTROL_CREDENTIAL:
        message->credential =
            (struct control_credential){.verb = CONTROL_CREDENTIAL_CHECK, .name = "main"};
        break;
    case CONTROL_CREDENTIAL_DONE:
        message->credential_done =
            (struct control_credential_done){.good = 1, .text = "the upstream answered 200"};
        break;
    case CONTROL_ALERTS:
        sample_alerts(&message->alerts);
        break;
    case CONTROL_ALERT_TEST:
        message->alert_test = (struct control_alert_test){.section = "ops"};
        break;
    case CONTROL_PAGE_LINK:
        message->page_link = (struct control_page_link){
            .url = "http://127.0.0.1:8377/reeve/open?token=not-a-secret", .valid_us = 120000000};
        break;
    case CONTROL_ALERT_TESTED:
        sample_tested(&message->alert_tested);
        break;
    case CONTROL_RUN_ADOPT:
        message->run_adopt = (struct control_run_adopt){.run_id = "20261125-160044-k3f9qx",
                                                        .run_key = "reeve-run-not-a-secret",
                                                        .directory = "/sys/fs/cgroup/a/b"};
        break;
    case CONTROL_RUN_ESCAPED:
        message->run_escaped = (struct control_run_escaped){.text = "pid 4711 (node)"};
        break;
    case CONTROL_STATE_ASK:
        message->state_ask = (struct control_state_ask){.action = SOURCE_STATE_RELEASE,
                                                        .job = "outreach",
                                                        .key = "page-12",
                                                        .run_key = "reeve-run-not-a-secret",
                                                        .result = "[1]",
                                                        .ttl_us = 120000000,
                                                        .fence = 7,
                                                        .force = true,
                                                        .whole_run = false};
        break;
    case CONTROL_STATE_TOLD:
        sample_told(&message->state_told);
        break;
    case CONTROL_RELOADED:
        message->reloaded =
            (struct control_reloaded){.pid_before = 4711, .pid = 4712, .exchanges_in_flight = 3};
        break;
    }
}
