// reeve credential: stores credentials for the daemon, shows what it knows of them, and has it
// check or refresh them. Never shows one.

#include "cleanup.h"
#include "client_options.h"
#include "command_line.h"
#include "credential_file.h"
#include "credential_list.h"
#include "credential_places.h"
#include "credential_store.h"
#include "subcommands.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define ANSWER_TIMEOUT_MS 240000 // a refresh may have to wait for another process first

static const char usage[] =
    "usage: reeve credential list [OPTION…]\n"
    "       reeve credential check [NAME] [OPTION…]\n"
    "       reeve credential refresh|disable|enable|remove NAME [OPTION…]\n"
    "       reeve credential add NAME [OPTION…]\n"
    "\n"
    "list shows what the daemon knows of its credentials: state, expiry, what they have served;\n"
    "without a daemon, what is in the files. check asks the upstream about each by a free call.\n"
    "refresh renews a pair now. A disabled one serves nothing until it is enabled.\n"
    "add reads the secret from standard input, or from FILE: an API key, the token of\n"
    "`claude setup-token`, or the contents of a .credentials.json. It is kept under the state\n"
    "directory, mode 0600. The daemon takes it over at once; streams in flight go on.\n";

struct credential_command {
    struct client_options options;
    const char *type, *file; // of add
    const char *name;        // NULL where none is needed and none was given
    bool json;
    struct config config;
    struct paths paths;
};

static int fail(int code, const struct error *err)
{
    fprintf(stderr, "reeve credential: %s\n", err->text);
    return code;
}

// Prints what was done; `json` is taken over.
static int say(const struct credential_command *command, json_t *json, const char *text)
{
    if (!command->json)
        puts(text);
    else if (json_dumpf(json, stdout, JSON_INDENT(2)) == 0)
        putchar('\n');
    json_decref(json);
    return EX_OK;
}

// ---- asking the daemon

// *code is 0, or the exit code of the process once why has been said. False: there is no daemon.
static bool daemon_ask(const struct credential_command *command,
                       const struct control_message *request, struct control_message *answer,
                       int *code)
{
    struct control_client *client;
    struct error err;
    int result = control_client_open(&client, command->paths.control_socket, &err);
    *code = EX_UNAVAILABLE;
    if (result == -ENOENT || result == -ECONNREFUSED)
        return false;
    if (result == 0) {
        result = control_client_ask(client, request, ANSWER_TIMEOUT_MS, answer, &err);
        control_client_close(client);
    }
    if (result < 0) {
        fail(*code, &err);
        return true;
    }
    *code = EX_OK;
    if (answer->type == CONTROL_REFUSED) {
        fprintf(stderr, "reeve credential: %s\n", answer->refused.text);
        control_message_done(answer);
        *code = EXIT_FAILURE;
    }
    return true;
}

static int no_daemon(const struct credential_command *command)
{
    fprintf(stderr, "reeve credential: no daemon at %s; start reeve serve\n",
            command->paths.control_socket);
    return EX_UNAVAILABLE;
}

static struct control_message credential_message(enum control_credential_verb verb,
                                                 const char *name)
{
    struct control_message message = {.type = CONTROL_CREDENTIAL, .credential.verb = verb};
    snprintf(message.credential.name, sizeof(message.credential.name), "%s", name);
    return message;
}

// The files have changed. Says so, and what was done.
static int daemon_reload(const struct credential_command *command, const char *done)
{
    const struct control_message request =
        credential_message(CONTROL_CREDENTIAL_RELOAD, command->name);
    struct control_message answer;
    char text[PATH_MAX + 256];
    int code;
    bool told = daemon_ask(command, &request, &answer, &code);
    if (told && code != EX_OK)
        fprintf(stderr, "reeve credential: %s, but the daemon has not heard of it\n", done);
    if (told && code != EX_OK)
        return code;
    snprintf(text, sizeof(text), "%s%s", done,
             told ? "" : "; no daemon runs, the next one will find it");
    return say(command,
               json_pack("{s:s, s:s, s:b}", "name", command->name, "done", done, "daemon", told),
               text);
}

// ---- list, check, refresh

// What the daemon knows; without one and with `or_files`, what the files say.
static int status_get(const struct credential_command *command, bool or_files,
                      struct control_message *answer)
{
    const struct control_message request = {.type = CONTROL_STATUS};
    struct error err;
    int code;
    if (daemon_ask(command, &request, answer, &code))
        return code;
    if (!or_files)
        return no_daemon(command);
    *answer = (struct control_message){.type = CONTROL_STATUS_REPLY};
    int result = credential_list_read(&answer->status, &command->config, &command->paths, &err);
    return result < 0 ? fail(EX_NOPERM, &err) : EX_OK;
}

static int command_list(struct credential_command *command)
{
    struct control_message answer;
    int code = status_get(command, true, &answer);
    if (code != EX_OK)
        return code;
    const struct status *status = &answer.status;
    if (command->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < status->credential_count; i++)
            json_array_append_new(list, credential_list_json(&status->credentials[i]));
        say(command, list, "");
    } else {
        credential_list_print(status, stdout);
    }
    control_message_done(&answer);
    return code;
}

// Has the daemon do it, and reports. Returns whether it came out well, by the exit code.
static int one_ask(const struct credential_command *command, enum control_credential_verb verb,
                   const char *name, json_t *list)
{
    const struct control_message request = credential_message(verb, name);
    struct control_message answer;
    int code;
    if (!daemon_ask(command, &request, &answer, &code))
        return no_daemon(command);
    if (code != EX_OK)
        return code;
    const struct control_credential_done *done = &answer.credential_done;
    if (command->json)
        json_array_append_new(list, json_pack("{s:s, s:b, s:s}", "name", name, "good",
                                              (int)done->good, "text", done->text));
    else
        printf("%-16s %-5s %s\n", name, done->good ? "good" : "bad", done->text);
    code = done->good ? EX_OK : EXIT_FAILURE;
    control_message_done(&answer);
    return code;
}

static int all_ask(const struct credential_command *command, json_t *list)
{
    struct control_message answer;
    int code = status_get(command, false, &answer);
    if (code != EX_OK)
        return code;
    for (size_t i = 0; i < answer.status.credential_count; i++) {
        int each =
            one_ask(command, CONTROL_CREDENTIAL_CHECK, answer.status.credentials[i].name, list);
        code = each != EX_OK ? each : code;
    }
    control_message_done(&answer);
    return code;
}

static int command_check(struct credential_command *command)
{
    json_t *list = json_array();
    int code = command->name == NULL
                   ? all_ask(command, list)
                   : one_ask(command, CONTROL_CREDENTIAL_CHECK, command->name, list);
    if (command->json)
        say(command, list, "");
    else
        json_decref(list);
    return code;
}

static int command_refresh(struct credential_command *command)
{
    json_t *list = json_array();
    int code = one_ask(command, CONTROL_CREDENTIAL_REFRESH, command->name, list);
    if (command->json)
        say(command, list, "");
    else
        json_decref(list);
    return code;
}

// ---- what changes files

static int place_find(const struct credential_command *command, struct credential_place *place,
                      bool must_exist, struct error *err)
{
    int result =
        credential_place_find(place, &command->config, &command->paths, command->name, err);
    if (result == 0 && must_exist && place->section == NULL && access(place->path, F_OK) < 0)
        result = error_set(err, -ENOENT, "there is no credential %s", command->name);
    return result;
}

// Files that somebody has named in the configuration are theirs.
static int check_stored(const struct credential_place *place, struct error *err)
{
    if (credential_place_is_stored(place))
        return 0;
    return error_set(err, -EPERM, "[Credential %s] of the configuration names %s; change it there",
                     place->name, place->path);
}

static int set_disabled(struct credential_command *command, bool disabled)
{
    struct credential_place place;
    struct error err;
    char text[JOB_NAME_MAX + 32];
    int result = place_find(command, &place, true, &err);
    if (result < 0)
        return fail(result == -EINVAL ? EX_USAGE : EX_NOINPUT, &err);
    if (credential_place_disable(&command->paths, command->name, disabled, &err) < 0)
        return fail(EX_CANTCREAT, &err);
    snprintf(text, sizeof(text), "credential %s is %s", command->name,
             disabled ? "disabled" : "enabled");
    return daemon_reload(command, text);
}

static int command_disable(struct credential_command *command)
{
    return set_disabled(command, true);
}

static int command_enable(struct credential_command *command)
{
    return set_disabled(command, false);
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

// Where it goes, and of which kind it has to be.
static int add_prepare(struct credential_command *command, struct credential_place *place,
                       enum credential_type *type, struct error *err)
{
    *type = CREDENTIAL_ANY;
    int result = command->type != NULL ? credential_type_parse(command->type, type, err) : 0;
    if (result == 0) // before the daemon's first start there is no state directory
        result = paths_resolve(&command->paths, command->options.state_dir, &command->config, err);
    if (result == 0)
        result = place_find(command, place, false, err);
    if (result == 0)
        result = check_stored(place, err);
    if (result == 0 && *type == CREDENTIAL_ANY)
        *type = credential_place_options(place).expected;
    return result;
}

static int command_add(struct credential_command *command)
{
    char text[CREDENTIAL_FILE_BYTES_MAX], done[PATH_MAX + 128];
    struct credential_place place;
    struct credential_secret secret = {0};
    enum credential_type type;
    struct error err;
    int code = EX_OK;
    if (add_prepare(command, &place, &type, &err) < 0)
        return fail(EX_USAGE, &err);
    int result = secret_read(command->file, text, &err);
    if (result == 0)
        result = credential_text_read(text, command->file != NULL ? command->file : "the secret",
                                      type, &secret, &err);
    if (result < 0)
        code = fail(EX_DATAERR, &err);
    else if (credential_store_write(place.path, text, &err) < 0)
        code = fail(EX_CANTCREAT, &err);
    snprintf(done, sizeof(done), "credential %s (%s) is in %s", command->name,
             credential_type_name(secret.type), place.path);
    explicit_bzero(text, sizeof(text));
    explicit_bzero(&secret, sizeof(secret));
    return code != EX_OK ? code : daemon_reload(command, done);
}

static int command_remove(struct credential_command *command)
{
    char done[JOB_NAME_MAX + 32];
    struct credential_place place;
    struct error err;
    int result = place_find(command, &place, true, &err);
    if (result == 0)
        result = check_stored(&place, &err);
    if (result == 0)
        result = credential_store_remove(place.path, &err);
    if (result == 0)
        result = credential_place_disable(&command->paths, command->name, false, &err);
    if (result < 0)
        return fail(result == -EINVAL ? EX_USAGE : EX_NOINPUT, &err);
    snprintf(done, sizeof(done), "credential %s is removed", command->name);
    return daemon_reload(command, done);
}

// ---- the command line

enum { LIST, CHECK, REFRESH, DISABLE, ENABLE, ADD, REMOVE };

static const struct command_verb verbs[] = {
    [LIST] = {"list", NULL, 0, 0},         [CHECK] = {"check", "NAME", 0, 1},
    [REFRESH] = {"refresh", "NAME", 1, 1}, [DISABLE] = {"disable", "NAME", 1, 1},
    [ENABLE] = {"enable", "NAME", 1, 1},   [ADD] = {"add", "NAME", 1, 1},
    [REMOVE] = {"remove", "NAME", 1, 1},   {0},
};

static int (*const commands[])(struct credential_command *command) = {
    [LIST] = command_list,       [CHECK] = command_check,   [REFRESH] = command_refresh,
    [DISABLE] = command_disable, [ENABLE] = command_enable, [ADD] = command_add,
    [REMOVE] = command_remove,
};

int credential_main(int argc, char **argv)
{
    struct credential_command command = {0};
    const struct command_option options[] = {
        {.name = "type",
         .value = "TYPE",
         .help = "api-key, oauth-token or oauth; without it, what the secret looks like\n"
                 "decides",
         .verbs = "add",
         .text = &command.type},
        {.name = "file",
         .value = "FILE",
         .help = "in place of standard input",
         .verbs = "add",
         .text = &command.file},
        JSON_OPTION(&command.json),
        CLIENT_OPTIONS(&command.options),
        {0},
    };
    const struct command_line line = {"credential", usage, options, verbs};
    struct command_words words;
    struct error err;
    int code = command_line_read(&line, argc, argv, &words);
    if (code >= 0)
        return code;
    command.name = words.operand_count > 0 ? words.operands[0] : NULL;
    int result = client_options_apply(&command.options, &command.config, &command.paths, &err);
    code = result < 0 ? fail(EX_CONFIG, &err) : commands[words.verb](&command);
    config_done(&command.config);
    return code;
}
