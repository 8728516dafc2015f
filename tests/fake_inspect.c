// What a proxy did to a request on its way: what should not have come through, and what should
// have.

#include "fake_api.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

// What a proxy must not let through (RFC 9110, 7.6.1; and the keys of its own users).
bool fake_inspect_head(struct fake_call *call)
{
    static const char *const hop_by_hop[] = {"keep-alive",
                                             "proxy-authenticate",
                                             "proxy-authorization",
                                             "proxy-connection",
                                             "te",
                                             "trailer",
                                             "upgrade"};
    const struct fake_head *head = &call->request->head;
    char problem[128];
    for (size_t i = 0; i < sizeof(hop_by_hop) / sizeof(hop_by_hop[0]); i++) {
        if (fake_head_find(head, hop_by_hop[i]) == NULL)
            continue;
        snprintf(problem, sizeof(problem), "fake: hop-by-hop header came through: %s",
                 hop_by_hop[i]);
        fake_refuse(call, 400, problem);
        return false;
    }
    for (size_t i = 0; i < head->header_count; i++) {
        const char *value = head->headers[i].value;
        bool is_connection = strcmp(head->headers[i].name, "connection") == 0;
        if (is_connection && strcasecmp(value, "close") != 0 &&
            strcasecmp(value, "keep-alive") != 0) {
            fake_refuse(call, 400,
                        "fake: Connection names headers that it should have taken along");
            return false;
        }
        if (strstr(value, "reeve-run-") != NULL) {
            fake_refuse(call, 400, "fake: a run key came through");
            return false;
        }
    }
    return true;
}

// Whether the body has the SHA-256 that the script says, in hexadecimal.
static bool body_matches(const struct fake_request *request, const char *expected)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char text[2 * SHA256_DIGEST_LENGTH + 1];
    if (request->body == NULL)
        return false;
    SHA256((const unsigned char *)request->body, request->body_bytes, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return strcmp(text, expected) == 0;
}

bool fake_inspect_script(struct fake_call *call)
{
    const json_t *script = call->exchange->answer.script;
    const char *digest = fake_script_string(script, "body_sha256", NULL);
    char problem[256];
    const char *name;
    json_t *value;
    if (digest != NULL && !body_matches(call->request, digest)) {
        fake_refuse(call, 400, "fake: the body was changed on its way");
        return false;
    }
    json_object_foreach(json_object_get(script, "expect_headers"), name, value)
    {
        const char *found = fake_head_find(&call->request->head, name);
        const char *expected = json_string_value(value); // NULL: there is to be none
        if (found == NULL ? expected == NULL : expected != NULL && strcmp(found, expected) == 0)
            continue;
        snprintf(problem, sizeof(problem), "fake: header %s is '%s', not '%s'", name,
                 found != NULL ? found : "absent", expected != NULL ? expected : "absent");
        fake_refuse(call, 400, problem);
        return false;
    }
    return true;
}
