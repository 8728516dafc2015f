// Terminal: lent to the command's process group while it runs, and taken back.
//
// The command is a process group of its own, so that neither its `kill 0` nor a signal meant for it
// reaches the supervisor. Under a shell with job control that group needs the terminal.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct terminal {
    int fd; // -1: there is none, or it is not ours to lend
};

// Finds out whether this process is in the foreground of the terminal on standard input.
void terminal_open(struct terminal *terminal);

// Lends it to a process group. For the child too, before it executes its command.
void terminal_lend(const struct terminal *terminal, pid_t process_group);

// Takes it back from that group, if that is who has it.
void terminal_take_back(const struct terminal *terminal, pid_t process_group);

// The command has stopped (Ctrl-Z): takes the terminal back and stops this process as well, so that
// the shell gets its prompt; once continued, lends it again and continues the command.
void terminal_suspend(const struct terminal *terminal, pid_t process_group);
