// reeve run: its command line.

#include "cleanup.h"
#include "client_options.h"
#include "clock.h"
#include "run_exit.h"
#include "run_limits.h"
#include "state_key_template.h"
#include "subcommands.h"
#include "supervisor.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_OPTION 256 // and up: an index into run_limit_names
#define OPTIONS_MAX 32
#define DAEMON_RETURN_MAX_MS 30000

static const char usage[] =
    "usage: reeve run [OPTION…] -- COMMAND [ARGUMENT…]\n"
    "       reeve run [OPTION…] JOB             (its Command= in reeve.conf)\n"
    "\n"
    "Runs a command as a run of a job: in a slot and a cgroup of its own, behind the proxy, with "
    "a\n"
    "run key in place of a credential. The last line on stderr sums the run up.\n"
    "\n"
    "  --job JOB                 whose limits apply (default: default)\n"
    "  --key KEY                 what makes two runs the same, such as %J-%Y%m%d%H (default: "
    "the\n"
    "                            job's Key=): what is done is skipped, what is running refused\n"
    "  --wait DURATION           for a slot, or a daemon that restarts; without it, no slot is "
    "exit\n"
    "                            code 75 at once\n"
    "  --priority N              place in the queue: higher first (default 0)\n"
    "  --no-cgroup               no cgroup: memory and tasks are not limited\n"
    "  --json                    the summary as a JSON object\n"
    "  --config FILE, --state-dir DIR, --help\n"
    "\n"
    "Limits, which may only be tighter than the job's:\n"
    "  --cost-max $0.50          --tokens-max 200K         --output-tokens-max 50K\n"
    "  --requests-max 100        --memory-max 512M         --memory-high 400M\n"
    "  --memory-swap-max 0       --tasks-max 256           --cpu-quota 150%\n"
    "  --runtime-max 20min\n"
    "\n"
    "Exit codes: the command's own; 0 already done; 64 usage, 69 no daemon, 71 no cgroup, 75 no\n"
    "slot, or the key is another run's or cannot be claimed; 78 bad configuration, 100 ceiling, "
    "101 out of memory, 102 timeout, 103 reeve kill, 126 and 127\n"
    "command not executable or not found, 128+n signal n.\n";

struct run_command {
    struct client_options client;
    struct supervisor_options supervisor;
    struct config_job limits; // as the command line has them, parsed like the job's own options
    const char *job_argument; // `reeve run JOB`
};

static const char *limit_option_name(int option)
{
    return run_limit_names[option - LIMIT_OPTION].name;
}

static int set_option(struct run_command *command, int option, struct error *err)
{
    char *end;
    switch (option) {
    case 'j':
        command->supervisor.job = optarg;
        return 0;
    case 'k':
        command->supervisor.key = optarg;
        return state_key_template_check(optarg, err);
    case 'w':
        if (!clock_parse_duration(optarg, &command->supervisor.wait_us))
            return error_set(err, -EINVAL,
                             "--wait %s: write a duration such as 90s or 20min, or infinity",
                             optarg);
        return 0;
    case 'p':
        errno = 0;
        command->supervisor.priority = strtol(optarg, &end, 10);
        if (errno != 0 || end == optarg || *end != '\0')
            return error_set(err, -EINVAL, "--priority %s: write a whole number", optarg);
        return 0;
    case 'n':
        command->supervisor.cgroup = RUN_CGROUP_NONE;
        return 0;
    case 'J':
        command->supervisor.json = true;
        return 0;
    case 'c':
        command->client.config_path = optarg;
        return 0;
    case 's':
        command->client.state_dir = optarg;
        return 0;
    default:
        return config_set_job(&command->limits, limit_option_name(option), optarg, err);
    }
}

static void fill_long_options(struct option options[static OPTIONS_MAX])
{
    static const struct option fixed[] = {
        {"job", required_argument, NULL, 'j'},    {"key", required_argument, NULL, 'k'},
        {"wait", required_argument, NULL, 'w'},   {"priority", required_argument, NULL, 'p'},
        {"no-cgroup", no_argument, NULL, 'n'},    {"json", no_argument, NULL, 'J'},
        {"config", required_argument, NULL, 'c'}, {"state-dir", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
    };
    size_t count = sizeof(fixed) / sizeof(fixed[0]);
    memcpy(options, fixed, sizeof(fixed));
    for (size_t i = 0; i < run_limit_name_count; i++)
        options[count++] = (struct option){run_limit_names[i].option, required_argument, NULL,
                                           LIMIT_OPTION + (int)i};
    options[count] = (struct option){NULL, 0, NULL, 0};
}

// Returns 0, or with *exit_code set what main is to return.
static int parse(struct run_command *command, int argc, char **argv, int *exit_code)
{
    struct option options[OPTIONS_MAX];
    struct error err;
    int option;
    fill_long_options(options);
    *exit_code = RUN_EXIT_USAGE;
    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            *exit_code = EXIT_SUCCESS;
            return -1;
        }
        if (option == '?' || set_option(command, option, &err) < 0) {
            if (option != '?')
                fprintf(stderr, "reeve run: %s\n", err.text);
            fputs("reeve run --help tells more\n", stderr);
            return -1;
        }
    }
    bool has_dashes = optind > 1 && strcmp(argv[optind - 1], "--") == 0;
    if (has_dashes && optind < argc) {
        command->supervisor.argv = argv + optind;
        return 0;
    }
    if (!has_dashes && optind == argc - 1 && *command->supervisor.job == '\0') {
        command->job_argument = argv[optind];
        return 0;
    }
    fputs("reeve run: write a command after --, or the name of one job\n"
          "reeve run --help tells more\n",
          stderr);
    return -1;
}

// `reeve run JOB`: the command is the job's own. *shell_argv is filled for it.
static int use_job(struct run_command *command, const struct config *config, char **shell_argv,
                   struct error *err)
{
    const struct config_job *job = config_find_job(config, command->job_argument);
    if (job == NULL)
        return error_set(err, -ENOENT, "there is no [Job %s] in the configuration",
                         command->job_argument);
    if (job->command == NULL)
        return error_set(err, -ENOENT, "[Job %s] has no Command=", job->name);
    shell_argv[0] = (char *)"/bin/sh";
    shell_argv[1] = (char *)"-c";
    shell_argv[2] = job->command;
    command->supervisor.job = job->name;
    command->supervisor.argv = shell_argv;
    return 0;
}

int run_main(int argc, char **argv)
{
    struct run_command command = {.supervisor.job = ""};
    struct config config = {0};
    struct paths paths;
    struct error err;
    char *shell_argv[4] = {NULL};
    int exit_code;
    if (config_job_init(&command.limits, "command line", &err) < 0) {
        fprintf(stderr, "reeve run: %s\n", err.text);
        return RUN_EXIT_FAILURE;
    }
    command.limits.limits = run_limits_none();
    if (parse(&command, argc, argv, &exit_code) < 0) {
        config_job_done(&command.limits);
        return exit_code;
    }
    int result = client_options_apply(&command.client, &config, &paths, &err);
    if (result == 0 && command.job_argument != NULL)
        result = use_job(&command, &config, shell_argv, &err);
    if (result < 0) {
        fprintf(stderr, "reeve run: %s\n", err.text);
        exit_code = RUN_EXIT_CONFIG;
    } else {
        command.supervisor.control_socket = paths.control_socket;
        command.supervisor.return_max_ms = DAEMON_RETURN_MAX_MS;
        command.supervisor.limits = command.limits.limits;
        exit_code = supervise_run(&command.supervisor);
    }
    config_job_done(&command.limits);
    config_done(&config);
    return exit_code;
}
