// Source state: see source_state.h.
#include "source_state.h"

#include "cleanup.h"

#include <stdio.h>
#include <string.h>

#define CLAIM_ATTEMPTS_MAX 5 // the row may change hands between being refused and being looked at

#define MICROSECONDS(time) "round(extract(epoch FROM " time ") * 1000000)::bigint"
#define ROW                                                                                        \
    "state, whole_run, state = 'held' AND expires_at <= clock_timestamp(), fence,"                 \
    " " MICROSECONDS("claimed_at") ", " MICROSECONDS(                                              \
        "expires_at") ","                                                                          \
                      " coalesce(" MICROSECONDS("done_at") ", -1), job, key, holder, host"
#define OF_KEY "job = $1 AND key = $2"
#define STILL_HELD "state = 'held' AND ($4::bigint = 0 OR fence = $4::bigint)"

// The parameters of a statement, in the order in which they are added.
struct parameters {
    size_t count;
    const char *values[8];
    char numbers[3][24];
    size_t number_count;
};

static void add_text(struct parameters *parameters, const char *text)
{
    parameters->values[parameters->count++] = text;
}

static void add_number(struct parameters *parameters, int64_t number)
{
    char *text = parameters->numbers[parameters->number_count++];
    snprintf(text, sizeof(parameters->numbers[0]), "%lld", (long long)number);
    add_text(parameters, text);
}

static void add_flag(struct parameters *parameters, bool flag)
{
    add_text(parameters, flag ? "true" : "false");
}

// As OF_KEY has them.
static void add_key(struct parameters *parameters, const struct source_state_question *question)
{
    add_text(parameters, question->job);
    add_text(parameters, question->key);
}

// As OF_KEY and STILL_HELD have them, and who it is that gives up what it holds.
static void add_holding(struct parameters *parameters, const struct source_state_question *question)
{
    add_key(parameters, question);
    add_text(parameters, question->holder);
    add_number(parameters, question->fence);
    add_flag(parameters, question->whole_run);
}

static bool read_flag(const PGresult *result, int row, int column)
{
    return *PQgetvalue(result, row, column) == 't';
}

static void read_text(const PGresult *result, int row, int column, char *text, size_t size)
{
    snprintf(text, size, "%s", PQgetvalue(result, row, column));
}

static enum source_state read_state(const char *name)
{
    enum source_state state = SOURCE_STATE_IS_FREE;
    while (state < SOURCE_STATE_IS_DONE && strcmp(name, source_state_name(state)) != 0)
        state++;
    return state;
}

// The columns of ROW, and `result` behind them if there is one more.
static void read_rows(const PGresult *result, struct source_state_answer *answer)
{
    answer->row_count = 0;
    answer->result[0] = '\0';
    for (int i = 0; i < PQntuples(result) && i < SOURCE_STATE_ROWS_MAX; i++) {
        struct source_state_row *row = &answer->rows[answer->row_count++];
        *row = (struct source_state_row){
            .state = read_state(PQgetvalue(result, i, 0)),
            .whole_run = read_flag(result, i, 1),
            .is_expired = read_flag(result, i, 2),
            .fence = ledger_number_at(result, i, 3),
            .claimed_at_us = ledger_number_at(result, i, 4),
            .expires_at_us = ledger_number_at(result, i, 5),
            .done_at_us = ledger_number_at(result, i, 6),
        };
        read_text(result, i, 7, row->job, sizeof(row->job));
        read_text(result, i, 8, row->key, sizeof(row->key));
        read_text(result, i, 9, row->holder, sizeof(row->holder));
        read_text(result, i, 10, row->host, sizeof(row->host));
    }
    if (answer->row_count == 1 && PQnfields(result) > 11)
        read_text(result, 0, 11, answer->result, sizeof(answer->result));
}

static int query_rows(struct ledger *ledger, const char *statement,
                      const struct parameters *parameters, struct source_state_answer *answer,
                      struct error *err)
{
    cleanup_result PGresult *result = NULL;
    int code = ledger_query(ledger, statement, parameters->count, parameters->values, &result, err);
    if (code == 0)
        read_rows(result, answer);
    return code;
}

// The row as it is, if there is one.
static int look(struct ledger *ledger, const struct source_state_question *question,
                struct source_state_answer *answer, struct error *err)
{
    struct parameters parameters = {0};
    add_key(&parameters, question);
    return query_rows(ledger, "SELECT " ROW ", result FROM reeve.source_state WHERE " OF_KEY,
                      &parameters, answer, err);
}

// What stands in the way of the holder, by the row that was found.
static enum source_state_outcome judge(const struct source_state_question *question,
                                       const struct source_state_answer *answer)
{
    const struct source_state_row *row = &answer->rows[0];
    if (answer->row_count == 0 || row->state == SOURCE_STATE_IS_FREE)
        return SOURCE_STATE_FREE;
    if (row->state == SOURCE_STATE_IS_HELD)
        return SOURCE_STATE_HELD;
    bool is_own = question->action == SOURCE_STATE_FINISH &&
                  strcmp(row->holder, question->holder) == 0 &&
                  (question->fence == 0 || question->fence == row->fence);
    return is_own ? SOURCE_STATE_OK : SOURCE_STATE_DONE; // its first answer was lost
}

static int claim(struct ledger *ledger, const char *host,
                 const struct source_state_question *question, struct source_state_answer *answer,
                 struct error *err)
{
    // Under the row's lock the condition is looked at once more, and so is the clock. A run that
    // claims its own key again, from the inside, leaves it the run's.
    static const char statement[] =
        "INSERT INTO reeve.source_state AS known (job, key, state, fence, holder, host, whole_run,"
        " ttl_us, claimed_at, expires_at)"
        " VALUES ($1, $2, 'held', 1, $3, $4, $5::boolean, $6::bigint, clock_timestamp(),"
        " clock_timestamp() + $6::bigint * interval '1 microsecond')"
        " ON CONFLICT (job, key) DO UPDATE SET state = 'held', fence = known.fence + 1,"
        " holder = excluded.holder, host = excluded.host, ttl_us = excluded.ttl_us,"
        " whole_run = excluded.whole_run OR"
        " (known.whole_run AND known.state = 'held' AND known.holder = excluded.holder),"
        " claimed_at = clock_timestamp(),"
        " expires_at = clock_timestamp() + excluded.ttl_us * interval '1 microsecond'"
        " WHERE known.state = 'free' OR (known.state = 'held' AND"
        " (known.holder = excluded.holder OR known.expires_at <= clock_timestamp()))"
        " RETURNING " ROW;
    struct parameters parameters = {0};
    add_key(&parameters, question);
    add_text(&parameters, question->holder);
    add_text(&parameters, host);
    add_flag(&parameters, question->whole_run);
    add_number(&parameters, question->ttl_us);
    for (int attempt = 0; attempt < CLAIM_ATTEMPTS_MAX; attempt++) {
        int code = query_rows(ledger, statement, &parameters, answer, err);
        answer->outcome = SOURCE_STATE_OK;
        if (code != 0 || answer->row_count == 1)
            return code;
        code = look(ledger, question, answer, err);
        if (code != 0)
            return code;
        answer->outcome = judge(question, answer);
        bool is_over = answer->outcome == SOURCE_STATE_FREE || answer->rows[0].is_expired;
        if (!is_over)
            return 0;
    }
    answer->outcome = SOURCE_STATE_HELD; // by one after the other
    return 0;
}

// Ends what the holder holds, by `statement`; if there was nothing, *answer says what there is.
static int leave(struct ledger *ledger, const char *statement, const struct parameters *parameters,
                 const struct source_state_question *question, struct source_state_answer *answer,
                 struct error *err)
{
    int code = query_rows(ledger, statement, parameters, answer, err);
    answer->outcome = SOURCE_STATE_OK;
    if (code != 0 || answer->row_count == 1)
        return code;
    code = look(ledger, question, answer, err);
    if (code == 0)
        answer->outcome = judge(question, answer);
    return code;
}

static int finish(struct ledger *ledger, const struct source_state_question *question,
                  struct source_state_answer *answer, struct error *err)
{
    struct parameters parameters = {0};
    add_holding(&parameters, question);
    add_text(&parameters, *question->text == '\0' ? NULL : question->text);
    return leave(ledger,
                 "UPDATE reeve.source_state SET state = 'done', done_at = clock_timestamp(),"
                 " result = $6::json WHERE " OF_KEY " AND " STILL_HELD
                 " AND holder = $3 AND whole_run = $5::boolean RETURNING " ROW ", result",
                 &parameters, question, answer, err);
}

static int release(struct ledger *ledger, const struct source_state_question *question,
                   struct source_state_answer *answer, struct error *err)
{
    struct parameters parameters = {0};
    add_holding(&parameters, question);
    add_flag(&parameters, question->force);
    return leave(ledger,
                 "UPDATE reeve.source_state SET state = 'free', expires_at = clock_timestamp()"
                 " WHERE " OF_KEY " AND " STILL_HELD
                 " AND ($6::boolean OR (holder = $3 AND whole_run = $5::boolean)) RETURNING " ROW,
                 &parameters, question, answer, err);
}

static int get(struct ledger *ledger, const struct source_state_question *question,
               struct source_state_answer *answer, struct error *err)
{
    int code = look(ledger, question, answer, err);
    answer->outcome = answer->row_count == 1 ? SOURCE_STATE_OK : SOURCE_STATE_FREE;
    return code;
}

static int list(struct ledger *ledger, const struct source_state_question *question,
                struct source_state_answer *answer, struct error *err)
{
    struct parameters parameters = {0};
    add_key(&parameters, question);
    add_number(&parameters, SOURCE_STATE_ROWS_MAX);
    answer->outcome = SOURCE_STATE_OK;
    return query_rows(ledger,
                      "SELECT " ROW " FROM reeve.source_state"
                      " WHERE job = $1 AND key > $2"
                      " ORDER BY key LIMIT $3::integer",
                      &parameters, answer, err);
}

static int renew(struct ledger *ledger, const struct source_state_question *question,
                 struct source_state_answer *answer, struct error *err)
{
    cleanup_result PGresult *result = NULL;
    const char *const parameters[] = {question->text};
    int code = ledger_query(
        ledger,
        "WITH renewed AS (UPDATE reeve.source_state"
        " SET expires_at = clock_timestamp() + ttl_us * interval '1 microsecond'"
        " WHERE state = 'held' AND holder = ANY ($1::text[]) RETURNING holder, whole_run)"
        " SELECT holder, bool_or(whole_run) FROM renewed GROUP BY holder",
        1, parameters, &result, err);
    if (code != 0)
        return code;
    answer->outcome = SOURCE_STATE_OK;
    for (int i = 0; i < PQntuples(result) && i < SOURCE_STATE_ROWS_MAX; i++) {
        struct source_state_row *row = &answer->rows[answer->row_count++];
        *row = (struct source_state_row){.state = SOURCE_STATE_IS_HELD,
                                         .whole_run = read_flag(result, i, 1)};
        read_text(result, i, 0, row->holder, sizeof(row->holder));
    }
    return 0;
}

static int end(struct ledger *ledger, const struct source_state_question *question,
               struct source_state_answer *answer, struct error *err)
{
    const char *const parameters[] = {question->holder, question->whole_run ? "true" : "false"};
    answer->outcome = SOURCE_STATE_OK;
    return ledger_query(ledger,
                        "UPDATE reeve.source_state"
                        " SET state = 'free', expires_at = clock_timestamp()"
                        " WHERE state = 'held' AND holder = $1"
                        " AND ($2::boolean OR NOT whole_run)",
                        2, parameters, NULL, err);
}

static int ask(struct ledger *ledger, const char *host,
               const struct source_state_question *question, struct source_state_answer *answer,
               struct error *err)
{
    switch (question->action) {
    case SOURCE_STATE_CLAIM:
        return claim(ledger, host, question, answer, err);
    case SOURCE_STATE_FINISH:
        return finish(ledger, question, answer, err);
    case SOURCE_STATE_RELEASE:
        return release(ledger, question, answer, err);
    case SOURCE_STATE_GET:
        return get(ledger, question, answer, err);
    case SOURCE_STATE_LIST:
        return list(ledger, question, answer, err);
    case SOURCE_STATE_RENEW:
        return renew(ledger, question, answer, err);
    case SOURCE_STATE_END:
        return end(ledger, question, answer, err);
    case SOURCE_STATE_ACTIONS:
        break;
    }
    return error_set(err, -EINVAL, "question %d is none", (int)question->action);
}

int source_state_ask(struct ledger *ledger, const char *host,
                     const struct source_state_question *question,
                     struct source_state_answer *answer, struct error *err)
{
    struct source_state_answer given = {.id = question->id, .action = question->action};
    int code = ask(ledger, host, question, &given, err);
    if (code == -EBADMSG) {
        given.outcome = SOURCE_STATE_INVALID;
        given.row_count = 0;
        snprintf(given.text, sizeof(given.text), "%.*s", (int)sizeof(given.text) - 1, err->text);
        code = 0;
    }
    if (code == 0)
        *answer = given;
    return code;
}
