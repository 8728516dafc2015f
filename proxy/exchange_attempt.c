// Exchange attempt: under which credential the next one goes out, and what a failed one is followed
// by.

#include "exchange_attempt.h"

#include "breaker.h"
#include "cleanup.h"
#include "clock.h"
#include "credential_keeper.h"
#include "exchange_state.h"
#include "random.h"
#include "sticky.h"

#include <string.h>

#define RETRY_AFTER_MAX_S 60 // clients wait as long and go on; on more they give up (facts, E.4)
#define RETRY_AFTER_S 30     // where nobody can say
#define SECOND_US INT64_C(1000000)

// ---- what the request is

// Messages tell by their prompt; of other requests the headers have to do.
static bool has_identity(const struct exchange *exchange)
{
    if (exchange->scan != NULL)
        return request_scan_has_claude_code_identity(exchange->scan);
    const struct http_header *app = http_head_find(exchange->head, "x-app");
    const struct http_header *agent = http_head_find(exchange->head, "user-agent");
    return (app != NULL && slice_is_any_case(app->value, "cli")) ||
           (agent != NULL && slice_starts_with(agent->value, "claude-cli/"));
}

// An id in the path: the first segment with an underscore and a digit, as in
// /v1/messages/batches/msgbatch_01AbC/results.
static struct slice path_id(struct slice path)
{
    while (path.length > 0) {
        const char *slash = memchr(path.bytes, '/', path.length);
        size_t length = slash != NULL ? (size_t)(slash - path.bytes) : path.length;
        bool has_digit = false;
        for (size_t i = 0; i < length; i++)
            has_digit |= path.bytes[i] >= '0' && path.bytes[i] <= '9';
        if (has_digit && memchr(path.bytes, '_', length) != NULL)
            return (struct slice){path.bytes, length};
        length += slash != NULL;
        path = (struct slice){path.bytes + length, path.length - length};
    }
    return (struct slice){NULL, 0};
}

// How many ids of what belongs to one account the request names.
static size_t owned_count(const struct exchange *exchange)
{
    return exchange->scan != NULL ? exchange->scan->reference_count : 1;
}

static struct slice owned_id(const struct exchange *exchange, size_t index)
{
    return exchange->scan != NULL ? exchange->scan->references[index]
                                  : path_id(exchange->head->path);
}

// Whose they are, as far as that is known.
static uint32_t owner_find(const struct exchange *exchange)
{
    uint32_t owner = STICKY_NONE;
    for (size_t i = 0; i < owned_count(exchange) && owner == STICKY_NONE; i++)
        owner = sticky_find(exchange->proxy->sticky, owned_id(exchange, i));
    return owner;
}

// Limits are of a model, and the fast ones are others; what is free has limits of its own.
static struct slice limit_name(const struct exchange *exchange, char text[static MODEL_NAME_MAX])
{
    char model[MODEL_NAME_MAX] = "";
    const struct request_scan *scan = exchange->scan;
    if (scan == NULL)
        return slice_of("free calls");
    if (exchange->reserved) // it may have been stepped down
        memcpy(model, exchange->admission.model, sizeof(model));
    else
        slice_copy(scan->model, model, sizeof(model));
    snprintf(text, MODEL_NAME_MAX, "%.80s%s", model,
             (scan->features & REQUEST_FAST) != 0 ? " fast" : "");
    return slice_of(text);
}

// ---- choose

static bool may_repeat(const struct exchange *exchange)
{
    return exchange->route.kind != ROUTE_UPLOAD && exchange->attempts.sent < ATTEMPTS_MAX;
}

static void credential_take(struct exchange *exchange, struct credential *credential)
{
    struct credential *before = exchange->credential;
    exchange->credential = credential;
    if (credential != NULL)
        credential_hold(credential);
    if (before != NULL)
        credential_release(credential_keeper_pool(exchange->proxy->keeper), before);
}

static struct credential_pick pick(struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;
    const struct attempts *attempts = &exchange->attempts;
    char model[MODEL_NAME_MAX];
    struct credential_wish wish = {
        .has_identity = has_identity(exchange),
        .is_free = !route_is_billed(exchange->route),
        .model = limit_name(exchange, model),
        .owner = owner_find(exchange),
        .preferred = attempts->again != 0
                         ? attempts->again
                         : sticky_find(proxy->sticky, slice_of(exchange->session_id)),
        .excluded_count = attempts->excluded_count,
        .limited_count = attempts->limited_count,
    };
    memcpy(wish.excluded, attempts->excluded, sizeof(wish.excluded));
    memcpy(wish.limited, attempts->limited, sizeof(wish.limited));
    return credential_keeper_pick(proxy->keeper, &wish);
}

// Holds the request back for `wait_us`, or as long as is left of WaitMax=.
static enum attempt_step hold(struct attempts *attempts, const struct proxy *proxy, int64_t now_us,
                              int64_t *wait_us)
{
    if (attempts->held_until_us == 0)
        attempts->held_until_us = now_us + proxy->wait_max_s * SECOND_US;
    int64_t left_us = attempts->held_until_us - now_us;
    if (left_us <= 0)
        return ATTEMPT_OVER;
    if (*wait_us > left_us)
        *wait_us = left_us;
    return ATTEMPT_WAIT;
}

// The upstream has failed before: whether it is time, and the breaker lets it pass.
static enum attempt_step wait_for_breaker(struct exchange *exchange, int64_t now_us,
                                          int64_t *wait_us)
{
    struct attempts *attempts = &exchange->attempts;
    if (attempts->not_before_us == 0)
        return ATTEMPT_GO;
    *wait_us = attempts->not_before_us - now_us;
    if (*wait_us <= 0)
        *wait_us = breaker_ask_us(&exchange->proxy->breaker, now_us, random_number());
    if (*wait_us == 0) {
        attempts->not_before_us = 0;
        return ATTEMPT_GO;
    }
    attempts->not_before_us = now_us + *wait_us;
    return attempts->not_before_us - attempts->first_sent_us > ATTEMPT_WINDOW_US ? ATTEMPT_OVER
                                                                                 : ATTEMPT_WAIT;
}

// Looks for a credential, without taking it.
static enum attempt_step look(struct exchange *exchange, int64_t *wait_us)
{
    struct attempts *attempts = &exchange->attempts;
    int64_t now_us = clock_monotonic_us();
    enum attempt_step step = wait_for_breaker(exchange, now_us, wait_us);
    if (step != ATTEMPT_GO)
        return step;
    attempts->pick = pick(exchange);
    switch (attempts->pick.choice) {
    case CHOICE_MADE:
        return ATTEMPT_GO;
    case CHOICE_SOON:
        *wait_us = INT64_MAX; // it is woken
        return hold(attempts, exchange->proxy, now_us, wait_us);
    case CHOICE_LIMITED:
        *wait_us = attempts->pick.until_ms * 1000 - clock_now_us() - RETRY_AFTER_MAX_S * SECOND_US;
        return *wait_us <= 0 ? ATTEMPT_OVER : hold(attempts, exchange->proxy, now_us, wait_us);
    case CHOICE_NONE:
        break;
    }
    return ATTEMPT_OVER;
}

enum attempt_step attempt_choose(struct exchange *exchange, int64_t *wait_us)
{
    enum attempt_step step = look(exchange, wait_us);
    if (step == ATTEMPT_GO)
        credential_take(exchange, exchange->attempts.pick.credential);
    return step;
}

// ---- answers

void attempt_sent(struct exchange *exchange)
{
    struct attempts *attempts = &exchange->attempts;
    attempts->secret_number = exchange->credential->secret_number;
    attempts->sent++;
    if (attempts->first_sent_us == 0)
        attempts->first_sent_us = clock_monotonic_us();
    kept_answer_free(take_pointer(&attempts->kept));
}

// Notes what an answer says of its credential. True: that is worth another attempt.
static bool note(struct exchange *exchange, const struct credential_signs *signs)
{
    char model[MODEL_NAME_MAX];
    if (signs->verdict != VERDICT_FAILED)
        breaker_succeeded(&exchange->proxy->breaker);
    return credential_keeper_answered(
        exchange->proxy->keeper, exchange->credential, exchange->attempts.secret_number, signs,
        limit_name(exchange, model), exchange->route.kind != ROUTE_MESSAGES);
}

// Ids that nobody is known to own: another account may know them.
static bool is_unknown_id(const struct exchange *exchange, int http_status)
{
    return http_status == 404 && owned_count(exchange) > 0 && owned_id(exchange, 0).bytes != NULL &&
           owner_find(exchange) == STICKY_NONE;
}

// Whether another attempt may be better. Of a 403 the body has to tell.
static bool is_kept_back(const struct exchange *exchange, const struct credential_signs *signs)
{
    return exchange->state == EXCHANGE_SENDING && may_repeat(exchange) &&
           (signs->verdict == VERDICT_UNAUTHORIZED || signs->verdict == VERDICT_LIMITED ||
            signs->verdict == VERDICT_FAILED || signs->http_status == 403 ||
            is_unknown_id(exchange, signs->http_status));
}

bool attempt_answered(struct exchange *exchange, const struct http_head *head)
{
    struct credential_signs signs;
    credential_signs_read(&signs, head, slice_of(""), clock_now_us() / 1000);
    if (is_kept_back(exchange, &signs))
        exchange->attempts.kept = kept_answer_new(head);
    if (exchange->attempts.kept != NULL)
        return true;
    note(exchange, &signs);
    if (signs.verdict == VERDICT_FAILED)
        breaker_failed(&exchange->proxy->breaker, clock_monotonic_us());
    if (signs.verdict == VERDICT_SERVED) {
        struct sticky *sticky = exchange->proxy->sticky;
        sticky_put(sticky, slice_of(exchange->session_id), exchange->credential->number);
        for (size_t i = 0; i < owned_count(exchange); i++)
            sticky_put(sticky, owned_id(exchange, i), exchange->credential->number);
    }
    return false;
}

bool attempt_keep(struct exchange *exchange, const char *bytes, size_t length)
{
    return kept_answer_append(exchange->attempts.kept, bytes, length);
}

// What is not noted for want of room is bounded by ATTEMPTS_MAX.
static void number_add(uint32_t *numbers, size_t *count, uint32_t number)
{
    if (*count < CREDENTIAL_EXCLUDED_MAX)
        numbers[(*count)++] = number;
}

// The upstream has failed, or could not be reached. Sets when it may be asked again.
static enum attempt_step upstream_failed(struct exchange *exchange,
                                         const struct credential_signs *signs, int64_t *wait_us)
{
    struct attempts *attempts = &exchange->attempts;
    int64_t now_us = clock_monotonic_us();
    int64_t asked_us = signs->retry_after_ms * 1000;
    breaker_failed(&exchange->proxy->breaker, now_us);
    if (++attempts->failures > ATTEMPT_FAILURES_MAX || signs->never_retry ||
        signs->retry_after_ms > ATTEMPT_RETRY_AFTER_MAX_MS)
        return ATTEMPT_OVER;
    *wait_us = breaker_delay_us(attempts->failures, random_number());
    if (*wait_us < asked_us)
        *wait_us = asked_us;
    attempts->not_before_us = now_us + *wait_us;
    return attempts->not_before_us - attempts->first_sent_us > ATTEMPT_WINDOW_US ? ATTEMPT_OVER
                                                                                 : ATTEMPT_WAIT;
}

enum attempt_step attempt_failed(struct exchange *exchange, const char *problem, int64_t *wait_us)
{
    struct attempts *attempts = &exchange->attempts;
    struct credential_signs signs = {.verdict = VERDICT_FAILED, .retry_after_ms = -1};
    uint32_t number = exchange->credential->number;
    snprintf(attempts->problem, sizeof(attempts->problem), "%s", problem);
    attempts->pick.choice = CHOICE_MADE; // so far nothing but the upstream stands in the way
    if (attempts->kept != NULL) {
        credential_signs_read(&signs, kept_answer_head(attempts->kept, 0),
                              kept_answer_body(attempts->kept), clock_now_us() / 1000);
        attempts->again = note(exchange, &signs) ? number : 0;
        if (signs.verdict == VERDICT_LIMITED)
            number_add(attempts->limited, &attempts->limited_count, number);
        else if (attempts->again == 0 && signs.verdict != VERDICT_FAILED)
            number_add(attempts->excluded, &attempts->excluded_count, number);
    }
    if (!may_repeat(exchange) ||
        (signs.verdict == VERDICT_OF_REQUEST && !is_unknown_id(exchange, signs.http_status)))
        return ATTEMPT_OVER;
    if (signs.verdict == VERDICT_FAILED)
        return upstream_failed(exchange, &signs, wait_us);
    return look(exchange, wait_us);
}

// ---- counts

bool attempt_count_failed(struct exchange *exchange, int http_status)
{
    struct attempts *attempts = &exchange->attempts;
    struct credential_signs signs = {.verdict = VERDICT_UNAUTHORIZED,
                                     .http_status = http_status,
                                     .retry_after_ms = -1,
                                     .used_percent = -1};
    char model[MODEL_NAME_MAX];
    int64_t wait_us;
    if (http_status != 401 || ++attempts->recounts >= ATTEMPTS_MAX ||
        attempts->excluded_count == CREDENTIAL_EXCLUDED_MAX)
        return false;
    if (credential_keeper_answered(exchange->proxy->keeper, exchange->credential,
                                   attempts->secret_number, &signs, limit_name(exchange, model),
                                   true))
        return true;
    number_add(attempts->excluded, &attempts->excluded_count, exchange->credential->number);
    if (look(exchange, &wait_us) == ATTEMPT_GO)
        return true;
    attempts->excluded_count--; // it may be that no token of this kind may count
    return false;
}

// ---- the end

// Whether the answer that is kept is the one to give: with a limit in the way it has to be one that
// says so.
static bool is_for_agent(const struct attempts *attempts)
{
    if (attempts->kept == NULL)
        return false;
    return attempts->pick.choice != CHOICE_LIMITED ||
           kept_answer_head(attempts->kept, 0)->status == 429;
}

static void limited_describe(const struct attempts *attempts, int64_t retry_after_s,
                             struct reply *reply, char message[static ATTEMPT_MESSAGE_MAX])
{
    char until[CLOCK_TEXT_MAX];
    *reply = (struct reply){.status = 429, .retry_after_s = (int)retry_after_s};
    snprintf(message, ATTEMPT_MESSAGE_MAX,
             "reeve: every credential that could serve this is at a limit of its account; the "
             "first one is free again at %s",
             clock_format_utc(attempts->pick.until_ms * 1000, until));
}

static void none_describe(const struct exchange *exchange, struct reply *reply,
                          char message[static ATTEMPT_MESSAGE_MAX])
{
    const struct credential_pool *pool = credential_keeper_pool(exchange->proxy->keeper);
    bool soon = exchange->attempts.pick.choice == CHOICE_SOON;
    bool is_plain = route_is_billed(exchange->route) && !has_identity(exchange);
    char why[ATTEMPT_MESSAGE_MAX - 256];
    *reply = (struct reply){
        .status = 503, .never_retry = !soon, .retry_after_s = soon ? RETRY_AFTER_S : 0};
    if (credential_pool_count(pool) == 0) {
        snprintf(message, ATTEMPT_MESSAGE_MAX,
                 "reeve: there is no credential; `reeve credential add` adds one");
        return;
    }
    snprintf(message, ATTEMPT_MESSAGE_MAX,
             "reeve: no credential can serve this (%s). %sSee `reeve credential list`.",
             credential_pool_explain(pool, why, sizeof(why)),
             is_plain ? "It is neither Claude Code's nor the Agent SDK's, so that no subscription "
                        "may serve it, but an API key. "
                      : "");
}

const struct http_head *attempt_conclude(struct exchange *exchange, struct reply *reply,
                                         char message[static ATTEMPT_MESSAGE_MAX])
{
    struct attempts *attempts = &exchange->attempts;
    int64_t retry_after_s = 0;
    if (attempts->pick.choice == CHOICE_LIMITED) {
        retry_after_s = (attempts->pick.until_ms - clock_now_us() / 1000 + 999) / 1000;
        retry_after_s = retry_after_s < 1 ? 1 : retry_after_s;
    }
    if (is_for_agent(attempts))
        return kept_answer_head(attempts->kept, retry_after_s);
    if (attempts->pick.choice == CHOICE_LIMITED) {
        limited_describe(attempts, retry_after_s, reply, message);
    } else if (attempts->pick.choice == CHOICE_MADE && attempts->kept == NULL) {
        *reply = (struct reply){.status = 502};
        snprintf(message, ATTEMPT_MESSAGE_MAX, "%s", attempts->problem);
    } else {
        none_describe(exchange, reply, message);
    }
    return NULL;
}

void attempt_owns(struct exchange *exchange, struct slice id)
{
    sticky_put(exchange->proxy->sticky, id, exchange->credential->number);
}

void attempt_done(struct exchange *exchange)
{
    kept_answer_free(take_pointer(&exchange->attempts.kept));
    credential_take(exchange, NULL);
}
