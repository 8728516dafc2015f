// Off the loop: blocking work on a thread of its own, its end told on the loop.

#include "off_loop.h"

#include "cleanup.h"

#include <assert.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

// Threads find their way back by what they write: a pointer, which a pipe takes whole (pipe(7)).
struct off_loop {
    int read_fd, write_fd;
    struct event *readable;
    size_t running;
};

struct start {
    struct off_loop_work *work;
    int write_fd;
};

static void *run_thread(void *argument)
{
    struct start start = *(struct start *)argument;
    free(argument);
    start.work->run(start.work);
    ssize_t written = write(start.write_fd, &start.work, sizeof(start.work));
    assert(written == sizeof(start.work));
    (void)written;
    return NULL;
}

// Waits for one piece of work, if need be, and ends it. False: none is through.
static bool work_end(struct off_loop *off_loop)
{
    struct off_loop_work *work;
    if (read(off_loop->read_fd, &work, sizeof(work)) != sizeof(work))
        return false;
    pthread_join(work->thread, NULL);
    off_loop->running--;
    work->done(work);
    return true;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    work_end(context);
}

int off_loop_new(struct off_loop **off_loop, struct event_base *base, struct error *err)
{
    int fds[2];
    struct off_loop *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set(err, -ENOMEM, "out of memory for threads");
    if (pipe2(fds, O_CLOEXEC) < 0) {
        free(made);
        return error_set_errno(err, -errno, "a pipe for threads");
    }
    made->read_fd = fds[0];
    made->write_fd = fds[1];
    made->readable = event_new(base, made->read_fd, EV_READ | EV_PERSIST, on_readable, made);
    if (made->readable == NULL) {
        off_loop_free(made);
        return error_set(err, -ENOMEM, "out of memory for threads");
    }
    event_add(made->readable, NULL);
    *off_loop = made;
    return 0;
}

void off_loop_free(struct off_loop *off_loop)
{
    if (off_loop == NULL)
        return;
    while (off_loop->running > 0 && work_end(off_loop))
        ;
    if (off_loop->readable != NULL)
        event_free(off_loop->readable);
    close(off_loop->read_fd);
    close(off_loop->write_fd);
    free(off_loop);
}

int off_loop_start(struct off_loop *off_loop, struct off_loop_work *work, struct error *err)
{
    sigset_t all, before;
    cleanup_free struct start *start = malloc(sizeof(*start));
    if (start == NULL)
        return error_set(err, -ENOMEM, "out of memory for a thread");
    *start = (struct start){work, off_loop->write_fd};
    sigfillset(&all); // signals are the loop's
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&work->thread, NULL, run_thread, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0)
        return error_set_errno(err, -code, "starting a thread");
    take_pointer(&start);
    off_loop->running++;
    return 0;
}
