// Ledger commands: see ledger_command.h.
#include "ledger_command.h"

#include "ledger_export.h"
#include "ledger_move.h"
#include "ledger_schema.h"
#include "ledger_status.h"
#include "money.h"
#include "value_json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define cleanup_source __attribute__((cleanup(ledger_source_done)))

// Prints and releases; NULL is what json_pack() gives when memory is out.
static int print_json(json_t *value, struct error *err)
{
    if (value == NULL)
        return error_set(err, -ENOMEM, "no memory for the answer");
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(value);
    return 0;
}

// Bytes of the local journal behind the cursor of `known`, or all of it (NULL); -1 if the local
// journal is another one, or none.
static int64_t read_lag(const struct ledger_source *source,
                        const struct ledger_status_journal *known)
{
    struct journal_follower *follower = NULL;
    struct error ignored;
    uint8_t id[JOURNAL_ID_BYTES];
    char text[LEDGER_JOURNAL_ID_MAX];
    uint64_t lag_bytes = 0;
    if (journal_follow_open(&follower, source->paths.journal_dir,
                            known == NULL ? NULL : &known->cursor, &ignored) != 0)
        return -1;
    bool local = journal_follow_id(follower, id, &ignored) == 0 &&
                 (known == NULL || strcmp(known->id, ledger_journal_id_format(id, text)) == 0) &&
                 journal_follow_lag(follower, &lag_bytes, &ignored) == 0;
    journal_follow_close(follower);
    return local ? (int64_t)lag_bytes : -1;
}

static int print_status_json(const struct ledger_source *source, const struct ledger_status *status,
                             struct error *err)
{
    json_t *journals = json_array();
    for (size_t i = 0; i < status->journal_count && i < LEDGER_STATUS_JOURNALS_MAX; i++) {
        const struct ledger_status_journal *journal = &status->journals[i];
        int64_t lag = read_lag(source, journal);
        json_array_append_new(journals, json_pack("{s:s, s:s, s:I, s:I, s:s, s:o}", "journal_id",
                                                  journal->id, "host", journal->host, "segment",
                                                  (json_int_t)journal->cursor.segment, "offset",
                                                  (json_int_t)journal->cursor.offset, "moved_at",
                                                  journal->moved_at, "lag_bytes",
                                                  lag < 0 ? json_null() : json_integer(lag)));
    }
    return print_json(
        json_pack(
            "{s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "schema_version",
            status->version, "schema_version_newest", ledger_schema_newest(), "jobs",
            (json_int_t)status->jobs, "runs", (json_int_t)status->runs, "live_runs",
            (json_int_t)status->live_runs, "exchanges", (json_int_t)status->exchanges, "alerts",
            (json_int_t)status->alerts, "quarantined", (json_int_t)status->quarantined, "cost_usd",
            money_json(status->cost_pico_usd), "last_exchange_at",
            *status->last_exchange_at == '\0' ? json_null() : json_string(status->last_exchange_at),
            "journals", journals),
        err);
}

static void print_status(const struct ledger_source *source, const struct ledger_status *status)
{
    char cost[MONEY_TEXT_MAX];
    printf("ledger       %s\n", source->dsn == NULL ? source->paths.postgres_dir : "by its DSN");
    printf("schema       version %d of %d\n", status->version, ledger_schema_newest());
    printf("jobs         %" PRId64 "\n", status->jobs);
    printf("runs         %" PRId64 ", %" PRId64 " of them live\n", status->runs, status->live_runs);
    printf("exchanges    %" PRId64 " for $%s, the last one %s\n", status->exchanges,
           money_format_exact(status->cost_pico_usd, 2, cost),
           *status->last_exchange_at == '\0' ? "never" : status->last_exchange_at);
    printf("alerts       %" PRId64 "\n", status->alerts);
    printf("quarantined  %" PRId64 "%s\n", status->quarantined,
           status->quarantined == 0 ? "" : "; reeve ledger export quarantine shows them");
    for (size_t i = 0; i < status->journal_count && i < LEDGER_STATUS_JOURNALS_MAX; i++) {
        const struct ledger_status_journal *journal = &status->journals[i];
        int64_t lag = read_lag(source, journal);
        printf("journal      of %s, up to segment %" PRIu64 " offset %" PRIu64 " at %s",
               journal->host, journal->cursor.segment, journal->cursor.offset, journal->moved_at);
        if (lag >= 0)
            printf(", %" PRId64 " bytes behind", lag);
        putchar('\n');
    }
}

int ledger_command_status(const struct ledger_command *command, struct error *err)
{
    cleanup_source struct ledger_source source;
    struct ledger_status status;
    int code = ledger_source_init(&source, &command->source, err);
    if (code != 0)
        return code;
    code = ledger_source_open(&source, err);
    if (code != 0) { // the journal has what the ledger cannot tell
        int64_t waiting = read_lag(&source, NULL);
        if (waiting > 0)
            fprintf(stderr, "reeve: the local journal holds %" PRId64 " bytes\n", waiting);
        return code;
    }
    code = ledger_status_read(source.ledger, &status, err);
    if (code != 0)
        return code;
    if (command->json)
        return print_status_json(&source, &status, err);
    print_status(&source, &status);
    return EX_OK;
}

static json_t *pack_verdict(enum ledger_check check, const struct ledger_verdict *verdict)
{
    json_t *findings = json_array();
    for (size_t i = 0; i < verdict->finding_count; i++)
        json_array_append_new(findings, json_string(verdict->findings[i]));
    return json_pack("{s:s, s:I, s:I, s:o}", "check", ledger_check_name(check), "checked",
                     (json_int_t)verdict->checked, "failed", (json_int_t)verdict->failed,
                     "findings", findings);
}

static void print_verdict(enum ledger_check check, const struct ledger_verdict *verdict)
{
    printf("%-12s %" PRId64 " checked, %" PRId64 " failed\n", ledger_check_name(check),
           verdict->checked, verdict->failed);
    for (size_t i = 0; i < verdict->finding_count; i++)
        printf("    %s\n", verdict->findings[i]);
    if (verdict->failed > (int64_t)verdict->finding_count)
        printf("    and %" PRId64 " more\n", verdict->failed - (int64_t)verdict->finding_count);
}

int ledger_command_verify(const struct ledger_command *command, struct error *err)
{
    cleanup_source struct ledger_source source;
    int64_t failed = 0;
    int code = ledger_source_init(&source, &command->source, err);
    if (code == 0)
        code = ledger_source_open(&source, err);
    json_t *verdicts = json_array();
    for (enum ledger_check check = 0; code == 0 && check < LEDGER_CHECKS; check++) {
        struct ledger_verdict verdict;
        code = ledger_verify(source.ledger, check, &verdict, err);
        if (code != 0)
            break;
        failed += verdict.failed;
        if (command->json)
            json_array_append_new(verdicts, pack_verdict(check, &verdict));
        else
            print_verdict(check, &verdict);
    }
    if (code == 0 && command->json)
        code = print_json(json_incref(verdicts), err);
    json_decref(verdicts);
    return code != 0 ? code : failed == 0 ? EX_OK : EX_DATAERR;
}

int ledger_command_migrate(const struct ledger_command *command, struct error *err)
{
    cleanup_source struct ledger_source source;
    int applied = 0;
    int code = ledger_source_init(&source, &command->source, err);
    if (code == 0)
        code = ledger_source_open(&source, err);
    if (code == 0)
        code = ledger_schema_migrate(source.ledger, &applied, err);
    if (code != 0)
        return code;
    if (command->json)
        return print_json(
            json_pack("{s:i, s:i}", "applied", applied, "schema_version", ledger_schema_newest()),
            err);
    printf("version %d, %d migrations applied\n", ledger_schema_newest(), applied);
    return EX_OK;
}

int ledger_command_export(const struct ledger_command *command, struct error *err)
{
    cleanup_source struct ledger_source source;
    enum ledger_export_format format = command->json ? LEDGER_EXPORT_JSON : LEDGER_EXPORT_CSV;
    int code = ledger_source_init(&source, &command->source, err);
    if (code == 0 && command->format != NULL &&
        !ledger_export_format_parse(command->format, &format))
        code = error_set(err, -EINVAL, "--format %s: write csv or json", command->format);
    if (code == 0)
        code = ledger_source_open(&source, err);
    if (code == 0)
        code = ledger_export(source.ledger, command->table == NULL ? "exchange" : command->table,
                             format, stdout, err);
    return code;
}

int ledger_command_move(const struct ledger_command *command, struct error *err)
{
    cleanup_source struct ledger_source source;
    cleanup_ledger struct ledger *target = NULL;
    struct ledger_moved moved;
    char cost[MONEY_TEXT_MAX];
    int code = ledger_source_init(&source, &command->source, err);
    if (code == 0)
        code = ledger_source_open(&source, err);
    if (code == 0)
        code = ledger_open(&target, command->to_dsn, err);
    if (code == 0)
        code = ledger_move(source.ledger, target, &moved, err);
    if (code != 0)
        return code;
    if (command->json)
        return print_json(json_pack("{s:I, s:I, s:I, s:o}", "rows", (json_int_t)moved.rows,
                                    "new_rows", (json_int_t)moved.new_rows, "exchanges",
                                    (json_int_t)moved.exchanges, "cost_usd",
                                    money_json(moved.cost_pico_usd)),
                          err);
    printf("%" PRId64 " rows, %" PRId64 " of them new; %" PRId64 " exchanges for $%s are there\n",
           moved.rows, moved.new_rows, moved.exchanges,
           money_format_exact(moved.cost_pico_usd, 2, cost));
    return EX_OK;
}
