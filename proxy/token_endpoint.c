// Token endpoint: one refresh token goes out, one answer comes back.

#include "token_endpoint.h"

#include "curl_loop.h"
#include "version.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX 2048
#define LIFETIME_MAX_S INT64_C(315360000) // ten years
// The endpoint turns away what claims to be Claude Code or a browser (Claude API facts, D.2).
#define USER_AGENT "reeve/" REEVE_VERSION

struct token_request {
    struct curl_loop_job job; // first: curl hands it back
    struct curl_loop *loop;
    CURL *easy;
    struct curl_slist *headers;
    void (*done)(void *context, const struct token_answer *answer);
    void *context;
    char body[BODY_MAX];
    char answer[TOKEN_ANSWER_BYTES_MAX + 1];
    size_t answer_length;
};

// ---- the answer

// Copies a token that can stand in a header and in JSON as it is. False if it cannot.
static bool token_take(const json_t *value, char token[static CREDENTIAL_SECRET_MAX])
{
    const char *text = json_string_value(value);
    size_t length = text != NULL ? strlen(text) : 0;
    if (length == 0 || length >= CREDENTIAL_SECRET_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\')
            return false;
    memcpy(token, text, length + 1);
    return true;
}

// Seconds; `otherwise` where there are none that make sense.
static int64_t seconds_take(const json_t *value, int64_t otherwise)
{
    int64_t seconds = json_is_integer(value) ? json_integer_value(value) : -1;
    return seconds > 0 && seconds < LIFETIME_MAX_S ? seconds : otherwise;
}

// 200: a pair, or something that nobody can read although the token is spent.
static void pair_read(struct token_answer *answer, const json_t *root)
{
    const json_t *refresh = json_object_get(root, "refresh_token");
    answer->outcome = TOKEN_LOST;
    if (!token_take(json_object_get(root, "access_token"), answer->access)) {
        snprintf(answer->text, sizeof(answer->text), "its answer has no access_token");
        return;
    }
    if (refresh != NULL && !json_is_null(refresh) && !token_take(refresh, answer->refresh)) {
        snprintf(answer->text, sizeof(answer->text), "its answer has no usable refresh_token");
        return;
    }
    answer->outcome = TOKEN_RENEWED;
    answer->lifetime_s = seconds_take(json_object_get(root, "expires_in"), TOKEN_LIFETIME_UNSAID_S);
    answer->refresh_lifetime_s =
        seconds_take(json_object_get(root, "refresh_token_expires_in"), -1);
}

// The error's word, if it is one: letters and underscores (RFC 6749, 5.2), so no secret.
static const char *error_word(const json_t *root)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
    const json_t *value = json_object_get(root, "error");
    if (json_is_object(value)) // the API's own shape
        value = json_object_get(value, "type");
    const char *word = json_string_value(value);
    return word != NULL && strlen(word) < 64 && word[strspn(word, letters)] == '\0' ? word : "";
}

void token_answer_read(struct token_answer *answer, int http_status, const char *body,
                       size_t length)
{
    json_t *root = json_loadb(body, length, 0, NULL);
    const char *word = error_word(root);
    bool client_error = http_status >= 400 && http_status < 500 && http_status != 429;
    *answer = (struct token_answer){.refresh_lifetime_s = -1};
    snprintf(answer->text, sizeof(answer->text), "status %d%s%s", http_status,
             *word != '\0' ? ", " : "", word);
    if (http_status == 200)
        pair_read(answer, root);
    else if (client_error && strcmp(word, "invalid_grant") == 0)
        answer->outcome = TOKEN_DEAD;
    else if (client_error)
        answer->outcome = TOKEN_REFUSED;
    else
        answer->outcome = TOKEN_BUSY;
    json_decref(root);
}

// ---- the request

static void request_free(struct token_request *request)
{
    if (request->easy != NULL) {
        curl_loop_remove(request->loop, request->easy);
        curl_easy_cleanup(request->easy);
    }
    curl_slist_free_all(request->headers);
    explicit_bzero(request, sizeof(*request));
    free(request);
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct token_request *request = context;
    size_t length = size * count;
    if (length > TOKEN_ANSWER_BYTES_MAX - request->answer_length)
        return 0; // fails the transfer
    memcpy(request->answer + request->answer_length, bytes, length);
    request->answer_length += length;
    return length;
}

static void on_done(struct curl_loop_job *job, CURLcode result)
{
    struct token_request *request = (struct token_request *)(void *)job;
    struct token_answer answer;
    long status = 0, sent = 0;
    curl_off_t retry_after_s = 0;
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(request->easy, CURLINFO_REQUEST_SIZE, &sent);
    curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    if (result == CURLE_OK) {
        token_answer_read(&answer, (int)status, request->answer, request->answer_length);
    } else {
        answer = (struct token_answer){.outcome = sent > 0 ? TOKEN_LOST : TOKEN_UNREACHABLE};
        snprintf(answer.text, sizeof(answer.text), "%s", curl_easy_strerror(result));
    }
    answer.retry_after_s = retry_after_s;
    void (*done)(void *, const struct token_answer *) = request->done;
    void *context = request->context;
    request_free(request);
    done(context, &answer);
    explicit_bzero(&answer, sizeof(answer));
}

// Claude Code names a scope, SDK profiles do not (Claude API facts, D.2).
static bool body_make(struct token_request *request, const struct token_endpoint *endpoint,
                      const struct credential_secret *secret)
{
    const char *client = secret->client_id[0] != '\0' ? secret->client_id : endpoint->client_id;
    const char *scope = secret->scope[0] != '\0' ? secret->scope : endpoint->scope;
    if (secret->shape == CREDENTIAL_OF_SDK_PROFILE && secret->scope[0] == '\0')
        scope = NULL;
    json_t *root = json_pack("{s:s, s:s, s:s, s:s*}", "grant_type", "refresh_token",
                             "refresh_token", secret->refresh, "client_id", client, "scope", scope);
    size_t length = root != NULL ? json_dumpb(root, request->body, BODY_MAX - 1, JSON_COMPACT) : 0;
    json_decref(root);
    return length > 0 && length < BODY_MAX;
}

static bool request_set_up(struct token_request *request, const struct token_endpoint *endpoint,
                           const struct credential_secret *secret)
{
    static const char *const headers[] = {"Content-Type: application/json",
                                          "Accept: application/json", "Expect:"};
    CURL *easy = request->easy = curl_easy_init();
    if (easy == NULL || !body_make(request, endpoint, secret))
        return false;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        struct curl_slist *longer = curl_slist_append(request->headers, headers[i]);
        if (longer == NULL)
            return false;
        request->headers = longer;
    }
    curl_easy_setopt(easy, CURLOPT_URL, endpoint->url);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)TOKEN_TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &request->job);
    if (endpoint->ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, endpoint->ca_file);
    return true;
}

int token_request_start(struct token_request **request, struct curl_loop *loop,
                        const struct token_endpoint *endpoint,
                        const struct credential_secret *secret,
                        void (*done)(void *context, const struct token_answer *answer),
                        void *context, struct error *err)
{
    struct token_request *started = calloc(1, sizeof(*started));
    if (started == NULL)
        return error_set(err, -ENOMEM, "out of memory for the token endpoint");
    started->job.done = on_done;
    started->loop = loop;
    started->done = done;
    started->context = context;
    int result = request_set_up(started, endpoint, secret)
                     ? curl_loop_add(loop, started->easy, err)
                     : error_set(err, -ENOMEM, "out of memory for the token endpoint");
    if (result < 0) {
        request_free(started);
        return result;
    }
    *request = started;
    return 0;
}

void token_request_cancel(struct token_request *request)
{
    request_free(request);
}
