/* Streams: what comes through, who is closed when, and errors at every place. */
#include <errno.h>
#include <nexus/fiber.h>
#include <nexus/fs.h>
#include <nexus/stream.h>
#include <nexus/test.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *at(const char *name)
{
    return nx_format("%s/%s", nx_test_dir(), name);
}

static void uppercase(void *arg, char *data, size_t len)
{
    (void)arg;
    for (size_t i = 0; i < len; i++)
        if (data[i] >= 'a' && data[i] <= 'z') data[i] = (char)(data[i] - 'a' + 'A');
}

/* Writes each byte twice. */
static nx_err twice(void *arg, nx_bytes bytes, nx_stream *next)
{
    (void)arg;
    for (size_t i = 0; i < bytes.len; i++) {
        const char two[2] = {bytes.data[i], bytes.data[i]};
        NX_TRY(nx_stream_write(next, nx_slice(two, 2)));
    }
    return NX_OK;
}

NX_TEST("bytes go from memory through transforms into memory")
{
    nx_bytes out;
    nx_expect_ok(nx_pipe(nx_memory_reader(nx_str("hello")), nx_memory_writer(&out, 100)));
    nx_expect_eq(out, "hello");
    nx_expect_ok(nx_pipe(nx_memory_reader(nx_str("ab")), nx_transform(twice, NULL),
                         nx_change(uppercase, NULL), nx_memory_writer(&out, 100)));
    nx_expect_eq(out, "AABB");
    nx_expect_eq(out.data[4], '\0');
    nx_expect_ok(nx_pipe(nx_memory_reader(nx_str("")), nx_memory_writer(&out, 0)));
    nx_expect_eq(out.len, 0);
    nx_expect_err(NX_ETOOBIG, nx_pipe(nx_memory_reader(nx_str("abc")), nx_memory_writer(&out, 2)));
    nx_expect_ok(nx_pipe(nx_memory_reader(nx_str("abc")), nx_limit(3), nx_memory_writer(&out, 9)));
    nx_expect_eq(out, "abc");
    nx_expect_err(NX_ETOOBIG,
                  nx_pipe(nx_memory_reader(nx_str("abc")), nx_limit(2), nx_memory_writer(&out, 9)));
}

static void add(void *arg, char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) data[i] = (char)(data[i] + *(const int *)arg);
}

NX_TEST("changes follow one another, and what lies elsewhere stays as it was")
{
    nx_bytes out;
    int one = 1, two = 2;
    const char text[] = "abc";
    nx_stream *changes[] = {nx_memory_reader(nx_str(text)), nx_change(add, &one),
                            nx_change(uppercase, NULL), nx_change(add, &two),
                            nx_memory_writer(&out, 100)};
    nx_expect_ok(nx_pipe_with(changes, 5)); /* "bcd", "BCD" */
    nx_expect_eq(out, "DEF");
    nx_expect_eq(text, "abc");
    nx_expect_ok(nx_pipe(nx_memory_reader(nx_str("abc")), nx_change(add, &one), nx_take(2),
                         nx_change(add, &two), nx_hex_encoder(), nx_change(uppercase, NULL),
                         nx_memory_writer(&out, 100)));
    nx_expect_eq(out, "6465");
    nx_expect_err(NX_ETOOBIG, nx_pipe(nx_memory_reader(nx_str("abc")), nx_change(add, &one),
                                      nx_change(add, &two), nx_memory_writer(&out, 2)));
}

NX_TEST("a file comes out in capitals", .deadline = NX_S(60))
{
    enum { SIZE = (1 << 20) + 123 };
    char *text = nx_alloc(SIZE);
    nx_bytes back;
    for (size_t i = 0; i < SIZE; i++) text[i] = (char)('a' + i * 7 % 26);
    nx_require_ok(nx_fs_write_file(at("in"), nx_slice(text, SIZE)));
    nx_expect_ok(nx_pipe(nx_fs_reader(at("in")), nx_change(uppercase, NULL),
                         nx_fs_writer(at("out"), .sync = true)));
    uppercase(NULL, text, SIZE);
    nx_require_ok(nx_fs_read_file(at("out"), &back));
    nx_expect(nx_bytes_eq(back, nx_slice(text, SIZE)));
    nx_expect_ok(nx_pipe(nx_memory_reader(nx_str("end")), nx_fs_writer(at("out"), .append = true)));
    nx_require_ok(nx_fs_read_file(at("out"), &back));
    nx_expect(back.len == SIZE + 3 && memcmp(back.data + SIZE, "end", 3) == 0);
    nx_expect_ok(nx_pipe(nx_memory_reader(nx_str("x")), nx_fs_writer(at("out"))));
    nx_require_ok(nx_fs_read_file(at("out"), &back));
    nx_expect_eq(back, "x");
}

NX_TEST("what could not be made is told by the pipe, and the rest is closed")
{
    nx_bytes out;
    nx_expect_err(NX_ENOENT, nx_pipe(nx_fs_reader(at("none")), nx_memory_writer(&out, 9)));
    nx_expect_contains(nx_error_last()->message, "none\": no such file");
    nx_expect_err(NX_ENOENT, nx_pipe(nx_memory_reader(nx_str("a")), nx_fs_writer(at("no/such"))));
    nx_require_ok(nx_fs_write_file(at("there"), nx_str("")));
    nx_expect_err(NX_EEXIST, nx_pipe(nx_memory_reader(nx_str("a")),
                                     nx_fs_writer(at("there"), .exclusive = true)));
    nx_expect_err(NX_EINVAL, nx_pipe(nx_memory_writer(&out, 9), nx_memory_writer(&out, 9)));
    nx_expect_contains(nx_error_last()->message, "a pipe can't begin with memory");
    nx_expect_err(NX_EINVAL, nx_pipe(nx_memory_reader(nx_str("")), nx_memory_reader(nx_str(""))));
    nx_expect_err(NX_EINVAL, nx_pipe(nx_memory_reader(nx_str("")), nx_memory_writer(&out, 9),
                                     nx_memory_writer(&out, 9)));
    nx_expect_err(NX_EINVAL, nx_pipe(nx_memory_reader(nx_str(""))));
    nx_expect_err(NX_EINVAL, nx_pipe(nx_memory_reader(nx_str("")), NULL));
}

NX_TEST("a file keeps what it has until something comes in its place, or nothing does")
{
    nx_bytes back;
    nx_require_ok(nx_fs_write_file(at("old"), nx_str("what was there")));
    nx_expect_err(NX_ENOENT, nx_pipe(nx_fs_reader(at("none")), nx_fs_writer(at("old"))));
    nx_require_ok(nx_fs_read_file(at("old"), &back));
    nx_expect_eq(back, "what was there");
    nx_expect_ok(nx_pipe(nx_memory_reader(nx_str("new")), nx_fs_writer(at("old"))));
    nx_require_ok(nx_fs_read_file(at("old"), &back));
    nx_expect_eq(back, "new");
    nx_expect_ok(nx_pipe(nx_memory_reader(nx_str("")), nx_fs_writer(at("old"))));
    nx_require_ok(nx_fs_read_file(at("old"), &back));
    nx_expect_eq(back, "");
}

/* ---- Streams of one's own, which note what is done to them and fail where they are told */

enum step { READ, WRITE, TRANSFORM, FINISH, STEPS };

struct probe {
    int left;        /* pieces that it gives */
    enum step fails; /* STEPS: nowhere */
    unsigned finished, closed;
    size_t written;
};

static nx_err step(struct probe *p, enum step which)
{
    return p->fails == which ? nx_fail(NX_EFAILED, "step %d fails", (int)which) : NX_OK;
}

static nx_err probe_read(void *state, void *data, size_t len, size_t *got)
{
    struct probe *p = state;
    (void)len;
    NX_TRY(step(p, READ));
    if (!p->left) return NX_OK;
    p->left--;
    memcpy(data, "abc", 3);
    *got = 3;
    return NX_OK;
}

static nx_err probe_write(void *state, nx_bytes bytes)
{
    struct probe *p = state;
    NX_TRY(step(p, WRITE));
    p->written += bytes.len;
    return NX_OK;
}

static nx_err probe_transform(void *state, nx_bytes bytes, nx_stream *next)
{
    NX_TRY(step(state, TRANSFORM));
    return nx_stream_write(next, bytes);
}

static nx_err probe_finish(void *state, nx_stream *next)
{
    struct probe *p = state;
    NX_TRY(step(p, FINISH));
    p->finished++;
    return next ? nx_stream_write(next, nx_str("!")) : NX_OK;
}

static void probe_close(void *state)
{
    ((struct probe *)state)->closed++;
}

static const nx_stream_type source = {
    .size = sizeof source, .name = "a source", .read = probe_read, .close = probe_close};
static const nx_stream_type between = {.size = sizeof between,
                                       .name = "a middle",
                                       .transform = probe_transform,
                                       .finish = probe_finish,
                                       .close = probe_close};
static const nx_stream_type sink = {.size = sizeof sink,
                                    .name = "a sink",
                                    .write = probe_write,
                                    .finish = probe_finish,
                                    .close = probe_close};

NX_TEST("all are finished in order and closed once, whatever fails where")
{
    static const struct {
        int which;
        enum step fails;
    } rows[] = {{0, STEPS},     {0, READ},   {1, TRANSFORM}, {1, FINISH},
                {2, TRANSFORM}, {2, FINISH}, {3, WRITE},     {3, FINISH}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("stream %d at step %d", rows[i].which, (int)rows[i].fails) {
            struct probe p[4] = {
                {.left = 5, .fails = STEPS}, {.fails = STEPS}, {.fails = STEPS}, {.fails = STEPS}};
            p[rows[i].which].fails = rows[i].fails;
            nx_err err = nx_pipe(nx_stream_new(&source, &p[0]), nx_stream_new(&between, &p[1]),
                                 nx_stream_new(&between, &p[2]), nx_stream_new(&sink, &p[3]));
            if (rows[i].fails == STEPS) {
                nx_expect_ok(err);
                nx_expect_eq(p[3].written, 5 * 3 + 2);
                nx_expect(p[1].finished == 1 && p[2].finished == 1 && p[3].finished == 1);
            } else {
                nx_expect_err(NX_EFAILED, err);
                nx_expect_eq(nx_error_last()->message,
                             nx_format("step %d fails", (int)rows[i].fails));
                nx_expect_eq(p[3].finished, 0);
            }
            for (int n = 0; n < 4; n++) nx_expect_eq(p[n].closed, 1);
        }
    }
}

NX_TEST("so are those that several streams are made of")
{
    enum { FIRST, SECOND, INNER, PASSED, LAST, OTHER, PROBES };
    static const struct {
        int which;
        enum step fails;
    } rows[] = {{0, STEPS},      {FIRST, READ},   {SECOND, READ},   {INNER, TRANSFORM},
                {INNER, FINISH}, {PASSED, WRITE}, {PASSED, FINISH}, {LAST, WRITE},
                {LAST, FINISH},  {OTHER, WRITE},  {OTHER, FINISH}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("stream %d at step %d", rows[i].which, (int)rows[i].fails) {
            struct probe p[PROBES];
            for (int n = 0; n < PROBES; n++) p[n] = (struct probe){.left = 5, .fails = STEPS};
            p[rows[i].which].fails = rows[i].fails;
            nx_err err =
                nx_pipe(nx_concat(nx_stream_new(&source, &p[FIRST]),
                                  nx_through(nx_stream_new(&source, &p[SECOND]),
                                             nx_stream_new(&between, &p[INNER]))),
                        nx_tee(nx_stream_new(&sink, &p[PASSED])),
                        nx_tee(nx_stream_new(&sink, &p[LAST]), nx_stream_new(&sink, &p[OTHER])));
            if (rows[i].fails == STEPS) {
                nx_expect_ok(err);
                nx_expect_eq(p[PASSED].written, 2 * 5 * 3 + 1);
                nx_expect_eq(p[OTHER].written, 2 * 5 * 3 + 1);
                nx_expect(p[PASSED].finished == 1 && p[LAST].finished == 1 &&
                          p[OTHER].finished == 1);
            } else {
                nx_expect_err(NX_EFAILED, err);
                nx_expect_eq(nx_error_last()->message,
                             nx_format("step %d fails", (int)rows[i].fails));
                nx_expect_eq(p[OTHER].finished, 0);
            }
            for (int n = 0; n < PROBES; n++) nx_expect_eq(p[n].closed, 1);
        }
    }
}

NX_TEST("step by step")
{
    nx_stream *in = nx_memory_reader(nx_str("abcdef"));
    char piece[4];
    size_t got;
    nx_expect_ok(nx_stream_read(in, piece, 4, &got));
    nx_expect_eq(nx_slice(piece, got), "abcd");
    nx_expect_ok(nx_stream_read(in, piece, 4, &got));
    nx_expect_eq(nx_slice(piece, got), "ef");
    nx_expect_ok(nx_stream_read(in, piece, 4, &got));
    nx_expect_eq(got, 0);
    nx_expect_err(NX_EINVAL, nx_stream_write(in, nx_str("x")));
    nx_stream_close(in);
    nx_bytes out;
    void *room;
    nx_stream *to = nx_memory_writer(&out, 1000);
    nx_expect_ok(nx_stream_write(to, nx_str("one ")));
    nx_expect_ok(nx_stream_room(to, 100, &room));
    memcpy(room, "two", 3);
    nx_expect_ok(nx_stream_commit(to, 3));
    nx_expect_err(NX_ELIMIT, nx_stream_room(to, NX_STREAM_ROOM_MOST + 1, &room));
    nx_expect_err(NX_EINVAL, nx_stream_read(to, piece, 4, &got));
    nx_expect_ok(nx_stream_finish(to));
    nx_expect_ok(nx_stream_finish(to));
    nx_expect_eq(out, "one two");
    nx_stream_close(to);
    nx_stream_close(NULL);
    nx_stream *failed = nx_fs_reader(at("none"));
    nx_expect_err(NX_ENOENT, nx_stream_read(failed, piece, 4, &got));
    nx_stream_close(failed);
}

/* ---- Others at the other end */

static nx_err pipe_through(void *path)
{
    return nx_pipe(nx_fs_reader(path), nx_fs_writer(at("copy")));
}

NX_TEST("a pipe that nobody writes into is cancelled")
{
    nx_fiber *f;
    char *path = (char *)at("fifo");
    nx_require_eq(mkfifo(path, 0600), 0);
    nx_require_ok(nx_spawn(&f, pipe_through, path));
    nx_expect_ok(nx_sleep(NX_MS(20)));
    nx_cancel(f);
    nx_expect_err(NX_ECANCELED, nx_join(f));
}

NX_TEST("a full disk is told")
{
    char *text = nx_alloc_zero(1 << 20, 1);
    nx_expect_err(NX_ENOSPC,
                  nx_pipe(nx_memory_reader(nx_slice(text, 1 << 20)), nx_fs_writer("/dev/full")));
    nx_expect_contains(nx_error_last()->message, "/dev/full");
}
