// Tests of batch_admit.c: the sum over all requests, in turns, and what is refused.
#include "batch_admit.h"

#include "batches.h"
#include "ceiling_fixture.h"
#include "ownership.h"
#include "suite_run.h"

#include <event2/event.h>

#define REQUEST(id, model, max) "{\"custom_id\":\"" id "\",\"params\":" PARAMS(model, max, "") "}"
#define PARAMS(model, max, more)                                                                   \
    "{\"model\":\"" model "\",\"max_tokens\":" max                                                 \
    ",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]" more "}"
#define BATCH(requests) "{\"requests\":[" requests "]}"

static struct ceiling_fixture fixture;
static int turns;

static void set_up(void)
{
    fixture_init(&fixture);
    fixture.proxy.base = event_base_new();
    fixture.proxy.ownership = ownership_new();
    ck_assert_int_eq(batches_new(&fixture.proxy.batches, &fixture.proxy, NULL), 0);
}

static void tear_down(void)
{
    batches_free(fixture.proxy.batches);
    event_base_free(fixture.proxy.base);
    ownership_free(fixture.proxy.ownership);
    fixture_done(&fixture);
}

static enum admit_outcome ask_length(const char *body, size_t length)
{
    struct batch_request *batch = batch_request_new((struct slice){body, length});
    struct admit_request request = {.run = &fixture.run};
    enum admit_outcome outcome;
    turns = 0;
    do {
        outcome = batch_admit(&fixture.proxy, &request, batch, &fixture.admission, fixture.message);
        turns++;
    } while (outcome == ADMIT_UNREAD);
    batch_request_free(batch);
    return outcome;
}

static enum admit_outcome ask(const char *body)
{
    return ask_length(body, strlen(body));
}

START_TEST(reservation_is_the_sum_at_half_the_price)
{
    static const char params[] = PARAMS("claude-opus-5-5", "1000", "");
    fixture.request.counted_tokens = ADMIT_NOT_COUNTED;
    ck_assert_int_eq(fixture_admit(&fixture, params), ADMIT_FITS);
    struct budget_amounts one = fixture.admission.reservation.held;
    budget_release(fixture.budget, &fixture.admission.reservation);
    ck_assert_int_eq(ask(BATCH(REQUEST("a", "claude-opus-5-5",
                                       "1000") "," REQUEST("b", "claude-opus-5-5", "1000"))),
                     ADMIT_FITS);
    const struct budget_amounts *both = &fixture.admission.reservation.held;
    ck_assert_int_eq(both->of[BUDGET_COST], one.of[BUDGET_COST]);
    ck_assert_int_eq(both->of[BUDGET_TOKENS], 2 * one.of[BUDGET_TOKENS]);
    ck_assert_int_eq(both->of[BUDGET_OUTPUT_TOKENS], 2000);
    ck_assert_int_eq(both->of[BUDGET_REQUESTS], 2);
    ck_assert_str_eq(fixture.admission.model, "claude-opus-5-5");
    ck_assert_uint_eq(journal_live(fixture.journal)->reservation_count, 2);
}
END_TEST

START_TEST(long_batch_takes_turns)
{
    static const char one[] = REQUEST("a", "claude-haiku-5-5", "10") ",";
    static const char last[] = REQUEST("z", "claude-haiku-5-5", "10") "]}";
    static char body[1 << 20] = "{\"requests\":[";
    size_t length = strlen(body);
    for (int i = 0; i < 2999; i++) {
        memcpy(body + length, one, sizeof(one) - 1);
        length += sizeof(one) - 1;
    }
    memcpy(body + length, last, sizeof(last) - 1);
    ck_assert_int_eq(ask_length(body, length + sizeof(last) - 1), ADMIT_FITS);
    ck_assert_int_eq(fixture.admission.reservation.held.of[BUDGET_REQUESTS], 3000);
    ck_assert_int_ge(turns, 10);
}
END_TEST

START_TEST(batch_that_does_not_fit_is_refused_and_holds_nothing)
{
    fixture_limit(&fixture, BUDGET_RUN, BUDGET_COST, CENT);
    ck_assert_int_eq(ask(BATCH(REQUEST("a", "claude-opus-5-5", "10000"))), ADMIT_TOO_DEAR);
    ck_assert_ptr_nonnull(strstr(fixture.message, "ceiling reached"));
    ck_assert_int_eq(fixture_held(&fixture, BUDGET_COST), 0);
    ck_assert_int_eq(ask(BATCH(REQUEST("a", "claude-opus-5-5", "10"))), ADMIT_FITS);
}
END_TEST

START_TEST(batch_waits_for_what_is_only_held)
{
    static const char body[] = BATCH(REQUEST("a", "claude-opus-5-5", "100"));
    fixture_limit(&fixture, BUDGET_RUN, BUDGET_REQUESTS, 1);
    ck_assert_int_eq(ask(body), ADMIT_FITS);
    struct budget_reservation first = fixture.admission.reservation;
    ck_assert_int_eq(ask(body), ADMIT_WAITS);
    budget_release(fixture.budget, &first);
    ck_assert_int_eq(ask(body), ADMIT_FITS);
}
END_TEST

START_TEST(image_is_taken_to_fill_the_context)
{
    static const char image[] =
        "{\"requests\":[{\"custom_id\":\"a\",\"params\":{\"model\":\"claude-opus-5-5\","
        "\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\"}]}]}}]"
        "}";
    ck_assert_int_eq(ask(image), ADMIT_FITS);
    ck_assert_int_ge(fixture.admission.reservation.held.of[BUDGET_TOKENS], 1000000);
}
END_TEST

#define WITH(more) "{\"requests\":[{\"custom_id\":\"a\",\"params\":" more "}]}"

static const struct {
    const char *body;
    enum admit_outcome outcome;
    const char *message;
} refusals[] = {
    {"{}", ADMIT_BAD, "\"requests\" is missing"},
    {"{\"requests\":[", ADMIT_BAD, "not valid JSON"},
    {WITH("{\"max_tokens\":1}"), ADMIT_BAD, "requests.0.params: model: Field required"},
    {WITH("{\"model\":\"claude-opus-5-5\"}"), ADMIT_BAD,
     "requests.0.params: max_tokens: Field required"},
    {BATCH(REQUEST("a", "claude-opus-5-5", "1") "," REQUEST("b", "claude-sonnet-4-6", "1")),
     ADMIT_DENIED, "requests.1.params: reeve: model claude-sonnet-4-6"},
    {WITH(PARAMS("claude-opus-5-5", "1", ",\"x\":{\"file_id\":\"file_other\"}")), ADMIT_NOT_FOUND,
     "file_other"},
    {WITH(PARAMS("claude-opus-5-5", "1",
                 ",\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"w\"}]")),
     ADMIT_DENIED, "has no bound"},
    {WITH(PARAMS("claude-opus-5-5", "9223372036854775807", "")), ADMIT_BAD, "requests.0.params"},
};

START_TEST(batch_is_refused)
{
    fixture.run.policy.models = "claude-opus-5-5";
    fixture.run.policy.allows_unbounded = false;
    fixture_limit(&fixture, BUDGET_JOB_DAY, BUDGET_COST, 1000 * DOLLAR);
    ck_assert_int_eq(ownership_add(fixture.proxy.ownership, fixture.journal, slice_of("file_other"),
                                   "k", NULL, NULL),
                     0);
    ck_assert_int_eq(ask(refusals[_i].body), refusals[_i].outcome);
    ck_assert_msg(strstr(fixture.message, refusals[_i].message) != NULL, "%s", fixture.message);
    ck_assert_uint_eq(journal_live(fixture.journal)->reservation_count, 0);
}
END_TEST

START_TEST(server_tools_grow_by_a_context_each)
{
    static const char one[] =
        WITH(PARAMS("claude-opus-5-5", "1", ",\"tools\":[{\"type\":\"web_search_20250305\"}]"));
    ck_assert_int_eq(ask(one), ADMIT_FITS);
    ck_assert_int_ge(fixture.admission.reservation.held.of[BUDGET_TOKENS], 1000000);
    ck_assert_int_ge(fixture.admission.reservation.growth.of[BUDGET_TOKENS], 1000000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batch_admit");
    TCase *cases = tcase_create("batch_admit");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, reservation_is_the_sum_at_half_the_price);
    tcase_add_test(cases, long_batch_takes_turns);
    tcase_add_test(cases, batch_that_does_not_fit_is_refused_and_holds_nothing);
    tcase_add_test(cases, batch_waits_for_what_is_only_held);
    tcase_add_test(cases, image_is_taken_to_fill_the_context);
    tcase_add_loop_test(cases, batch_is_refused, 0, (int)(sizeof(refusals) / sizeof(refusals[0])));
    tcase_add_test(cases, server_tools_grow_by_a_context_each);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
