// Ledger catch-up: see ledger_catch_up.h.
#include "ledger_catch_up.h"

#include "cleanup.h"
#include "ledger_schema.h"
#include "ledger_write.h"
#include "log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void enter(struct ledger_catch_up *catch_up, enum ledger_catch_up_state state)
{
    enum ledger_catch_up_state from = catch_up->state;
    assert(from != state || state == CATCH_UP_NEW);
    assert(from != CATCH_UP_NEW || state != CATCH_UP_PLACED);
    (void)from;
    if (state != CATCH_UP_CONNECTED) {
        ledger_close(catch_up->ledger);
        catch_up->ledger = NULL;
    }
    catch_up->state = state;
}

int ledger_catch_up_init(struct ledger_catch_up *catch_up,
                         const struct ledger_catch_up_options *options, struct error *err)
{
    *catch_up = (struct ledger_catch_up){.options = *options};
    if (gethostname(catch_up->host, sizeof(catch_up->host) - 1) != 0)
        snprintf(catch_up->host, sizeof(catch_up->host), "unknown");
    catch_up->journal.host = catch_up->host;
    return journal_follow_open(&catch_up->follower, options->journal_directory, NULL, err);
}

void ledger_catch_up_done(struct ledger_catch_up *catch_up)
{
    enter(catch_up, CATCH_UP_NEW);
    journal_follow_close(catch_up->follower);
    ledger_rows_done(&catch_up->rows);
    ledger_local_stop(&catch_up->local);
}

static bool uses_private_postgres(const struct ledger_catch_up *catch_up)
{
    return catch_up->options.dsn == NULL || *catch_up->options.dsn == '\0';
}

// Puts the follower at the cursor.
static int place(struct ledger_catch_up *catch_up, const struct journal_cursor *cursor,
                 struct error *err)
{
    struct journal_follower *follower = NULL;
    int code = journal_follow_open(&follower, catch_up->options.journal_directory, cursor, err);
    if (code != 0)
        return code;
    journal_follow_close(catch_up->follower);
    catch_up->follower = follower;
    catch_up->acknowledged = *cursor;
    ledger_rows_clear(&catch_up->rows);
    return 0;
}

static int open_ledger(struct ledger_catch_up *catch_up, struct error *err)
{
    int code = 0;
    if (!uses_private_postgres(catch_up))
        return ledger_open(&catch_up->ledger, catch_up->options.dsn, err);
    if (*catch_up->local.dsn == '\0')
        code = ledger_local_init(&catch_up->local, catch_up->options.postgres_directory, err);
    if (code == 0)
        code = ledger_local_start(&catch_up->local, err);
    if (code == 0)
        code = ledger_open(&catch_up->ledger, catch_up->local.dsn, err);
    return code;
}

static int write_prices(struct ledger_catch_up *catch_up, struct error *err)
{
    cleanup_with(ledger_rows_done) struct ledger_rows rows = {0};
    struct price_table *table = NULL;
    const struct price_row *row;
    int code = catch_up->options.prices_file == NULL
                   ? price_table_load_builtin(&table, err)
                   : price_table_load_file(&table, catch_up->options.prices_file, err);
    for (size_t i = 0; code == 0 && (row = price_table_at(table, i)) != NULL; i++)
        code = ledger_rows_add_price(&rows, row, err);
    price_table_free(table);
    if (code == 0)
        code = ledger_write_rows(catch_up->ledger, &rows, NULL, err);
    return code == 0 ? 0 : error_wrap(err, "writing the prices");
}

// The journal's id as text. -EAGAIN: there is no journal yet.
static int read_journal_id(struct ledger_catch_up *catch_up, struct error *err)
{
    uint8_t id[JOURNAL_ID_BYTES];
    int code = journal_follow_id(catch_up->follower, id, err);
    if (code == 0)
        ledger_journal_id_format(id, catch_up->journal.id);
    return code;
}

// From CATCH_UP_NEW: everything that has to be right before rows can be written.
static int begin(struct ledger_catch_up *catch_up, struct error *err)
{
    struct journal_cursor cursor;
    int code = open_ledger(catch_up, err);
    if (code == 0)
        code = ledger_schema_migrate(catch_up->ledger, NULL, err);
    if (code == 0)
        code = write_prices(catch_up, err);
    if (code == 0)
        code = read_journal_id(catch_up, err);
    if (code == 0)
        code = ledger_read_cursor(catch_up->ledger, catch_up->journal.id, &cursor, err);
    if (code == 0)
        code = place(catch_up, &cursor, err);
    if (code == 0)
        enter(catch_up, CATCH_UP_CONNECTED);
    return code;
}

// A record that is not understood is kept as it is, in hex.
static int quarantine_payload(struct ledger_catch_up *catch_up, const struct journal_follow *follow,
                              const char *reason, struct error *err)
{
    cleanup_free char *hex = malloc(2 * follow->payload_length + 1);
    if (hex == NULL)
        return error_set(err, -ENOMEM, "no memory for an unreadable record");
    hex[0] = '\0';
    for (size_t i = 0; i < follow->payload_length; i++)
        snprintf(hex + 2 * i, 3, "%02x", follow->payload[i]);
    log_event(LOG_ERR, "ledger_unreadable", "reason", reason, NULL);
    return ledger_rows_add_quarantine(&catch_up->rows, "unreadable", hex, reason,
                                      &catch_up->journal, follow->cursor, err);
}

// A torn end was never acknowledged to anyone; what else is missing leaves a trace in the books.
static int note_gap(struct ledger_catch_up *catch_up, const struct journal_follow *follow,
                    struct error *err)
{
    static const char *const kinds[] = {"segments", "torn", "cursor-lost"};
    static const char *const reasons[] = {
        "segments of the journal were deleted before they were read",
        "the end of a segment is not whole records",
        "the journal differs from what was read before: all of it is read again",
    };
    const struct journal_gap *gap = &follow->gap;
    char record[128];
    log_event(LOG_WARNING, "ledger_gap", "kind", kinds[gap->kind], "segment", log_int(gap->segment),
              "segments", log_int(gap->segments), "bytes", log_int(gap->bytes), NULL);
    if (gap->kind != JOURNAL_GAP_SEGMENTS)
        return 0;
    snprintf(
        record, sizeof(record), "{\"journal_id\": \"%s\", \"segment\": %llu, \"segments\": %llu}",
        catch_up->journal.id, (unsigned long long)gap->segment, (unsigned long long)gap->segments);
    return ledger_rows_add_quarantine(&catch_up->rows, "gap", record, reasons[gap->kind],
                                      &catch_up->journal, follow->cursor, err);
}

// Fills the batch. *level: nothing is left behind it. *end: where it ends.
static int read_batch(struct ledger_catch_up *catch_up, struct journal_cursor *end, bool *level,
                      struct error *err)
{
    struct journal_follow follow;
    ledger_rows_clear(&catch_up->rows);
    *level = false;
    *end = catch_up->acknowledged;
    while (!*level && !ledger_rows_are_full(&catch_up->rows)) {
        int code = 0;
        switch (journal_follow_next(catch_up->follower, &follow, err)) {
        case JOURNAL_FOLLOW_ERROR:
            return err->code;
        case JOURNAL_FOLLOW_NOTHING_YET:
            *level = true;
            break;
        case JOURNAL_FOLLOW_RECORD:
            code = ledger_rows_add_record(&catch_up->rows, &follow.record, &catch_up->journal,
                                          follow.cursor, err);
            break;
        case JOURNAL_FOLLOW_UNREADABLE:
            code = quarantine_payload(catch_up, &follow, err->text, err);
            break;
        case JOURNAL_FOLLOW_GAP:
            code = note_gap(catch_up, &follow, err);
            break;
        }
        if (code != 0)
            return code;
        *end = follow.cursor;
    }
    return 0;
}

// From CATCH_UP_PLACED. The ledger may have been put back to an older state in the meantime.
static int reconnect(struct ledger_catch_up *catch_up, struct error *err)
{
    struct journal_cursor cursor;
    int code = open_ledger(catch_up, err);
    if (code == 0)
        code = ledger_read_cursor(catch_up->ledger, catch_up->journal.id, &cursor, err);
    if (code != 0)
        return code;
    if (cursor.segment != catch_up->acknowledged.segment ||
        cursor.offset != catch_up->acknowledged.offset)
        return error_set(err, -ESTALE, "the ledger's cursor was moved by another hand");
    enter(catch_up, CATCH_UP_CONNECTED);
    return 0;
}

static int write_batch(struct ledger_catch_up *catch_up, const struct journal_cursor *end,
                       struct error *err)
{
    struct ledger_written written = {0};
    int code = catch_up->state == CATCH_UP_PLACED ? reconnect(catch_up, err) : 0;
    if (code == 0)
        code =
            ledger_write(catch_up->ledger, &catch_up->rows, &catch_up->journal, end, &written, err);
    if (code != 0)
        return code;
    catch_up->acknowledged = *end;
    catch_up->written += written.rows;
    catch_up->quarantined += written.quarantined;
    if (catch_up->progress != NULL)
        catch_up->progress(catch_up->context);
    return 0;
}

static int write_all(struct ledger_catch_up *catch_up, struct error *err)
{
    for (bool level = false; !level;) {
        struct journal_cursor end;
        int code = read_batch(catch_up, &end, &level, err);
        if (code != 0)
            return code;
        // A cursor that moved within its segment, past records that leave no row, can wait for the
        // next rows; one that entered a new segment lets the old ones go.
        if (catch_up->rows.count == 0 && end.segment == catch_up->acknowledged.segment)
            continue;
        code = write_batch(catch_up, &end, err);
        if (code != 0)
            return code;
    }
    return 0;
}

int ledger_catch_up(struct ledger_catch_up *catch_up, struct error *err)
{
    struct error ignored;
    int code = catch_up->state == CATCH_UP_NEW ? begin(catch_up, err) : 0;
    if (code == 0)
        code = write_all(catch_up, err);
    if (code != 0) {
        struct journal_cursor acknowledged = catch_up->acknowledged;
        enter(catch_up, CATCH_UP_NEW);
        place(catch_up, &acknowledged, &ignored); // what is behind it counts as lag again
    }
    return code == -EAGAIN ? 0 : code; // no journal yet
}

void ledger_catch_up_rest(struct ledger_catch_up *catch_up)
{
    if (catch_up->state == CATCH_UP_CONNECTED)
        enter(catch_up, CATCH_UP_PLACED);
}

uint64_t ledger_catch_up_lag(struct ledger_catch_up *catch_up)
{
    uint64_t lag_bytes = 0;
    struct error ignored;
    if (journal_follow_lag(catch_up->follower, &lag_bytes, &ignored) != 0)
        return 0;
    return lag_bytes;
}
