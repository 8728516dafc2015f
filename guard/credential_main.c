// reeve credential: stores credentials for the daemon, and lists them. Never shows one.

#include "cleanup.h"
#include "clock.h"
#include "config.h"
#include "credential_file.h"
#include "paths.h"
#include "subcommands.h"

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#define FINGERPRINT_MAX 20 // "sha256:" and 12 hex digits

static const char usage[] =
    "usage: reeve credential add NAME [--type TYPE] [--file FILE] [--state-dir DIR]\n"
    "       reeve credential list [--json] [--state-dir DIR]\n"
    "       reeve credential remove NAME [--state-dir DIR]\n"
    "\n"
    "add reads the secret from standard input, or from FILE: an API key, the token of\n"
    "`claude setup-token`, or the contents of a .credentials.json. It is kept under the state\n"
    "directory, mode 0600. TYPE is api-key, oauth-token or oauth; without it, what the secret\n"
    "looks like decides. The daemon reads its credentials when it starts.\n";

struct credential_command {
    const char *type, *file, *state_dir;
    bool adds; // before the daemon's first start there is no state directory
    bool json;
};

static int fail(int code, const struct error *err)
{
    fprintf(stderr, "reeve credential: %s\n", err->text);
    return code;
}

static int directory_find(const struct credential_command *command, char path[static PATH_MAX],
                          struct error *err)
{
    struct paths paths = {0};
    struct config config;
    int result = config_load(&config, NULL, NULL, err);
    if (result == 0)
        result =
            (command->adds ? paths_resolve : paths_find)(&paths, command->state_dir, &config, err);
    config_done(&config);
    return result < 0 ? result : paths_in_state(&paths, "credentials", path, err);
}

static int path_find(const struct credential_command *command, const char *name,
                     char path[static PATH_MAX], struct error *err)
{
    char directory[PATH_MAX];
    if (!config_name_is_valid(name))
        return error_set(err, -EINVAL,
                         "name '%s': accepted are 1 to %d of A-Z a-z 0-9 . _ -, the first one a "
                         "letter or digit",
                         name, JOB_NAME_MAX - 1);
    int result = directory_find(command, directory, err);
    if (result < 0)
        return result;
    if (snprintf(path, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
        return error_set(err, -ENAMETOOLONG, "%s/%s", directory, name);
    return 0;
}

static int secret_read(const char *file, char text[static CREDENTIAL_FILE_BYTES_MAX],
                       struct error *err)
{
    cleanup_fd int opened = file != NULL ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    int fd = file != NULL ? opened : STDIN_FILENO;
    size_t used = 0;
    if (fd < 0)
        return error_set_errno(err, -errno, "opening %s", file);
    if (isatty(fd))
        fputs("Paste the secret, then press Ctrl-D on a line of its own:\n", stderr);
    for (;;) {
        ssize_t got = read(fd, text + used, CREDENTIAL_FILE_BYTES_MAX - 1 - used);
        if (got < 0)
            return error_set_errno(err, -errno, "reading the secret");
        if (got == 0)
            break;
        used += (size_t)got;
        if (used == CREDENTIAL_FILE_BYTES_MAX - 1)
            return error_set(err, -EFBIG, "a secret of %d bytes or more",
                             CREDENTIAL_FILE_BYTES_MAX - 1);
    }
    text[used] = '\0';
    return 0;
}

// Writes a new file beside `path` and renames it over: a power cut leaves the old one or the new.
static int file_replace(const char *path, const char *text, struct error *err)
{
    char directory[PATH_MAX], temporary[PATH_MAX];
    snprintf(directory, sizeof(directory), "%s", path);
    *strrchr(directory, '/') = '\0';
    if (mkdir(directory, 0700) < 0 && errno != EEXIST)
        return error_set_errno(err, -errno, "making %s", directory);
    if (snprintf(temporary, sizeof(temporary), "%s/.new-XXXXXX", directory) >=
        (int)sizeof(temporary))
        return error_set(err, -ENAMETOOLONG, "%s", directory);
    cleanup_fd int fd = mkostemp(temporary, O_CLOEXEC); // mode 0600
    cleanup_fd int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || folder < 0)
        return error_set_errno(err, -errno, "writing into %s", directory);
    size_t length = strlen(text);
    if (write(fd, text, length) != (ssize_t)length || fsync(fd) < 0 ||
        rename(temporary, path) < 0 || fsync(folder) < 0) {
        int result = error_set_errno(err, -errno, "writing %s", path);
        unlink(temporary);
        return result;
    }
    // The daemon may run as another user: the state directory's owner.
    struct stat owner;
    if (geteuid() == 0 && fstat(folder, &owner) == 0 && owner.st_uid != 0 &&
        fchown(fd, owner.st_uid, owner.st_gid) < 0)
        return error_set_errno(err, -errno, "giving %s to its directory's owner", path);
    return 0;
}

static int credential_add(const struct credential_command *command, const char *name)
{
    char path[PATH_MAX], text[CREDENTIAL_FILE_BYTES_MAX];
    struct credential_secret secret = {0};
    struct error err;
    enum credential_type expected = CREDENTIAL_ANY;
    int code = EX_OK;
    int result = path_find(command, name, path, &err);
    if (result == 0 && command->type != NULL)
        result = credential_type_parse(command->type, &expected, &err);
    if (result < 0)
        return fail(EX_USAGE, &err);
    result = secret_read(command->file, text, &err);
    if (result == 0)
        result = credential_text_read(text, command->file != NULL ? command->file : "the secret",
                                      expected, &secret, &err);
    if (result < 0)
        code = fail(EX_DATAERR, &err);
    else if (file_replace(path, text, &err) < 0)
        code = fail(EX_CANTCREAT, &err);
    else
        printf("credential %s (%s) is in %s\n", name, credential_type_name(secret.type), path);
    explicit_bzero(text, sizeof(text));
    explicit_bzero(&secret, sizeof(secret));
    return code;
}

static void fingerprint_make(const char *secret, char text[static FINGERPRINT_MAX])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)secret, strlen(secret), digest);
    snprintf(text, FINGERPRINT_MAX, "sha256:%02x%02x%02x%02x%02x%02x", digest[0], digest[1],
             digest[2], digest[3], digest[4], digest[5]);
}

static void list_add(json_t *list, const char *name, const char *path)
{
    struct credential_secret secret = {0};
    struct error err;
    char fingerprint[FINGERPRINT_MAX] = "", expires[CLOCK_TEXT_MAX] = "";
    json_t *entry;
    if (credential_file_read(path, CREDENTIAL_ANY, &secret, &err) < 0) {
        entry = json_pack("{s:s, s:s}", "name", name, "problem", err.text);
    } else {
        fingerprint_make(secret.access, fingerprint);
        if (secret.expires_at_ms != INT64_MAX)
            clock_format_utc(secret.expires_at_ms * 1000, expires);
        bool expired = secret.expires_at_ms <= clock_now_us() / 1000;
        entry =
            json_pack("{s:s, s:s, s:s, s:s*, s:s}", "name", name, "type",
                      credential_type_name(secret.type), "fingerprint", fingerprint, "expires",
                      expires[0] != '\0' ? expires : NULL, "state", expired ? "expired" : "ready");
    }
    explicit_bzero(&secret, sizeof(secret));
    if (entry != NULL)
        json_array_append_new(list, entry);
}

static const char *member(json_t *entry, const char *name)
{
    const char *text = json_string_value(json_object_get(entry, name));
    return text != NULL ? text : "-";
}

static void list_print(json_t *list)
{
    size_t index;
    json_t *entry;
    printf("%-16s %-12s %-20s %-8s %s\n", "NAME", "TYPE", "FINGERPRINT", "STATE", "EXPIRES");
    json_array_foreach(list, index, entry)
    {
        printf("%-16s %-12s %-20s %-8s %s\n", member(entry, "name"), member(entry, "type"),
               member(entry, "fingerprint"), member(entry, "state"), member(entry, "expires"));
        if (json_object_get(entry, "problem") != NULL)
            printf("  %s\n", member(entry, "problem"));
    }
}

static int credential_list(const struct credential_command *command)
{
    char directory[PATH_MAX], path[PATH_MAX];
    struct error err;
    if (directory_find(command, directory, &err) < 0)
        return fail(EX_CONFIG, &err);
    json_t *list = json_array();
    DIR *listing = opendir(directory);
    if (listing == NULL && errno != ENOENT) {
        error_set_errno(&err, -errno, "reading %s", directory);
        json_decref(list);
        return fail(EX_NOPERM, &err);
    }
    for (const struct dirent *entry; listing != NULL && (entry = readdir(listing)) != NULL;)
        if (config_name_is_valid(entry->d_name) &&
            snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name) < (int)sizeof(path))
            list_add(list, entry->d_name, path);
    if (listing != NULL)
        closedir(listing);
    if (command->json) {
        json_dumpf(list, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        list_print(list);
    }
    json_decref(list);
    return EX_OK;
}

static int credential_remove(const struct credential_command *command, const char *name)
{
    char path[PATH_MAX];
    struct error err;
    if (path_find(command, name, path, &err) < 0)
        return fail(EX_USAGE, &err);
    if (unlink(path) < 0) {
        error_set_errno(&err, -errno, "removing %s", path);
        return fail(EX_NOINPUT, &err);
    }
    return EX_OK;
}

int credential_main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"type", required_argument, NULL, 't'},
        {"file", required_argument, NULL, 'f'},
        {"state-dir", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct credential_command command = {0};
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (option == 't')
            command.type = optarg;
        else if (option == 'f')
            command.file = optarg;
        else if (option == 's')
            command.state_dir = optarg;
        else if (option == 'j')
            command.json = true;
        else {
            fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? EX_OK : EX_USAGE;
        }
    }
    const char *verb = optind < argc ? argv[optind] : "";
    command.adds = strcmp(verb, "add") == 0;
    int operands = argc - optind - 1;
    if (command.adds && operands == 1)
        return credential_add(&command, argv[optind + 1]);
    if (strcmp(verb, "list") == 0 && operands == 0)
        return credential_list(&command);
    if (strcmp(verb, "remove") == 0 && operands == 1)
        return credential_remove(&command, argv[optind + 1]);
    fputs(usage, stderr);
    return EX_USAGE;
}
