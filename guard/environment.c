// Environment: what a run's command finds in its environment, and what it does not find there.

#include "environment.h"

#include "cleanup.h"

#include <fnmatch.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SET_MAX 9          // variables that a run gets
#define NAME_MAX_BYTES 256 // of a variable that can be one of the patterns

// Left out. Sources: Claude Code, "Environment variables"; the clients' own sources.
static const char *const removed[] = {
    // Credentials.
    "ANTHROPIC_*KEY",
    "ANTHROPIC_*KEY_FILE",
    "ANTHROPIC_*TOKEN",
    "ANTHROPIC_*TOKEN_FILE",
    "CLAUDE_CODE_OAUTH_*",
    "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR",
    "CLAUDE_CODE_*_TOKEN",
    "CLAUDE_CODE_*_TOKEN_FILE_DESCRIPTOR",
    "AWS_BEARER_TOKEN_BEDROCK",
    // A login of one's own, in place of the key.
    "ANTHROPIC_PROFILE",
    "ANTHROPIC_FEDERATION_*",
    // Other ways out: clouds, gateways, sockets.
    "ANTHROPIC_*BASE_URL*",
    "ANTHROPIC_UNIX_SOCKET",
    "CLAUDE_CODE_*BASE_URL*",
    "CLAUDE_CODE_USE_*",
    // Set anew.
    "REEVE_RUN",
    "REEVE_JOB",
    "NO_PROXY",
    "no_proxy",
};

// How long the prompt cache lasts that Claude Code asks for: it takes a gateway for an API key, and
// asks for 5 minutes, where on a subscription it would ask for 1 hour for the main conversation.
// Source: Claude Code 2.1.330, the help of its settings.
static const struct {
    const char *name, *value;
} cache_ttls[] = {
    [CONFIG_CACHE_TTL_5M] = {"FORCE_PROMPT_CACHING_5M", "1"},
    [CONFIG_CACHE_TTL_1H] = {"CLAUDE_CODE_PROMPT_CACHE_TTL", "1h"},
};

static bool is_cache_ttl(const char *name)
{
    return strcmp(name, "FORCE_PROMPT_CACHING_5M") == 0 ||
           strcmp(name, "CLAUDE_CODE_PROMPT_CACHE_TTL") == 0 ||
           strcmp(name, "ENABLE_PROMPT_CACHING_1H") == 0;
}

int environment_is_removed(const char *name)
{
    for (size_t i = 0; i < sizeof(removed) / sizeof(removed[0]); i++)
        if (fnmatch(removed[i], name, 0) == 0)
            return true;
    return false;
}

static bool is_kept(const char *variable, enum config_cache_ttl cache_ttl)
{
    char name[NAME_MAX_BYTES];
    size_t length = strcspn(variable, "=");
    if (length >= sizeof(name)) // longer than any pattern means
        return true;
    memcpy(name, variable, length);
    name[length] = '\0';
    return !environment_is_removed(name) &&
           (cache_ttl == CONFIG_CACHE_TTL_CLIENT || !is_cache_ttl(name));
}

// Appends "name=value"; false when out of memory.
static bool add(char **environment, size_t *count, const char *name, const char *value)
{
    char *variable;
    if (asprintf(&variable, "%s=%s", name, value) < 0)
        return false;
    environment[(*count)++] = variable;
    return true;
}

// "http://[::1]:8377" has the host "::1".
static void copy_host(const char *base_url, char host[static CONTROL_TEXT_MAX])
{
    const char *start = strstr(base_url, "://");
    start = start != NULL ? start + 3 : base_url;
    bool bracketed = *start == '[';
    snprintf(host, CONTROL_TEXT_MAX, "%.*s",
             (int)strcspn(start + bracketed, bracketed ? "]" : ":/"), start + bracketed);
}

// Appends `name` with the base's own value and `host`, so that the way to the proxy does not lead
// over another one.
static bool add_no_proxy(char **environment, size_t *count, char *const *base, const char *name,
                         const char *host)
{
    char *value;
    const char *old = "";
    size_t length = strlen(name);
    for (; *base != NULL; base++)
        if (strncmp(*base, name, length) == 0 && (*base)[length] == '=')
            old = *base + length + 1;
    if (asprintf(&value, "%s%s%s", old, *old != '\0' ? "," : "", host) < 0)
        return false;
    bool added = add(environment, count, name, value);
    free(value);
    return added;
}

int environment_new(char ***environment, char *const *base, const struct control_granted *granted,
                    const char *job, struct error *err)
{
    const struct {
        const char *name;
        const char *value;
    } set[] = {
        {"ANTHROPIC_BASE_URL", granted->base_url},
        {"ANTHROPIC_AUTH_TOKEN", granted->run_key}, // tools differ in which of the two they read
        {"ANTHROPIC_API_KEY", granted->run_key},
        {"REEVE_RUN", granted->run_id},
        {"REEVE_JOB", job},
    };
    char host[CONTROL_TEXT_MAX];
    size_t base_count = 0, count = 0;
    bool enough = true;
    while (base[base_count] != NULL)
        base_count++;
    char **made = calloc(base_count + SET_MAX + 1, sizeof(*made));
    if (made == NULL)
        return error_set_errno(err, -ENOMEM, "making the command's environment");
    for (size_t i = 0; i < base_count && enough; i++)
        if (is_kept(base[i], granted->cache_ttl))
            enough = (made[count] = strdup(base[i])) != NULL && ++count > 0;
    for (size_t i = 0; i < sizeof(set) / sizeof(set[0]) && enough; i++)
        enough = add(made, &count, set[i].name, set[i].value);
    if (granted->cache_ttl != CONFIG_CACHE_TTL_CLIENT)
        enough = enough && add(made, &count, cache_ttls[granted->cache_ttl].name,
                               cache_ttls[granted->cache_ttl].value);
    copy_host(granted->base_url, host);
    enough = enough && add_no_proxy(made, &count, base, "NO_PROXY", host) &&
             add_no_proxy(made, &count, base, "no_proxy", host);
    if (!enough) {
        environment_free(made);
        return error_set_errno(err, -ENOMEM, "making the command's environment");
    }
    *environment = made;
    return 0;
}

void environment_free(char **environment)
{
    for (size_t i = 0; environment != NULL && environment[i] != NULL; i++) {
        explicit_bzero(environment[i], strlen(environment[i]));
        free(environment[i]);
    }
    free(environment);
}
