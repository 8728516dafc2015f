// Cgroup back-ends: what v1, v2 and none give to cgroup.c, and the files that they share.
#pragma once

#include "cgroup.h"

#include <stddef.h>

#define CGROUP_MOUNT "/sys/fs/cgroup"

struct cgroup_backend {
    const char *(*directory)(const struct run_cgroup *group);
    int (*attach)(struct run_cgroup *group, pid_t pid, struct error *err);
    bool (*is_populated)(const struct run_cgroup *group);
    void (*signal)(struct run_cgroup *group, int signal);
    void (*kill)(struct run_cgroup *group);
    void (*read_usage)(const struct run_cgroup *group, struct run_cgroup_usage *usage);
    int (*destroy)(struct run_cgroup *group, struct error *err);
    void (*free)(struct run_cgroup *group);
};

// The first member of each back-end's own struct.
struct run_cgroup {
    const struct cgroup_backend *backend;
    int spawn_fd;
    int event_fd;
    pid_t watchdog; // a child of the supervisor's that is no process of the run; 0 none
    char path[RUN_CGROUP_PATH_MAX];
};

// The cgroup v1 hierarchies, through libcgroup.
int cgroup_v1_new(struct run_cgroup **group, const char *run_id, const struct run_limits *limits,
                  struct error *err);

// Where a cgroup v2 may be made.
struct cgroup_v2_place {
    char directory[RUN_CGROUP_PATH_MAX]; // the cgroup that is ours to divide
    bool holds_supervisor;               // we are in it and have to step aside into a child
};

// Plain files under `place`.
int cgroup_v2_new(struct run_cgroup **group, const struct cgroup_v2_place *place,
                  const char *run_id, const struct run_limits *limits, struct error *err);

// No cgroup: the descendants of this process, which becomes their reaper.
int cgroup_none_new(struct run_cgroup **group, const char *run_id, struct error *err);

// The v2 path of a process, "/a/b", from the line "0::/a/b" of its "cgroup" file. `process_fd` is a
// directory of /proc.
int cgroup_read_path(int process_fd, char path[static RUN_CGROUP_PATH_MAX], struct error *err);

// Opens the directory of a v2 path. The descriptor is the caller's.
int cgroup_open(const char *path, struct error *err);

// Writes `text` to a cgroup file in one write(2), as the kernel wants it.
int cgroup_file_write(int directory_fd, const char *name, const char *text, struct error *err);
int cgroup_file_write_number(int directory_fd, const char *name, int64_t number, struct error *err);

// Reads a file of at most `size` - 1 bytes; "" if that fails, and a negative errno.
int cgroup_file_read(int directory_fd, const char *name, char *text, size_t size);

// The number in a file, or after `key` in a file of "key number" lines; -1 if there is none.
int64_t cgroup_file_number(int directory_fd, const char *name);
int64_t cgroup_file_member(int directory_fd, const char *name, const char *key);

// In a file, the number right after `word`: where it is first ("total=" of memory.pressure), or all
// of them together ("rbytes=" of io.stat, a line for each device). -1 without the file.
int64_t cgroup_file_first(int directory_fd, const char *name, const char *word);
int64_t cgroup_file_sum(int directory_fd, const char *name, const char *word);

// Sends `signal` to all of cgroup.procs; 0 only counts. Returns how many there are.
size_t cgroup_file_signal(int directory_fd, int signal);

// Moves all processes of one v2 cgroup into another.
int cgroup_file_move_all(int from_fd, int to_fd, struct error *err);
