// Tests of credential.c: the states of one credential, and what moves it from one to the other.
#include "credential.h"
#include "suite_run.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1795400000000)
#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define NEVER INT64_MAX

static struct credential credential;

static struct credential_secret pair(const char *access, int64_t expires_at_ms)
{
    struct credential_secret secret = {.type = CREDENTIAL_OAUTH, .expires_at_ms = expires_at_ms};
    snprintf(secret.access, sizeof(secret.access), "%s", access);
    snprintf(secret.refresh, sizeof(secret.refresh), "R of %s", access);
    return secret;
}

// A pair that lives for 8 hours, in `state`.
static void make(enum credential_state state)
{
    struct credential_secret secret = pair("A1", NOW + 8 * HOUR);
    credential = (struct credential){.name = "main", .number = 1, .switch_percent = 95};
    credential_renew(&credential, &secret, false, 0, NOW);
    if (state == CREDENTIAL_EXPIRED)
        credential_enter(&credential, state, NOW + MINUTE, NULL);
    else if (state != CREDENTIAL_READY)
        credential_enter(&credential, state, state == CREDENTIAL_COOLING ? NOW + HOUR : NEVER,
                         NULL);
}

// ---- what happens to it, in every state

static void refuse(void)
{
    credential_refuse(&credential, 401, NOW);
}

static void postpone(void)
{
    credential_refresh_postponed(&credential, 0, "status 500", 0, NOW);
}

static void lose_login(void)
{
    credential_login_needed(&credential, "invalid_grant");
}

static void renew(void)
{
    struct credential_secret secret = pair("A2", NOW + 8 * HOUR);
    credential_renew(&credential, &secret, true, 0, NOW);
}

static void replace(void)
{
    struct credential_secret secret = pair("B1", NOW + 8 * HOUR);
    credential_renew(&credential, &secret, false, 0, NOW);
}

static void limit(void)
{
    struct credential_signs signs = {.verdict = VERDICT_LIMITED, .ends_at_ms = NOW + 2 * HOUR};
    signs.used_percent = -1;
    credential_note_answer(&credential, &signs, slice_of("m"), NOW);
}

static void check_good(void)
{
    credential_note_check(&credential, 200, NOW);
}

static void check_bad(void)
{
    credential_note_check(&credential, 403, NOW);
}

static void check_unclear(void)
{
    credential_note_check(&credential, 0, NOW);
}

static void tick_late(void)
{
    credential_tick(&credential, NOW + 9 * HOUR);
}

static void vanish(void)
{
    credential_forget(&credential);
}

#define R CREDENTIAL_READY
#define F CREDENTIAL_REFRESHING
#define C CREDENTIAL_COOLING
#define E CREDENTIAL_EXPIRED
#define X CREDENTIAL_REFUSED
#define L CREDENTIAL_NEEDS_LOGIN
#define U CREDENTIAL_UNREADABLE
#define D CREDENTIAL_DISABLED

static const struct {
    const char *name;
    void (*happens)(void);
    // By the state before:  ready, refreshing, cooling, expired, refused, login, unread., disabled
    enum credential_state after[CREDENTIAL_STATES];
} happenings[] = {
    {"refused", refuse, {X, X, X, E, X, L, U, D}},
    {"its refresh is postponed", postpone, {R, E, C, E, X, L, U, D}},
    {"its login is needed", lose_login, {R, L, C, L, L, L, U, D}},
    {"renewed by a refresh", renew, {R, R, C, R, R, R, R, D}},
    {"replaced by a person", replace, {R, R, R, R, R, R, R, D}},
    {"its account is at a limit", limit, {C, F, C, E, X, L, U, D}},
    {"a check is good", check_good, {R, F, C, E, R, L, U, D}},
    {"a check is bad", check_bad, {X, X, X, E, X, L, U, D}},
    {"a check brings no answer", check_unclear, {R, F, C, E, X, L, U, D}},
    {"nine hours pass", tick_late, {E, F, E, E, X, L, U, D}},
    {"its file is gone", vanish, {U, U, U, U, U, U, U, D}},
};

START_TEST(what_happens_moves_it)
{
    for (int state = 0; state < CREDENTIAL_STATES; state++) {
        make((enum credential_state)state);
        happenings[_i].happens();
        ck_assert_msg(credential.state == happenings[_i].after[state], "%s: %s, %s",
                      credential_state_name((enum credential_state)state), happenings[_i].name,
                      credential_state_name(credential.state));
    }
}
END_TEST

START_TEST(a_login_that_is_lost_serves_until_its_token_ends)
{
    make(CREDENTIAL_READY);
    lose_login();
    ck_assert(!credential_is_refreshable(&credential));
    ck_assert_str_eq(credential_problem(&credential), "invalid_grant");
    ck_assert_int_eq(credential_due_ms(&credential), NOW + 8 * HOUR);
    ck_assert(credential_tick(&credential, NOW + 8 * HOUR));
    ck_assert_int_eq(credential.state, CREDENTIAL_NEEDS_LOGIN);
    ck_assert_str_eq(credential_problem(&credential), "invalid_grant");
}
END_TEST

START_TEST(a_login_that_is_lost_does_not_serve_after_a_401)
{
    make(CREDENTIAL_READY);
    lose_login();
    refuse();
    ck_assert_int_eq(credential.state, CREDENTIAL_NEEDS_LOGIN);
    ck_assert_str_eq(credential_problem(&credential), "invalid_grant");
    ck_assert_int_eq(credential_due_ms(&credential), NEVER);
}
END_TEST

// ---- refreshes

static const struct {
    int64_t lives_ms;
    bool obtained; // so its life is known
    uint32_t random;
    int64_t ahead_ms;
} lives[] = {
    {8 * HOUR, true, 0, 5 * MINUTE},     {8 * HOUR, true, 59999, 5 * MINUTE + 59999},
    {8 * HOUR, true, 60000, 5 * MINUTE}, {8 * HOUR, false, 0, 5 * MINUTE},
    {2 * MINUTE, false, 0, 5 * MINUTE}, // read from a file: it may have been issued long ago
    {10 * MINUTE, true, 0, 2 * MINUTE}, // or it would be refreshed all the time
    {5000, true, 59999, 1000},
};

START_TEST(a_refresh_is_due_ahead_of_the_end)
{
    struct credential_secret secret = pair("A1", NOW + lives[_i].lives_ms);
    make(CREDENTIAL_READY);
    credential_renew(&credential, &secret, lives[_i].obtained, lives[_i].random, NOW);
    ck_assert_int_eq(NOW + lives[_i].lives_ms - credential.refresh_due_ms, lives[_i].ahead_ms);
    ck_assert_int_eq(credential_due_ms(&credential), credential.refresh_due_ms);
}
END_TEST

START_TEST(what_cannot_be_refreshed_is_never_due)
{
    struct credential_secret key = {.type = CREDENTIAL_API_KEY, .expires_at_ms = NEVER};
    struct credential_secret endless = pair("A1", NEVER);
    make(CREDENTIAL_READY);
    credential_renew(&credential, &key, false, 0, NOW);
    ck_assert_int_eq(credential_due_ms(&credential), NEVER);
    credential_renew(&credential, &endless, false, 0, NOW);
    ck_assert_int_eq(credential_due_ms(&credential), NEVER);
}
END_TEST

START_TEST(a_postponed_refresh_backs_off)
{
    static const int64_t waits_s[] = {5, 10, 20, 40, 80, 160, 300, 300};
    make(CREDENTIAL_READY);
    for (size_t i = 0; i < sizeof(waits_s) / sizeof(waits_s[0]); i++) {
        credential_refresh_postponed(&credential, 0, "status 500", 0, NOW);
        ck_assert_int_eq(credential.refresh_due_ms - NOW, waits_s[i] * 1000);
        ck_assert_str_eq(credential_problem(&credential), "status 500");
    }
    make(CREDENTIAL_REFRESHING);
    credential_refresh_postponed(&credential, 0, "status 500", 1023, NOW);
    ck_assert_int_gt(credential.until_ms - NOW, 6000); // a quarter more, by chance
    ck_assert_int_le(credential.until_ms - NOW, 6250);
    make(CREDENTIAL_REFRESHING);
    credential_refresh_postponed(&credential, 77, "status 429", 1023, NOW);
    ck_assert_int_eq(credential.until_ms - NOW, 77000); // as asked
    make(CREDENTIAL_REFRESHING);
    credential_refresh_postponed(&credential, INT64_MAX, "status 429", 0, NOW);
    ck_assert_int_eq(credential.until_ms - NOW, HOUR); // within reason
    renew();
    ck_assert_str_eq(credential_problem(&credential), "");
    ck_assert_int_eq(credential.failures, 0);
}
END_TEST

START_TEST(a_secret_is_wiped_when_it_is_replaced)
{
    make(CREDENTIAL_READY);
    memset(credential.secret.access, 'x', CREDENTIAL_SECRET_MAX - 1);
    renew();
    ck_assert_str_eq(credential.secret.access, "A2");
    ck_assert_ptr_null(memchr(credential.secret.access, 'x', CREDENTIAL_SECRET_MAX));
    vanish();
    for (size_t i = 0; i < sizeof(credential.secret); i++)
        ck_assert_int_eq(((const char *)&credential.secret)[i], 0);
}
END_TEST

START_TEST(numbers_tell_secrets_apart)
{
    char fingerprint[CREDENTIAL_FINGERPRINT_MAX];
    make(CREDENTIAL_READY);
    uint32_t number = credential.secret_number;
    memcpy(fingerprint, credential.fingerprint, sizeof(fingerprint));
    renew();
    ck_assert_uint_eq(credential.secret_number, number + 1);
    ck_assert_str_ne(credential.fingerprint, fingerprint);
    ck_assert_int_eq(credential.refreshes, 1);
    replace();
    ck_assert_uint_eq(credential.secret_number, number + 2);
    ck_assert_int_eq(credential.refreshes, 1);
}
END_TEST

// ---- limits

static void limit_model(const char *model, int64_t until_ms)
{
    struct credential_signs signs = {.verdict = VERDICT_LIMITED,
                                     .ends_at_ms = until_ms,
                                     .limits_one_model = true,
                                     .used_percent = -1};
    credential_note_answer(&credential, &signs, slice_of(model), NOW);
}

static int64_t limited(const char *model, int64_t now_ms)
{
    return credential_limited_until_ms(&credential, slice_of(model), now_ms);
}

START_TEST(what_is_found_in_the_file_before_its_refresh_is_through_stays_the_same)
{
    struct credential_secret secret = pair("A2", NOW + 8 * HOUR);
    make(CREDENTIAL_REFRESHING);
    credential_renew(&credential, &secret, false, 0, NOW); // the file was seen to change
    uint32_t number = credential.secret_number;
    credential_renew(&credential, &secret, true, 0, NOW); // and that is what came of the refresh
    ck_assert_uint_eq(credential.secret_number, number);
    ck_assert_int_eq(credential.refreshes, 1);
    ck_assert_int_eq(credential.obtained_at_ms, NOW);
}
END_TEST

START_TEST(a_cooled_account_comes_back_by_itself)
{
    make(CREDENTIAL_READY);
    limit();
    ck_assert_int_eq(credential.until_ms, NOW + 2 * HOUR);
    ck_assert_int_eq(credential_due_ms(&credential), NOW + 2 * HOUR);
    ck_assert(!credential_tick(&credential, NOW + 2 * HOUR - 1));
    ck_assert(credential_tick(&credential, NOW + 2 * HOUR));
    ck_assert_int_eq(credential.state, CREDENTIAL_READY);
}
END_TEST

START_TEST(one_model_is_limited_alone)
{
    make(CREDENTIAL_READY);
    limit_model("opus", NOW + MINUTE);
    ck_assert_int_eq(credential.state, CREDENTIAL_READY);
    ck_assert_int_eq(limited("opus", NOW), NOW + MINUTE);
    ck_assert_int_eq(limited("haiku", NOW), 0);
    ck_assert_int_eq(limited("", NOW), 0);
    ck_assert_int_eq(credential_due_ms(&credential), NOW + MINUTE); // somebody may wait for it
    limit_model("opus", NOW + 2 * MINUTE);
    ck_assert_int_eq(limited("opus", NOW + MINUTE), NOW + 2 * MINUTE);
    credential_tick(&credential, NOW + 2 * MINUTE);
    ck_assert_int_eq(limited("opus", NOW), 0);
}
END_TEST

START_TEST(of_too_many_limits_the_first_to_end_is_forgotten)
{
    char model[16];
    make(CREDENTIAL_READY);
    for (int i = 0; i <= CREDENTIAL_LIMITS_MAX; i++) {
        snprintf(model, sizeof(model), "model-%d", i);
        limit_model(model, NOW + MINUTE + (i == 3 ? 0 : i + 1));
    }
    for (int i = 0; i <= CREDENTIAL_LIMITS_MAX; i++) {
        snprintf(model, sizeof(model), "model-%d", i);
        ck_assert_int_eq(limited(model, NOW) == 0, i == 3);
    }
}
END_TEST

START_TEST(limits_are_of_the_account)
{
    make(CREDENTIAL_READY);
    limit_model("opus", NOW + MINUTE);
    renew();
    ck_assert_int_eq(limited("opus", NOW), NOW + MINUTE);
    replace();
    ck_assert_int_eq(limited("opus", NOW), 0);
}
END_TEST

START_TEST(a_window_is_nearly_used_from_its_percentage_to_its_end)
{
    struct credential_signs signs = {
        .verdict = VERDICT_SERVED, .used_percent = 94, .used_until_ms = NOW + HOUR};
    make(CREDENTIAL_READY);
    ck_assert(!credential_is_nearly_used(&credential, NOW));
    credential_note_answer(&credential, &signs, slice_of("m"), NOW);
    ck_assert(!credential_is_nearly_used(&credential, NOW));
    signs.used_percent = 95;
    credential_note_answer(&credential, &signs, slice_of("m"), NOW);
    ck_assert(credential_is_nearly_used(&credential, NOW));
    ck_assert(!credential_is_nearly_used(&credential, NOW + HOUR));
    signs.used_percent = -1; // says nothing
    credential_note_answer(&credential, &signs, slice_of("m"), NOW);
    ck_assert(credential_is_nearly_used(&credential, NOW));
    ck_assert_int_eq(credential.exchanges, 3);
    ck_assert_int_eq(credential.served_at_ms, NOW);
}
END_TEST

// ---- checks

START_TEST(what_is_refused_is_checked_seldomer_and_seldomer)
{
    static const int64_t waits_min[] = {1, 2, 4, 8, 16, 32, 60, 60};
    make(CREDENTIAL_READY);
    refuse();
    ck_assert_int_eq(credential.until_ms - NOW, MINUTE);
    refuse(); // of those that were under way
    ck_assert_int_eq(credential.until_ms - NOW, MINUTE);
    for (size_t i = 0; i < sizeof(waits_min) / sizeof(waits_min[0]); i++) {
        check_bad();
        ck_assert_int_eq(credential.until_ms - NOW, waits_min[i] * MINUTE);
    }
    check_good();
    ck_assert_int_eq(credential.state, CREDENTIAL_READY);
    ck_assert_int_eq(credential.failures, 0);
}
END_TEST

START_TEST(an_illegal_edge_is_our_own_bug)
{
    make(CREDENTIAL_NEEDS_LOGIN);
    credential_enter(&credential, CREDENTIAL_COOLING, NOW, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("credential");
    TCase *cases = tcase_create("credential");
    tcase_add_loop_test(cases, what_happens_moves_it, 0,
                        sizeof(happenings) / sizeof(happenings[0]));
    tcase_add_test(cases, a_login_that_is_lost_serves_until_its_token_ends);
    tcase_add_test(cases, a_login_that_is_lost_does_not_serve_after_a_401);
    tcase_add_loop_test(cases, a_refresh_is_due_ahead_of_the_end, 0,
                        sizeof(lives) / sizeof(lives[0]));
    tcase_add_test(cases, what_cannot_be_refreshed_is_never_due);
    tcase_add_test(cases, a_postponed_refresh_backs_off);
    tcase_add_test(cases, a_secret_is_wiped_when_it_is_replaced);
    tcase_add_test(cases, numbers_tell_secrets_apart);
    tcase_add_test(cases, what_is_found_in_the_file_before_its_refresh_is_through_stays_the_same);
    tcase_add_test(cases, a_cooled_account_comes_back_by_itself);
    tcase_add_test(cases, one_model_is_limited_alone);
    tcase_add_test(cases, of_too_many_limits_the_first_to_end_is_forgotten);
    tcase_add_test(cases, limits_are_of_the_account);
    tcase_add_test(cases, a_window_is_nearly_used_from_its_percentage_to_its_end);
    tcase_add_test(cases, what_is_refused_is_checked_seldomer_and_seldomer);
    tcase_add_test_raise_signal(cases, an_illegal_edge_is_our_own_bug, SIGABRT);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
