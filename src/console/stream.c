/* The standard input, output and error as streams. */
#include <nexus/console.h>

#include <nexus/stream.h>
#include <unistd.h>

nx_stream *nx_stdin(void)
{
    return nx_fd_reader(STDIN_FILENO, .keep = true, .name = "the standard input");
}

/* Through the same buffer as what is printed, so that both stay in order. */
static nx_err standard_write(void *state, nx_bytes bytes)
{
    const nx_standard *to = state;
    return nx_print_bytes(*to, bytes);
}

static nx_err standard_finish(void *state, nx_stream *next)
{
    (void)state;
    (void)next;
    return nx_flush();
}

static nx_stream *standard_new(nx_standard *to)
{
    static const nx_stream_type type = {.size = sizeof type,
                                        .name = "the standard output",
                                        .write = standard_write,
                                        .finish = standard_finish};
    return nx_stream_new(&type, to);
}

nx_stream *nx_stdout(void)
{
    static nx_standard to = NX_STDOUT;
    return standard_new(&to);
}

nx_stream *nx_stderr(void)
{
    static nx_standard to = NX_STDERR;
    return standard_new(&to);
}
