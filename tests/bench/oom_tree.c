// oom_tree: an agent gone wild: twelve processes, each of which takes up to 50 MB more every
// second.
//
// Three children with three of their own each; the grandchildren leave the session, as tools that
// run in the background do. Those above wait for those below, whatever becomes of them, and then
// for ever.

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 3
#define BITE_BYTES (1 << 20)
#define BITE_PAUSE_US 20000

static void take_memory(void)
{
    for (;;) {
        char *bite = malloc(BITE_BYTES);
        if (bite != NULL)
            memset(bite, 1, BITE_BYTES);
        usleep(BITE_PAUSE_US);
    }
}

static void child(void)
{
    for (int i = 0; i < CHILDREN; i++)
        if (fork() == 0) {
            setsid();
            take_memory();
        }
    take_memory();
}

int main(void)
{
    for (int i = 0; i < CHILDREN; i++)
        if (fork() == 0)
            child();
    while (wait(NULL) > 0)
        continue;
    for (;;)
        pause();
}
