// Tests of ownership.c: who made what, what is forgotten, and what a restart remembers.
#include "ownership.h"
#include "suite_run.h"

#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

static char directory[64];
static struct ownership *ownership;
static struct budget *budget;
static struct journal *journal;
static struct restore_targets targets;

static void open_books(void)
{
    struct error err = {0};
    struct restore_summary summary;
    ownership = ownership_new();
    ck_assert_ptr_nonnull(ownership);
    ck_assert_int_eq(budget_new(&budget, "UTC", NULL), 0);
    targets = (struct restore_targets){.budget = budget};
    ownership_restore(ownership, &targets);
    ck_assert_msg(restore(directory, &targets, &journal, &summary, &err) == 0, "%s", err.text);
}

static void close_books(void)
{
    journal_close(journal);
    budget_free(budget);
    ownership_free(ownership);
}

static void set_up(void)
{
    snprintf(directory, sizeof(directory), "/tmp/reeve-ownership-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    open_books();
}

static void tear_down(void)
{
    close_books();
    DIR *listing = opendir(directory);
    ck_assert_ptr_nonnull(listing);
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;)
        unlinkat(dirfd(listing), entry->d_name, 0);
    closedir(listing);
    ck_assert_int_eq(rmdir(directory), 0);
}

static int add(const char *id, const char *job)
{
    return ownership_add(ownership, journal, slice_of(id), job, NULL, NULL);
}

static void expect(const char *id, const char *job, enum ownership_answer answer)
{
    ck_assert_msg(ownership_find(ownership, slice_of(id), job) == answer, "%s of %s is not %d", id,
                  job, answer);
}

START_TEST(each_job_owns_what_it_has_made)
{
    ck_assert_int_eq(add("file_1", "a"), 0);
    ck_assert_int_eq(add("file_2", "b"), 0);
    expect("file_1", "a", OWNERSHIP_OWN);
    expect("file_1", "b", OWNERSHIP_OTHERS);
    expect("file_2", "a", OWNERSHIP_OTHERS);
    expect("file_2", "b", OWNERSHIP_OWN);
    expect("file_3", "a", OWNERSHIP_UNKNOWN);
    expect("file_", "a", OWNERSHIP_UNKNOWN);
    expect("file_11", "a", OWNERSHIP_UNKNOWN);
    expect("", "a", OWNERSHIP_UNKNOWN);
}
END_TEST

START_TEST(ids_are_bounded)
{
    char id[UPSTREAM_ID_MAX + 1];
    memset(id, 'x', sizeof(id));
    id[UPSTREAM_ID_MAX] = '\0';
    ck_assert_int_eq(add(id, "a"), -EMSGSIZE);
    ck_assert_int_eq(add("", "a"), -EMSGSIZE);
    id[UPSTREAM_ID_MAX - 1] = '\0';
    ck_assert_int_eq(add(id, "a"), 0);
    expect(id, "a", OWNERSHIP_OWN);
}
END_TEST

// `first`: the number of the oldest that is remembered.
static void expect_numbered(int first, int count)
{
    char id[32];
    for (int i = 0; i < count; i++) {
        snprintf(id, sizeof(id), "file_%d", i);
        expect(id, i % 2 == 0 ? "even" : "odd", i < first ? OWNERSHIP_UNKNOWN : OWNERSHIP_OWN);
    }
}

START_TEST(oldest_are_forgotten_first_and_restarts_remember)
{
    char id[32];
    int count = OWNERSHIP_MAX + 100;
    for (int i = 0; i < count; i++) {
        snprintf(id, sizeof(id), "file_%d", i);
        ck_assert_int_eq(add(id, i % 2 == 0 ? "even" : "odd"), 0);
    }
    expect_numbered(100, count);
    for (int start = 0; start < 3; start++) { // from the records, and from checkpoints
        close_books();
        open_books();
        expect_numbered(100, count);
    }
    ck_assert_int_eq(add("file_another", "even"), 0);
    expect_numbered(101, count);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ownership");
    TCase *cases = tcase_create("ownership");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, each_job_owns_what_it_has_made);
    tcase_add_test(cases, ids_are_bounded);
    tcase_add_test(cases, oldest_are_forgotten_first_and_restarts_remember);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
