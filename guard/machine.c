// Machine: what this machine has for runs: its memory, and how hard that is pressed (PSI).

#include "machine.h"

#include "cleanup.h"
#include "size_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#define PROBLEM_MAX 512

int64_t machine_memory_bytes(void)
{
    struct sysinfo info;
    return sysinfo(&info) == 0 ? (int64_t)info.totalram * info.mem_unit : LIMIT_NONE;
}

int64_t machine_read_pressure(const char *path)
{
    static const char key[] = "some avg10=";
    char line[256];
    cleanup_file FILE *file = fopen(path, "re");
    if (file == NULL || fgets(line, sizeof(line), file) == NULL ||
        strncmp(line, key, sizeof(key) - 1) != 0)
        return -1; // with psi=0 the file is there, and reading it fails
    int percent, hundredths;
    if (sscanf(line + sizeof(key) - 1, "%3d.%2d", &percent, &hundredths) != 2 || percent < 0 ||
        percent > 100 || hundredths < 0)
        return -1;
    return percent * 100 + hundredths;
}

int64_t machine_memory_for_runs(const struct config *config, int64_t memory_bytes)
{
    int64_t reserve = config->reeve.memory_reserve_bytes;
    if (memory_bytes == LIMIT_NONE)
        return LIMIT_NONE;
    return reserve < memory_bytes ? memory_bytes - reserve : 0;
}

void machine_check(const struct config *config, int64_t memory_bytes, int64_t pressure,
                   void (*problem)(const char *text, bool fatal, void *context), void *context)
{
    char text[PROBLEM_MAX], memory[SIZE_TEXT_MAX], most[SIZE_TEXT_MAX], asked[SIZE_TEXT_MAX];
    int64_t for_runs = machine_memory_for_runs(config, memory_bytes);
    size_format(memory_bytes, memory);
    size_format(for_runs, most);
    if (for_runs == 0) {
        snprintf(text, sizeof(text),
                 "MemoryReserve=: it leaves nothing of this machine's %s to runs; write less",
                 memory);
        problem(text, true, context);
    }
    for (size_t i = 0; i < config->job_count && for_runs > 0; i++) {
        const struct config_job *job = &config->jobs[i];
        if (job->limits.memory_max_bytes == LIMIT_NONE || job->limits.memory_max_bytes <= for_runs)
            continue;
        snprintf(text, sizeof(text),
                 "[Job %s]: MemoryMax=%s: this machine has %s, of which MemoryReserve= leaves %s; "
                 "write at most that",
                 job->name, size_format(job->limits.memory_max_bytes, asked), memory, most);
        problem(text, false, context);
    }
    if (config->reeve.pressure_max_percent != LIMIT_NONE && pressure < 0)
        problem("PressureMax=: this kernel does not tell of pressure (no " MACHINE_PRESSURE_FILE
                "); boot it with psi=1, or take PressureMax= out",
                true, context);
}
