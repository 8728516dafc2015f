// Tests of splice.c: the body as it is sent differs from the one that came in the values that
// admission chose, and in nothing else.
#include "splice.h"

#include "ceiling_fixture.h"
#include "suite_run.h"

#define TEXT_MAX 8192
#define TRIALS 4000

static int64_t held;

static void body_take(struct request_body *body, const char *text)
{
    request_body_init(body, -1, TEXT_MAX, &held, "/tmp");
    ck_assert_int_eq(request_body_append(body, text, strlen(text), NULL), 0);
    ck_assert_int_eq(request_body_complete(body, NULL), 0);
}

// What goes upstream, piece by piece.
static void body_read(const struct request_body *body, char text[static TEXT_MAX])
{
    size_t length = 0;
    const char *bytes;
    for (size_t piece; (piece = request_body_peek(body, length, &bytes)) > 0; length += piece) {
        ck_assert_uint_lt(length + piece, TEXT_MAX);
        memcpy(text + length, bytes, piece);
    }
    ck_assert_int_eq(request_body_sent_length(body), (int64_t)length);
    text[length] = '\0';
}

static void splice_text(const char *text, int64_t max_tokens, const char *model,
                        char sent[static TEXT_MAX])
{
    struct request_body body;
    struct request_scan scan;
    struct admission admission = {.max_tokens = max_tokens};
    ck_assert_int_eq(request_scan(&scan, text, strlen(text), NULL), 0);
    slice_copy(scan.model, admission.model_asked, sizeof(admission.model_asked));
    snprintf(admission.model, sizeof(admission.model), "%s",
             model != NULL ? model : admission.model_asked);
    body_take(&body, text);
    splice_admitted(&body, &scan, &admission);
    body_read(&body, sent);
    request_body_done(&body);
}

static const struct {
    const char *came;
    int64_t max_tokens;
    const char *model; // NULL: the one asked for
    const char *sent;
} splices[] = {
    {"{\"model\":\"m\",\"max_tokens\":128000}", 1024, NULL,
     "{\"model\":\"m\",\"max_tokens\":1024}"},
    {"{ \"max_tokens\" : 128000 , \"model\":\"m\" }", 7, NULL,
     "{ \"max_tokens\" : 7 , \"model\":\"m\" }"},
    {"{\"model\":\"m\",\"max_tokens\":5}", 5, NULL, "{\"model\":\"m\",\"max_tokens\":5}"},
    {"{\"model\":\"m\",\"max_tokens\":5}", 5, "longer", "{\"model\":\"longer\",\"max_tokens\":5}"},
    {"{\"model\":\"much-longer\",\"max_tokens\":50}", 5, "m", "{\"model\":\"m\",\"max_tokens\":5}"},
    {"{\"max_tokens\":50,\"model\":\"m\",\"x\":1}", 5, "n",
     "{\"max_tokens\":5,\"model\":\"n\",\"x\":1}"},
    // Beside a thinking budget, and members of the same name further down.
    {"{\"thinking\":{\"budget_tokens\":2000},\"fallbacks\":[{\"model\":\"m\",\"max_tokens\":9}],"
     "\"max_tokens\":9000,\"model\":\"m\"}",
     3024, "n",
     "{\"thinking\":{\"budget_tokens\":2000},\"fallbacks\":[{\"model\":\"m\",\"max_tokens\":9}],"
     "\"max_tokens\":3024,\"model\":\"n\"}"},
};

START_TEST(only_the_values_change)
{
    char sent[TEXT_MAX];
    splice_text(splices[_i].came, splices[_i].max_tokens, splices[_i].model, sent);
    ck_assert_str_eq(sent, splices[_i].sent);
}
END_TEST

// ---- random bodies through admission

static uint64_t state = 1;

static uint64_t draw(uint64_t below)
{
    state ^= state >> 12; // xorshift64*
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(2685821657736338717) % below;
}

static const char *pick(const char *const *texts, size_t count)
{
    return texts[draw(count)];
}

#define PICK(texts) pick(texts, sizeof(texts) / sizeof((texts)[0]))

static const char *const spaces[] = {"", "", " ", "\n\t", "  "};
static const char *const others[] = {
    "\"messages\":[{\"role\":\"user\",\"content\":\"\\u00fc \\\"max_tokens\\\":1 漢\"}]",
    "\"metadata\":{\"user_id\":\"{\\\"model\\\":\\\"x\\\"}\",\"max_tokens\":1,\"model\":\"y\"}",
    "\"stream\":true",
    "\"system\":[{\"type\":\"text\",\"text\":\"s\",\"cache_control\":{\"type\":\"ephemeral\"}}]",
    "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":3000}",
    "\"fallbacks\":[{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":2000}]",
    "\"temperature\":0.5",
};

// A body with its members in any order and spacing. Returns its text without the two values.
static void draw_body(char text[static TEXT_MAX], char frame[static TEXT_MAX])
{
    static const char *const names[] = {"claude-opus-5-5", "claude-fable-5-2", "claude-haiku-4-5"};
    const char *members[2 + sizeof(others) / sizeof(others[0])];
    char max_tokens[64], model[128];
    size_t count = 2, used = 0, framed = 0;
    snprintf(max_tokens, sizeof(max_tokens), "%" PRIu64, draw(200000));
    snprintf(model, sizeof(model), "\"%s\"", PICK(names));
    members[0] = members[1] = NULL;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (draw(2) == 0)
            members[count++] = others[i];
    used = framed = (size_t)snprintf(text, TEXT_MAX, "{%s", PICK(spaces));
    memcpy(frame, text, used);
    size_t at_max_tokens = draw(count), at_model = draw(count - 1);
    at_model += at_model >= at_max_tokens;
    for (size_t i = 0, next = 2; i < count; i++) {
        const char *comma = i > 0 ? "," : "", *before = PICK(spaces), *after = PICK(spaces);
        const char *name = "", *value;
        if (i == at_max_tokens)
            name = "\"max_tokens\":", value = max_tokens;
        else if (i == at_model)
            name = "\"model\":", value = model;
        else
            value = members[next++];
        used += (size_t)snprintf(text + used, TEXT_MAX - used, "%s%s%s%s%s%s", comma, before, name,
                                 before, value, after);
        framed += (size_t)snprintf(frame + framed, TEXT_MAX - framed, "%s%s%s%s%s%s", comma, before,
                                   name, before, *name != '\0' ? "" : value, after);
    }
    snprintf(text + used, TEXT_MAX - used, "}");
    snprintf(frame + framed, TEXT_MAX - framed, "}");
}

// The text without what stands in the two spans.
static void cut_values(const char *text, const struct request_scan *scan,
                       char frame[static TEXT_MAX])
{
    struct request_span first = scan->model_at, second = scan->max_tokens_at;
    if (first.offset > second.offset) {
        first = scan->max_tokens_at;
        second = scan->model_at;
    }
    size_t between = first.offset + first.length;
    snprintf(frame, TEXT_MAX, "%.*s%.*s%s", (int)first.offset, text, (int)(second.offset - between),
             text + between, text + second.offset + second.length);
}

static void check_sent(const struct ceiling_fixture *fixture, const char *frame)
{
    const struct admission *admission = &fixture->admission;
    char sent[TEXT_MAX], sent_frame[TEXT_MAX];
    struct request_body body;
    struct request_scan scan;
    struct error err = {0};
    body_take(&body, fixture->body);
    splice_admitted(&body, &fixture->scan, admission);
    body_read(&body, sent);
    ck_assert_msg(request_scan(&scan, sent, strlen(sent), &err) == 0, "%s: %s", sent, err.text);
    ck_assert_int_eq(scan.max_tokens, admission->max_tokens);
    ck_assert(slice_is(scan.model, admission->model));
    cut_values(sent, &scan, sent_frame);
    ck_assert_str_eq(sent_frame, frame);
    request_body_done(&body);
    // Under the ceiling, of use, and no more than was asked for.
    int64_t useful = 1024;
    if (scan.thinking_budget_tokens > 0)
        useful += scan.thinking_budget_tokens;
    ck_assert_int_le(scan.max_tokens, fixture->scan.max_tokens);
    ck_assert(scan.max_tokens == fixture->scan.max_tokens || scan.max_tokens >= useful);
}

START_TEST(random_bodies_are_sent_as_admitted)
{
    static struct ceiling_fixture fixture;
    char text[TEXT_MAX], frame[TEXT_MAX];
    int clamped = 0, stepped_down = 0, not_admitted = 0;
    fixture_init(&fixture);
    fixture_limit(&fixture, BUDGET_JOB_DAY, BUDGET_REQUESTS, 1);
    for (int i = 0; i < TRIALS; i++) {
        fixture_limit(&fixture, BUDGET_RUN, BUDGET_COST, (int64_t)draw(3 * (uint64_t)DOLLAR));
        fixture.run.policy.step_down = draw(2) == 0 ? "claude-sonnet-5-5 claude-haiku-5-5" : NULL;
        fixture.run.policy.soft_percent = (int64_t)draw(2) * 100;
        draw_body(text, frame);
        if (fixture_admit_counted(&fixture, text, (int64_t)draw(100000)) != ADMIT_FITS) {
            not_admitted++;
            continue;
        }
        check_sent(&fixture, frame);
        clamped += fixture.admission.max_tokens < fixture.scan.max_tokens;
        stepped_down += strcmp(fixture.admission.model, fixture.admission.model_asked) != 0;
        budget_release(fixture.budget, &fixture.admission.reservation);
    }
    ck_assert_int_gt(clamped, TRIALS / 10);
    ck_assert_int_gt(stepped_down, TRIALS / 20);
    ck_assert_int_lt(not_admitted, TRIALS / 2);
    fixture_done(&fixture);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("splice");
    TCase *cases = tcase_create("splice");
    tcase_set_timeout(cases, 120);
    tcase_add_loop_test(cases, only_the_values_change, 0, sizeof(splices) / sizeof(splices[0]));
    tcase_add_test(cases, random_bodies_are_sent_as_admitted);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
