// Tests of credential_pool.c: which credentials there are, and which one serves.
#include "credential_pool.h"
#include "suite_run.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW INT64_C(1795400000000)
#define HOUR INT64_C(3600000)

static char directory[32];
static struct credential_pool *pool;
static struct error err;

static void set_up(void)
{
    snprintf(directory, sizeof(directory), "/tmp/reeve-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    pool = credential_pool_new();
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void tear_down(void)
{
    credential_pool_free(pool);
    for (const char *name = "abcdefgh"; *name != '\0'; name++)
        unlink(path_of((char[]){*name, '\0'}));
    ck_assert_int_eq(rmdir(directory), 0);
}

static void write_file(const char *name, const char *text)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static int put_with(const char *name, struct credential_options options,
                    struct credential **credential)
{
    char path[128];
    snprintf(path, sizeof(path), "%s", path_of(name));
    options.name = name;
    options.path = path;
    options.switch_percent = 95;
    return credential_pool_put(pool, &options, 0, NOW, credential, &err);
}

// Puts a credential whose file holds `text`.
static struct credential *put(const char *name, const char *text, int priority)
{
    struct credential *credential = NULL;
    write_file(name, text);
    int result = put_with(name, (struct credential_options){.priority = priority}, &credential);
    ck_assert_msg(result >= 0, "%s", err.text);
    return credential;
}

#define KEY "sk-ant-api03-key"
#define SUBSCRIPTION "sk-ant-oat01-token"

static void on_gone(const struct credential *credential, void *context)
{
    char *names = context;
    names[strlen(names)] = credential->name[0]; // of zeroes
}

// ---- what there is

START_TEST(they_are_in_the_order_of_priority_and_name)
{
    static const char *const order = "dbca";
    put("a", KEY "a", 5);
    put("b", KEY "b", 2);
    put("c", KEY "c", 2);
    put("d", KEY "d", -1);
    ck_assert_uint_eq(credential_pool_count(pool), 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(credential_pool_at(pool, i)->name[0], order[i]);
    credential_pool_begin(pool);
    put("d", KEY "d", 9); // it moves
    ck_assert_str_eq(credential_pool_at(pool, 3)->name, "d");
    ck_assert_uint_eq(credential_pool_count(pool), 4);
}
END_TEST

START_TEST(a_name_is_there_once)
{
    struct credential *credential;
    put("a", KEY, 1);
    ck_assert_int_eq(put_with("a", (struct credential_options){0}, &credential), -EEXIST);
}
END_TEST

START_TEST(what_is_not_put_again_is_swept_out)
{
    char gone[8] = "";
    struct credential *kept = put("a", KEY "a", 1), *held = put("b", KEY "b", 1);
    put("c", KEY "c", 1);
    credential_hold(held);
    credential_pool_begin(pool);
    put("a", KEY "a", 1);
    credential_pool_sweep(pool, on_gone, gone);
    ck_assert_str_eq(gone, "bc");
    ck_assert_uint_eq(credential_pool_count(pool), 1);
    ck_assert_ptr_eq(credential_pool_find(pool, "a"), kept);
    ck_assert_ptr_null(credential_pool_find(pool, "b"));
    ck_assert_str_eq(held->secret.access, KEY "b"); // an exchange is under way with it
    credential_release(pool, held);
    credential_hold(kept);
    credential_release(pool, kept); // which is not its end
    ck_assert_str_eq(kept->name, "a");
}
END_TEST

START_TEST(a_file_that_has_not_changed_changes_nothing)
{
    struct credential *credential = put("a", KEY, 1);
    credential_refuse(credential, 401, NOW);
    credential_pool_begin(pool);
    ck_assert_int_eq(put_with("a", (struct credential_options){0}, &credential), 0);
    ck_assert_int_eq(credential->state, CREDENTIAL_REFUSED);
    credential_pool_begin(pool);
    write_file("a", KEY "-anew");
    ck_assert_int_eq(put_with("a", (struct credential_options){0}, &credential), 1);
    ck_assert_int_eq(credential->state, CREDENTIAL_READY);
    ck_assert_str_eq(credential->secret.access, KEY "-anew");
}
END_TEST

START_TEST(what_cannot_be_read_is_said)
{
    struct credential *credential = put("a", KEY, 1);
    ck_assert_int_eq(chmod(path_of("a"), 0644), 0);
    credential_pool_begin(pool);
    ck_assert_int_eq(put_with("a", (struct credential_options){0}, &credential), 1);
    ck_assert_int_eq(credential->state, CREDENTIAL_READY); // it goes on with what it has
    ck_assert_ptr_nonnull(strstr(credential_problem(credential), "chmod 600"));
    ck_assert_int_eq(put_with("b", (struct credential_options){0}, &credential), 1); // no file
    ck_assert_int_eq(credential->state, CREDENTIAL_UNREADABLE);
    ck_assert_ptr_nonnull(strstr(credential_problem(credential), "No such file"));
    credential_pool_begin(pool);
    ck_assert_int_eq(put_with("b", (struct credential_options){0}, &credential), 0); // known
    ck_assert_int_eq(chmod(path_of("a"), 0600), 0);
    ck_assert_int_eq(put_with("a", (struct credential_options){0}, &credential), 0);
    ck_assert_str_eq(credential_problem(credential), "");
    credential_pool_begin(pool);
    unlink(path_of("a"));
    ck_assert_int_eq(put_with("a", (struct credential_options){0}, &credential), 1);
    ck_assert_int_eq(credential->state, CREDENTIAL_UNREADABLE); // and the secret is gone with it
    ck_assert_str_eq(credential->secret.access, "");
    credential_pool_begin(pool);
    write_file("b", KEY);
    ck_assert_int_eq(put_with("b", (struct credential_options){0}, &credential), 1);
    ck_assert_int_eq(credential->state, CREDENTIAL_READY);
}
END_TEST

START_TEST(one_can_be_disabled)
{
    struct credential *credential = put("a", KEY, 1);
    credential_pool_begin(pool);
    ck_assert_int_eq(put_with("a", (struct credential_options){.disabled = true}, &credential), 1);
    ck_assert_int_eq(credential->state, CREDENTIAL_DISABLED);
    credential_pool_begin(pool);
    write_file("a", KEY "2");
    ck_assert_int_eq(put_with("a", (struct credential_options){.disabled = true}, &credential), 1);
    ck_assert_int_eq(credential->state, CREDENTIAL_DISABLED);
    credential_pool_begin(pool);
    ck_assert_int_eq(put_with("a", (struct credential_options){0}, &credential), 1);
    ck_assert_int_eq(credential->state, CREDENTIAL_READY);
    ck_assert_str_eq(credential->secret.access, KEY "2");
}
END_TEST

START_TEST(the_type_says_whom_it_serves_unless_told)
{
    struct credential *credential;
    ck_assert_int_eq(put("a", KEY, 1)->serves, CREDENTIAL_SERVES_ANY);
    ck_assert_int_eq(put("b", SUBSCRIPTION, 1)->serves, CREDENTIAL_SERVES_CLAUDE_CODE);
    write_file("c", SUBSCRIPTION);
    put_with("c", (struct credential_options){.serves = CREDENTIAL_SERVES_ANY}, &credential);
    ck_assert_int_eq(credential->serves, CREDENTIAL_SERVES_ANY);
}
END_TEST

// ---- which one serves

static const struct credential_wish of_claude_code = {.has_identity = true};

static void enter(const char *name, enum credential_state state, int64_t until_ms)
{
    credential_enter(credential_pool_find(pool, name), state, until_ms, NULL);
}

// The name of the one that serves, or "soon", "later", "none".
static const char *served_by(const struct credential_wish *wish)
{
    struct credential_pick pick = credential_pool_pick(pool, wish, NOW);
    static const char *const words[] = {
        [CHOICE_SOON] = "soon", [CHOICE_LIMITED] = "later", [CHOICE_NONE] = "none"};
    return pick.choice == CHOICE_MADE ? pick.credential->name : words[pick.choice];
}

START_TEST(the_first_one_that_is_ready_serves)
{
    put("a", KEY "a", 1);
    put("b", KEY "b", 2);
    put("c", KEY "c", 3);
    ck_assert_str_eq(served_by(&of_claude_code), "a");
    enter("a", CREDENTIAL_COOLING, NOW + HOUR);
    ck_assert_str_eq(served_by(&of_claude_code), "b");
    enter("b", CREDENTIAL_REFUSED, NOW + HOUR);
    ck_assert_str_eq(served_by(&of_claude_code), "c");
    credential_pool_find(pool, "a")->until_ms = NOW;
    ck_assert_str_eq(served_by(&of_claude_code), "a"); // its time has come
}
END_TEST

START_TEST(without_any_it_says_when)
{
    struct credential_pick pick;
    ck_assert_str_eq(served_by(&of_claude_code), "none");
    put("a", KEY "a", 1);
    put("b", KEY "b", 2);
    enter("a", CREDENTIAL_COOLING, NOW + 2 * HOUR);
    enter("b", CREDENTIAL_COOLING, NOW + HOUR);
    pick = credential_pool_pick(pool, &of_claude_code, NOW);
    ck_assert_int_eq(pick.choice, CHOICE_LIMITED);
    ck_assert_int_eq(pick.until_ms, NOW + HOUR); // the first one
    enter("a", CREDENTIAL_REFRESHING, INT64_MAX);
    ck_assert_str_eq(served_by(&of_claude_code), "soon");
    enter("a", CREDENTIAL_EXPIRED, NOW + HOUR);
    ck_assert_str_eq(served_by(&of_claude_code), "soon");
    enter("a", CREDENTIAL_NEEDS_LOGIN, INT64_MAX);
    ck_assert_str_eq(served_by(&of_claude_code), "later");
    enter("b", CREDENTIAL_DISABLED, INT64_MAX);
    ck_assert_str_eq(served_by(&of_claude_code), "none");
}
END_TEST

START_TEST(a_model_at_its_limit_is_served_by_another)
{
    struct credential_signs signs = {.verdict = VERDICT_LIMITED,
                                     .ends_at_ms = NOW + HOUR,
                                     .limits_one_model = true,
                                     .used_percent = -1};
    struct credential_wish opus = {.has_identity = true, .model = slice_of("opus")};
    struct credential_wish haiku = {.has_identity = true, .model = slice_of("haiku")};
    struct credential *first = put("a", KEY "a", 1);
    credential_note_answer(first, &signs, slice_of("opus"), NOW);
    ck_assert_str_eq(served_by(&haiku), "a");
    ck_assert_str_eq(served_by(&opus), "a"); // there may be room for a smaller request
    opus.preferred = first->number;
    opus.limited[opus.limited_count++] = first->number;
    ck_assert_str_eq(served_by(&opus), "later"); // but not for this one
    put("b", KEY "b", 2);
    ck_assert_str_eq(served_by(&opus), "b");
    opus.limited_count = 0;
    ck_assert_str_eq(served_by(&opus), "b");
    ck_assert_str_eq(served_by(&haiku), "a");
}
END_TEST

START_TEST(subscriptions_serve_claude_code_alone)
{
    static const struct credential_wish plain = {0}, plain_and_free = {.is_free = true};
    put("a", SUBSCRIPTION, 1);
    ck_assert_str_eq(served_by(&of_claude_code), "a");
    ck_assert_str_eq(served_by(&plain), "none");
    ck_assert_str_eq(served_by(&plain_and_free), "a"); // the upstream may take it
    put("b", KEY, 2);
    ck_assert_str_eq(served_by(&of_claude_code), "a");
    ck_assert_str_eq(served_by(&plain), "b");
    ck_assert_str_eq(served_by(&plain_and_free), "b");
    enter("b", CREDENTIAL_COOLING, NOW + HOUR);
    ck_assert_str_eq(served_by(&plain), "later");
    ck_assert_str_eq(served_by(&plain_and_free), "a");
}
END_TEST

START_TEST(a_session_stays_where_its_cache_is)
{
    struct credential_signs signs = {
        .verdict = VERDICT_SERVED, .used_percent = 97, .used_until_ms = NOW + HOUR};
    put("a", KEY "a", 1);
    struct credential *second = put("b", KEY "b", 2);
    struct credential_wish session = {.has_identity = true, .preferred = second->number};
    ck_assert_str_eq(served_by(&of_claude_code), "a");
    ck_assert_str_eq(served_by(&session), "b");
    credential_note_answer(second, &signs, slice_of("m"), NOW); // nearly used up
    ck_assert_str_eq(served_by(&session), "b");
    enter("b", CREDENTIAL_REFRESHING, INT64_MAX);
    ck_assert_str_eq(served_by(&session), "soon");
    enter("b", CREDENTIAL_EXPIRED, NOW + HOUR); // nobody knows when
    ck_assert_str_eq(served_by(&session), "a");
    enter("b", CREDENTIAL_READY, INT64_MAX);
    enter("b", CREDENTIAL_COOLING, NOW + HOUR);
    ck_assert_str_eq(served_by(&session), "a");
    session.preferred = 99; // of one that is gone
    ck_assert_str_eq(served_by(&session), "a");
}
END_TEST

START_TEST(what_belongs_to_an_account_goes_nowhere_else)
{
    put("a", KEY "a", 1);
    struct credential *owner = put("b", KEY "b", 2);
    struct credential_wish owned = {.has_identity = true, .owner = owner->number, .preferred = 1};
    ck_assert_str_eq(served_by(&owned), "b");
    enter("b", CREDENTIAL_COOLING, NOW + HOUR);
    ck_assert_str_eq(served_by(&owned), "later");
    enter("b", CREDENTIAL_REFRESHING, INT64_MAX);
    ck_assert_str_eq(served_by(&owned), "soon");
    enter("b", CREDENTIAL_NEEDS_LOGIN, INT64_MAX);
    ck_assert_str_eq(served_by(&owned), "a"); // as good as gone
}
END_TEST

START_TEST(those_that_failed_a_request_are_not_asked_again)
{
    struct credential_wish wish = {.has_identity = true, .excluded_count = 2};
    wish.excluded[0] = put("a", KEY "a", 1)->number;
    struct credential *second = put("b", KEY "b", 2);
    wish.excluded[1] = put("c", KEY "c", 3)->number;
    wish.preferred = wish.excluded[0];
    ck_assert_str_eq(served_by(&wish), "b");
    wish.owner = wish.excluded[1];
    ck_assert_str_eq(served_by(&wish), "b");
    enter("b", CREDENTIAL_COOLING, NOW + HOUR);
    ck_assert_str_eq(served_by(&wish), "later");
    second->until_ms = NOW;
    ck_assert_str_eq(served_by(&wish), "b");
}
END_TEST

START_TEST(new_sessions_avoid_what_is_nearly_used_up)
{
    struct credential_signs signs = {
        .verdict = VERDICT_SERVED, .used_percent = 96, .used_until_ms = NOW + HOUR};
    credential_note_answer(put("a", KEY "a", 1), &signs, slice_of("m"), NOW);
    ck_assert_str_eq(served_by(&of_claude_code), "a"); // there is no other
    put("b", KEY "b", 2);
    ck_assert_str_eq(served_by(&of_claude_code), "b");
    enter("b", CREDENTIAL_COOLING, NOW + HOUR);
    ck_assert_str_eq(served_by(&of_claude_code), "a");
    credential_pool_find(pool, "a")->used_until_ms = NOW;
    enter("b", CREDENTIAL_READY, INT64_MAX);
    ck_assert_str_eq(served_by(&of_claude_code), "a"); // a new window
}
END_TEST

START_TEST(an_expired_token_serves_nobody)
{
    put("a",
        "{\"claudeAiOauth\":{\"accessToken\":\"A\",\"refreshToken\":\"R\",\"expiresAt\":"
        "1795400000000}}",
        1);
    ck_assert_str_eq(served_by(&of_claude_code), "soon");
    put("b", "{\"claudeAiOauth\":{\"accessToken\":\"B\",\"expiresAt\":1795400000000}}", 2);
    ck_assert_int_eq(credential_pool_find(pool, "b")->state, CREDENTIAL_NEEDS_LOGIN);
}
END_TEST

START_TEST(a_person_is_told_why_there_is_none)
{
    char text[256], small[16];
    ck_assert_str_eq(credential_pool_explain(pool, text, sizeof(text)), "there is none");
    put("a", KEY "a", 1);
    put("b", KEY "b", 2);
    credential_refuse(credential_pool_find(pool, "a"), 401, NOW);
    enter("b", CREDENTIAL_DISABLED, INT64_MAX);
    ck_assert_str_eq(credential_pool_explain(pool, text, sizeof(text)),
                     "a: refused, the upstream answered 401; b: disabled");
    ck_assert_str_eq(credential_pool_explain(pool, small, sizeof(small)), "a: refused, the");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("credential_pool");
    TCase *cases = tcase_create("credential_pool");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, they_are_in_the_order_of_priority_and_name);
    tcase_add_test(cases, a_name_is_there_once);
    tcase_add_test(cases, what_is_not_put_again_is_swept_out);
    tcase_add_test(cases, a_file_that_has_not_changed_changes_nothing);
    tcase_add_test(cases, what_cannot_be_read_is_said);
    tcase_add_test(cases, one_can_be_disabled);
    tcase_add_test(cases, the_type_says_whom_it_serves_unless_told);
    tcase_add_test(cases, the_first_one_that_is_ready_serves);
    tcase_add_test(cases, without_any_it_says_when);
    tcase_add_test(cases, a_model_at_its_limit_is_served_by_another);
    tcase_add_test(cases, subscriptions_serve_claude_code_alone);
    tcase_add_test(cases, a_session_stays_where_its_cache_is);
    tcase_add_test(cases, what_belongs_to_an_account_goes_nowhere_else);
    tcase_add_test(cases, those_that_failed_a_request_are_not_asked_again);
    tcase_add_test(cases, new_sessions_avoid_what_is_nearly_used_up);
    tcase_add_test(cases, an_expired_token_serves_nobody);
    tcase_add_test(cases, a_person_is_told_why_there_is_none);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
