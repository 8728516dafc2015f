// Tests of run_table.c: keys, who they belong to, and how many runs there can be.
#include "run_table.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define KEY_ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#define KEY_LENGTH (sizeof(RUN_KEY_PREFIX) - 1 + 43) // 256 bits in base64url

static const struct run_limits no_limits = {.cost_max_pico_usd = LIMIT_NONE};

static struct live_run *add(struct run_table *table, const char *id, char key[static RUN_KEY_MAX])
{
    struct live_run *run = NULL;
    struct error err = {0};
    ck_assert_msg(run_table_add(table, id, "outreach", &no_limits, key, &run, &err) == 0, "%s",
                  err.text);
    return run;
}

START_TEST(keys_are_256_random_bits_in_base64url)
{
    enum { KEYS = 500 };
    static char keys[KEYS][RUN_KEY_MAX];
    int seen[256] = {0};
    struct run_table *table = run_table_new();
    for (int i = 0; i < KEYS; i++) {
        char id[RUN_ID_MAX];
        snprintf(id, sizeof(id), "run-%d", i);
        add(table, id, keys[i]);
        ck_assert_uint_eq(strlen(keys[i]), KEY_LENGTH);
        ck_assert_int_eq(strncmp(keys[i], "reeve-run-", 10), 0);
        ck_assert_uint_eq(strspn(keys[i] + 10, KEY_ALPHABET), 43);
        // 43 characters hold 258 bits: the last two are padding.
        ck_assert_int_eq((strchr(KEY_ALPHABET, keys[i][KEY_LENGTH - 1]) - KEY_ALPHABET) & 3, 0);
        for (int other = 0; other < i; other++)
            ck_assert_str_ne(keys[i], keys[other]);
        for (size_t at = 10; at < KEY_LENGTH; at++)
            seen[(unsigned char)keys[i][at]]++;
    }
    // 500 keys of 42 free characters: any of the 64 is missing once in 10^140 times.
    for (const char *letter = KEY_ALPHABET; *letter != '\0'; letter++)
        ck_assert_int_gt(seen[(unsigned char)*letter], 0);
    run_table_free(table);
}
END_TEST

START_TEST(key_finds_its_run_and_nothing_else_does)
{
    char first_key[RUN_KEY_MAX], second_key[RUN_KEY_MAX], changed[RUN_KEY_MAX + 1];
    struct run_table *table = run_table_new();
    struct live_run *first = add(table, "first", first_key);
    struct live_run *second = add(table, "second", second_key);
    ck_assert_ptr_eq(run_table_find_key(table, first_key, KEY_LENGTH), first);
    ck_assert_ptr_eq(run_table_find_key(table, second_key, KEY_LENGTH), second);
    for (size_t at = 0; at < KEY_LENGTH; at++) {
        memcpy(changed, first_key, sizeof(first_key));
        changed[at] = (char)(changed[at] ^ 1);
        ck_assert_ptr_null(run_table_find_key(table, changed, KEY_LENGTH));
        ck_assert_ptr_null(run_table_find_key(table, first_key, at));
    }
    snprintf(changed, sizeof(changed), "%s=", first_key);
    ck_assert_ptr_null(run_table_find_key(table, changed, KEY_LENGTH + 1));
    ck_assert_ptr_null(run_table_find_key(table, "", 0));
    ck_assert_ptr_null(run_table_find_key(table, "first", 5));
    run_table_free(table);
}
END_TEST

START_TEST(run_is_what_it_was_opened_as)
{
    struct run_limits limits = {.cost_max_pico_usd = 5, .tokens_max = 7};
    char key[RUN_KEY_MAX];
    struct live_run *run = NULL;
    struct run_table *table = run_table_new();
    ck_assert_int_eq(run_table_add(table, "id", "job", &limits, key, &run, NULL), 0);
    ck_assert_str_eq(run->id, "id");
    ck_assert_str_eq(run->job, "job");
    ck_assert_int_eq(run->limits.cost_max_pico_usd, 5);
    ck_assert_int_eq(run->limits.tokens_max, 7);
    ck_assert_int_gt(run->opened_at_us, 0);
    ck_assert_int_eq(run->exchanges, 0);
    ck_assert(!run->closing);
    ck_assert_ptr_eq(run_table_find_id(table, "id"), run);
    ck_assert_ptr_null(run_table_find_id(table, "i"));
    run_table_free(table);
}
END_TEST

START_TEST(a_run_of_before_a_restart_has_its_key)
{
    struct run_table *table = run_table_new();
    unsigned char digest[RUN_KEY_DIGEST_BYTES];
    char key[RUN_KEY_MAX];
    struct live_run *run = NULL;
    run_table_key_digest(add(table, "before", key), digest);
    run_table_free(table);
    table = run_table_new();
    ck_assert_int_eq(run_table_restore(table, "before", "outreach", &no_limits, digest, &run, NULL),
                     0);
    ck_assert_ptr_eq(run_table_find_key(table, key, strlen(key)), run);
    ck_assert_str_eq(run->id, "before");
    ck_assert_int_eq(run->limits.cost_max_pico_usd, LIMIT_NONE);
    ck_assert_int_eq(run_table_restore(table, "before", "outreach", &no_limits, digest, &run, NULL),
                     -EEXIST);
    run_table_free(table);
}
END_TEST

START_TEST(id_is_taken_once_and_free_again_after)
{
    char key[RUN_KEY_MAX], second_key[RUN_KEY_MAX] = "untouched";
    struct run_table *table = run_table_new();
    struct live_run *run = add(table, "r", key), *second = run;
    struct error err = {0};
    ck_assert_int_eq(run_table_add(table, "r", "j", &no_limits, second_key, &second, &err),
                     -EEXIST);
    ck_assert_str_eq(err.text, "run r exists already");
    ck_assert_str_eq(second_key, "untouched");
    ck_assert_ptr_eq(second, run);
    run_table_remove(table, run);
    ck_assert_ptr_null(run_table_find_id(table, "r"));
    ck_assert_ptr_null(run_table_find_key(table, key, strlen(key)));
    run = add(table, "r", second_key);
    ck_assert_ptr_eq(run_table_find_key(table, second_key, strlen(second_key)), run);
    ck_assert_ptr_null(run_table_find_key(table, key, strlen(key)));
    run_table_free(table);
}
END_TEST

START_TEST(table_is_full_at_its_maximum)
{
    char key[RUN_KEY_MAX], id[RUN_ID_MAX];
    struct live_run *run = NULL;
    struct error err = {0};
    struct run_table *table = run_table_new();
    for (int i = 0; i < RUN_TABLE_MAX; i++) {
        snprintf(id, sizeof(id), "%d", i);
        run = add(table, id, key);
    }
    ck_assert_ptr_eq(run_table_find_key(table, key, KEY_LENGTH), run);
    ck_assert_int_eq(run_table_add(table, "more", "j", &no_limits, key, &run, &err), -ENOSPC);
    ck_assert_ptr_nonnull(strstr(err.text, "1024 runs"));
    run_table_remove(table, run_table_find_id(table, "0"));
    add(table, "more", key);
    run_table_free(table);
}
END_TEST

static void note_id(struct live_run *run, void *context)
{
    char *ids = context;
    ids[strlen(ids)] = run->id[0];
}

START_TEST(runs_are_visited_oldest_first)
{
    char key[RUN_KEY_MAX], ids[16] = {0};
    struct run_table *table = run_table_new();
    add(table, "b", key);
    struct live_run *middle = add(table, "c", key);
    add(table, "a", key);
    run_table_each(table, note_id, ids);
    ck_assert_str_eq(ids, "bca");
    run_table_remove(table, middle);
    add(table, "d", key);
    memset(ids, 0, sizeof(ids));
    run_table_each(table, note_id, ids);
    ck_assert_str_eq(ids, "bad");
    run_table_free(table);
    run_table_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_table");
    TCase *cases = tcase_create("run_table");
    tcase_add_test(cases, keys_are_256_random_bits_in_base64url);
    tcase_add_test(cases, key_finds_its_run_and_nothing_else_does);
    tcase_add_test(cases, run_is_what_it_was_opened_as);
    tcase_add_test(cases, a_run_of_before_a_restart_has_its_key);
    tcase_add_test(cases, id_is_taken_once_and_free_again_after);
    tcase_add_test(cases, table_is_full_at_its_maximum);
    tcase_add_test(cases, runs_are_visited_oldest_first);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
