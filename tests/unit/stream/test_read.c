/* Reading a source by what is in it, and streams of several streams. */
#include <nexus/fiber.h>
#include <nexus/stream.h>
#include <nexus/test.h>
#include <nexus/timer.h>

/* A source that gives `text` in pieces of `step` bytes. */
struct pieces {
    nx_bytes text;
    size_t step;
    unsigned closed;
};

static nx_err pieces_read(void *state, void *data, size_t len, size_t *got)
{
    struct pieces *p = state;
    size_t n = p->step < p->text.len ? p->step : p->text.len;
    if (n > len) n = len;
    if (n) memcpy(data, p->text.data, n);
    p->text = nx_slice(p->text.data + n, p->text.len - n);
    *got = n;
    return NX_OK;
}

static void pieces_close(void *state)
{
    ((struct pieces *)state)->closed++;
}

static const nx_stream_type pieces_type = {
    .size = sizeof pieces_type, .name = "pieces", .read = pieces_read, .close = pieces_close};

static nx_stream *pieces(struct pieces *p)
{
    return nx_stream_new(&pieces_type, p);
}

NX_TEST("a source is looked at before it is read")
{
    struct pieces p = {.text = nx_str("abcdefgh"), .step = 2};
    nx_stream *s = pieces(&p);
    nx_bytes bytes;
    char data[8];
    size_t got;
    nx_expect_ok(nx_stream_peek(s, 3, &bytes));
    nx_expect_eq(bytes, "abcd");
    nx_expect_ok(nx_stream_read_exact(s, data, 3));
    nx_expect_eq(nx_slice(data, 3), "abc");
    nx_expect_ok(nx_stream_peek(s, 100, &bytes));
    nx_expect_eq(bytes, "defgh");
    nx_expect_ok(nx_stream_read(s, data, 4, &got));
    nx_expect_eq(nx_slice(data, got), "defg");
    nx_expect_err(NX_EPROTO, nx_stream_read_exact(s, data, 2));
    nx_expect_eq(nx_error_last()->message, "the stream ends after 1 of 2 bytes");
    nx_expect_err(NX_ECLOSED, nx_stream_read_exact(s, data, 2));
    nx_expect_ok(nx_stream_peek(s, 1, &bytes));
    nx_expect_eq(bytes.len, 0);
    nx_expect_err(NX_ELIMIT, nx_stream_peek(s, NX_STREAM_ROOM_MOST + 1, &bytes));
    nx_stream_close(s);
}

NX_TEST("a source is read up to a mark, whatever its pieces")
{
    for (size_t step = 1; step < 12; step++) {
        nx_subtest ("%zu bytes at once", step) {
            struct pieces p = {.text = nx_str("ab--c-d--e"), .step = step};
            nx_stream *s = pieces(&p);
            nx_bytes bytes;
            nx_expect_err(NX_ETOOBIG, nx_stream_read_until(s, nx_str("--"), 3, &bytes));
            nx_expect_ok(nx_stream_read_until(s, nx_str("--"), 5, &bytes));
            nx_expect_eq(bytes, "ab--");
            nx_expect_ok(nx_stream_read_until(s, nx_str("--"), 5, &bytes));
            nx_expect_eq(bytes, "c-d--");
            nx_expect_ok(nx_stream_read_until(s, nx_str("--"), 5, &bytes));
            nx_expect_eq(bytes, "e");
            nx_expect_err(NX_ECLOSED, nx_stream_read_until(s, nx_str("--"), 5, &bytes));
            nx_expect_err(NX_EINVAL, nx_stream_read_until(s, nx_str(""), 5, &bytes));
            nx_stream_close(s);
        }
    }
}

static const char text_of_lines[] = "one\ntwo\r\n\n\r\nfour\r4\nlast\r";
static const char *const lines[] = {"one", "two", "", "", "four\r4", "last\r"};

NX_TEST("a source is read line by line")
{
    for (size_t step = 1; step < sizeof text_of_lines; step++) {
        nx_subtest ("%zu bytes at once", step) {
            struct pieces p = {.text = nx_str(text_of_lines), .step = step};
            nx_stream *s = pieces(&p);
            nx_bytes line;
            for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
                nx_expect_ok(nx_stream_read_line(s, 6, &line));
                nx_expect_eq(line, lines[i]);
            }
            nx_expect_err(NX_ECLOSED, nx_stream_read_line(s, 6, &line));
            nx_stream_close(s);
        }
    }
    nx_bytes line;
    nx_stream *s = nx_memory_reader(nx_str("1234\r\n12345\n"));
    nx_expect_ok(nx_stream_read_line(s, 4, &line));
    nx_expect_err(NX_ETOOBIG, nx_stream_read_line(s, 4, &line));
    nx_expect_eq(nx_error_last()->message, "a line is longer than 4 bytes");
    nx_stream_close(s);
}

/* Writes "<line>". */
static nx_err framed(void *arg, nx_bytes line, nx_stream *next)
{
    unsigned *left = arg;
    NX_TRY(nx_stream_write(next, nx_str("<")));
    NX_TRY(nx_stream_write(next, line));
    if (left && --*left == 0) nx_stream_enough(next);
    return nx_stream_write(next, nx_str(">"));
}

NX_TEST("lines come through a pipe")
{
    for (size_t step = 1; step < sizeof text_of_lines; step++) {
        nx_subtest ("%zu bytes at once", step) {
            struct pieces p = {.text = nx_str(text_of_lines), .step = step};
            nx_bytes out;
            unsigned left = 2;
            nx_expect_ok(
                nx_pipe(pieces(&p), nx_lines(framed, NULL, 6), nx_memory_writer(&out, 100)));
            nx_expect_eq(out, "<one><two><><><four\r4><last\r>");
            p.text = nx_str(text_of_lines);
            nx_expect_ok(
                nx_pipe(pieces(&p), nx_lines(framed, &left, 6), nx_memory_writer(&out, 100)));
            nx_expect_eq(out, "<one><two>");
            p.text = nx_str(text_of_lines);
            nx_expect_err(NX_ETOOBIG, nx_pipe(pieces(&p), nx_lines(framed, NULL, 4),
                                              nx_memory_writer(&out, 100)));
            p.text = nx_str("one\nfiver");
            nx_expect_err(NX_ETOOBIG, nx_pipe(pieces(&p), nx_lines(framed, NULL, 4),
                                              nx_memory_writer(&out, 100)));
            nx_expect_eq(p.closed, 4);
        }
    }
}

NX_TEST("the rest of a source is read, up to a cap")
{
    enum { SIZE = 100000 };
    char *text = nx_alloc(SIZE);
    nx_bytes bytes, line;
    memset(text, 'x', SIZE);
    memcpy(text, "head\n", 5);
    struct pieces p = {.text = nx_slice(text, SIZE), .step = 7777};
    nx_stream *s = pieces(&p);
    nx_expect_ok(nx_stream_read_line(s, 10, &line));
    nx_expect_ok(nx_stream_read_all(s, SIZE, &bytes));
    nx_expect_eq(bytes.len, SIZE - 5);
    nx_expect(memcmp(bytes.data, text + 5, bytes.len) == 0 && !bytes.data[bytes.len]);
    nx_expect_ok(nx_stream_read_all(s, 0, &bytes));
    nx_expect_eq(bytes.len, 0);
    nx_stream_close(s);
    p.text = nx_slice(text, SIZE);
    s = pieces(&p);
    nx_expect_err(NX_ETOOBIG, nx_stream_read_all(s, SIZE - 1, &bytes));
    nx_stream_close(s);
    s = nx_memory_writer(&bytes, 1);
    nx_expect_err(NX_EINVAL, nx_stream_read_all(s, 1, &line));
    nx_expect_err(NX_EINVAL, nx_stream_peek(s, 1, &line));
    nx_stream_close(s);
    /* What has been read ahead is what a pipe gets first. */
    p.text = nx_str("a b");
    s = pieces(&p);
    nx_expect_ok(nx_stream_read_until(s, nx_str(" "), 9, &line));
    nx_expect_ok(nx_pipe(s, nx_memory_writer(&bytes, 9)));
    nx_expect_eq(bytes, "b");
}

NX_TEST("the beginning of a source is taken, or passed over")
{
    nx_bytes out;
    struct pieces p = {.text = nx_str("abcdefgh"), .step = 3};
    nx_expect_ok(nx_pipe(pieces(&p), nx_take(4), nx_memory_writer(&out, 9)));
    nx_expect_eq(out, "abcd");
    nx_expect_eq(p.text, "gh"); /* is not read any more */
    p.text = nx_str("abcdefgh");
    nx_expect_ok(nx_pipe(pieces(&p), nx_drop(4), nx_memory_writer(&out, 9)));
    nx_expect_eq(out, "efgh");
    p.text = nx_str("abcdefgh");
    nx_expect_ok(nx_pipe(pieces(&p), nx_drop(2), nx_take(3), nx_memory_writer(&out, 9)));
    nx_expect_eq(out, "cde");
    p.text = nx_str("abc");
    nx_expect_ok(nx_pipe(pieces(&p), nx_drop(4), nx_memory_writer(&out, 9)));
    nx_expect_eq(out.len, 0);
    p.text = nx_str("abc");
    nx_expect_ok(nx_pipe(pieces(&p), nx_take(0), nx_memory_writer(&out, 9)));
    nx_expect_eq(out.len, 0);
}

static nx_err count_down(void *arg, nx_bytes *piece)
{
    int *left = arg;
    if (*left < 0) return nx_fail(NX_EFAILED, "it has ended");
    if ((*left)-- == 0)
        *piece = (nx_bytes){0};
    else
        *piece = nx_str("tick ");
    return NX_OK;
}

NX_TEST("a function is a source")
{
    nx_bytes out;
    int left = 3;
    nx_expect_ok(nx_pipe(nx_generator(count_down, &left), nx_memory_writer(&out, 99)));
    nx_expect_eq(out, "tick tick tick ");
    left = -1;
    nx_expect_err(NX_EFAILED, nx_pipe(nx_generator(count_down, &left), nx_memory_writer(&out, 99)));
    char two[2];
    size_t got;
    left = 1;
    nx_stream *s = nx_generator(count_down, &left);
    nx_expect_ok(nx_stream_read(s, two, 2, &got));
    nx_expect_eq(nx_slice(two, got), "ti");
    nx_bytes rest;
    nx_expect_ok(nx_stream_read_all(s, 9, &rest));
    nx_expect_eq(rest, "ck ");
    nx_expect_ok(nx_stream_read(s, two, 2, &got)); /* the end stays the end */
    nx_expect_eq(got, 0);
    nx_stream_close(s);
}

NX_TEST("several sources are one")
{
    nx_bytes out;
    struct pieces p[3] = {{.text = nx_str("abc"), .step = 2},
                          {.text = nx_str(""), .step = 2},
                          {.text = nx_str("def"), .step = 1}};
    nx_expect_ok(
        nx_pipe(nx_concat(pieces(&p[0]), pieces(&p[1]), pieces(&p[2])), nx_memory_writer(&out, 9)));
    nx_expect_eq(out, "abcdef");
    nx_expect(p[0].closed == 1 && p[1].closed == 1 && p[2].closed == 1);
    p[0].text = nx_str("abc");
    nx_expect_err(NX_ETOOBIG, nx_pipe(nx_concat(pieces(&p[0]), pieces(&p[1]), pieces(&p[2])),
                                      nx_memory_writer(&out, 1)));
    nx_expect(p[0].closed == 2 && p[1].closed == 2 && p[2].closed == 2);
    nx_expect_err(NX_EINVAL, nx_pipe(nx_concat(pieces(&p[0]), NULL), nx_memory_writer(&out, 1)));
    nx_expect_eq(nx_error_last()->message, "stream 2 of a concatenation is none");
    nx_expect_eq(p[0].closed, 3);
    nx_stream *empty = nx_concat_with(NULL, 0);
    nx_expect_ok(nx_stream_read_all(empty, 0, &out));
    nx_stream_close(empty);
}

NX_TEST("one source goes into several sinks")
{
    enum { SIZE = 1 << 20 };
    char *text = nx_alloc(SIZE);
    nx_bytes a, b, c;
    for (size_t i = 0; i < SIZE; i++) text[i] = (char)('a' + i * 7 % 26);
    nx_expect_ok(nx_pipe(nx_memory_reader(nx_slice(text, SIZE)), nx_tee(nx_memory_writer(&a, SIZE)),
                         nx_tee(nx_memory_writer(&b, SIZE), nx_memory_writer(&c, SIZE))));
    nx_expect(nx_bytes_eq(a, nx_slice(text, SIZE)));
    nx_expect(nx_bytes_eq(b, a) && nx_bytes_eq(c, a));
    /* The error of one is that of all. */
    nx_expect_err(NX_ETOOBIG,
                  nx_pipe(nx_memory_reader(nx_slice(text, SIZE)),
                          nx_tee(nx_memory_writer(&b, SIZE), nx_memory_writer(&c, SIZE - 1))));
    nx_expect(b.len == 0 && c.len == 0);
    nx_expect_err(NX_EINVAL,
                  nx_pipe(nx_memory_reader(nx_str("a")),
                          nx_tee(nx_memory_writer(&b, 9), nx_memory_reader(nx_str("")))));
}

/* ---- Fed by fibers */

/* Waits before each piece, and for ever where `wait` is. */
struct slow {
    const char *text;
    nx_duration wait;
    unsigned closed;
};

static nx_err slow_read(void *state, void *data, size_t len, size_t *got)
{
    struct slow *s = state;
    (void)len;
    NX_TRY(nx_sleep(s->wait));
    if (!*s->text) return NX_OK;
    if (*s->text == '!') return nx_fail(NX_EFAILED, "it says no");
    memcpy(data, s->text++, 1);
    *got = 1;
    return NX_OK;
}

static void slow_close(void *state)
{
    ((struct slow *)state)->closed++;
}

static nx_stream *slow(struct slow *s)
{
    static const nx_stream_type type = {
        .size = sizeof type, .name = "a slow source", .read = slow_read, .close = slow_close};
    return nx_stream_new(&type, s);
}

static size_t count_of(nx_bytes bytes, char c)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes.len; i++) count += bytes.data[i] == c;
    return count;
}

NX_TEST("several sources are read as they come")
{
    nx_bytes out;
    struct slow s[3] = {{"aaaa", NX_MS(1), 0}, {"bbbb", NX_MS(2), 0}, {"", NX_MS(0), 0}};
    nx_expect_ok(
        nx_pipe(nx_merge(slow(&s[0]), slow(&s[1]), slow(&s[2])), nx_memory_writer(&out, 99)));
    nx_expect(count_of(out, 'a') == 4 && count_of(out, 'b') == 4 && out.len == 8);
    /* The quick one does not wait for the one that never comes. */
    s[0] = (struct slow){"xyz", NX_MS(0), 0};
    s[1] = (struct slow){"never", NX_FOREVER, 0};
    nx_stream *merge = nx_merge(slow(&s[0]), slow(&s[1]));
    char three[3];
    nx_expect_ok(nx_stream_read_exact(merge, three, 3));
    nx_expect_eq(nx_slice(three, 3), "xyz");
    nx_stream_close(merge);
    nx_expect(s[0].closed == 1 && s[1].closed == 1);
    /* An error of one ends it, and the others. */
    s[0] = (struct slow){"ab!", NX_MS(0), 0};
    s[1] = (struct slow){"never", NX_FOREVER, 0};
    nx_expect_err(NX_EFAILED,
                  nx_pipe(nx_merge(slow(&s[0]), slow(&s[1])), nx_memory_writer(&out, 99)));
    nx_expect_eq(nx_error_last()->message, "it says no");
    nx_expect(s[0].closed == 1 && s[1].closed == 1);
    nx_expect_err(NX_EINVAL, nx_pipe(nx_merge(slow(&s[0]), NULL), nx_memory_writer(&out, 99)));
    nx_expect_eq(s[0].closed, 2);
    nx_expect_ok(nx_pipe(nx_merge_with(NULL, 0), nx_memory_writer(&out, 99)));
    /* Closed before it was read. */
    nx_stream_close(nx_merge(slow(&s[0]), slow(&s[1])));
    nx_expect(s[0].closed == 3 && s[1].closed == 2);
}

static nx_err merge_nothing(void *arg)
{
    struct slow *s = arg;
    nx_bytes out;
    return nx_pipe(nx_merge(slow(&s[0]), slow(&s[1])), nx_memory_writer(&out, 99));
}

NX_TEST("what a merge has at hand goes when another of it fails")
{
    struct pieces p = {.text = nx_str("abcdef"), .step = 6};
    struct slow s = {"!", NX_MS(1), 0};
    nx_stream *merge = nx_merge(pieces(&p), slow(&s));
    char two[2];
    nx_bytes rest;
    nx_expect_ok(nx_stream_read_exact(merge, two, 2));
    nx_expect_eq(nx_slice(two, 2), "ab");
    while (!s.closed || !p.closed) nx_expect_ok(nx_sleep(NX_MS(1)));
    nx_expect_err(NX_EFAILED, nx_stream_read_all(merge, 99, &rest));
    nx_stream_close(merge);
}

NX_TEST("a merge that waits is cancelled with all that it waits for")
{
    struct slow s[2] = {{"a", NX_FOREVER, 0}, {"b", NX_FOREVER, 0}};
    nx_fiber *f;
    nx_require_ok(nx_spawn(&f, merge_nothing, s, .name = "merges"));
    nx_expect_ok(nx_sleep(NX_MS(5)));
    nx_cancel(f);
    nx_expect_err(NX_ECANCELED, nx_join(f));
    nx_expect(s[0].closed == 1 && s[1].closed == 1);
}

NX_TEST("a source with transforms is a source")
{
    nx_bytes packed, out;
    struct pieces p = {.text = nx_str("abcdefgh"), .step = 3};
    nx_require_ok(
        nx_pipe(nx_memory_reader(nx_str("one")), nx_gzip(), nx_memory_writer(&packed, 99)));
    nx_expect_ok(nx_pipe(nx_concat(nx_through(nx_memory_reader(packed), nx_gunzip()),
                                   nx_through(pieces(&p), nx_drop(2), nx_take(4)),
                                   nx_through(nx_memory_reader(nx_str("!")))),
                         nx_memory_writer(&out, 99)));
    nx_expect_eq(out, "onecdef!");
    nx_expect_eq(p.closed, 1);
    nx_expect_err(NX_EPROTO, nx_pipe(nx_through(nx_memory_reader(nx_str("no gzip")), nx_gunzip()),
                                     nx_memory_writer(&out, 99)));
    p.text = nx_str("abc");
    nx_expect_err(NX_EINVAL, nx_pipe(nx_through(pieces(&p), nx_memory_reader(nx_str(""))),
                                     nx_memory_writer(&out, 99)));
    nx_expect_err(NX_EINVAL, nx_pipe(nx_through(pieces(&p), NULL), nx_memory_writer(&out, 99)));
    nx_expect_err(NX_EINVAL, nx_pipe(nx_through_with(NULL, 0), nx_memory_writer(&out, 99)));
    nx_expect_eq(p.closed, 3);
}
