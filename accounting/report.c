// Report: see report.h.
#include "report.h"

#include "cleanup.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What to group by and how to order. $3 is the time zone.
static const struct {
    const char *name;
    const char *key;
    const char *order;
} groupings[] = {
    [REPORT_BY_DAY] = {"day", "to_char(reserved_at AT TIME ZONE $3::text, 'YYYY-MM-DD')", "key"},
    [REPORT_BY_JOB] = {"job", "job", "sum(cost_usd) DESC, key"},
    [REPORT_BY_MODEL] = {"model", "coalesce(model, model_asked, '')", "sum(cost_usd) DESC, key"},
    [REPORT_BY_RUN] = {"run", "run_id", "key"},
    [REPORT_BY_CREDENTIAL] = {"credential", "coalesce(credential, '')", "sum(cost_usd) DESC, key"},
};

// The columns of the result.
enum {
    COLUMN_KEY, // NULL in the total
    COLUMN_IS_TOTAL,
    COLUMN_EXCHANGES,
    COLUMN_ESTIMATED,
    COLUMN_UNKNOWN_MODELS,
    COLUMN_INPUT,
    COLUMN_OUTPUT,
    COLUMN_CACHE_WRITE_5M,
    COLUMN_CACHE_WRITE_1H,
    COLUMN_CACHE_READ,
    COLUMN_COST,
    COLUMN_ESTIMATED_COST,
    COLUMN_CACHE_SAVING,
};

#define PICO(sum) "round(coalesce(" sum ", 0) * 1000000000000)::bigint"

static const char statement_format[] =
    "SELECT key, grouping(key), count(*), count(*) FILTER (WHERE estimated),"
    " count(*) FILTER (WHERE unknown_model),"
    " coalesce(sum(input_tokens), 0)::bigint, coalesce(sum(output_tokens), 0)::bigint,"
    " coalesce(sum(cache_write_5m_tokens), 0)::bigint,"
    " coalesce(sum(cache_write_1h_tokens), 0)::bigint,"
    " coalesce(sum(cache_read_tokens), 0)::bigint,"
    " " PICO("sum(cost_usd)") ", " PICO(
        "sum(cost_usd) FILTER (WHERE estimated)") ","
                                                  " " PICO(
                                                      "sum(cache_saving_usd)") " FROM (SELECT *, "
                                                                               "%s AS key FROM "
                                                                               "reeve.exchange_"
                                                                               "saving"
                                                                               "       WHERE "
                                                                               "reserved_at >= "
                                                                               "'epoch'::"
                                                                               "timestamptz + "
                                                                               "$1::bigint * "
                                                                               "interval '1us'"
                                                                               "         AND "
                                                                               "reserved_at < "
                                                                               "'epoch'::"
                                                                               "timestamptz + "
                                                                               "$2::bigint * "
                                                                               "interval '1us'"
                                                                               "         AND "
                                                                               "$3::text IS NOT "
                                                                               "NULL) AS exchange"
                                                                               " GROUP BY GROUPING "
                                                                               "SETS ((key), ()) "
                                                                               "ORDER BY "
                                                                               "grouping(key), %s";

const char *report_by_name(enum report_by by)
{
    assert(by < REPORT_BYS);
    return groupings[by].name;
}

bool report_by_parse(const char *text, enum report_by *by)
{
    for (enum report_by each = 0; each < REPORT_BYS; each++) {
        if (strcmp(text, groupings[each].name) == 0) {
            *by = each;
            return true;
        }
    }
    return false;
}

// Fills `filled` from a row of the result. False when out of memory.
static bool read_row(const PGresult *result, int row, struct report_row *filled)
{
    *filled = (struct report_row){
        .key = strdup(PQgetvalue(result, row, COLUMN_KEY)),
        .exchanges = ledger_number_at(result, row, COLUMN_EXCHANGES),
        .estimated = ledger_number_at(result, row, COLUMN_ESTIMATED),
        .unknown_models = ledger_number_at(result, row, COLUMN_UNKNOWN_MODELS),
        .tokens = {.input = ledger_number_at(result, row, COLUMN_INPUT),
                   .output = ledger_number_at(result, row, COLUMN_OUTPUT),
                   .cache_write_5m = ledger_number_at(result, row, COLUMN_CACHE_WRITE_5M),
                   .cache_write_1h = ledger_number_at(result, row, COLUMN_CACHE_WRITE_1H),
                   .cache_read = ledger_number_at(result, row, COLUMN_CACHE_READ)},
        .cost_pico_usd = ledger_number_at(result, row, COLUMN_COST),
        .estimated_pico_usd = ledger_number_at(result, row, COLUMN_ESTIMATED_COST),
        .cache_saving_pico_usd = ledger_number_at(result, row, COLUMN_CACHE_SAVING),
    };
    return filled->key != NULL;
}

// The total is the last row, and there even if nothing else is.
static int read_rows(const PGresult *result, struct report *report, struct error *err)
{
    int last = PQntuples(result) - 1;
    assert(last >= 0 && *PQgetvalue(result, last, COLUMN_IS_TOTAL) == '1');
    report->rows = calloc((size_t)last + 1, sizeof(*report->rows));
    bool complete = report->rows != NULL && read_row(result, last, &report->total);
    for (int i = 0; complete && i < last; i++) {
        complete = read_row(result, i, &report->rows[i]);
        report->row_count += complete;
    }
    return complete ? 0 : error_set(err, -ENOMEM, "no memory for a report of %d rows", last);
}

int report_read(struct ledger *ledger, const struct report_query *query, struct report *report,
                struct error *err)
{
    cleanup_result PGresult *result = NULL;
    char statement[sizeof(statement_format) + 256];
    char since[24];
    char until[24];
    struct report read = {.query = *query};
    snprintf(statement, sizeof(statement), statement_format, groupings[query->by].key,
             groupings[query->by].order);
    snprintf(since, sizeof(since), "%" PRId64, query->since_us);
    snprintf(until, sizeof(until), "%" PRId64, query->until_us);
    const char *const parameters[] = {since, until, query->time_zone};
    int code = ledger_query(ledger, statement, 3, parameters, &result, err);
    if (code == 0)
        code = read_rows(result, &read, err);
    if (code == 0)
        *report = read;
    else
        report_done(&read);
    return code;
}

void report_done(struct report *report)
{
    for (size_t i = 0; i < report->row_count; i++)
        free(report->rows[i].key);
    free(report->rows);
    free(report->total.key);
    *report = (struct report){0};
}
