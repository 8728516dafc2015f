// Credential signs: what an answer says about the credential that it was asked under. Pure.

#include "credential_signs.h"

#include "json_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define UNIFIED "anthropic-ratelimit-unified-"
#define NUMBER_TEXT_MAX 32
#define NAME_MAX_BYTES 96

// ---- single headers

static bool header_text(const struct http_head *head, const char *name,
                        char text[static NUMBER_TEXT_MAX])
{
    const struct http_header *header = http_head_find(head, name);
    return header != NULL && slice_copy(header->value, text, NUMBER_TEXT_MAX);
}

// A number that is not negative; -1 where there is none, or something else.
static double header_number(const struct http_head *head, const char *name)
{
    char text[NUMBER_TEXT_MAX], *end;
    if (!header_text(head, name, text) || text[0] < '0' || text[0] > '9')
        return -1;
    double number = strtod(text, &end);
    return *end == '\0' && number < 1e15 ? number : -1;
}

static bool header_is(const struct http_head *head, const char *name, const char *value)
{
    const struct http_header *header = http_head_find(head, name);
    return header != NULL && slice_is_any_case(header->value, value);
}

// Milliseconds since 1970 of a time in one of the forms that the API and HTTP know, else -1.
static int64_t header_time_ms(const struct http_head *head, const char *name)
{
    static const char *const forms[] = {
        "%Y-%m-%dT%H:%M:%S",     // RFC 3339; what follows is a fraction and Z
        "%a, %d %b %Y %H:%M:%S", // RFC 9110, 5.6.7
    };
    char text[NUMBER_TEXT_MAX];
    if (!header_text(head, name, text))
        return -1;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tm parts = {0};
        if (strptime(text, forms[i], &parts) != NULL)
            return (int64_t)timegm(&parts) * 1000;
    }
    return -1;
}

// retry-after-ms outranks retry-after (Claude API, SDKs), which is seconds or a date.
static int64_t retry_after_read(const struct http_head *head, int64_t now_ms)
{
    double ms = header_number(head, "retry-after-ms");
    double seconds = header_number(head, "retry-after");
    if (ms >= 0)
        return (int64_t)ms;
    if (seconds >= 0)
        return (int64_t)(seconds * 1000);
    int64_t at_ms = header_time_ms(head, "retry-after");
    return at_ms < 0 ? -1 : at_ms > now_ms ? at_ms - now_ms : 0;
}

// ---- limits

// Whether the limit that a subscription has reached is one of all models: only some windows are of
// one family of models, and what is not known may be one of those.
static bool claim_is_of_account(const struct http_head *head)
{
    static const char *const claims[] = {"five_hour", "seven_day", "seven_day_overage_included",
                                         "seven_day_oauth_apps", "overage"};
    const struct http_header *claim = http_head_find(head, UNIFIED "representative-claim");
    for (size_t i = 0; claim != NULL && i < sizeof(claims) / sizeof(claims[0]); i++)
        if (slice_is(claim->value, claims[i]))
            return true;
    return claim == NULL;
}

// Spending limits: no retry-after, and no other model that would be free of them.
static bool body_names_spending(struct slice body)
{
    static const char *const codes[] = {"enforced_spend_limit_reached",
                                        "contract_spend_limit_reached", "credits_required"};
    struct slice details = json_member(json_member(body, "error"), "details");
    struct slice code = json_string_text(json_member(details, "error_code"));
    for (size_t i = 0; code.bytes != NULL && i < sizeof(codes) / sizeof(codes[0]); i++)
        if (json_text_is(code, codes[i]))
            return true;
    return false;
}

// The latest end among the buckets of an API key that are empty; -1 none is.
static int64_t bucket_end_ms(const struct http_head *head)
{
    static const char *const buckets[] = {"requests", "tokens", "input-tokens", "output-tokens"};
    int64_t latest_ms = -1;
    for (size_t i = 0; i < sizeof(buckets) / sizeof(buckets[0]); i++) {
        char name[NAME_MAX_BYTES];
        snprintf(name, sizeof(name), "anthropic-ratelimit-%s-remaining", buckets[i]);
        if (!header_is(head, name, "0"))
            continue;
        snprintf(name, sizeof(name), "anthropic-ratelimit-%s-reset", buckets[i]);
        int64_t end_ms = header_time_ms(head, name);
        latest_ms = end_ms > latest_ms ? end_ms : latest_ms;
    }
    return latest_ms;
}

static void limit_read(struct credential_signs *signs, const struct http_head *head,
                       struct slice body, int64_t now_ms)
{
    double unified_s = header_number(head, UNIFIED "reset");
    bool unified = header_is(head, UNIFIED "status", "rejected");
    bool spending = body_names_spending(body);
    signs->limits_one_model = !spending && !(unified && claim_is_of_account(head));
    int64_t end_ms = -1;
    if (unified && unified_s >= 0)
        end_ms = (int64_t)(unified_s * 1000);
    else if (signs->retry_after_ms >= 0)
        end_ms = now_ms + signs->retry_after_ms;
    else
        end_ms = bucket_end_ms(head);
    if (end_ms < 0)
        end_ms = now_ms + (spending ? LIMIT_SPEND_MS : LIMIT_UNNAMED_MS);
    if (end_ms < now_ms + LIMIT_MIN_MS) // our clocks differ
        end_ms = now_ms + LIMIT_MIN_MS;
    signs->ends_at_ms = end_ms > now_ms + LIMIT_MAX_MS ? now_ms + LIMIT_MAX_MS : end_ms;
}

// How full the fullest window of a subscription is.
static void utilization_read(struct credential_signs *signs, const struct http_head *head)
{
    static const char *const windows[] = {"5h", "7d"};
    signs->used_percent = -1;
    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        char name[NAME_MAX_BYTES];
        snprintf(name, sizeof(name), UNIFIED "%s-utilization", windows[i]);
        double used = header_number(head, name);
        snprintf(name, sizeof(name), UNIFIED "%s-reset", windows[i]);
        double reset_s = header_number(head, name);
        if (used < 0 || reset_s < 0 || used * 100 <= signs->used_percent)
            continue;
        signs->used_percent = used > 10 ? 1000 : (int)(used * 100);
        signs->used_until_ms = (int64_t)(reset_s * 1000);
    }
}

// A 403 of the edge in front of the API, about a network or a country, comes in another shape.
static bool body_is_permission_error(struct slice body)
{
    struct slice type = json_string_text(json_member(json_member(body, "error"), "type"));
    return type.bytes != NULL && json_text_is(type, "permission_error");
}

void credential_signs_read(struct credential_signs *signs, const struct http_head *head,
                           struct slice body, int64_t now_ms)
{
    *signs = (struct credential_signs){
        .verdict = VERDICT_OF_REQUEST,
        .http_status = head->status,
        .retry_after_ms = retry_after_read(head, now_ms),
        .never_retry = header_is(head, "x-should-retry", "false"),
    };
    utilization_read(signs, head);
    if (head->status >= 200 && head->status < 300)
        signs->verdict = VERDICT_SERVED;
    else if (head->status == 401)
        signs->verdict = VERDICT_UNAUTHORIZED;
    else if (head->status == 403 && body_is_permission_error(body))
        signs->verdict = VERDICT_FORBIDDEN;
    else if (head->status == 429)
        signs->verdict = VERDICT_LIMITED;
    else if (head->status >= 500)
        signs->verdict = VERDICT_FAILED;
    if (signs->verdict == VERDICT_LIMITED)
        limit_read(signs, head, body, now_ms);
}
