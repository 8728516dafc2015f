// Fuzz: any text as a credential's file, and as an answer of the token endpoint. What is read of a
// pair can be renewed, and then reads as the new one; no token is taken that could not stand in a
// header.
#include "credential_renew.h"
#include "token_endpoint.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct credential_renewal renewal = {.access = "sk-ant-oat01-new",
                                                  .refresh = "sk-ant-ort01-new",
                                                  .expires_at_ms = 1795400000000,
                                                  .refresh_expires_at_ms = -1};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void require_token(const char *token)
{
    for (; *token != '\0'; token++)
        require(*token > ' ' && *token <= '~');
}

// What cannot be renewed is found out before its refresh token goes out (credential_store.h).
static void renew(const char *text)
{
    struct credential_secret again;
    struct error err;
    char *renewed;
    if (credential_text_renew(text, &renewal, &renewed, &err) < 0)
        return;
    require(credential_text_read(renewed, "it", CREDENTIAL_OAUTH, &again, &err) == 0);
    require(strcmp(again.access, renewal.access) == 0);
    require(strcmp(again.refresh, renewal.refresh) == 0);
    credential_text_free(&renewed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct credential_secret secret;
    struct token_answer answer;
    struct error err;
    char *text = malloc(size + 1);
    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    if (credential_text_read(text, "it", CREDENTIAL_ANY, &secret, &err) == 0) {
        require_token(secret.access);
        require_token(secret.refresh);
        require(secret.access[0] != '\0');
        if (secret.type == CREDENTIAL_OAUTH && secret.refresh[0] != '\0')
            renew(text);
    }
    token_answer_read(&answer, 200, text, size);
    if (answer.outcome == TOKEN_RENEWED) {
        require_token(answer.access);
        require_token(answer.refresh);
        require(answer.access[0] != '\0' && answer.lifetime_s > 0);
    }
    free(text);
    return 0;
}
