// Credentials that the fake accepts, whose they are, and the state a test has put them in.

#include "fake_credentials.h"

#include "clock.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define API_KEY_PREFIX "sk-ant-api03-"
#define OAUTH_PREFIX "sk-ant-oat01-"
#define OAUTH_BETA "oauth-2025-04-20"
#define WINDOW_S 18000 // five hours

struct fake_credentials {
    struct fake_credential list[FAKE_CREDENTIALS_MAX];
    size_t count;
    bool closed; // only those that were named are accepted
};

struct fake_credentials *fake_credentials_new(void)
{
    return calloc(1, sizeof(struct fake_credentials));
}

void fake_credentials_free(struct fake_credentials *credentials)
{
    free(credentials);
}

static void write_fingerprint(const char *secret, char fingerprint[static FAKE_FINGERPRINT_MAX])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)secret, strlen(secret), digest);
    for (size_t i = 0; i < FAKE_FINGERPRINT_MAX / 2; i++)
        snprintf(fingerprint + 2 * i, 3, "%02x", digest[i]);
}

static struct fake_credential *find_secret(struct fake_credentials *credentials, const char *secret)
{
    for (size_t i = credentials->count; i-- > 0;)
        if (strcmp(credentials->list[i].secret, secret) == 0)
            return &credentials->list[i];
    return NULL;
}

static struct fake_credential *add_secret(struct fake_credentials *credentials, const char *secret,
                                          size_t length, const char *account)
{
    if (length == 0 || length >= FAKE_SECRET_MAX || credentials->count == FAKE_CREDENTIALS_MAX)
        return NULL;
    struct fake_credential *added = &credentials->list[credentials->count++];
    *added = (struct fake_credential){.uses_left = -1, .utilization = 0.1};
    memcpy(added->secret, secret, length);
    write_fingerprint(added->secret, added->fingerprint);
    added->is_oauth = strncmp(secret, OAUTH_PREFIX, strlen(OAUTH_PREFIX)) == 0;
    snprintf(added->account, sizeof(added->account), "%s",
             account != NULL ? account : added->fingerprint);
    return added;
}

struct fake_credential *fake_credentials_accept(struct fake_credentials *credentials,
                                                const char *secret)
{
    const char *at = strchr(secret, '@');
    size_t length = at != NULL ? (size_t)(at - secret) : strlen(secret);
    credentials->closed = true;
    return add_secret(credentials, secret, length, at != NULL ? at + 1 : NULL);
}

bool fake_credentials_change(struct fake_credentials *credentials, const json_t *change)
{
    static const char *const states[] = {"good", "revoked", "forbidden", "limited"};
    const char *secret = json_string_value(json_object_get(change, "secret"));
    const char *state = json_string_value(json_object_get(change, "state"));
    const json_t *utilization = json_object_get(change, "utilization");
    const json_t *uses_left = json_object_get(change, "uses_left");
    struct fake_credential *found = secret != NULL ? find_secret(credentials, secret) : NULL;
    if (found == NULL)
        return false;
    for (size_t i = 0; state != NULL && i < sizeof(states) / sizeof(states[0]); i++)
        if (strcmp(states[i], state) == 0)
            found->state = (enum fake_credential_state)i;
    found->limited_until_s = json_integer_value(json_object_get(change, "reset_s"));
    if (json_is_number(utilization))
        found->utilization = json_number_value(utilization);
    if (json_is_integer(uses_left))
        found->uses_left = json_integer_value(uses_left);
    return true;
}

// Without a list of its own the fake knows every credential that looks like one.
static struct fake_credential *find_or_learn(struct fake_credentials *credentials,
                                             const char *secret)
{
    struct fake_credential *found = find_secret(credentials, secret);
    if (found != NULL || credentials->closed)
        return found;
    if (strncmp(secret, API_KEY_PREFIX, strlen(API_KEY_PREFIX)) != 0 &&
        strncmp(secret, OAUTH_PREFIX, strlen(OAUTH_PREFIX)) != 0)
        return NULL;
    return add_secret(credentials, secret, strlen(secret), NULL);
}

// Whether a beta is named in any of the anthropic-beta headers.
static bool has_beta(const struct fake_head *head, const char *beta)
{
    for (size_t i = 0; i < head->header_count; i++) {
        const char *name = head->headers[i].name;
        if (strcmp(name, "anthropic-beta") == 0 && strstr(head->headers[i].value, beta) != NULL)
            return true;
    }
    return false;
}

static void refuse(struct fake_refusal *refusal, int status, const char *message)
{
    *refusal = (struct fake_refusal){.status = status, .message = message};
}

// The state of a credential that is known, at this moment.
static void check_state(struct fake_credential *credential, int64_t now_ms,
                        struct fake_refusal *refusal)
{
    if (credential->state == FAKE_CREDENTIAL_LIMITED &&
        credential->limited_until_s * 1000 <= now_ms)
        credential->state = FAKE_CREDENTIAL_GOOD;
    if (credential->expires_at_ms != 0 && credential->expires_at_ms <= now_ms)
        refuse(refusal, 401, "OAuth token has expired. Please obtain a new token.");
    else if (credential->uses_left == 0)
        refuse(refusal, 401, "OAuth token has expired. Please obtain a new token.");
    else if (credential->state == FAKE_CREDENTIAL_REVOKED)
        refuse(refusal, 401, "OAuth token has been revoked. Please obtain a new token.");
    else if (credential->state == FAKE_CREDENTIAL_FORBIDDEN)
        refuse(refusal, 403,
               "OAuth authentication is currently not allowed for this organization.");
    else if (credential->state == FAKE_CREDENTIAL_LIMITED)
        refuse(refusal, 429, "This request would exceed your account's rate limit.");
    else if (credential->uses_left > 0)
        credential->uses_left--;
}

const struct fake_credential *fake_credentials_check(struct fake_credentials *credentials,
                                                     const struct fake_head *head, int64_t now_ms,
                                                     const struct fake_credential **found,
                                                     struct fake_refusal *refusal)
{
    const char *key = fake_head_find(head, "x-api-key");
    const char *authorization = fake_head_find(head, "authorization");
    size_t count = fake_head_count(head, "x-api-key") + fake_head_count(head, "authorization");
    *found = NULL;
    if (count == 0) {
        refuse(refusal, 401, "x-api-key header is required");
        return NULL;
    }
    if (count > 1) {
        refuse(refusal, 401, "there is more than one credential");
        return NULL;
    }
    const char *secret = key;
    if (authorization != NULL && strncasecmp(authorization, "Bearer ", 7) == 0)
        secret = authorization + 7;
    struct fake_credential *known = secret != NULL ? find_or_learn(credentials, secret) : NULL;
    *found = known;
    *refusal = (struct fake_refusal){0};
    if (known == NULL || (known->is_oauth && key != NULL))
        refuse(refusal, 401, key != NULL ? "invalid x-api-key" : "Invalid bearer token");
    else if (known->is_oauth && !has_beta(head, OAUTH_BETA))
        refuse(refusal, 401, "OAuth authentication is currently not supported.");
    else
        check_state(known, now_ms, refusal);
    return refusal->message == NULL ? known : NULL;
}

static void set_number(struct fake_answer *answer, const char *name, int64_t number)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)number);
    fake_answer_set_header(answer, name, text);
}

// Subscriptions: one figure for each window, resets in seconds since 1970.
static void add_unified_headers(const struct fake_credential *credential, int64_t now_s,
                                struct fake_answer *answer)
{
    bool limited = credential->state == FAKE_CREDENTIAL_LIMITED;
    double used = limited ? 1.0 : credential->utilization;
    const char *status = limited ? "rejected" : used >= 0.75 ? "allowed_warning" : "allowed";
    int64_t reset_s = limited ? credential->limited_until_s : (now_s / WINDOW_S + 1) * WINDOW_S;
    char utilization[32];
    snprintf(utilization, sizeof(utilization), "%.2f", used);
    fake_answer_set_header(answer, "anthropic-ratelimit-unified-status", status);
    set_number(answer, "anthropic-ratelimit-unified-reset", reset_s);
    fake_answer_set_header(answer, "anthropic-ratelimit-unified-representative-claim", "five_hour");
    fake_answer_set_header(answer, "anthropic-ratelimit-unified-5h-status", status);
    fake_answer_set_header(answer, "anthropic-ratelimit-unified-5h-utilization", utilization);
    set_number(answer, "anthropic-ratelimit-unified-5h-reset", reset_s);
    fake_answer_set_header(answer, "anthropic-ratelimit-unified-7d-status", "allowed");
    fake_answer_set_header(answer, "anthropic-ratelimit-unified-7d-utilization", "0.05");
    set_number(answer, "anthropic-ratelimit-unified-7d-reset", (now_s / 604800 + 1) * 604800);
}

// API keys: buckets of requests and tokens, resets in RFC 3339.
static void add_bucket_headers(const struct fake_credential *credential, int64_t now_s,
                               struct fake_answer *answer)
{
    static const struct {
        const char *name;
        int64_t limit;
    } buckets[] = {{"requests", 4000},
                   {"tokens", 2400000},
                   {"input-tokens", 2000000},
                   {"output-tokens", 400000}};
    bool limited = credential->state == FAKE_CREDENTIAL_LIMITED;
    char reset[CLOCK_TEXT_MAX];
    clock_format_utc((limited ? credential->limited_until_s : now_s + 60) * 1000000, reset);
    for (size_t i = 0; i < sizeof(buckets) / sizeof(buckets[0]); i++) {
        char name[64];
        double left = limited ? 0 : 1 - credential->utilization;
        snprintf(name, sizeof(name), "anthropic-ratelimit-%s-limit", buckets[i].name);
        set_number(answer, name, buckets[i].limit);
        snprintf(name, sizeof(name), "anthropic-ratelimit-%s-remaining", buckets[i].name);
        set_number(answer, name, (int64_t)((double)buckets[i].limit * left));
        snprintf(name, sizeof(name), "anthropic-ratelimit-%s-reset", buckets[i].name);
        fake_answer_set_header(answer, name, reset);
    }
}

void fake_credentials_add_headers(const struct fake_credential *credential, int64_t now_ms,
                                  struct fake_answer *answer)
{
    int64_t now_s = now_ms / 1000;
    if (credential->is_oauth)
        add_unified_headers(credential, now_s, answer);
    else
        add_bucket_headers(credential, now_s, answer);
    if (credential->state == FAKE_CREDENTIAL_LIMITED)
        set_number(answer, "retry-after", credential->limited_until_s - now_s);
    fake_answer_set_header(answer, "anthropic-organization-id", credential->account);
}
