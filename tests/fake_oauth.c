// The token endpoint: refresh tokens that rotate, are good once, and revoke their chain when
// replayed.

#include "fake_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define REFRESH_TOKENS_MAX 16384
#define CLIENT_ID "9d1c250a-e61b-44d9-88ed-5944d1962f5e"
#define SCOPE "user:inference user:profile"
#define REFRESH_LIFETIME_S 2592000 // 30 days

enum refresh_state { REFRESH_FRESH, REFRESH_USED, REFRESH_REVOKED };

struct refresh_token {
    char secret[FAKE_SECRET_MAX];
    char account[FAKE_ACCOUNT_MAX];
    size_t chain;
    enum refresh_state state;
    struct fake_credential *access; // that it was exchanged for last, or NULL
};

struct fake_oauth {
    struct refresh_token tokens[REFRESH_TOKENS_MAX];
    size_t count;
    size_t chains;
    int64_t access_s;
    int64_t access_uses;
};

struct fake_oauth *fake_oauth_new(int64_t access_s, int64_t access_uses)
{
    struct fake_oauth *oauth = calloc(1, sizeof(*oauth));
    if (oauth == NULL)
        return NULL;
    oauth->access_s = access_s;
    oauth->access_uses = access_uses;
    return oauth;
}

void fake_oauth_free(struct fake_oauth *oauth)
{
    free(oauth);
}

static struct refresh_token *add_refresh_token(struct fake_oauth *oauth, const char *secret,
                                               size_t chain, const char *account)
{
    if (oauth->count == REFRESH_TOKENS_MAX)
        return NULL;
    struct refresh_token *added = &oauth->tokens[oauth->count++];
    *added = (struct refresh_token){.chain = chain};
    snprintf(added->secret, sizeof(added->secret), "%s", secret);
    snprintf(added->account, sizeof(added->account), "%s", account);
    return added;
}

bool fake_oauth_seed(struct fake_oauth *oauth, const char *refresh_token)
{
    char secret[FAKE_SECRET_MAX];
    size_t length = strcspn(refresh_token, "@");
    const char *account = refresh_token[length] == '@' ? refresh_token + length + 1 : "chain";
    if (length == 0 || length >= sizeof(secret))
        return false;
    memcpy(secret, refresh_token, length);
    secret[length] = '\0';
    return add_refresh_token(oauth, secret, oauth->chains++, account) != NULL;
}

static struct refresh_token *find_refresh_token(struct fake_oauth *oauth, const char *secret)
{
    for (size_t i = oauth->count; i-- > 0;)
        if (strcmp(oauth->tokens[i].secret, secret) == 0)
            return &oauth->tokens[i];
    return NULL;
}

// A replay: nothing that came of this login is good any more.
static void revoke_chain(struct fake_oauth *oauth, size_t chain)
{
    for (size_t i = 0; i < oauth->count; i++) {
        struct refresh_token *token = &oauth->tokens[i];
        if (token->chain != chain)
            continue;
        token->state = REFRESH_REVOKED;
        if (token->access != NULL)
            token->access->state = FAKE_CREDENTIAL_REVOKED;
    }
}

static void refuse_grant(struct fake_call *call, const char *kind, int status, const char *error,
                         const char *description)
{
    json_object_set_new(call->exchange->entry, "kind", json_string(kind));
    fake_answer_set_json(&call->exchange->answer, status,
                         json_pack("{s:s, s:s}", "error", error, "error_description", description));
}

static void make_secret(const char *prefix, char secret[static FAKE_SECRET_MAX])
{
    unsigned char random[16];
    int length = snprintf(secret, FAKE_SECRET_MAX, "%s", prefix);
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        abort();
    for (size_t i = 0; i < sizeof(random); i++)
        length += snprintf(secret + length, FAKE_SECRET_MAX - (size_t)length, "%02x", random[i]);
}

// A new access token of the same account, and what its answer says of it.
static json_t *issue_access_token(struct fake_call *call, struct refresh_token *token)
{
    const struct fake_oauth *oauth = call->fake->oauth;
    const json_t *script = call->exchange->answer.script;
    int64_t lifetime_s = fake_script_integer(script, "expires_in", oauth->access_s);
    char secret[FAKE_SECRET_MAX + FAKE_ACCOUNT_MAX + 1];
    make_secret("sk-ant-oat01-", secret);
    json_t *answer = json_pack("{s:s, s:s, s:s, s:{s:s}, s:{s:s}}", "token_type", "Bearer",
                               "access_token", secret, "scope", SCOPE, "account", "uuid",
                               token->account, "organization", "uuid", token->account);
    if (!fake_script_flag(script, "omit_expires_in"))
        json_object_set_new(answer, "expires_in", json_integer(lifetime_s));
    snprintf(secret + strlen(secret), FAKE_ACCOUNT_MAX + 1, "@%s", token->account);
    token->access = fake_credentials_accept(call->fake->credentials, secret);
    if (token->access == NULL)
        abort(); // a test that needs more than FAKE_CREDENTIALS_MAX
    token->access->expires_at_ms = call->now_ms + lifetime_s * 1000;
    token->access->uses_left = oauth->access_uses;
    return answer;
}

static void exchange_token(struct fake_call *call, struct refresh_token *token)
{
    json_t *answer = issue_access_token(call, token);
    if (!fake_script_flag(call->exchange->answer.script, "omit_refresh_token")) {
        char secret[FAKE_SECRET_MAX];
        make_secret("sk-ant-ort01-", secret);
        token->state = REFRESH_USED;
        if (add_refresh_token(call->fake->oauth, secret, token->chain, token->account) == NULL)
            abort();
        json_object_set_new(answer, "refresh_token", json_string(secret));
        json_object_set_new(answer, "refresh_token_expires_in", json_integer(REFRESH_LIFETIME_S));
    }
    fake_answer_set_json(&call->exchange->answer, 200, answer);
}

// The endpoint has been seen to turn these away.
static bool is_unwelcome_agent(const struct fake_call *call)
{
    const char *agent = fake_head_find(&call->request->head, "user-agent");
    return agent != NULL &&
           (strncmp(agent, "claude-code/", 12) == 0 || strncmp(agent, "Mozilla", 7) == 0);
}

void fake_answer_token(struct fake_call *call)
{
    const char *grant = json_string_value(json_object_get(call->body, "grant_type"));
    const char *client = json_string_value(json_object_get(call->body, "client_id"));
    const char *secret = json_string_value(json_object_get(call->body, "refresh_token"));
    struct refresh_token *token =
        secret != NULL ? find_refresh_token(call->fake->oauth, secret) : NULL;
    if (is_unwelcome_agent(call))
        refuse_grant(call, "token_refused", 429, "rate_limited", "Too many requests");
    else if (grant == NULL || strcmp(grant, "refresh_token") != 0)
        refuse_grant(call, "token_refused", 400, "unsupported_grant_type", "not refresh_token");
    else if (client == NULL || strcmp(client, CLIENT_ID) != 0)
        refuse_grant(call, "token_refused", 400, "invalid_client", "Unknown client");
    else if (token == NULL)
        refuse_grant(call, "token_refused", 400, "invalid_grant", "Refresh token not found");
    else if (token->state == REFRESH_FRESH)
        exchange_token(call, token);
    else {
        revoke_chain(call->fake->oauth, token->chain);
        refuse_grant(call, "token_reused", 400, "invalid_grant", "Refresh token was used before");
    }
}
