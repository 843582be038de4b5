/* Streams whose memory runs out, at each place in turn: all is well, or the error says so, and
 * nothing stays open. */
#include "oom.h"

#include <dirent.h>
#include <fcntl.h>
#include <nexus/fiber.h>
#include <nexus/fs.h>
#include <nexus/stream.h>
#include <nexus/test.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 40000 };

static const char *file_in, *file_out;
static nx_bytes text, packed_br, packed_zstd;

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

/* ---- What is tried: each ends with the text in `*out` */

static nx_err by_gzip(nx_bytes *out)
{
    return nx_pipe(nx_memory_reader(text), nx_gzip(.level = 1), nx_gunzip(),
                   nx_memory_writer(out, SIZE));
}

static nx_err by_deflate(nx_bytes *out)
{
    return nx_pipe(nx_memory_reader(text), nx_deflate(.raw = true), nx_inflate(.raw = true),
                   nx_memory_writer(out, SIZE));
}

static nx_err by_brotli(nx_bytes *out)
{
    NX_TRY(nx_pipe(nx_memory_reader(text), nx_brotli(.level = 1), nx_memory_writer(out, SIZE)));
    return nx_pipe(nx_memory_reader(packed_br), nx_unbrotli(), nx_memory_writer(out, SIZE));
}

static nx_err by_zstd(nx_bytes *out)
{
    NX_TRY(nx_pipe(nx_memory_reader(text), nx_zstd(.level = 1), nx_memory_writer(out, SIZE)));
    return nx_pipe(nx_memory_reader(packed_zstd), nx_unzstd(), nx_memory_writer(out, SIZE));
}

static nx_err by_text(nx_bytes *out)
{
    return nx_pipe(nx_memory_reader(text), nx_base64_encoder(.line = 76), nx_hex_encoder(),
                   nx_hex_decoder(), nx_base64_decoder(.spaces = true),
                   nx_memory_writer(out, SIZE));
}

static nx_err by_files(nx_bytes *out)
{
    NX_TRY(nx_pipe(nx_fs_reader(file_in), nx_change(nothing, NULL), nx_fs_writer(file_out)));
    return nx_pipe(nx_fs_reader(file_out), nx_memory_writer(out, SIZE));
}

static nx_err by_kernel(nx_bytes *out)
{
    NX_TRY(nx_pipe(nx_fs_reader(file_in), nx_fs_writer(file_out)));
    return nx_pipe(nx_fd_reader(open(file_out, O_RDONLY | O_CLOEXEC)), nx_memory_writer(out, SIZE));
}

static nx_err by_several(nx_bytes *out)
{
    int left = 1;
    nx_bytes other;
    return nx_pipe(nx_concat(nx_memory_reader(nx_slice(text.data, 10)),
                             nx_memory_reader(nx_str("")), nx_generator(once, &left)),
                   nx_drop(10), nx_take(SIZE), nx_limit(SIZE),
                   nx_tee(nx_memory_writer(&other, SIZE)), nx_lines(upper_line, NULL, SIZE),
                   nx_tee(nx_memory_writer(&other, SIZE), nx_memory_writer(out, SIZE)));
}

static nx_err by_hand(nx_bytes *out)
{
    NX_AUTO(nx_stream) *s = nx_memory_reader(text);
    char data[10];
    nx_bytes bytes;
    NX_TRY(nx_stream_peek(s, 20000, &bytes));
    NX_TRY(nx_stream_peek(s, 100, &bytes));
    NX_AUTO(nx_stream) *again = nx_memory_reader(text);
    NX_TRY(nx_stream_read_exact(s, data, sizeof data));
    return nx_stream_read_all(again, SIZE, out);
}

static nx_err by_fibers(nx_bytes *out)
{
    nx_stream *two[] = {nx_memory_reader(text), nx_memory_reader(nx_str(""))};
    return nx_pipe(nx_through(nx_merge_with(two, 2), nx_change(nothing, NULL)),
                   nx_memory_writer(out, SIZE));
}

struct sending {
    nx_stream *to;
};

static nx_err send_text(void *arg)
{
    const struct sending *sending = arg;
    return nx_pipe(nx_memory_reader(text), sending->to);
}

static nx_err by_sockets(nx_bytes *out)
{
    int ends[2];
    nx_stream *from, *to;
    nx_fiber *f;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return nx_fail(NX_EFAILED, "no sockets");
    nx_err err = nx_stream_split(nx_fd_duplex(ends[0]), &from, &to);
    if (err) {
        (void)close(ends[1]);
        return err;
    }
    struct sending sending = {to};
    err = nx_spawn(&f, send_text, &sending);
    if (err) {
        nx_stream_close(to);
        (void)close(ends[1]);
        nx_stream_close(from);
        return err;
    }
    nx_stream *peer = nx_fd_duplex(ends[1]);
    err = nx_stream_read_all(peer, SIZE, out);
    nx_stream_close(peer);
    nx_stream_close(from);
    nx_err sent = nx_join(f);
    /* Of two sides the one that failed first tells the other that it is gone. */
    return err == NX_ENOMEM || sent == NX_ENOMEM ? NX_ENOMEM : err ? err : sent;
}

static const struct {
    const char *name;
    nx_err (*run)(nx_bytes *out);
} chains[] = {{"gzip", by_gzip},       {"deflate", by_deflate}, {"br", by_brotli},
              {"zstd", by_zstd},       {"text", by_text},       {"files", by_files},
              {"kernel", by_kernel},   {"several", by_several}, {"hand", by_hand},
              {"sockets", by_sockets}, {"fibers", by_fibers}};

static int descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir)) count++;
    if (dir) (void)closedir(dir);
    return count;
}

NX_TEST("memory runs out at each place of each chain", .deadline = NX_S(110))
{
    char *data = nx_alloc(SIZE);
    for (size_t i = 0; i < SIZE; i++) data[i] = (char)('a' + i * i % 23);
    text = nx_slice(data, SIZE);
    file_in = nx_format("%s/in", nx_test_dir());
    file_out = nx_format("%s/out", nx_test_dir());
    nx_require_ok(nx_fs_write_file(file_in, text));
    nx_require_ok(nx_pipe(nx_memory_reader(text), nx_brotli(), nx_memory_writer(&packed_br, SIZE)));
    nx_require_ok(nx_pipe(nx_memory_reader(text), nx_zstd(), nx_memory_writer(&packed_zstd, SIZE)));
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        nx_subtest ("%s", chains[i].name) {
            nx_bytes out;
            nx_require_ok(chains[i].run(&out)); /* what is made at first use is there */
            int before = descriptors();
            for (struct oom_rounds rounds = {0}; oom_next(&rounds);) {
                nx_err err = chains[i].run(&out);
                oom_stop();
                if (err)
                    nx_expect_err(NX_ENOMEM, err);
                else
                    nx_expect(nx_bytes_eq(out, text));
                nx_expect_eq(descriptors(), before);
            }
        }
    }
}
