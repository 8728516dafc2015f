// Tests of answer_edit.c: what an agent gets of lists and batches, byte for byte.
#include "answer_edit.h"

#include "ownership.h"
#include "restore.h"
#include "suite_run.h"

#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

static char directory[64];
static struct budget *budget;
static struct journal *journal;
static struct ownership *ownership;
static struct restore_targets targets;

static void set_up(void)
{
    struct restore_summary summary;
    snprintf(directory, sizeof(directory), "/tmp/reeve-answer-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(budget_new(&budget, "UTC", NULL), 0);
    targets = (struct restore_targets){.budget = budget};
    ck_assert_int_eq(restore(directory, &targets, &journal, &summary, NULL), 0);
    ownership = ownership_new();
    ck_assert_int_eq(ownership_add(ownership, journal, slice_of("own"), "j", NULL, NULL), 0);
    ck_assert_int_eq(ownership_add(ownership, journal, slice_of("own2"), "j", NULL, NULL), 0);
    ck_assert_int_eq(ownership_add(ownership, journal, slice_of("other"), "k", NULL, NULL), 0);
}

static void tear_down(void)
{
    journal_close(journal);
    budget_free(budget);
    ownership_free(ownership);
    DIR *listing = opendir(directory);
    ck_assert_ptr_nonnull(listing);
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;)
        unlinkat(dirfd(listing), entry->d_name, 0);
    closedir(listing);
    ck_assert_int_eq(rmdir(directory), 0);
}

#define URL(id) "\"http://h:1/v1/messages/batches/" id "/results\""

static const struct {
    enum route_object object;
    enum route_answer answer;
    bool sees_unknown;
    const char *body;
    const char *edited; // NULL: it cannot be
} answers[] = {
    {ROUTE_OBJECT_BATCH, ROUTE_ANSWER_OBJECT, false,
     "{\"id\":\"own\", \"results_url\" : \"https://api.anthropic.com/x\",\"n\":1.50}\n",
     "{\"id\":\"own\", \"results_url\" : " URL("own") ",\"n\":1.50}\n"},
    {ROUTE_OBJECT_BATCH, ROUTE_ANSWER_CREATED, false, "{\"id\":\"own\",\"results_url\":null}",
     "{\"id\":\"own\",\"results_url\":null}"},
    {ROUTE_OBJECT_FILE, ROUTE_ANSWER_CREATED, false, "{\"id\":\"own\",\"results_url\":\"x\"}",
     "{\"id\":\"own\",\"results_url\":\"x\"}"},
    {ROUTE_OBJECT_FILE, ROUTE_ANSWER_LIST, false,
     "{\"data\": [ {\"id\":\"other\"}, {\"id\":\"own\"}, {\"id\":\"new\"}, {\"id\":\"own2\"} ], "
     "\"has_more\":true}",
     "{\"data\": [{\"id\":\"own\"},{\"id\":\"own2\"}], \"has_more\":true}"},
    {ROUTE_OBJECT_FILE, ROUTE_ANSWER_LIST, true,
     "{\"data\":[{\"id\":\"other\"},{\"id\":\"new\"},{\"x\":1}]}",
     "{\"data\":[{\"id\":\"new\"},{\"x\":1}]}"},
    {ROUTE_OBJECT_BATCH, ROUTE_ANSWER_LIST, false,
     "{\"has_more\":false,\"data\":[{\"id\":\"own\",\"results_url\":\"u\"},{\"id\":\"other\"}],"
     "\"last_id\":\"other\"}",
     "{\"has_more\":false,\"data\":[{\"id\":\"own\",\"results_url\":" URL(
         "own") "}],"
                "\"last_id\":\"other\"}"},
    {ROUTE_OBJECT_FILE, ROUTE_ANSWER_LIST, false, "{\"data\":[]}", "{\"data\":[]}"},
    // What cannot be filtered is not let through.
    {ROUTE_OBJECT_FILE, ROUTE_ANSWER_LIST, false, "{\"list\":[]}", NULL},
    {ROUTE_OBJECT_FILE, ROUTE_ANSWER_LIST, false, "{\"data\":{}}", NULL},
    {ROUTE_OBJECT_FILE, ROUTE_ANSWER_LIST, false, "{\"data\":[\"other\"]}", NULL},
    {ROUTE_OBJECT_FILE, ROUTE_ANSWER_LIST, false, "{\"data\":[],\"data\":[{\"id\":\"other\"}]}",
     NULL},
    {ROUTE_OBJECT_FILE, ROUTE_ANSWER_LIST, false, "{\"data\":[]", NULL},
    {ROUTE_OBJECT_FILE, ROUTE_ANSWER_LIST, false, "{\"data\":[]} x", NULL},
    {ROUTE_OBJECT_BATCH, ROUTE_ANSWER_OBJECT, false, "", NULL},
    {ROUTE_OBJECT_BATCH, ROUTE_ANSWER_OBJECT, false, "[]", NULL},
    {ROUTE_OBJECT_BATCH, ROUTE_ANSWER_OBJECT, false, "\x1f\x8b", NULL},
};

START_TEST(answer_is_edited)
{
    const struct answer_reader reader = {
        .ownership = ownership,
        .job = "j",
        .sees_unknown = answers[_i].sees_unknown,
        .origin = "http://h:1",
    };
    struct route route = {.object = answers[_i].object, .answer = answers[_i].answer};
    char *edited = NULL;
    size_t length = 0;
    bool done = answer_edit(&reader, route, slice_of(answers[_i].body), &edited, &length);
    ck_assert_int_eq(done, answers[_i].edited != NULL);
    if (done)
        ck_assert_str_eq(edited, answers[_i].edited);
    free(edited);
}
END_TEST

START_TEST(batch_says_whether_it_has_ended)
{
    ck_assert(answer_batch_has_ended(slice_of("{\"processing_status\":\"ended\"}")));
    ck_assert(!answer_batch_has_ended(slice_of("{\"processing_status\":\"in_progress\"}")));
    ck_assert(!answer_batch_has_ended(slice_of("{\"type\":\"message_batch_deleted\"}")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("answer_edit");
    TCase *cases = tcase_create("answer_edit");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_loop_test(cases, answer_is_edited, 0, (int)(sizeof(answers) / sizeof(answers[0])));
    tcase_add_test(cases, batch_says_whether_it_has_ended);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
