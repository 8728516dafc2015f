// Units: what systemd is told of a job, as the text of unit files.

#include "units.h"

#include "cleanup.h"
#include "config_option.h"
#include "run_limits.h"

#include <inttypes.h>

static void print_schedule(const struct config_job *job, FILE *stream)
{
    static const char delay[] = "RandomizedDelaySec";
    fprintf(stream, "OnCalendar=%s\n", job->on_calendar);
    if (job->randomized_delay_us == 0)
        return;
    cleanup_free char *text = config_option_text(config_option_find(CONFIG_JOB, delay), job);
    fprintf(stream, "%s=%s\n", delay, text != NULL ? text : "0");
}

static void print_limit(const char *name, int64_t limit, FILE *stream)
{
    if (limit != LIMIT_NONE)
        fprintf(stream, "%s=%" PRId64 "\n", name, limit);
}

static void print_limits(const struct config_job *job, FILE *stream)
{
    const struct run_limits limits = run_limits_of_unit(&job->limits);
    print_limit("MemoryMax", limits.memory_max_bytes, stream);
    print_limit("MemorySwapMax", limits.memory_swap_max_bytes, stream);
    print_limit("TasksMax", limits.tasks_max, stream);
}

// The texts are those of packaging/systemd/reeve@.timer and reeve@.service, which explain them.
void units_print_timer(const struct config_job *job, FILE *stream)
{
    fputs("[Unit]\n"
          "Description=reeve: when the job %i runs\n"
          "\n"
          "[Timer]\n",
          stream);
    print_schedule(job, stream);
    fputs("Persistent=yes\n"
          "AccuracySec=1s\n"
          "\n"
          "[Install]\n"
          "WantedBy=timers.target\n",
          stream);
}

void units_print_service(const struct config_job *job, const char *program, FILE *stream)
{
    fprintf(stream,
            "[Unit]\n"
            "Description=reeve: a run of the job %%i\n"
            "Wants=reeve.socket\n"
            "After=reeve.socket\n"
            "\n"
            "[Service]\n"
            "Type=exec\n"
            "ExecStart=%s run --wait 1h %%i\n"
            "User=reeve-agent\n"
            "SupplementaryGroups=reeve\n"
            "WorkingDirectory=~\n"
            "Delegate=yes\n"
            "KillMode=mixed\n"
            "TimeoutStopSec=2min\n"
            "SuccessExitStatus=143\n"
            "NoNewPrivileges=yes\n"
            "InaccessiblePaths=-/run/user\n",
            program);
    print_limits(job, stream);
}

void units_print_timer_drop_in(const struct config_job *job, FILE *stream)
{
    fputs("[Timer]\n", stream);
    print_schedule(job, stream);
}

void units_print_service_drop_in(const struct config_job *job, FILE *stream)
{
    fputs("[Service]\n", stream);
    print_limits(job, stream);
}
