// reeve units: what systemd or cron is told of the jobs.

#include "cleanup.h"
#include "command_line.h"
#include "config.h"
#include "subcommands.h"
#include "units.h"
#include "units_cron.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define UNIT_DIRECTORY "/etc/systemd/system"

static const char usage[] =
    "usage: reeve units [OPTION…] JOB\n"
    "       reeve units [OPTION…] --generator DIR\n"
    "\n"
    "Prints the timer and the service of a job that has OnCalendar=, to be put where the comments\n"
    "say. Where the package is installed nothing is to be put anywhere:\n"
    "systemctl enable --now reeve.socket reeve@JOB.timer\n";

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

// Returns -1 to go on, or the exit code.
static int read_command(struct units_command *command, int argc, char **argv)
{
    const struct command_option options[] = {
        {.name = "cron", .help = "a line for crontab(5) instead", .flag = &command->cron},
        {.name = "generator",
         .value = "DIR",
         .help = "how systemd asks for all jobs, see systemd.generator(7)",
         .text = &command->generator_directory},
        CONFIG_OPTION(&command->config_path),
        {0},
    };
    static const struct command_verb verbs[] = {{"", "JOB", 0, 1}, {0}};
    const struct command_line line = {"units", usage, options, verbs};
    struct command_words words;
    int code = command_line_read(&line, argc, argv, &words);
    if (code >= 0)
        return code;
    command->job = words.operand_count > 0 ? words.operands[0] : NULL;
    if (command->generator_directory != NULL && (command->job != NULL || command->cron))
        return command_line_refuse(&line, "--generator is for all jobs: leave out --cron and JOB");
    if (command->generator_directory == NULL && command->job == NULL)
        return command_line_refuse(&line, "JOB is missing: name one job");
    return -1;
}

int units_main(int argc, char **argv)
{
    struct units_command command = {0};
    struct config config;
    struct error err;
    int code = read_command(&command, argc, argv);
    if (code >= 0)
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
