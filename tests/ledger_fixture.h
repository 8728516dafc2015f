// What the ledger's tests share: a private Postgres in a temporary directory.
#pragma once

#include "ledger.h"
#include "ledger_local.h"
#include "ledger_schema.h"
#include "remove_tree.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct ledger_fixture {
    char directory[64]; // stands for the state directory
    char postgres[96];
    struct ledger_local local;
};

#define ck_assert_success(call)                                                                    \
    do {                                                                                           \
        struct error asserted_err = {0};                                                           \
        struct error *err = &asserted_err;                                                         \
        int asserted_code = (call);                                                                \
        ck_assert_msg(asserted_code == 0, "%s: %d, %s", #call, asserted_code, err->text);          \
    } while (0)

static inline void ledger_fixture_init(struct ledger_fixture *fixture)
{
    *fixture = (struct ledger_fixture){0};
    snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/reeve-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fixture->directory));
    snprintf(fixture->postgres, sizeof(fixture->postgres), "%s/postgres", fixture->directory);
    ck_assert_success(ledger_local_init(&fixture->local, fixture->postgres, err));
}

static inline void ledger_fixture_done(struct ledger_fixture *fixture)
{
    ledger_local_stop(&fixture->local);
    remove_tree(fixture->directory);
}

// The single value of a query, in a buffer of the caller's.
static inline const char *ledger_fixture_value(struct ledger *ledger, const char *query, char *text,
                                               size_t size)
{
    cleanup_result PGresult *result = NULL;
    ck_assert_success(ledger_query(ledger, query, 0, NULL, &result, err));
    ck_assert_int_eq(PQntuples(result), 1);
    snprintf(text, size, "%s", PQgetvalue(result, 0, 0));
    return text;
}
#define ledger_value(ledger, query) ledger_fixture_value(ledger, query, (char[256]){0}, 256)
