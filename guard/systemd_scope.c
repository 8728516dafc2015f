// Systemd scopes: a cgroup from systemd, for a process that runs already, asked for over D-Bus.

#include "systemd_scope.h"

#include "cleanup.h"
#include "clock.h"

#include <stdbool.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-login.h>

#define SYSTEMD "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE SYSTEMD ".Manager"
#define WAIT_MAX_US 20000000

#define cleanup_bus cleanup_with(sd_bus_flush_close_unrefp)
#define cleanup_message cleanup_with(sd_bus_message_unrefp)
#define cleanup_bus_error cleanup_with(sd_bus_error_free)

// What systemd says at the end of the job, which starts with the call: JobRemoved(id, job, unit,
// result).
struct job_end {
    char job[128];
    char result[32]; // "" until it has ended
};

// `is_bus`: a bus is at that address, and not a manager itself.
static int open_address(const char *address, bool is_bus, sd_bus **bus)
{
    cleanup_bus sd_bus *made = NULL;
    int result = sd_bus_new(&made);
    if (result >= 0)
        result = sd_bus_set_address(made, address);
    if (result >= 0)
        result = sd_bus_set_bus_client(made, is_bus);
    if (result >= 0)
        result = sd_bus_start(made);
    if (result >= 0)
        *bus = take_pointer(&made);
    return result;
}

// Straight to the manager, as systemctl(1) does it: half the messages, and no bus is needed. Or
// else over the bus.
static int open_bus(enum systemd_manager manager, sd_bus **bus)
{
    char address[64];
    if (manager == SYSTEMD_SYSTEM)
        return open_address("unix:path=/run/systemd/private", false, bus) >= 0
                   ? 0
                   : sd_bus_open_system(bus);
    snprintf(address, sizeof(address), "unix:path=/run/user/%u/systemd/private", geteuid());
    if (open_address(address, false, bus) >= 0)
        return 0;
    if (getenv("XDG_RUNTIME_DIR") != NULL || getenv("DBUS_SESSION_BUS_ADDRESS") != NULL)
        return sd_bus_open_user(bus);
    // As for those who come from cron.
    snprintf(address, sizeof(address), "unix:path=/run/user/%u/bus", geteuid());
    return open_address(address, true, bus);
}

static int on_job_removed(sd_bus_message *message, void *context, sd_bus_error *ignored)
{
    struct job_end *end = context;
    const char *job, *result;
    (void)ignored;
    if (sd_bus_message_read(message, "uoss", NULL, &job, NULL, &result) >= 0 &&
        strcmp(job, end->job) == 0)
        snprintf(end->result, sizeof(end->result), "%s", result);
    return 0;
}

static int append_limit(sd_bus_message *call, const char *name, int64_t limit)
{
    return limit == LIMIT_NONE ? 0
                               : sd_bus_message_append(call, "(sv)", name, "t", (uint64_t)limit);
}

static bool is_service(const char *unit)
{
    const char *suffix = unit == NULL ? NULL : strrchr(unit, '.');
    return suffix != NULL && strcmp(suffix, ".service") == 0;
}

// StartTransientUnit(name, mode, properties, auxiliary units)
static int fill_call(sd_bus_message *call, const struct systemd_scope *scope)
{
    int result = sd_bus_message_append(call, "ss", scope->name, "fail");
    if (result >= 0)
        result = sd_bus_message_open_container(call, 'a', "(sv)");
    if (result >= 0)
        result = sd_bus_message_append(call, "(sv)", "PIDs", "au", 1, (uint32_t)scope->pid);
    if (result >= 0)
        result = sd_bus_message_append(call, "(sv)(sv)", "Delegate", "b", 1, "CollectMode", "s",
                                       "inactive-or-failed");
    if (result >= 0)
        result = sd_bus_message_append(call, "(sv)", "Description", "s", "reeve: a run");
    if (result >= 0 && scope->slice != NULL)
        result = sd_bus_message_append(call, "(sv)", "Slice", "s", scope->slice);
    // Without After=, which would have a service of Type=oneshot wait for its own end.
    if (result >= 0 && is_service(scope->service))
        result = sd_bus_message_append(call, "(sv)", "BindsTo", "as", 1, scope->service);
    if (result >= 0)
        result = append_limit(call, "MemoryMax", scope->memory_max_bytes);
    if (result >= 0)
        result = append_limit(call, "MemorySwapMax", scope->memory_swap_max_bytes);
    if (result >= 0)
        result = append_limit(call, "TasksMax", scope->tasks_max);
    if (result >= 0)
        result = sd_bus_message_close_container(call);
    return result < 0 ? result : sd_bus_message_append(call, "a(sa(sv))", 0);
}

static int wait_for_job(sd_bus *bus, const struct job_end *end)
{
    int64_t deadline_us = clock_monotonic_us() + WAIT_MAX_US;
    while (end->result[0] == '\0') {
        int result = sd_bus_process(bus, NULL);
        if (result < 0)
            return result;
        int64_t left_us = deadline_us - clock_monotonic_us();
        if (left_us <= 0)
            return -ETIMEDOUT;
        if (result == 0)
            sd_bus_wait(bus, (uint64_t)left_us);
    }
    return 0;
}

int systemd_scope_start(enum systemd_manager manager, const struct systemd_scope *scope,
                        struct error *err)
{
    cleanup_bus sd_bus *bus = NULL;
    cleanup_message sd_bus_message *call = NULL, *reply = NULL;
    cleanup_bus_error sd_bus_error refusal = SD_BUS_ERROR_NULL;
    struct job_end end = {"", ""};
    const char *job;
    int result = open_bus(manager, &bus);
    if (result < 0)
        return error_set_errno(err, result, "reaching systemd%s over D-Bus",
                               manager == SYSTEMD_USER ? " of this user" : "");
    const char *sender = sd_bus_is_bus_client(bus) > 0 ? SYSTEMD : NULL; // nobody else is there
    result = sd_bus_match_signal(bus, NULL, sender, MANAGER_PATH, MANAGER_INTERFACE, "JobRemoved",
                                 on_job_removed, &end);
    if (result >= 0)
        result = sd_bus_message_new_method_call(bus, &call, SYSTEMD, MANAGER_PATH,
                                                MANAGER_INTERFACE, "StartTransientUnit");
    if (result >= 0)
        result = fill_call(call, scope);
    if (result >= 0)
        result = sd_bus_call(bus, call, WAIT_MAX_US, &refusal, &reply);
    if (result < 0 && sd_bus_error_is_set(&refusal))
        return error_set(err, result, "systemd refuses the scope: %s", refusal.message);
    if (result >= 0)
        result = sd_bus_message_read(reply, "o", &job);
    if (result >= 0) {
        snprintf(end.job, sizeof(end.job), "%s", job);
        result = wait_for_job(bus, &end);
    }
    if (result < 0)
        return error_set_errno(err, result, "asking systemd for the scope %s", scope->name);
    if (strcmp(end.result, "done") != 0)
        return error_set(err, -EIO, "systemd could not make the scope %s: %s", scope->name,
                         end.result);
    return 0;
}

int systemd_scope_start_here(enum systemd_manager manager, const char *name,
                             const struct run_limits *limits, struct error *err)
{
    cleanup_free char *unit = NULL, *slice = NULL;
    if (manager == SYSTEMD_SYSTEM) {
        sd_pid_get_unit(0, &unit);
        sd_pid_get_slice(0, &slice);
    } else {
        sd_pid_get_user_unit(0, &unit);
    }
    struct systemd_scope scope = {
        .name = name,
        .pid = getpid(),
        .slice = slice,
        .service = unit,
        .memory_max_bytes = limits->memory_max_bytes,
        .memory_swap_max_bytes = limits->memory_swap_max_bytes,
        .tasks_max = limits->tasks_max,
    };
    return systemd_scope_start(manager, &scope, err);
}

int systemd_unit_cgroup(const char *unit, char *path, size_t size, struct error *err)
{
    cleanup_bus sd_bus *bus = NULL;
    cleanup_bus_error sd_bus_error refusal = SD_BUS_ERROR_NULL;
    cleanup_free char *object = NULL, *found = NULL;
    int result = open_bus(SYSTEMD_SYSTEM, &bus);
    if (result >= 0)
        result = sd_bus_path_encode(MANAGER_PATH "/unit", unit, &object);
    if (result >= 0)
        result = sd_bus_get_property_string(bus, SYSTEMD, object, SYSTEMD ".Scope", "ControlGroup",
                                            &refusal, &found);
    if (result < 0)
        return error_set_errno(err, result, "looking for the unit %s", unit);
    if (*found == '\0' || strlen(found) >= size)
        return error_set(err, -ENOENT, "there is no unit %s", unit);
    memcpy(path, found, strlen(found) + 1);
    return 0;
}
