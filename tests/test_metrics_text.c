// Tests of metrics_text.c: the form that Prometheus reads, and what it says.
#include "metrics_text.h"

#include "control_samples.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>

static struct metrics *metrics;
static struct control_message message; // with a status
static struct journal_status journal = {.position = 5000, .synced = 4000, .losses = 2};
static char *text;
static size_t length;

static void make(void)
{
    free(text);
    text = metrics_text_make(&(struct metrics_facts){.metrics = metrics,
                                                     .status = &message.status,
                                                     .journal = &journal,
                                                     .exchanges_waiting = 3,
                                                     .page_viewers = 1},
                             &length);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_eq(strlen(text), length);
}

static void settle(const char *job, const char *model)
{
    struct journal_settlement settlement = {.tokens = {1, 2, 3, 4, 5},
                                            .cost_pico_usd = 23572000001,
                                            .http_status = 200,
                                            .first_byte_us = 300,
                                            .price_row = "a-row"};
    snprintf(settlement.job, sizeof(settlement.job), "%s", job);
    snprintf(settlement.model, sizeof(settlement.model), "%s", model);
    metrics_settled(metrics, &settlement);
}

static void set_up(void)
{
    metrics = metrics_new();
    ck_assert_ptr_nonnull(metrics);
    sample_message(CONTROL_STATUS_REPLY, &message);
}

static void tear_down(void)
{
    control_message_done(&message);
    metrics_free(metrics);
    free(text);
    text = NULL;
}

// Whether there is this very line.
static bool has(const char *line)
{
    size_t line_length = strlen(line);
    for (const char *found = text; (found = strstr(found, line)) != NULL; found++)
        if ((found == text || found[-1] == '\n') && found[line_length] == '\n')
            return true;
    return false;
}

START_TEST(exchanges_are_there_by_job_model_and_kind)
{
    settle("outreach", "claude-haiku-4-5");
    settle("outreach", "claude-haiku-4-5");
    make();
    ck_assert(has("reeve_exchanges_total{job=\"outreach\",model=\"claude-haiku-4-5\"} 2"));
    ck_assert(has("reeve_exchange_cost_dollars_total{job=\"outreach\",model=\"claude-haiku-4-5\"} "
                  "0.047144000002"));
    static const char *const kinds[] = {"input", "output", "cache_write_5m", "cache_write_1h",
                                        "cache_read"};
    for (int i = 0; i < 5; i++) {
        char line[256];
        snprintf(line, sizeof(line),
                 "reeve_exchange_tokens_total{job=\"outreach\",model=\"claude-haiku-4-5\","
                 "kind=\"%s\"} %d",
                 kinds[i], 2 * (i + 1));
        ck_assert_msg(has(line), "%s", line);
    }
    ck_assert(has("reeve_exchange_ends_total{end=\"complete\"} 2"));
}
END_TEST

START_TEST(histograms_are_cumulative_and_in_seconds)
{
    metrics_added(metrics, 90);
    metrics_added(metrics, 2400);
    metrics_added(metrics, 61000000);
    make();
    ck_assert(has("# TYPE reeve_added_latency_seconds histogram"));
    ck_assert(has("reeve_added_latency_seconds_bucket{le=\"0.0001\"} 1"));
    ck_assert(has("reeve_added_latency_seconds_bucket{le=\"0.001\"} 1"));
    ck_assert(has("reeve_added_latency_seconds_bucket{le=\"0.0025\"} 2"));
    ck_assert(has("reeve_added_latency_seconds_bucket{le=\"60\"} 2"));
    ck_assert(has("reeve_added_latency_seconds_bucket{le=\"+Inf\"} 3"));
    ck_assert(has("reeve_added_latency_seconds_sum 61.002490"));
    ck_assert(has("reeve_added_latency_seconds_count 3"));
}
END_TEST

START_TEST(the_status_is_in_it)
{
    make();
    ck_assert(has("reeve_runs{state=\"running\"} 1"));
    ck_assert(has("reeve_runs{state=\"other\"} 0"));
    snprintf(message.status.runs[0].state, sizeof(message.status.runs[0].state), "new-in-2027");
    make();
    ck_assert(has("reeve_runs{state=\"running\"} 0"));
    ck_assert(has("reeve_runs{state=\"other\"} 1"));
    ck_assert(has("reeve_slots 2"));
    ck_assert(has("reeve_slots_taken 1"));
    ck_assert(has("reeve_runs_waiting 1"));
    ck_assert(has("reeve_exchanges_waiting 3"));
    ck_assert(has("reeve_credential_ready{credential=\"main\",type=\"oauth\"} 0"));
    ck_assert(has("reeve_credential_state{credential=\"main\",state=\"expired\"} 1"));
    ck_assert(has("reeve_ledger_lag_bytes 4096"));
    ck_assert(has("reeve_ledger_reachable 0"));
    ck_assert(has("reeve_journal_unsynced_bytes 1000"));
    ck_assert(has("reeve_journal_sync_failures_total 2"));
    ck_assert(has("process_start_time_seconds 1795622444"));
}
END_TEST

START_TEST(ceilings_are_told_apart_by_scope_and_unit)
{
    struct status *status = &message.status;
    status->ceiling_count = 0;
    const struct status_ceiling ceilings[] = {
        {"box", "day", "cost", 2000000000000, 500000000000, 1, 0},
        {"job outreach", "month", "tokens", 1000, 10, 5, 0},
    };
    for (size_t i = 0; i < 2; i++) {
        struct status_ceiling *ceiling =
            control_list_add(&status->ceilings, &status->ceiling_count, sizeof(*status->ceilings));
        *ceiling = ceilings[i];
    }
    make();
    ck_assert(has("reeve_ceiling_limit_dollars{scope=\"box\",job=\"\",period=\"day\"} 2.00"));
    ck_assert(has("reeve_ceiling_settled_dollars{scope=\"box\",job=\"\",period=\"day\"} 0.50"));
    ck_assert(
        has("reeve_ceiling_held_dollars{scope=\"box\",job=\"\",period=\"day\"} 0.000000000001"));
    ck_assert(
        has("reeve_ceiling_limit_tokens{scope=\"job\",job=\"outreach\",period=\"month\"} 1000"));
    ck_assert(
        has("reeve_ceiling_settled_tokens{scope=\"job\",job=\"outreach\",period=\"month\"} 10"));
}
END_TEST

START_TEST(labels_are_escaped)
{
    settle("a\"b\\c\nd", "m");
    make();
    ck_assert(has("reeve_exchanges_total{job=\"a\\\"b\\\\c\\nd\",model=\"m\"} 1"));
}
END_TEST

START_TEST(all_that_there_can_be_fits)
{
    char job[JOB_NAME_MAX], model[MODEL_NAME_MAX];
    struct status *status = &message.status;
    memset(model, 'm', sizeof(model) - 1);
    model[sizeof(model) - 1] = '\0';
    for (int i = 0; i < 2 * METRICS_SERIES_MAX; i++) {
        snprintf(job, sizeof(job), "%063d", i);
        settle(job, model);
    }
    while (status->credential_count < 2 * METRICS_CREDENTIALS_MAX) {
        struct status_credential *credential = control_list_add(
            &status->credentials, &status->credential_count, sizeof(*status->credentials));
        snprintf(credential->name, sizeof(credential->name), "%063zu", status->credential_count);
    }
    while (status->ceiling_count < 2 * METRICS_CEILINGS_MAX) {
        struct status_ceiling *ceiling =
            control_list_add(&status->ceilings, &status->ceiling_count, sizeof(*status->ceilings));
        *ceiling = (struct status_ceiling){"", "month", "cost", INT64_MAX, INT64_MAX, INT64_MAX, 0};
        snprintf(ceiling->scope, sizeof(ceiling->scope), "job %063zu", status->ceiling_count);
    }
    make();
    ck_assert_uint_gt(length, METRICS_TEXT_MAX / 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics_text");
    TCase *cases = tcase_create("metrics_text");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, exchanges_are_there_by_job_model_and_kind);
    tcase_add_test(cases, histograms_are_cumulative_and_in_seconds);
    tcase_add_test(cases, the_status_is_in_it);
    tcase_add_test(cases, ceilings_are_told_apart_by_scope_and_unit);
    tcase_add_test(cases, labels_are_escaped);
    tcase_add_test(cases, all_that_there_can_be_fits);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
