/* Streams whose memory runs out, or whose system calls fail, at each place in turn: all is well, or
 * the error says so, and nothing stays open. */
#include "faults.h"

#include "loop/uring.h"
#include <errno.h>
#include <fcntl.h>
#include <nexus/fiber.h>
#include <nexus/fs.h>
#include <nexus/process.h>
#include <nexus/stream.h>
#include <nexus/test.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE = 40000 };

static const char *file_in, *file_out;
static nx_bytes text, packed_br, packed_zstd, out;

static nx_err upper_line(void *arg, nx_bytes line, nx_stream *next)
{
    (void)arg;
    return nx_stream_write(next, line);
}

static void nothing(void *arg, char *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
}

static nx_err once(void *arg, nx_bytes *piece)
{
    int *left = arg;
    *piece = (*left)-- > 0 ? text : (nx_bytes){0};
    return NX_OK;
}

/* ---- What is tried: each ends with the text in `out` */

static nx_err by_gzip(void)
{
    return nx_pipe(nx_memory_reader(text), nx_gzip(.level = 1), nx_gunzip(),
                   nx_memory_writer(&out, SIZE));
}

static nx_err by_deflate(void)
{
    return nx_pipe(nx_memory_reader(text), nx_deflate(.raw = true), nx_inflate(.raw = true),
                   nx_memory_writer(&out, SIZE));
}

static nx_err by_brotli(void)
{
    NX_TRY(nx_pipe(nx_memory_reader(text), nx_brotli(.level = 1), nx_memory_writer(&out, SIZE)));
    return nx_pipe(nx_memory_reader(packed_br), nx_unbrotli(), nx_memory_writer(&out, SIZE));
}

static nx_err by_zstd(void)
{
    NX_TRY(nx_pipe(nx_memory_reader(text), nx_zstd(.level = 1), nx_memory_writer(&out, SIZE)));
    return nx_pipe(nx_memory_reader(packed_zstd), nx_unzstd(), nx_memory_writer(&out, SIZE));
}

static nx_err by_text(void)
{
    return nx_pipe(nx_memory_reader(text), nx_base64_encoder(.line = 76), nx_hex_encoder(),
                   nx_hex_decoder(), nx_base64_decoder(.spaces = true),
                   nx_memory_writer(&out, SIZE));
}

static nx_err by_files(void)
{
    NX_TRY(nx_pipe(nx_fs_reader(file_in), nx_change(nothing, NULL), nx_fs_writer(file_out)));
    return nx_pipe(nx_fs_reader(file_out), nx_memory_writer(&out, SIZE));
}

static nx_err by_kernel(void)
{
    NX_TRY(nx_pipe(nx_fs_reader(file_in), nx_fs_writer(file_out)));
    return nx_pipe(nx_fd_reader(open(file_out, O_RDONLY | O_CLOEXEC)),
                   nx_memory_writer(&out, SIZE));
}

static nx_err by_several(void)
{
    int left = 1;
    nx_bytes other;
    return nx_pipe(nx_concat(nx_memory_reader(nx_slice(text.data, 10)),
                             nx_memory_reader(nx_str("")), nx_generator(once, &left)),
                   nx_drop(10), nx_take(SIZE), nx_limit(SIZE),
                   nx_tee(nx_memory_writer(&other, SIZE)), nx_lines(upper_line, NULL, SIZE),
                   nx_tee(nx_memory_writer(&other, SIZE), nx_memory_writer(&out, SIZE)));
}

static nx_err by_hand(void)
{
    NX_AUTO(nx_stream) *s = nx_memory_reader(text);
    char data[10];
    nx_bytes bytes;
    NX_TRY(nx_stream_peek(s, 20000, &bytes));
    NX_TRY(nx_stream_peek(s, 100, &bytes));
    NX_AUTO(nx_stream) *again = nx_memory_reader(text);
    NX_TRY(nx_stream_read_exact(s, data, sizeof data));
    return nx_stream_read_all(again, SIZE, &out);
}

static nx_err by_fibers(void)
{
    nx_stream *two[] = {nx_memory_reader(text), nx_memory_reader(nx_str(""))};
    return nx_pipe(nx_through(nx_merge_with(two, 2), nx_change(nothing, NULL)),
                   nx_memory_writer(&out, SIZE));
}

/* What the kernel moves: what before() has laid into one end of each goes on from there. */
static int pipe_end = -1, socket_ends[2] = {-1, -1};

static void before_kernel(void)
{
    int ends[2];
    nx_require_eq(pipe2(ends, O_CLOEXEC), 0);
    nx_require_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socket_ends), 0);
    nx_require_eq(write(ends[1], text.data, text.len), (ssize_t)text.len);
    nx_require_eq(close(ends[1]), 0);
    pipe_end = ends[0];
}

static nx_err by_splice(void)
{
    (void)close(socket_ends[0]);
    (void)close(socket_ends[1]);
    NX_TRY(nx_pipe(nx_fd_reader(pipe_end), nx_fs_writer(file_out)));
    return nx_fs_read_file(file_out, &out);
}

static nx_err by_sendfile(void)
{
    (void)close(pipe_end);
    nx_err err = nx_pipe(nx_fs_reader(file_in), nx_fd_writer(socket_ends[0]));
    if (!err) return nx_pipe(nx_fd_reader(socket_ends[1]), nx_memory_writer(&out, SIZE));
    (void)close(socket_ends[1]);
    return err;
}

struct sending {
    nx_stream *to;
};

static nx_err send_text(void *arg)
{
    const struct sending *sending = arg;
    return nx_pipe(nx_memory_reader(text), sending->to);
}

/* Of two sides the one that failed first tells the other that it is gone. */
static nx_err first_of(nx_err err, nx_err sent)
{
    nx_err first = err == NX_ENOMEM || sent == NX_ENOMEM ? NX_ENOMEM : err ? err : sent;
    return first ? nx_fail(first, "one of two sides failed") : NX_OK;
}

/* The side that fails ends the wait of the other. */
static nx_err by_sockets(void)
{
    int ends[2];
    nx_stream *from, *to;
    nx_scope *scope;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return nx_fail(NX_EFAILED, "no sockets");
    nx_err err = nx_stream_split(nx_fd_duplex(ends[0]), &from, &to);
    if (err) {
        (void)close(ends[1]);
        return err;
    }
    nx_stream *peer = nx_fd_duplex(ends[1]);
    struct sending sending = {to};
    err = nx_scope_open(&scope);
    if (!err) {
        err = nx_spawn(NULL, send_text, &sending);
        if (err)
            nx_stream_close(to);
        else
            err = nx_stream_read_all(peer, SIZE, &out);
        /* What was read ends with the scope. */
        if (!err) out = nx_bytes_eq(out, text) ? text : nx_str("");
        err = first_of(err, nx_scope_close(&scope));
    } else {
        nx_stream_close(to);
    }
    nx_stream_close(peer);
    nx_stream_close(from);
    return err;
}

static void after(const struct faults_scenario *scenario, nx_err err, const char *failed)
{
    (void)scenario, (void)failed;
    if (!err) nx_expect(nx_bytes_eq(out, text));
}

static const struct faults_scenario chains[] = {
    {.name = "gzip", .run = by_gzip, .after = after},
    {.name = "deflate", .run = by_deflate, .after = after},
    {.name = "br", .run = by_brotli, .after = after},
    {.name = "zstd", .run = by_zstd, .after = after},
    {.name = "text", .run = by_text, .after = after},
    {.name = "several", .run = by_several, .after = after},
    {.name = "hand", .run = by_hand, .after = after},
    {.name = "fibers", .run = by_fibers, .after = after},
    {.name = "files", .run = by_files, .after = after},
    {.name = "kernel", .run = by_kernel, .after = after},
    {.name = "splice", .run = by_splice, .before = before_kernel, .after = after},
    {.name = "sendfile", .run = by_sendfile, .before = before_kernel, .after = after},
    {.name = "sockets", .run = by_sockets, .after = after}};
enum { CHAINS = sizeof chains / sizeof *chains, WITH_DESCRIPTORS = 5 };

static void begin(void)
{
    char *data = nx_alloc(SIZE);
    for (size_t i = 0; i < SIZE; i++) data[i] = (char)('a' + i * i % 23);
    text = nx_slice(data, SIZE);
    file_in = nx_format("%s/in", nx_test_dir());
    file_out = nx_format("%s/out", nx_test_dir());
    nx_require_ok(nx_fs_write_file(file_in, text));
    nx_require_ok(nx_pipe(nx_memory_reader(text), nx_brotli(), nx_memory_writer(&packed_br, SIZE)));
    nx_require_ok(nx_pipe(nx_memory_reader(text), nx_zstd(), nx_memory_writer(&packed_zstd, SIZE)));
}

NX_TEST("one allocation fails", .deadline = NX_S(110))
{
    nx__uring_refused = true; /* so that functions are called */
    begin();
    faults_run(FAULTS_MEMORY, chains, CHAINS);
}

NX_TEST("memory runs out", .deadline = NX_S(110))
{
    nx__uring_refused = true;
    begin();
    faults_run(FAULTS_NO_MEMORY, chains, CHAINS);
}

static void calls_fail(void)
{
    static const int all[] = {EIO, EINTR, ECONNRESET, EMFILE, FAULTS_SHORT};
    begin();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        faults_run(all[i], chains + CHAINS - WITH_DESCRIPTORS, WITH_DESCRIPTORS);
}

NX_TEST("system calls fail", .deadline = NX_S(110))
{
    nx__uring_refused = true;
    calls_fail();
}

NX_TEST("a ring fails", .deadline = NX_S(110))
{
    if (nx__uring_probe() != 0) nx_skip("this kernel has no io_uring, or refuses it");
    if (!faults_ring()) nx_skip("operations of a ring fail at will from Linux 6.10 on");
    calls_fail();
}

/* ---- Who moves the bytes */

enum end {
    A_FILE,
    AN_OPEN_FILE,
    A_FIFO,
    A_PIPE,
    A_PROGRAM,
    A_SOCKET,
    A_HALF, /* of a socket's two directions */
    ENDS
};

static bool is_file(enum end end)
{
    return end == A_FILE || end == AN_OPEN_FILE;
}

static bool is_socket(enum end end)
{
    return end == A_SOCKET || end == A_HALF;
}

/* What has the kernel move them, as docs/stream.md says, or "none". */
static const char *mover(enum end from, enum end to)
{
    if (is_file(from) && is_file(to)) return "copy_file_range";
    if (is_file(from) && is_socket(to)) return "sendfile";
    bool pipe = !is_file(from) && !is_socket(from);
    return pipe || (!is_file(to) && !is_socket(to)) ? "splice" : "none";
}

enum { WORDS = 1000 };

/* One of the two streams of a pair and what is at its other end. */
struct place {
    nx_stream *stream, *other_half;
    nx_process *program;
    int peer; /* of a pipe or a socket; -1: none */
};

static void give_words(int fd)
{
    nx_require_eq(write(fd, text.data, WORDS), WORDS);
    nx_require_eq(close(fd), 0);
}

static int socket_make(struct place *place)
{
    int two[2];
    nx_require_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, two), 0);
    place->peer = two[1];
    return two[0];
}

static struct place source_make(enum end end)
{
    struct place p = {.peer = -1};
    const char *fifo = nx_format("%s/fifo", nx_test_dir());
    int two[2];
    switch (end) {
    case A_FILE: p.stream = nx_fs_reader(file_in); break;
    case AN_OPEN_FILE: p.stream = nx_fd_reader(open(file_in, O_RDONLY | O_CLOEXEC)); break;
    case A_FIFO:
        (void)unlink(fifo);
        nx_require_eq(mkfifo(fifo, 0600), 0);
        p.stream = nx_fs_reader(fifo);
        give_words(open(fifo, O_WRONLY | O_CLOEXEC));
        break;
    case A_PROGRAM:
        nx_require_ok(nx_process_start(&p.program, NX_ARGV("cat", file_in), .out = NX_IO_PIPE));
        nx_require_ok(nx_process_wait(p.program, NULL));
        p.stream = nx_process_out(p.program);
        break;
    case A_SOCKET:
    case A_HALF:
        p.stream = nx_fd_duplex(socket_make(&p));
        if (end == A_HALF) nx_require_ok(nx_stream_split(p.stream, &p.stream, &p.other_half));
        give_words(p.peer);
        p.peer = -1;
        break;
    default:
        nx_require_eq(pipe2(two, O_CLOEXEC), 0);
        give_words(two[1]);
        p.stream = nx_fd_reader(two[0]);
        break;
    }
    return p;
}

static struct place sink_make(enum end end)
{
    struct place p = {.peer = -1};
    int two[2];
    switch (end) {
    case A_FILE: p.stream = nx_fs_writer(file_out); break;
    case AN_OPEN_FILE:
        p.stream = nx_fd_writer(open(file_out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        break;
    case A_PIPE:
        nx_require_eq(pipe2(two, O_CLOEXEC), 0);
        p.peer = two[0];
        p.stream = nx_fd_writer(two[1]);
        break;
    case A_PROGRAM:
        nx_require_ok(nx_process_start(&p.program, NX_ARGV("cat"), .in = NX_IO_PIPE,
                                       .out = NX_IO_FILE(file_out)));
        p.stream = nx_process_in(p.program);
        break;
    default:
        p.stream = nx_fd_duplex(socket_make(&p));
        if (end == A_HALF) nx_require_ok(nx_stream_split(p.stream, &p.other_half, &p.stream));
        break;
    }
    return p;
}

/* What has come out of the other end, where it was no error. */
static bool has_words(const struct place *p)
{
    if (p->program) nx_expect_ok(nx_process_wait(p->program, NULL));
    if (p->peer < 0) {
        nx_require_ok(nx_fs_read_file(file_out, &out));
    } else {
        char *data = nx_alloc(SIZE);
        ssize_t n = read(p->peer, data, SIZE);
        out = nx_slice(data, n > 0 ? (size_t)n : 0);
    }
    return nx_bytes_eq(out, nx_slice(text.data, WORDS));
}

static void place_end(struct place *p)
{
    nx_stream_close(p->other_half);
    nx_process_close(p->program);
    if (p->peer >= 0) (void)close(p->peer);
}

/* Whatever call fails in turn, the one that moves them is among them. */
static const char *mover_met(enum end from, enum end to)
{
    static const char *const movers[] = {"copy_file_range", "sendfile", "splice"};
    const char *failed = "";
    for (unsigned long n = 1; failed; n++) {
        nx_scope *scope;
        nx_require_ok(nx_scope_open(&scope));
        struct place source = source_make(from), sink = sink_make(to);
        faults_begin(EIO, n);
        nx_err err = nx_pipe(source.stream, sink.stream);
        failed = faults_stop();
        if (!err) nx_expect(has_words(&sink));
        place_end(&source);
        place_end(&sink);
        nx_require_ok(nx_scope_close(&scope));
        for (size_t i = 0; failed && i < sizeof movers / sizeof *movers; i++)
            if (strcmp(failed, movers[i]) == 0) return failed;
    }
    return "none";
}

NX_TEST("the kernel moves what it can from end to end", .deadline = NX_S(110))
{
    nx__uring_refused = true;
    begin();
    nx_require_ok(nx_fs_write_file(file_in, nx_slice(text.data, WORDS)));
    for (enum end from = A_FILE; from < ENDS; from++)
        for (enum end to = A_FILE; to < ENDS; to++)
            if (to != A_FIFO)
                nx_subtest ("from %d to %d", (int)from, (int)to)
                    nx_expect_eq(mover_met(from, to), mover(from, to));
}
