// Units: what systemd is told of a job, as the text of unit files. Pure.
//
// The job's limits stand on its unit too, which root owns: an agent shares the user of its
// supervisor and could lift those of the run's cgroup. There they leave room for the supervisor.
#pragma once

#include "config.h"

#include <stdio.h>

// The whole of reeve@JOB.timer and reeve@JOB.service. `program` is the path of reeve.
void units_print_timer(const struct config_job *job, FILE *stream);
void units_print_service(const struct config_job *job, const char *program, FILE *stream);

// Only what is the job's own: drop-ins for the templates that the package brings.
void units_print_timer_drop_in(const struct config_job *job, FILE *stream);
void units_print_service_drop_in(const struct config_job *job, FILE *stream);
