// Successor start: a daemon starts the program that succeeds it, and that finds its predecessor.
#pragma once

#include "error.h"

#include <limits.h>
#include <sys/types.h>

#define SUCCESSOR_PREPARE_MAX_S 60 // one that says nothing by then is not going to

// Where the program that runs now is to be found, also when it has been replaced by then: "" where
// nobody can say. To be asked at the start, as /proc/self/exe names a file that may go.
void successor_find_program(char program[static PATH_MAX]);

// Starts `program` with the arguments (the first one its name, NULL at the end) and our
// environment. *fd is our end of the socket to it, which blocks; *child is to be reaped, and ends
// at once, when the successor has left it.
int successor_start(const char *program, char *const *arguments, int *fd, pid_t *child,
                    struct error *err);

// In a program that may be a successor, while it has one thread: the socket to the predecessor,
// which blocks; -1: there is none. The process goes on as nobody's child, so that systemd adopts
// it, and can be its main one. SIGALRM ends it if it hangs: once it is prepared it has to call
// alarm(0).
int successor_find_predecessor(void);
