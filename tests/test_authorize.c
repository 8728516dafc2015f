// Tests of authorize.c: which of the agent's headers go upstream, and with which credential.
#include "authorize.h"

#include "request_fixture.h"
#include "suite_run.h"

#include <stdlib.h>

#define KEY_ENDING "Accept-Encoding: identity\nx-api-key: sk-ant-api03-real\n"
#define TOKEN_ENDING(betas)                                                                        \
    "Accept-Encoding: identity\nanthropic-beta: " betas                                            \
    "\nAuthorization: Bearer sk-ant-oat01-real\n"

static const struct credential_secret api_key = {.type = CREDENTIAL_API_KEY,
                                                 .access = "sk-ant-api03-real"};
static const struct credential_secret oauth_token = {.type = CREDENTIAL_OAUTH_TOKEN,
                                                     .access = "sk-ant-oat01-real"};
static const struct credential_secret oauth = {.type = CREDENTIAL_OAUTH,
                                               .access = "sk-ant-oat01-real"};

// The headers of the agent, and those that go upstream.
static const struct {
    const struct credential_secret *secret;
    const char *from, *to;
} requests[] = {
    {&api_key, "", KEY_ENDING},
    {&oauth_token, "", TOKEN_ENDING("oauth-2025-04-20")},
    {&oauth, "", TOKEN_ENDING("oauth-2025-04-20")},
    // What the agent says goes through as it is, in its order and spelling, repeated or unknown.
    {&api_key,
     "anthropic-version: 2023-06-01\r\nX-Stainless-Lang:  js \r\nanthropic-new-thing: 1\r\n"
     "x-app: cli\r\nX-Claude-Code-Session-Id: u\r\nx-app: two\r\nuser-agent: a \xc3\xa9\r\n",
     "anthropic-version: 2023-06-01\nX-Stainless-Lang: js\nanthropic-new-thing: 1\nx-app: cli\n"
     "X-Claude-Code-Session-Id: u\nx-app: two\nuser-agent: a \xc3\xa9\n" KEY_ENDING},
    {&api_key, "Content-Type: application/json\r\nContent-Encoding: gzip\r\nAccept: */*\r\n",
     "Content-Type: application/json\nContent-Encoding: gzip\nAccept: */*\n" KEY_ENDING},
    // Its credentials do not, however many and in whichever case.
    {&api_key, "Authorization: Bearer reeve-run-x\r\nX-Api-Key: reeve-run-x\r\nx: 1\r\n",
     "x: 1\n" KEY_ENDING},
    {&oauth,
     "authorization: Basic x\r\nAUTHORIZATION: Bearer y\r\nx-api-key: z\r\nx-api-key: w\r\n",
     TOKEN_ENDING("oauth-2025-04-20")},
    // Nor does what is said to reeve alone.
    {&api_key,
     "Accept-Encoding: gzip, br\r\naccept-encoding: zstd\r\nExpect: 100-continue\r\n"
     "Content-Length: 7\r\nx: 1\r\n",
     "x: 1\n" KEY_ENDING},
    {&api_key,
     "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n"
     "Proxy-Authorization: Basic x\r\nProxy-Authenticate: x\r\nTE: trailers\r\nTrailer: x\r\n"
     "Upgrade: h2c\r\nx: 1\r\n",
     "x: 1\n" KEY_ENDING},
    {&api_key, "Transfer-Encoding: chunked\r\nx: 1\r\n", "x: 1\n" KEY_ENDING},
    // Nor what Connection names (RFC 9110, 7.6.1), by several of them, in any case, before or
    // after.
    {&api_key,
     "X-Hop: 1\r\nConnection: close, x-hop ,,X-Other\r\nx-other: 2\r\nCONNECTION: third\r\n"
     "third: 3\r\nx-hop-not: 4\r\n",
     "x-hop-not: 4\n" KEY_ENDING},
    {&oauth, "Connection: anthropic-beta\r\nanthropic-beta: hop-1\r\n",
     TOKEN_ENDING("oauth-2025-04-20")},
    // An API key leaves the betas alone.
    {&api_key, "anthropic-beta: a-1,b-2\r\nx: 1\r\nAnthropic-Beta: c-3\r\n",
     "anthropic-beta: a-1,b-2\nx: 1\nAnthropic-Beta: c-3\n" KEY_ENDING},
    // For OAuth they become one list (RFC 9110, 5.3), with the one that it takes, once.
    {&oauth, "anthropic-beta: a-1,b-2\r\nx: 1\r\nAnthropic-Beta: c-3\r\n",
     "x: 1\n" TOKEN_ENDING("a-1,b-2,c-3,oauth-2025-04-20")},
    {&oauth_token, "anthropic-beta: a-1\r\n", TOKEN_ENDING("a-1,oauth-2025-04-20")},
    {&oauth, "anthropic-beta: oauth-2025-04-20\r\n", TOKEN_ENDING("oauth-2025-04-20")},
    {&oauth, "anthropic-beta: a-1, oauth-2025-04-20 ,b-2\r\nanthropic-beta: c-3\r\n",
     TOKEN_ENDING("a-1, oauth-2025-04-20 ,b-2,c-3")},
    {&oauth, "anthropic-beta: a-1\r\nanthropic-beta: b-2,oauth-2025-04-20\r\n",
     TOKEN_ENDING("a-1,b-2,oauth-2025-04-20")},
    {&oauth, "anthropic-beta: oauth-2025-04-20-not\r\n",
     TOKEN_ENDING("oauth-2025-04-20-not,oauth-2025-04-20")},
    {&oauth, "anthropic-beta:\r\n", TOKEN_ENDING("oauth-2025-04-20")},
    {&oauth, "anthropic-beta: a-1\r\nanthropic-beta:\r\nanthropic-beta: b-2\r\n",
     TOKEN_ENDING("a-1,b-2,oauth-2025-04-20")},
};

static void write_headers(const struct authorized_request *request, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < request->header_count; i++) {
        const struct upstream_header *header = &request->headers[i];
        used +=
            (size_t)snprintf(text + used, size - used, "%.*s: %.*s\n", (int)header->name.length,
                             header->name.bytes, (int)header->value.length, header->value.bytes);
        ck_assert_uint_lt(used, size);
    }
}

START_TEST(headers_go_upstream_with_one_credential)
{
    static struct request_fixture request;
    static struct authorized_request authorized;
    char text[4096];
    struct error err = {0};
    const struct http_head *head = request_make(&request, requests[_i].from);
    ck_assert_msg(authorize(&authorized, head, requests[_i].secret, &err) == 0, "%s", err.text);
    write_headers(&authorized, text, sizeof(text));
    ck_assert_str_eq(text, requests[_i].to);
}
END_TEST

START_TEST(every_header_that_a_head_can_have_fits)
{
    static struct request_fixture request;
    static struct authorized_request authorized;
    char headers[8 * HTTP_HEADERS_MAX] = "";
    for (int i = 1; i < HTTP_HEADERS_MAX; i++) // Host is one of them
        strncat(headers, "x: 1\r\n", sizeof(headers) - strlen(headers) - 1);
    const struct http_head *head = request_make(&request, headers);
    ck_assert_int_eq(authorize(&authorized, head, &oauth, NULL), 0);
    ck_assert_uint_eq(authorized.header_count, HTTP_HEADERS_MAX - 1 + 3);
}
END_TEST

START_TEST(betas_fit_up_to_their_maximum)
{
    static struct request_fixture request;
    static struct authorized_request authorized;
    static char headers[AUTHORIZE_BETAS_MAX + 64];
    const size_t own = strlen(",oauth-2025-04-20"), most = AUTHORIZE_BETAS_MAX - 1 - own;
    struct error err = {0};
    for (size_t length = most; length <= most + 1; length++) {
        snprintf(headers, sizeof(headers), "anthropic-beta: %0*d\r\n", (int)length, 7);
        const struct http_head *head = request_make(&request, headers);
        int result = authorize(&authorized, head, &oauth, &err);
        ck_assert_int_eq(result, length == most ? 0 : -EMSGSIZE);
        ck_assert_int_eq(authorize(&authorized, head, &api_key, NULL), 0);
    }
    ck_assert_str_eq(err.text, "anthropic-beta: more than 8191 bytes");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("authorize");
    TCase *cases = tcase_create("authorize");
    tcase_add_loop_test(cases, headers_go_upstream_with_one_credential, 0,
                        sizeof(requests) / sizeof(requests[0]));
    tcase_add_test(cases, every_header_that_a_head_can_have_fits);
    tcase_add_test(cases, betas_fit_up_to_their_maximum);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
