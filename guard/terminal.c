// Terminal: lent to the command's process group while it runs, and taken back.

#include "terminal.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

void terminal_open(struct terminal *terminal)
{
    terminal->fd = isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp() ? STDIN_FILENO : -1;
}

// A background process that changes the terminal's group is stopped by SIGTTOU unless it blocks it.
static void set_foreground(const struct terminal *terminal, pid_t process_group)
{
    sigset_t blocked, before;
    if (terminal->fd < 0)
        return;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTTOU);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    tcsetpgrp(terminal->fd, process_group);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

void terminal_lend(const struct terminal *terminal, pid_t process_group)
{
    set_foreground(terminal, process_group);
}

void terminal_take_back(const struct terminal *terminal, pid_t process_group)
{
    if (terminal->fd >= 0 && tcgetpgrp(terminal->fd) == process_group)
        set_foreground(terminal, getpgrp());
}

void terminal_suspend(const struct terminal *terminal, pid_t process_group)
{
    if (terminal->fd < 0)
        return; // somebody else's SIGSTOP: theirs to continue
    terminal_take_back(terminal, process_group);
    raise(SIGSTOP);
    if (tcgetpgrp(terminal->fd) == getpgrp()) // fg, not bg
        terminal_lend(terminal, process_group);
    kill(-process_group, SIGCONT);
}
