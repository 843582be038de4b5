/* What a program reads and writes, as streams of this one. */
#include "base/sigpipe.h"
#include "loop/files.h"
#include "process/process.h"
#include "stream/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static const char *const names[] = {"standard input", "standard output", "standard error"};

static const char *name_of(const struct nx__process_pipe *pipe)
{
    return names[pipe - pipe->process->pipes];
}

nx_err nx__process_pipe_init(nx_process *process, int which, int fd)
{
    struct nx__process_pipe *pipe = &process->pipes[which];
    uint32_t events = which == NX__IN ? NX__WRITABLE : NX__READABLE;
    if (which == NX__IN) nx__sigpipe_quiet();
    pipe->watch.ready = nx__watch_unheard;
    nx_err err = nx__poller_add(&process->loop->poller, &pipe->watch, fd, events);
    if (err) {
        (void)close(fd);
        return err;
    }
    pipe->fd = fd;
    pipe->had = true;
    return NX_OK;
}

/* Leaves the stream. Who waits for it is woken, and told that it is closed. */
static void descriptor_close(struct nx__process_pipe *pipe)
{
    if (pipe->fd < 0) return;
    nx__poller_remove(&pipe->process->loop->poller, &pipe->watch);
    (void)close(pipe->fd);
    pipe->fd = -1;
    struct nx__op *waiter = pipe->watch.waiter;
    pipe->watch.waiter = NULL;
    if (waiter) nx__op_complete(waiter, 0); /* it finds out why */
}

void nx__process_pipe_close(struct nx__process_pipe *pipe)
{
    /* What a fiber is in stays that one's to close. */
    if (!pipe->watch.waiter && !(pipe->stream && pipe->stream->held)) nx_stream_close(pipe->stream);
    descriptor_close(pipe);
}

static void discard(struct nx__watch *watch, uint32_t events)
{
    enum { PIECES = 16 /* 64 KiB: what a pipe holds */ };
    char data[4096];
    struct nx__process_pipe *pipe = nx__container_of(watch, struct nx__process_pipe, watch);
    (void)events;
    for (int i = 0; i < PIECES && nx__process_pipe_read(pipe, data, sizeof data) > 0; i++) {}
}

void nx__process_pipe_discard(struct nx__process_pipe *pipe)
{
    if (pipe->fd < 0 || pipe->watch.waiter) return;
    pipe->watch.ready = discard;
    discard(&pipe->watch, 0);
}

/* ---- Without waiting */

/* A terminal says EIO when no program has it open any more: it looks whether bytes are there, and
 * then whether it is closed, and between the two a program may have written its last line and
 * ended. So the end is the second in a row, before which all of it has been looked for. */
int64_t nx__process_pipe_read(struct nx__process_pipe *pipe, void *data, size_t len)
{
    for (bool closed = false;;) {
        ssize_t n = read(pipe->fd, data, len);
        if (n >= 0) return n;
        if (errno == EINTR) continue;
        if (errno != EIO || pipe->process->terminal < 0) return -errno;
        if (closed) return 0;
        closed = true;
    }
}

int64_t nx__process_pipe_write(struct nx__process_pipe *pipe, const void *data, size_t len)
{
    ssize_t n;
    do n = write(pipe->fd, data, len);
    while (n < 0 && errno == EINTR);
    if (n > 0) pipe->in_line = ((const char *)data)[n - 1] != '\n';
    if (n >= 0) return n;
    return errno == EIO && pipe->process->terminal >= 0 ? -EPIPE : -errno;
}

int64_t nx__process_pipe_finish(struct nx__process_pipe *pipe)
{
    char bytes[2];
    if (pipe->fd >= 0 && pipe->process->terminal >= 0) {
        size_t len = nx__terminal_end(pipe->fd, pipe->in_line, bytes);
        int64_t n = len ? nx__process_pipe_write(pipe, bytes, len) : 0;
        if (n < 0 && n != -EPIPE) return n;
    }
    descriptor_close(pipe);
    return 0;
}

/* ---- Streams */

static nx_err missing(const struct nx__process_pipe *pipe)
{
    if (pipe->had)
        return nx__error_set(NX_ECLOSED, "the %s of \"%s\" is closed", name_of(pipe),
                             pipe->process->name);
    return nx__error_set(NX_ESTATE, "the %s of \"%s\" is no pipe: start it with NX_IO_PIPE",
                         name_of(pipe), pipe->process->name);
}

static nx_err failed(const struct nx__process_pipe *pipe, int64_t result, const char *doing)
{
    if (result == -EPIPE)
        return nx__error_set(NX_ECLOSED, "\"%s\" reads no more of its standard input",
                             pipe->process->name);
    return nx__error_system((int)-result, "cannot %s the %s of \"%s\"", doing, name_of(pipe),
                            pipe->process->name);
}

/* For one fiber: of two the first would never hear of it. */
static nx_err pipe_wait(struct nx__process_pipe *pipe, uint32_t events)
{
    if (pipe->watch.waiter)
        return nx__error_set(NX_ESTATE, "another fiber waits for the %s of \"%s\" already",
                             name_of(pipe), pipe->process->name);
    return nx__wait_fd(&pipe->watch, events, NX_FOREVER);
}

static nx_err pipe_read(void *state, void *data, size_t len, size_t *got)
{
    struct nx__process_pipe *pipe = state;
    if (pipe->fd < 0) return missing(pipe);
    for (;;) {
        int64_t n = nx__process_pipe_read(pipe, data, len);
        if (n == -EAGAIN) {
            NX_TRY(pipe_wait(pipe, NX__READABLE));
            if (pipe->fd < 0) return missing(pipe);
            continue;
        }
        if (n < 0) return failed(pipe, n, "read");
        *got = (size_t)n;
        /* What has come is handed over in any case. */
        (void)nx__file_turn((size_t)n);
        return NX_OK;
    }
}

static nx_err pipe_write(void *state, nx_bytes bytes)
{
    struct nx__process_pipe *pipe = state;
    while (bytes.len) {
        if (pipe->fd < 0) return missing(pipe);
        int64_t n = nx__process_pipe_write(pipe, bytes.data, bytes.len);
        if (n == -EAGAIN) {
            NX_TRY(pipe_wait(pipe, NX__WRITABLE));
            continue;
        }
        if (n < 0) return failed(pipe, n, "write");
        bytes = nx_slice(bytes.data + n, bytes.len - (size_t)n);
        if (nx__file_turn((size_t)n) < 0)
            return nx__error_set(NX_ECANCELED, "cancelled while writing to \"%s\"",
                                 pipe->process->name);
    }
    return NX_OK;
}

static nx_err pipe_finish(void *state, nx_stream *next)
{
    struct nx__process_pipe *pipe = state;
    (void)next;
    if (!pipe->had) return missing(pipe);
    int64_t result;
    while ((result = nx__process_pipe_finish(pipe)) == -EAGAIN)
        NX_TRY(pipe_wait(pipe, NX__WRITABLE));
    return result < 0 ? failed(pipe, result, "finish") : NX_OK;
}

static void pipe_close(void *state)
{
    struct nx__process_pipe *pipe = state;
    const nx_process *p = pipe->process;
    pipe->stream = NULL;
    /* A program that will be stopped gently must not end by its last words, which nobody reads:
     * what a cancelled fiber leaves stays open until the handle is closed. */
    bool last_words = pipe != &p->pipes[NX__IN] && p->grace && !p->ended && nx_canceled();
    if (!last_words) descriptor_close(pipe);
}

static bool is_open(void *owner)
{
    return ((const struct nx__process_pipe *)owner)->fd >= 0;
}

static nx_err stream_wait(void *owner, uint32_t event)
{
    struct nx__process_pipe *pipe = owner;
    return is_open(pipe) ? pipe_wait(pipe, event) : missing(pipe);
}

/* A terminal has more to it than its bytes. */
static bool pipe_direct(void *state, struct nx__direct *out)
{
    static const struct nx__direct_guard guard = {.is_open = is_open, .wait = stream_wait};
    const struct nx__process_pipe *pipe = state;
    *out = (struct nx__direct){.fd = pipe->fd, .guard = &guard, .owner = state};
    return pipe->fd >= 0 && pipe->process->terminal < 0;
}

static nx_stream *stream_of(nx_process *process, int which)
{
    static const nx_stream_type sink = {.size = sizeof sink,
                                        .name = "a program's standard input",
                                        .write = pipe_write,
                                        .finish = pipe_finish,
                                        .close = pipe_close},
                                source = {.size = sizeof source,
                                          .name = "what a program writes",
                                          .read = pipe_read,
                                          .close = pipe_close};
    struct nx__process_pipe *pipe = &process->pipes[which];
    if (!pipe->stream) {
        pipe->stream = nx_stream_new(which == NX__IN ? &sink : &source, pipe);
        (void)nx__stream_direct(pipe->stream, pipe_direct);
    }
    return pipe->stream;
}

nx_stream *nx_process_in(nx_process *process)
{
    return stream_of(process, NX__IN);
}

nx_stream *nx_process_out(nx_process *process)
{
    return stream_of(process, NX__OUT);
}

nx_stream *nx_process_err(nx_process *process)
{
    return stream_of(process, NX__ERR);
}
