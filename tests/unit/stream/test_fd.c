/* Descriptors as streams: every kind, both directions, bytes that the kernel moves, peers that go.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <nexus/fiber.h>
#include <nexus/fs.h>
#include <nexus/stream.h>
#include <nexus/test.h>
#include <nexus/timer.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

enum { SIZE = (1 << 20) + 77 };

static const char *at(const char *name)
{
    return nx_format("%s/%s", nx_test_dir(), name);
}

static nx_bytes text_make(size_t size)
{
    char *text = nx_alloc(size + 1);
    for (size_t i = 0; i < size; i++) text[i] = (char)('a' + i * 7 % 26);
    return nx_slice(text, size);
}

static bool is_closed(int fd)
{
    return fcntl(fd, F_GETFD) < 0 && errno == EBADF;
}

/* ---- Pipes in fibers of their own */

struct way {
    nx_stream *from, *to;
};

static nx_err way_run(void *arg)
{
    const struct way *w = arg;
    return nx_pipe(w->from, w->to);
}

enum kind { FILE_KIND, PIPE_KIND, SOCKET_KIND, BUSY_SOCKET_KIND, KINDS };

/* Both ends of a pipe or a pair of sockets: what is written into [1] comes out of [0]. */
static void ends_make(enum kind kind, int ends[2])
{
    if (kind == PIPE_KIND)
        nx_require_eq(pipe2(ends, O_CLOEXEC), 0);
    else
        nx_require_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    if (kind == BUSY_SOCKET_KIND) {
        nx_require_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
        nx_require_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    }
}

NX_TEST("everything goes from every kind of descriptor to every other", .deadline = NX_S(60))
{
    nx_bytes text = text_make(SIZE), out;
    for (int from = 0; from < KINDS; from++)
        for (int to = 0; to < KINDS; to++) {
            nx_subtest ("from %d to %d", from, to) {
                struct way feed = {0}, move, drain = {0};
                nx_fiber *feeds = NULL, *drains = NULL;
                int in[2], out_ends[2];
                nx_require_ok(nx_fs_write_file(at("from"), text));
                (void)unlink(at("to"));
                if (from == FILE_KIND) {
                    move.from = nx_fd_reader(open(at("from"), O_RDONLY | O_CLOEXEC));
                } else {
                    ends_make((enum kind)from, in);
                    move.from = nx_fd_reader(in[0]);
                    feed = (struct way){nx_memory_reader(text), nx_fd_writer(in[1])};
                    nx_require_ok(nx_spawn(&feeds, way_run, &feed, .name = "feeds"));
                }
                if (to == FILE_KIND) {
                    move.to = nx_fs_writer(at("to"));
                } else {
                    ends_make((enum kind)to, out_ends);
                    move.to = nx_fd_writer(out_ends[1]);
                    drain = (struct way){nx_fd_reader(out_ends[0]), nx_memory_writer(&out, SIZE)};
                    nx_require_ok(nx_spawn(&drains, way_run, &drain, .name = "drains"));
                }
                nx_expect_ok(way_run(&move));
                if (feeds) nx_expect_ok(nx_join(feeds));
                if (drains) nx_expect_ok(nx_join(drains));
                if (to == FILE_KIND) nx_require_ok(nx_fs_read_file(at("to"), &out));
                nx_expect(nx_bytes_eq(out, text));
                if (from != FILE_KIND) nx_expect(is_closed(in[0]) && is_closed(in[1]));
                if (to != FILE_KIND) nx_expect(is_closed(out_ends[0]) && is_closed(out_ends[1]));
            }
        }
}

NX_TEST("what was read ahead, and what is in a file, is where it belongs")
{
    nx_bytes text = nx_str("head\nbody"), line, out;
    nx_require_ok(nx_fs_write_file(at("a"), text));
    nx_stream *from = nx_fs_reader(at("a"));
    nx_expect_ok(nx_stream_read_line(from, 9, &line));
    nx_expect_ok(nx_pipe(from, nx_fs_writer(at("b"))));
    nx_require_ok(nx_fs_read_file(at("b"), &out));
    nx_expect_eq(out, "body");
    nx_expect_ok(nx_pipe(nx_fs_reader(at("a")), nx_fs_writer(at("b"), .append = true)));
    nx_require_ok(nx_fs_read_file(at("b"), &out));
    nx_expect_eq(out, "bodyhead\nbody");
    nx_stream *to = nx_fs_writer(at("b"));
    nx_expect_ok(nx_stream_write(to, nx_str("first ")));
    nx_expect_ok(nx_pipe(nx_fs_reader(at("a")), to));
    nx_require_ok(nx_fs_read_file(at("b"), &out));
    nx_expect_eq(out, "first head\nbody");
    /* Where a descriptor stands. */
    int fd = open(at("a"), O_RDWR | O_CLOEXEC);
    nx_require_eq(lseek(fd, 5, SEEK_SET), 5);
    nx_expect_ok(nx_pipe(nx_fd_reader(fd, .keep = true), nx_fs_writer(at("b"))));
    nx_require_ok(nx_fs_read_file(at("b"), &out));
    nx_expect_eq(out, "body");
    nx_expect_ok(nx_pipe(nx_memory_reader(nx_str("!")), nx_fd_writer(fd, .keep = true)));
    nx_require_ok(nx_fs_read_file(at("a"), &out));
    nx_expect_eq(out, "head\nbody!");
    nx_expect(!is_closed(fd));
    (void)close(fd);
    /* A file that says it is empty, and one into itself. */
    nx_expect_ok(nx_pipe(nx_fs_reader("/proc/self/status"), nx_fs_writer(at("b"))));
    nx_require_ok(nx_fs_read_file(at("b"), &out));
    nx_expect(out.len > 100);
}

/* From here on the kernel moves nothing by itself. False where that can't be had. */
static bool refuse(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_copy_file_range, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendfile, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_splice, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

NX_TEST("what the kernel does not move is moved all the same")
{
    nx_bytes text = text_make(SIZE), out;
    int ends[2];
    nx_fiber *f;
    if (!refuse()) nx_skip("this system has no seccomp");
    nx_expect(splice(-1, NULL, -1, NULL, 1, 0) == -1 && errno == EPERM);
    nx_require_ok(nx_fs_write_file(at("from"), text));
    nx_expect_ok(nx_pipe(nx_fs_reader(at("from")), nx_fs_writer(at("to"))));
    nx_require_ok(nx_fs_read_file(at("to"), &out));
    nx_expect(nx_bytes_eq(out, text));
    for (int kind = PIPE_KIND; kind < KINDS; kind++) {
        ends_make((enum kind)kind, ends);
        struct way w = {nx_fs_reader(at("from")), nx_fd_writer(ends[1])};
        nx_require_ok(nx_spawn(&f, way_run, &w, .name = "writes"));
        nx_expect_ok(nx_pipe(nx_fd_reader(ends[0]), nx_fs_writer(at("to"))));
        nx_expect_ok(nx_join(f));
        nx_require_ok(nx_fs_read_file(at("to"), &out));
        nx_expect(nx_bytes_eq(out, text));
    }
}

NX_TEST("devices")
{
    nx_bytes out;
    nx_expect_ok(
        nx_pipe(nx_fd_reader(open("/dev/null", O_RDONLY | O_CLOEXEC)), nx_memory_writer(&out, 9)));
    nx_expect_eq(out.len, 0);
    nx_expect_ok(nx_pipe(nx_fd_reader(open("/dev/zero", O_RDONLY | O_CLOEXEC)), nx_take(SIZE),
                         nx_fd_writer(open("/dev/null", O_WRONLY | O_CLOEXEC))));
    nx_expect_err(NX_ENOSPC, nx_pipe(nx_memory_reader(nx_str("a")),
                                     nx_fd_writer(open("/dev/full", O_WRONLY | O_CLOEXEC),
                                                  .name = "the full device")));
    nx_expect_contains(nx_error_last()->message, "cannot write the full device");
    nx_expect_err(NX_EINVAL, nx_pipe(nx_fd_reader(-1), nx_memory_writer(&out, 9)));
    nx_expect_contains(nx_error_last()->message, "cannot read descriptor -1");
    nx_expect_err(NX_EINVAL, nx_pipe(nx_memory_reader(nx_str("a")), nx_fd_writer(-1)));
    nx_expect_err(NX_EINVAL, nx_pipe(nx_memory_reader(nx_str("a")),
                                     nx_fd_writer(open("/dev/zero", O_RDONLY | O_CLOEXEC))));
}

NX_TEST("a terminal")
{
    int master, slave;
    struct termios raw;
    nx_bytes line;
    char echo[64];
    nx_require_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
    nx_require_eq(tcgetattr(slave, &raw), 0);
    raw.c_lflag &= ~(tcflag_t)ECHO;
    raw.c_oflag &= ~(tcflag_t)OPOST;
    nx_require_eq(tcsetattr(slave, TCSANOW, &raw), 0);
    int flags = fcntl(slave, F_GETFL);
    nx_stream *from = nx_fd_reader(slave, .keep = true), *to = nx_fd_writer(slave, .keep = true);
    nx_require_eq(write(master, "typed\n", 6), 6);
    nx_expect_ok(nx_stream_read_line(from, 99, &line));
    nx_expect_eq(line, "typed");
    nx_expect_ok(nx_stream_write(to, nx_str("shown")));
    nx_expect_eq(read(master, echo, sizeof echo), 5);
    nx_expect_ok(nx_stream_finish(to));
    nx_stream_close(to);
    nx_expect_eq(fcntl(slave, F_GETFL), flags);
    /* Its other end goes. */
    (void)close(master);
    nx_err err = nx_stream_read_line(from, 99, &line);
    nx_expect(err == NX_EIO || err == NX_ECLOSED);
    nx_stream_close(from);
    (void)close(slave);
}

/* ---- Others at the other end */

NX_TEST("a peer that goes is told")
{
    for (int kind = PIPE_KIND; kind < KINDS; kind++) {
        nx_subtest ("kind %d", kind) {
            int ends[2];
            ends_make((enum kind)kind, ends);
            (void)close(ends[0]);
            nx_expect_err(NX_ERESET,
                          nx_pipe(nx_memory_reader(text_make(SIZE)), nx_fd_writer(ends[1])));
            nx_expect(is_closed(ends[1]));
            nx_require_ok(nx_fs_write_file(at("from"), text_make(SIZE)));
            ends_make((enum kind)kind, ends);
            (void)close(ends[0]);
            nx_expect_err(NX_ERESET, nx_pipe(nx_fs_reader(at("from")), nx_fd_writer(ends[1])));
        }
    }
}

NX_TEST("each wait is cancelled, and closes what it has")
{
    for (int kind = PIPE_KIND; kind < KINDS; kind++) {
        nx_subtest ("kind %d", kind) {
            int in[2], to[2];
            nx_bytes out;
            nx_fiber *f;
            /* Nothing comes. */
            ends_make((enum kind)kind, in);
            struct way w = {nx_fd_reader(in[0]), nx_memory_writer(&out, 9)};
            nx_require_ok(nx_spawn(&f, way_run, &w, .name = "reads"));
            nx_expect_ok(nx_sleep(NX_MS(5)));
            nx_cancel(f);
            nx_expect_err(NX_ECANCELED, nx_join(f));
            nx_expect(is_closed(in[0]));
            (void)close(in[1]);
            /* Nothing is taken: by a memory's reader, and by the kernel from a file. */
            nx_require_ok(nx_fs_write_file(at("from"), text_make(SIZE)));
            for (int direct = 0; direct < 2; direct++) {
                ends_make((enum kind)kind, to);
                w = (struct way){direct ? nx_fs_reader(at("from"))
                                        : nx_memory_reader(text_make(SIZE)),
                                 nx_fd_writer(to[1])};
                nx_require_ok(nx_spawn(&f, way_run, &w, .name = "writes"));
                nx_expect_ok(nx_sleep(NX_MS(5)));
                nx_cancel(f);
                nx_expect_err(NX_ECANCELED, nx_join(f));
                nx_expect(is_closed(to[1]));
                (void)close(to[0]);
            }
            /* From one to the other. */
            ends_make((enum kind)kind, in);
            ends_make((enum kind)kind, to);
            w = (struct way){nx_fd_reader(in[0]), nx_fd_writer(to[1])};
            nx_require_ok(nx_spawn(&f, way_run, &w, .name = "moves"));
            nx_expect_ok(nx_sleep(NX_MS(5)));
            nx_cancel(f);
            nx_expect_err(NX_ECANCELED, nx_join(f));
            nx_expect(is_closed(in[0]) && is_closed(to[1]));
            (void)close(in[1]);
            (void)close(to[0]);
        }
    }
}

/* ---- Duplex */

static nx_err echo(void *arg)
{
    nx_stream *from, *to;
    NX_TRY(nx_stream_split(nx_fd_duplex(*(int *)arg), &from, &to));
    return nx_pipe(from, to);
}

NX_TEST("a socket's directions are two streams, which end by themselves")
{
    int ends[2];
    nx_fiber *echoes, *writes;
    nx_bytes text = text_make(SIZE), back;
    nx_stream *from, *to;
    nx_require_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    nx_require_ok(nx_spawn(&echoes, echo, &ends[1], .name = "echoes"));
    nx_require_ok(nx_stream_split(nx_fd_duplex(ends[0]), &from, &to));
    struct way w = {nx_memory_reader(text), to};
    nx_require_ok(nx_spawn(&writes, way_run, &w, .name = "writes"));
    nx_expect_ok(nx_stream_read_all(from, SIZE, &back));
    nx_expect(nx_bytes_eq(back, text));
    nx_expect_ok(nx_join(writes));
    nx_expect_ok(nx_join(echoes));
    nx_expect(!is_closed(ends[0])); /* until the second half is */
    nx_stream_close(from);
    nx_expect(is_closed(ends[0]) && is_closed(ends[1]));
}

static nx_err read_one(void *arg)
{
    char byte;
    size_t got;
    NX_TRY(nx_stream_read(arg, &byte, 1, &got));
    return got == 1 ? NX_OK : nx_fail(NX_EFAILED, "it has ended");
}

static nx_err write_much(void *arg)
{
    static const char much[4 << 20]; /* more than the socket holds */
    return nx_stream_write(arg, nx_slice(much, sizeof much));
}

NX_TEST("both directions of a socket, and two of one, may be waited for at once")
{
    int pair[2];
    nx_stream *source, *sink;
    nx_fiber *first, *second, *writer;
    char data[4096];
    nx_require_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    nx_require_ok(nx_stream_split(nx_fd_duplex(pair[0]), &source, &sink));
    nx_require_ok(nx_spawn(&first, read_one, source));
    nx_require_ok(nx_spawn(&second, read_one, source));
    nx_require_ok(nx_spawn(&writer, write_much, sink));
    for (int i = 0; i < 10; i++) nx_require_ok(nx_yield());
    nx_expect_eq(write(pair[1], "ab", 2), 2);
    nx_expect_ok(nx_join(first));
    nx_expect_ok(nx_join(second));
    for (size_t left = 4 << 20; left;) {
        ssize_t n = recv(pair[1], data, sizeof data, MSG_DONTWAIT);
        if (n > 0)
            left -= (size_t)n;
        else
            nx_require_ok(nx_sleep(NX_MS(1)));
    }
    nx_expect_ok(nx_join(writer));
    nx_stream_close(source);
    nx_stream_close(sink);
    (void)close(pair[1]);
}

NX_TEST("a half that is given up is an end for the peer")
{
    int ends[2];
    nx_stream *from, *to;
    nx_bytes text;
    nx_require_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    nx_require_ok(nx_stream_split(nx_fd_duplex(ends[0]), &from, &to));
    nx_expect_ok(nx_stream_write(to, nx_str("not all")));
    nx_stream_close(to);
    nx_stream *peer = nx_fd_duplex(ends[1]);
    nx_expect_ok(nx_stream_read_all(peer, 9, &text));
    nx_expect_eq(text, "not all");
    nx_stream_close(peer);
    nx_expect_ok(nx_stream_read_all(from, 9, &text));
    nx_stream_close(from);
    nx_expect(is_closed(ends[0]) && is_closed(ends[1]));
}

NX_TEST("a duplex is used by one fiber too, and what has not two directions is none")
{
    int ends[2];
    nx_bytes line;
    nx_stream *a, *b;
    nx_require_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    nx_stream *s = nx_fd_duplex(ends[0]);
    nx_expect_ok(nx_stream_write(s, nx_str("ask\n")));
    nx_expect_ok(nx_stream_finish(s));
    nx_stream *peer = nx_fd_duplex(ends[1]);
    nx_expect_ok(nx_stream_read_all(peer, 9, &line));
    nx_expect_eq(line, "ask\n");
    nx_expect_ok(nx_stream_write(peer, nx_str("answer\n")));
    nx_stream_close(peer);
    nx_expect_ok(nx_stream_read_line(s, 9, &line));
    nx_expect_eq(line, "answer");
    nx_stream_close(s);
    nx_expect(is_closed(ends[0]));
    nx_require_eq(pipe2(ends, O_CLOEXEC), 0);
    nx_expect_err(NX_EINVAL, nx_stream_split(nx_fd_duplex(ends[0]), &a, &b));
    nx_expect_err(NX_EINVAL, nx_stream_split(nx_fd_reader(ends[1]), &a, &b));
    nx_expect_err(NX_EINVAL, nx_stream_split(NULL, &a, &b));
    nx_expect(is_closed(ends[0]) && is_closed(ends[1]));
}
