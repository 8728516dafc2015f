// Batch account: what the results of one batch come to.

#include "batch_account.h"

#include "clock.h"
#include "journal.h"
#include "log.h"
#include "meter.h"
#include "metrics.h"
#include "money.h"
#include "run_ceiling.h"
#include "run_table.h"
#include "settle.h"
#include "waiting.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_PATH "/v1/messages/batches"
#define SEEN_CAPACITY_FIRST 64

void batch_account_done(struct batch_account *account)
{
    free(account->seen);
    *account = (struct batch_account){0};
}

void batch_exchange_id(const char *batch_id, const char *custom_id,
                       uint8_t id[static EXCHANGE_ID_BYTES])
{
    char text[UPSTREAM_ID_MAX + CUSTOM_ID_MAX];
    unsigned char sha256[SHA256_DIGEST_LENGTH];
    int length = snprintf(text, sizeof(text), "%s/%s", batch_id, custom_id);
    SHA256((const unsigned char *)text, (size_t)length, sha256);
    memcpy(id, sha256, EXCHANGE_ID_BYTES);
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x80);
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
}

// ---- which results have been taken

// Where the id is, or would be. There is always a free place: all zero, which no id is.
static uint8_t *seen_find(const struct batch_account *account, const uint8_t *id)
{
    static const uint8_t none[EXCHANGE_ID_BYTES];
    uint64_t hash;
    memcpy(&hash, id, sizeof(hash));
    size_t place = hash % account->seen_capacity;
    while (memcmp(account->seen[place], none, EXCHANGE_ID_BYTES) != 0 &&
           memcmp(account->seen[place], id, EXCHANGE_ID_BYTES) != 0)
        place = (place + 1) % account->seen_capacity;
    return account->seen[place];
}

// Makes room for one more: at most half of the table is used.
static int seen_grow(struct batch_account *account, struct error *err)
{
    if (account->seen_count < account->seen_capacity / 2)
        return 0;
    struct batch_account grown = *account;
    grown.seen_capacity =
        account->seen_capacity > 0 ? 2 * account->seen_capacity : SEEN_CAPACITY_FIRST;
    grown.seen = calloc(grown.seen_capacity, sizeof(grown.seen[0]));
    if (grown.seen == NULL)
        return error_set(err, -ENOMEM, "out of memory for %zu results of a batch",
                         account->seen_count);
    for (size_t i = 0; i < account->seen_capacity; i++)
        memcpy(seen_find(&grown, account->seen[i]), account->seen[i], EXCHANGE_ID_BYTES);
    free(account->seen);
    *account = grown;
    return 0;
}

// ---- rows

static struct journal_settlement row_make(const struct journal_batch *batch)
{
    struct journal_settlement row = {
        .path = BATCH_PATH,
        .reserved_at_us = batch->reserved_at_us,
        .settled_at_us = clock_now_us(),
        .first_byte_us = -1,
        .attempt = 1,
        .http_status = 200,
        .end = EXCHANGE_COMPLETE,
        .tier = USAGE_TIER_BATCH,
    };
    memcpy(row.run_id, batch->run_id, sizeof(row.run_id));
    memcpy(row.job, batch->job, sizeof(row.job));
    memcpy(row.credential, batch->credential, sizeof(row.credential));
    memcpy(row.batch_id, batch->batch_id, sizeof(row.batch_id));
    return row;
}

static int row_append(struct proxy *proxy, const struct journal_settlement *row, struct error *err)
{
    int result = journal_append(
        proxy->journal, &(struct journal_record){.type = JOURNAL_SETTLEMENT, .settlement = row},
        NULL, err);
    struct live_run *run = run_table_find_id(proxy->runs, row->run_id);
    if (result == 0)
        metrics_settled(proxy->metrics, row);
    if (result == 0 && run != NULL)
        settle_add_to_run(run, row);
    return result;
}

static int take_message(struct batch_account *account, struct proxy *proxy,
                        const struct meter_batch_line *line, const uint8_t *exchange_id,
                        struct error *err)
{
    struct journal_settlement row = row_make(&account->batch);
    memcpy(row.exchange_id, exchange_id, sizeof(row.exchange_id));
    memcpy(row.custom_id, line->custom_id, sizeof(row.custom_id));
    if (!settle_take_metered(proxy, &row, &line->result)) {
        account->unreadable++;
        return 0;
    }
    row.counted_pico_usd = row.cost_pico_usd;
    row.counted_tokens = tokens_counted(&row.tokens, proxy->tokens_count);
    row.counted_output_tokens = row.tokens.output;
    int result = row_append(proxy, &row, err);
    if (result < 0)
        return result;
    int64_t *used = account->used.of;
    if (!money_add(used[BUDGET_COST], row.counted_pico_usd, &used[BUDGET_COST]) ||
        !money_add(used[BUDGET_TOKENS], row.counted_tokens, &used[BUDGET_TOKENS]) ||
        !money_add(used[BUDGET_OUTPUT_TOKENS], row.counted_output_tokens,
                   &used[BUDGET_OUTPUT_TOKENS]))
        account->unreadable++; // nine million dollars
    account->succeeded++;
    return 0;
}

// A message is billed; what the upstream tried in vain counts as a request, as it does outside of a
// batch; what was canceled or has expired was not even tried.
static int take_line(struct batch_account *account, struct proxy *proxy,
                     const struct meter_batch_line *line, struct error *err)
{
    uint8_t id[EXCHANGE_ID_BYTES];
    batch_exchange_id(account->batch.batch_id, line->custom_id, id);
    int result = seen_grow(account, err);
    if (result < 0)
        return result;
    uint8_t *place = seen_find(account, id);
    if (memcmp(place, id, sizeof(id)) == 0)
        return 0;
    bool succeeded = strcmp(line->type, "succeeded") == 0;
    if (succeeded)
        result = take_message(account, proxy, line, id, err);
    else
        account->unbilled++;
    if (result < 0)
        return result;
    account->used.of[BUDGET_REQUESTS] += succeeded || strcmp(line->type, "errored") == 0;
    memcpy(place, id, sizeof(id));
    account->seen_count++;
    return 0;
}

int batch_account_take(struct batch_account *account, struct proxy *proxy, struct slice line,
                       struct error *err)
{
    struct meter_batch_line read;
    if (line.bytes != NULL && line.length == 0)
        return 0;
    if (line.bytes == NULL ||
        !meter_read_batch_line(line.bytes, line.length, proxy->free_refusals, &read)) {
        account->unreadable++;
        return 0;
    }
    int result = 0;
    if ((int64_t)account->seen_count < account->batch.requests)
        result = take_line(account, proxy, &read, err);
    meter_result_done(&read.result);
    return result;
}

// ---- the end

// Charges what is left of the reservation to one row, which stands for all that cannot be read.
static int charge_rest(struct batch_account *account, struct proxy *proxy, struct error *err)
{
    const struct journal_batch *batch = &account->batch;
    const struct budget_amounts *held = &account->reservation.held;
    struct budget_amounts used = account->used;
    struct journal_settlement row = row_make(batch);
    int64_t rest[BUDGET_KINDS];
    for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++) {
        rest[kind] = held->of[kind] - used.of[kind];
        rest[kind] = rest[kind] > 0 ? rest[kind] : 0;
        used.of[kind] += rest[kind];
    }
    memcpy(row.exchange_id, batch->exchange_id, sizeof(row.exchange_id));
    memcpy(row.model_asked, batch->model, sizeof(row.model_asked));
    memcpy(row.model, batch->model, sizeof(row.model));
    row.end = EXCHANGE_RESULTS_GONE;
    row.estimated = true;
    row.reserved_pico_usd = held->of[BUDGET_COST];
    row.cost_pico_usd = row.counted_pico_usd = rest[BUDGET_COST];
    row.counted_tokens = rest[BUDGET_TOKENS];
    row.counted_output_tokens = row.tokens.output = rest[BUDGET_OUTPUT_TOKENS];
    if (rest[BUDGET_TOKENS] > rest[BUDGET_OUTPUT_TOKENS])
        row.tokens.input = rest[BUDGET_TOKENS] - rest[BUDGET_OUTPUT_TOKENS];
    int result = row_append(proxy, &row, err);
    if (result == 0)
        account->used = used;
    return result;
}

static void log_end(const struct batch_account *account, bool gone)
{
    const struct journal_batch *batch = &account->batch;
    char cost[MONEY_TEXT_MAX];
    log_event(gone || account->unreadable > 0 ? LOG_WARNING : LOG_INFO, "batch_settled", "batch",
              batch->batch_id, "run", batch->run_id, "job", batch->job, "requests",
              log_int(batch->requests), "succeeded", log_int(account->succeeded), "unbilled",
              log_int(account->unbilled), "unreadable", log_int(account->unreadable), "results",
              gone ? "gone" : NULL, "cost_usd",
              money_format_exact(account->used.of[BUDGET_COST], 2, cost), NULL);
}

int batch_account_close(struct batch_account *account, struct proxy *proxy, bool gone,
                        struct error *err)
{
    const struct journal_batch *batch = &account->batch;
    struct budget_ceiling above;
    if (gone || account->unreadable > 0) {
        int result = charge_rest(account, proxy, err);
        if (result < 0)
            return result;
    }
    struct journal_batch_end end = {
        .reserved_at_us = batch->reserved_at_us,
        .settled_at_us = clock_now_us(),
        .counted_requests = account->used.of[BUDGET_REQUESTS],
        .counted_pico_usd = account->used.of[BUDGET_COST],
        .counted_tokens = account->used.of[BUDGET_TOKENS],
        .counted_output_tokens = account->used.of[BUDGET_OUTPUT_TOKENS],
    };
    memcpy(end.batch_id, batch->batch_id, sizeof(end.batch_id));
    memcpy(end.run_id, batch->run_id, sizeof(end.run_id));
    memcpy(end.job, batch->job, sizeof(end.job));
    if (journal_append(proxy->journal,
                       &(struct journal_record){.type = JOURNAL_BATCH_END, .batch_end = &end}, NULL,
                       err) < 0) // room was booked: the disk is failing
        log_event(LOG_CRIT, "batch_end_not_journaled", "batch", batch->batch_id, "error", err->text,
                  NULL);
    budget_settle(proxy->budget, &account->reservation, &account->used);
    log_end(account, gone);
    struct live_run *run = run_table_find_id(proxy->runs, batch->run_id);
    if (run != NULL) {
        settle_report_soft_limits(proxy, run, batch->reserved_at_us);
        if (settle_is_overrun(proxy, &account->reservation, &account->used, &above))
            run_above_ceiling(proxy, run, &above);
    }
    waiting_retry(proxy); // what was only held is free again
    return 0;
}
