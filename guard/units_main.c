// reeve units: what systemd or cron is told of the jobs.

#include "cleanup.h"
#include "config.h"
#include "subcommands.h"
#include "units.h"
#include "units_cron.h"

#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define UNIT_DIRECTORY "/etc/systemd/system"

static const char usage[] =
    "usage: reeve units [--cron] [--config FILE] JOB\n"
    "       reeve units --generator DIR [--config FILE]\n"
    "\n"
    "Prints the timer and the service of a job that has OnCalendar=, to be put where the comments\n"
    "say; with --cron a line for crontab(5). Where the package is installed nothing is to be put\n"
    "anywhere: systemctl enable --now reeve.socket reeve@JOB.timer\n"
    "\n"
    "--generator is how systemd asks for all jobs, see systemd.generator(7).\n";

struct units_command {
    const char *config_path;
    const char *generator_directory;
    const char *job;
    bool cron;
};

static int fail(int code, const struct error *err)
{
    fprintf(stderr, "reeve units: %s\n", err->text);
    return code;
}

// The path that this program was started from.
static void find_program(char path[static PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (length < 0)
        snprintf(path, PATH_MAX, "/usr/bin/reeve");
    else
        path[length] = '\0';
}

static int print_cron(const struct config_job *job, const char *program)
{
    char schedule[UNITS_CRON_MAX];
    struct error err;
    if (units_cron_schedule(job->on_calendar, schedule, &err) < 0)
        return fail(EX_CONFIG, &err);
    printf("%s %s run --wait 1h %s\n", schedule, program, job->name);
    return EX_OK;
}

static int print_job(const struct units_command *command, const struct config *config)
{
    const struct config_job *job = config_find_job(config, command->job);
    char program[PATH_MAX];
    struct error err;
    if (job == NULL || job->on_calendar == NULL) {
        error_set(&err, -ENOENT,
                  job == NULL ? "there is no [Job %s] in the configuration"
                              : "[Job %s] has no OnCalendar=; write hourly, Mon..Fri 08:30 or the "
                                "like, see systemd.time(7)",
                  command->job);
        return fail(EX_CONFIG, &err);
    }
    find_program(program);
    if (command->cron)
        return print_cron(job, program);
    printf("# " UNIT_DIRECTORY "/reeve@%s.timer\n", job->name);
    units_print_timer(job, stdout);
    printf("\n# " UNIT_DIRECTORY "/reeve@%s.service\n", job->name);
    units_print_service(job, program, stdout);
    return EX_OK;
}

// Writes DIR/reeve@JOB.KIND.d/reeve.conf.
static int write_drop_in(const char *directory, const struct config_job *job, const char *kind,
                         void (*print)(const struct config_job *job, FILE *stream),
                         struct error *err)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/reeve@%s.%s.d", directory, job->name, kind);
    if (length >= (int)(sizeof(path) - sizeof("/reeve.conf")))
        return error_set(err, -ENAMETOOLONG, "%s", directory);
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return error_set_errno(err, -errno, "making %s", path);
    strncat(path, "/reeve.conf", sizeof(path) - strlen(path) - 1);
    cleanup_file FILE *stream = fopen(path, "we");
    if (stream == NULL)
        return error_set_errno(err, -errno, "writing %s", path);
    print(job, stream);
    return fflush(stream) == 0 ? 0 : error_set_errno(err, -errno, "writing %s", path);
}

static int generate(const char *directory, const struct config *config)
{
    struct error err;
    int result = 0;
    for (size_t i = 0; result == 0 && i < config->job_count; i++) {
        const struct config_job *job = &config->jobs[i];
        if (job->on_calendar != NULL)
            result = write_drop_in(directory, job, "timer", units_print_timer_drop_in, &err);
        if (result == 0)
            result = write_drop_in(directory, job, "service", units_print_service_drop_in, &err);
    }
    return result < 0 ? fail(EX_CANTCREAT, &err) : EX_OK;
}

// Returns 0, or with *exit_code set what main is to return.
static int parse(struct units_command *command, int argc, char **argv, int *exit_code)
{
    static const struct option long_options[] = {
        {"cron", no_argument, NULL, 'r'},
        {"config", required_argument, NULL, 'c'},
        {"generator", required_argument, NULL, 'g'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    *exit_code = EX_USAGE;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (option) {
        case 'r':
            command->cron = true;
            break;
        case 'c':
            command->config_path = optarg;
            break;
        case 'g':
            command->generator_directory = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            *exit_code = EX_OK;
            return -1;
        default:
            fputs("reeve units --help tells more\n", stderr);
            return -1;
        }
    }
    bool names_job = optind == argc - 1;
    if (names_job)
        command->job = argv[optind];
    if (command->generator_directory == NULL ? names_job : optind == argc && !command->cron)
        return 0;
    fputs("reeve units: name one job\nreeve units --help tells more\n", stderr);
    return -1;
}

int units_main(int argc, char **argv)
{
    struct units_command command = {0};
    struct config config;
    struct error err;
    int code;
    if (parse(&command, argc, argv, &code) < 0)
        return code;
    if (config_load(&config, command.config_path, NULL, &err) < 0)
        code = fail(EX_CONFIG, &err);
    else if (command.generator_directory != NULL)
        code = generate(command.generator_directory, &config);
    else
        code = print_job(&command, &config);
    config_done(&config);
    return code;
}
