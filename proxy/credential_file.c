// Credential file: a secret on disk, read strictly.

#include "credential_file.h"

#include "cleanup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

static const char *const type_names[] = {"", "api-key", "oauth-token", "oauth"};

const char *credential_type_name(enum credential_type type)
{
    return type_names[type];
}

int credential_type_parse(const char *name, enum credential_type *type, struct error *err)
{
    for (int i = CREDENTIAL_API_KEY; i <= CREDENTIAL_OAUTH; i++)
        if (strcmp(name, type_names[i]) == 0) {
            *type = (enum credential_type)i;
            return 0;
        }
    return error_set(err, -EINVAL, "credential type '%s': accepted are api-key, oauth-token, oauth",
                     name);
}

// Copies a token, which must be printable ASCII without blanks: it goes into a header as it is.
static int token_copy(char token[static CREDENTIAL_SECRET_MAX], const char *text, size_t length,
                      const char *where, struct error *err)
{
    if (length == 0 || length >= CREDENTIAL_SECRET_MAX)
        return error_set(err, -EINVAL, "%s: a token of %zu bytes; accepted are 1 to %d", where,
                         length, CREDENTIAL_SECRET_MAX - 1);
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return error_set(err, -EINVAL,
                             "%s: byte %zu of the token is not printable ASCII; one token on one "
                             "line is accepted",
                             where, i + 1);
    memcpy(token, text, length);
    token[length] = '\0';
    return 0;
}

static void json_release(json_t **json)
{
    json_decref(*json);
}

// What is left out is asked for by the configuration's words.
static void client_read(const json_t *pair, struct credential_secret *secret)
{
    const char *client = json_string_value(json_object_get(pair, "clientId"));
    size_t index, used = 0;
    json_t *scope;
    if (client != NULL && strlen(client) < sizeof(secret->client_id))
        memcpy(secret->client_id, client, strlen(client));
    json_array_foreach(json_object_get(pair, "scopes"), index, scope)
    {
        const char *text = json_string_value(scope);
        if (text == NULL || used + strlen(text) + 2 > sizeof(secret->scope))
            continue;
        used += (size_t)snprintf(secret->scope + used, sizeof(secret->scope) - used, "%s%s",
                                 used > 0 ? " " : "", text);
    }
}

static int oauth_read(const char *text, const char *where, struct credential_secret *secret,
                      struct error *err)
{
    json_error_t where_broken;
    cleanup_with(json_release) json_t *root =
        json_loads(text, JSON_REJECT_DUPLICATES, &where_broken);
    if (root == NULL)
        return error_set(err, -EINVAL, "%s: line %d %s", where, where_broken.line,
                         json_error_code(&where_broken) == json_error_duplicate_key
                             ? "names a member twice"
                             : "is not JSON");
    json_t *claude = json_object_get(root, "claudeAiOauth");
    bool profile = claude == NULL;
    json_t *pair = profile ? root : claude;
    json_t *access = json_object_get(pair, profile ? "access_token" : "accessToken");
    json_t *refresh = json_object_get(pair, profile ? "refresh_token" : "refreshToken");
    json_t *expires = json_object_get(pair, profile ? "expires_at" : "expiresAt");
    if (!json_is_string(access))
        return error_set(err, -EINVAL,
                         "%s: no token in it; accepted are claudeAiOauth.accessToken (Claude Code) "
                         "or access_token (SDK profile)",
                         where);
    int result = token_copy(secret->access, json_string_value(access), json_string_length(access),
                            where, err);
    if (result == 0 && json_is_string(refresh))
        result = token_copy(secret->refresh, json_string_value(refresh),
                            json_string_length(refresh), where, err);
    if (result < 0)
        return result;
    secret->type = CREDENTIAL_OAUTH;
    secret->shape = profile ? CREDENTIAL_OF_SDK_PROFILE : CREDENTIAL_OF_CLAUDE_CODE;
    secret->expires_at_ms = INT64_MAX;
    client_read(pair, secret);
    if (expires != NULL && !json_is_integer(expires) && !json_is_null(expires))
        return error_set(err, -EINVAL, "%s: the expiry is not a whole number of %s", where,
                         profile ? "seconds" : "milliseconds");
    if (json_is_integer(expires)) {
        int64_t value = json_integer_value(expires);
        if (value < 0 || (profile && value > INT64_MAX / 1000))
            return error_set(err, -EINVAL, "%s: expiry %" PRId64 " is out of range", where, value);
        secret->expires_at_ms = profile ? value * 1000 : value;
    }
    return 0;
}

int credential_text_read(const char *text, const char *where, enum credential_type expected,
                         struct credential_secret *secret, struct error *err)
{
    struct credential_secret found = {.expires_at_ms = INT64_MAX};
    int result = 0;
    text += strspn(text, " \t\r\n");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
        length--;
    if (length == 0)
        result =
            error_set(err, -EINVAL, "%s: empty; accepted is a token, an API key or JSON", where);
    else if (*text == '{')
        result = oauth_read(text, where, &found, err);
    else
        result = token_copy(found.access, text, length, where, err);
    if (result == 0 && found.type != CREDENTIAL_OAUTH) {
        if (strncmp(found.access, "sk-ant-oat", 10) == 0)
            found.type = CREDENTIAL_OAUTH_TOKEN;
        else if (strncmp(found.access, "sk-ant-api", 10) == 0)
            found.type = CREDENTIAL_API_KEY;
        else if (strncmp(found.access, "sk-ant-ort", 10) == 0)
            result = error_set(err, -EINVAL,
                               "%s: a refresh token alone; accepted is the whole pair "
                               "as JSON",
                               where);
        else
            found.type = expected == CREDENTIAL_OAUTH_TOKEN ? expected : CREDENTIAL_API_KEY;
    }
    if (result == 0 && expected != CREDENTIAL_ANY && expected != found.type)
        result = error_set(err, -EINVAL, "%s: holds credential type %s, not %s", where,
                           credential_type_name(found.type), credential_type_name(expected));
    if (result == 0)
        *secret = found;
    explicit_bzero(&found, sizeof(found));
    return result;
}

void credential_text_free(char **text)
{
    if (*text != NULL)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

// systemd keeps what LoadCredential= brought in a folder that is the service's alone; the modes of
// the files show the mask of an access list (systemd.exec(5)).
static bool is_of_systemd(const char *path)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    size_t length = directory != NULL ? strlen(directory) : 0;
    return length > 1 && strncmp(path, directory, length) == 0 && path[length] == '/' &&
           strchr(path + length + 1, '/') == NULL;
}

// Opens the file if it is fit to hold a secret. Returns its descriptor.
static int file_open(const char *path, struct error *err)
{
    struct stat status;
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) < 0)
        return error_set_errno(err, -errno, "credential file %s", path);
    if (!S_ISREG(status.st_mode))
        return error_set(err, -EINVAL, "credential file %s: not a regular file", path);
    if (status.st_uid != geteuid() && status.st_uid != 0)
        return error_set(err, -EPERM,
                         "credential file %s: belongs to user %u; mend it with: "
                         "chown %u %s",
                         path, status.st_uid, geteuid(), path);
    if ((status.st_mode & 077) != 0 && !is_of_systemd(path))
        return error_set(err, -EPERM,
                         "credential file %s: mode %04o lets others read it; mend it "
                         "with: chmod 600 %s",
                         path, status.st_mode & 07777, path);
    return take_fd(&fd);
}

int credential_file_text(const char *path, char **text, struct error *err)
{
    cleanup_fd int fd = file_open(path, err);
    if (fd < 0)
        return fd;
    cleanup_with(credential_text_free) char *read_text = calloc(1, CREDENTIAL_FILE_BYTES_MAX);
    if (read_text == NULL)
        return error_set(err, -ENOMEM, "out of memory for credential file %s", path);
    size_t used = 0;
    for (ssize_t got; used < CREDENTIAL_FILE_BYTES_MAX - 1; used += (size_t)got) {
        got = read(fd, read_text + used, CREDENTIAL_FILE_BYTES_MAX - 1 - used);
        if (got < 0)
            return error_set_errno(err, -errno, "reading credential file %s", path);
        if (got == 0)
            break;
    }
    if (used == CREDENTIAL_FILE_BYTES_MAX - 1)
        return error_set(err, -EFBIG, "credential file %s: %d bytes or more", path,
                         CREDENTIAL_FILE_BYTES_MAX - 1);
    size_t length = strlen(read_text);
    if (length != used) {
        explicit_bzero(read_text, used);
        return error_set(err, -EINVAL, "credential file %s: byte %zu is NUL", path, length + 1);
    }
    *text = take_pointer(&read_text);
    return 0;
}

int credential_file_read(const char *path, enum credential_type expected,
                         struct credential_secret *secret, struct error *err)
{
    cleanup_with(credential_text_free) char *text = NULL;
    int result = credential_file_text(path, &text, err);
    return result < 0 ? result : credential_text_read(text, path, expected, secret, err);
}

void credential_fingerprint_format(const unsigned char digest[static CREDENTIAL_FINGERPRINT_BYTES],
                                   char text[static CREDENTIAL_FINGERPRINT_MAX])
{
    snprintf(text, CREDENTIAL_FINGERPRINT_MAX, "sha256:%02x%02x%02x%02x%02x%02x", digest[0],
             digest[1], digest[2], digest[3], digest[4], digest[5]);
}

void credential_fingerprint(const char *secret, char text[static CREDENTIAL_FINGERPRINT_MAX])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)secret, strlen(secret), digest);
    credential_fingerprint_format(digest, text);
}
