// Ledger status: see ledger_status.h.
#include "ledger_status.h"

#include "ledger_schema.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define UTC_TEXT(time) "to_char(" time " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"

static int read_journals(struct ledger *ledger, struct ledger_status *status, struct error *err)
{
    cleanup_result PGresult *result = NULL;
    int code =
        ledger_query(ledger,
                     "SELECT journal_id, host, segment, byte_offset, fingerprint,"
                     " " UTC_TEXT("moved_at") " FROM reeve.feed_cursor ORDER BY moved_at DESC",
                     0, NULL, &result, err);
    if (code != 0)
        return code;
    for (int i = 0; i < PQntuples(result) && i < LEDGER_STATUS_JOURNALS_MAX; i++) {
        struct ledger_status_journal *journal = &status->journals[i];
        snprintf(journal->id, sizeof(journal->id), "%s", PQgetvalue(result, i, 0));
        snprintf(journal->host, sizeof(journal->host), "%s", PQgetvalue(result, i, 1));
        journal->cursor = (struct journal_cursor){
            .segment = (uint64_t)ledger_number_at(result, i, 2),
            .offset = (uint64_t)ledger_number_at(result, i, 3),
            .check = (uint32_t)ledger_number_at(result, i, 4),
        };
        snprintf(journal->moved_at, sizeof(journal->moved_at), "%s", PQgetvalue(result, i, 5));
    }
    status->journal_count = (size_t)PQntuples(result);
    return 0;
}

int ledger_status_read(struct ledger *ledger, struct ledger_status *status, struct error *err)
{
    cleanup_result PGresult *result = NULL;
    *status = (struct ledger_status){0};
    int code = ledger_schema_read(ledger, &status->version, err);
    if (code != 0 || status->version == 0)
        return code;
    code = ledger_query(ledger,
                        "SELECT (SELECT count(*) FROM reeve.job), (SELECT count(*) FROM reeve.run),"
                        " (SELECT count(*) FROM reeve.run WHERE closed_at IS NULL), count(*),"
                        " (SELECT count(*) FROM reeve.alert),"
                        " (SELECT count(*) FROM reeve.quarantine),"
                        " round(coalesce(sum(cost_usd), 0) * 1000000000000)::bigint,"
                        " coalesce(" UTC_TEXT("max(settled_at)") ", '') FROM reeve.exchange",
                        0, NULL, &result, err);
    if (code != 0)
        return error_wrap(err, "counting the ledger's rows");
    status->jobs = ledger_number_at(result, 0, 0);
    status->runs = ledger_number_at(result, 0, 1);
    status->live_runs = ledger_number_at(result, 0, 2);
    status->exchanges = ledger_number_at(result, 0, 3);
    status->alerts = ledger_number_at(result, 0, 4);
    status->quarantined = ledger_number_at(result, 0, 5);
    status->cost_pico_usd = ledger_number_at(result, 0, 6);
    snprintf(status->last_exchange_at, sizeof(status->last_exchange_at), "%s",
             PQgetvalue(result, 0, 7));
    return read_journals(ledger, status, err);
}

#define MONEY_TEXT(column) "trim_scale(" column ")::text"

// Each query gives one row for each thing checked that fails, and in its first column how many were
// checked; one row of NULL findings if all is well.
static const struct {
    const char *name;
    const char *counted; // how many are checked
    const char *findings;
} checks[] = {
    [LEDGER_CHECK_RUNS] =
        {
            "runs",
            "SELECT count(*) FROM reeve.run_sum",
            "SELECT 'run ' || run_id || ': ' || exchanges || ' exchanges for '"
            " || " MONEY_TEXT(
                "cost_usd") " || ' were booked, the ledger has ' || ledger_exchanges"
                            " || ' for ' || " MONEY_TEXT(
                                "ledger_cost_usd") " FROM reeve.run_sum"
                                                   " WHERE (exchanges, cost_usd, input_tokens, "
                                                   "output_tokens, cache_write_5m_tokens,"
                                                   "  cache_write_1h_tokens, cache_read_tokens) IS "
                                                   "DISTINCT FROM (ledger_exchanges,"
                                                   "  ledger_cost_usd, ledger_input_tokens, "
                                                   "ledger_output_tokens,"
                                                   "  ledger_cache_write_5m_tokens, "
                                                   "ledger_cache_write_1h_tokens, "
                                                   "ledger_cache_read_tokens)"
                                                   " ORDER BY run_id",
        },
    [LEDGER_CHECK_PRICES] =
        {
            "prices",
            "SELECT count(*) FROM reeve.exchange_repriced",
            "SELECT 'exchange ' || exchange_id || ': ' || " MONEY_TEXT("cost_usd") " || ' was "
                                                                                   "booked, ' || "
                                                                                   "price_row || ' "
                                                                                   "gives ' "
                                                                                   "|| " MONEY_TEXT(
                                                                                       "repriced_"
                                                                                       "usd") " FRO"
                                                                                              "M "
                                                                                              "reev"
                                                                                              "e."
                                                                                              "exch"
                                                                                              "ange"
                                                                                              "_rep"
                                                                                              "rice"
                                                                                              "d "
                                                                                              "WHER"
                                                                                              "E "
                                                                                              "cost"
                                                                                              "_usd"
                                                                                              " <> "
                                                                                              "repr"
                                                                                              "iced"
                                                                                              "_usd"
                                                                                              " ORD"
                                                                                              "ER "
                                                                                              "BY "
                                                                                              "exch"
                                                                                              "ange"
                                                                                              "_id",
        },
    [LEDGER_CHECK_PRICE_ROWS] =
        {
            "price-rows",
            "SELECT count(DISTINCT price_row) FROM reeve.exchange",
            "SELECT 'price row ' || price_row || ' is not in the ledger, ' || count(*)"
            " || ' exchanges name it' FROM reeve.exchange LEFT JOIN reeve.price USING (price_row)"
            " WHERE price.model IS NULL AND price_row IS NOT NULL GROUP BY price_row ORDER BY "
            "price_row",
        },
    [LEDGER_CHECK_QUARANTINE] =
        {
            "quarantine",
            "SELECT count(*) FROM reeve.quarantine",
            "SELECT record_type || ' at segment ' || segment || ', offset ' || byte_offset || ': '"
            " || left(reason, 80) FROM reeve.quarantine ORDER BY quarantined_at",
        },
};

const char *ledger_check_name(enum ledger_check check)
{
    assert(check < LEDGER_CHECKS);
    return checks[check].name;
}

int ledger_verify(struct ledger *ledger, enum ledger_check check, struct ledger_verdict *verdict,
                  struct error *err)
{
    cleanup_result PGresult *counted = NULL;
    cleanup_result PGresult *findings = NULL;
    int code = ledger_query(ledger, checks[check].counted, 0, NULL, &counted, err);
    if (code == 0)
        code = ledger_query(ledger, checks[check].findings, 0, NULL, &findings, err);
    if (code != 0)
        return error_wrap(err, "checking the ledger's %s", checks[check].name);
    *verdict = (struct ledger_verdict){
        .checked = ledger_number_at(counted, 0, 0),
        .failed = PQntuples(findings),
    };
    for (int i = 0; i < PQntuples(findings) && i < LEDGER_FINDINGS_MAX; i++) {
        snprintf(verdict->findings[i], sizeof(verdict->findings[i]), "%s",
                 PQgetvalue(findings, i, 0));
        verdict->finding_count++;
    }
    return 0;
}
