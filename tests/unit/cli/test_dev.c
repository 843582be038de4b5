/* nexus dev: compilers' words taken apart, excerpts, escaping. */
#include "cli/dev.h"

#include <nexus/fs.h>
#include <nexus/test.h>
#include <stdio.h>
#include <stdlib.h>

static struct nx__dev_diagnostics take(const char *said)
{
    static struct nx__dev_diagnostics d;
    nx__dev_diagnostics_free(&d);
    nx_require(nx__dev_diagnostics(&d, said, strlen(said)));
    return d;
}

static const char *text_of(nx_bytes text)
{
    return nx_format("%.*s", NX_FMT(text));
}

NX_TEST("gcc, with colours")
{
    struct nx__dev_diagnostics d = take(
        "In file included from app.c:1:\n"
        "                 from b.h:2:\n"
        "\033[01m\033[Kstore.h:6:1:\033[m\033[K \033[01;31m\033[Kerror: \033[m\033[Kunknown type name 'nope'\n"
        "    6 | nope store_nope(void);\n"
        "      | ^~~~\n"
        "app.c: In function 'root':\n"
        "app.c:9:5: error: 'x' undeclared: error: not this\n"
        "app.c:9:5: note: each is told once\n"
        "app.c:12:3: warning: unused [-Wunused]\n"
        "nexus: try this\n");
    nx_require_eq((int)d.count, 5);
    nx_expect_eq((int)d.errors, 2);
    nx_expect_eq((int)d.warnings, 1);
    nx_expect_eq(text_of(d.items[0].text), "unknown type name 'nope'");
    nx_expect_eq(text_of(d.items[0].file), "store.h");
    nx_expect_eq(text_of(d.items[0].included),
                 "In file included from app.c:1:\n                 from b.h:2:");
    nx_expect_eq(d.items[0].line, 6);
    nx_expect_eq(d.items[0].column, 1);
    nx_expect_eq(d.items[0].width, 4);
    nx_expect_eq(text_of(d.items[1].function), "In function 'root'");
    nx_expect_eq(text_of(d.items[1].text), "'x' undeclared: error: not this");
    nx_expect_eq((int)d.items[1].included.len, 0);
    nx_expect_eq((int)d.items[2].kind, (int)NX__DEV_NOTE);
    nx_expect_eq((int)d.items[2].head, 1);
    nx_expect_eq((int)d.items[4].kind, (int)NX__DEV_HINT);
    nx_expect_eq((int)d.items[4].head, 3);
}

NX_TEST("tcc, clang and the linker")
{
    struct nx__dev_diagnostics d = take("app.c:5: error: ';' expected (got \"}\")\n"
                                        "app.c:7:12: error: use of undeclared identifier 'y'\n"
                                        "    return y + 1;\n"
                                        "           ^\n"
                                        "/home/ann/a:b.c:3: error: undefined reference to 'z'\n"
                                        "cc1: error: too many\n"
                                        "/home/ann/app.c: error: there is no main\n");
    nx_require_eq((int)d.count, 5);
    nx_expect_eq(d.items[0].line, 5);
    nx_expect_eq(d.items[0].column, 0);
    nx_expect_eq(d.items[1].width, 1);
    nx_expect_eq(text_of(d.items[2].file), "/home/ann/a:b.c");
    nx_expect_eq(d.items[2].line, 3);
    nx_expect_eq((int)d.items[3].file.len, 0);
    nx_expect_eq(text_of(d.items[4].file), "/home/ann/app.c");
    nx_expect_eq(d.items[4].line, 0);
}

NX_TEST("whatever else is said")
{
    nx_expect_eq((int)take("").count, 0);
    nx_expect_eq((int)take("\033").count, 0);
    nx_expect_eq((int)take("\033[").count, 0);
    nx_expect_eq((int)take("\033]8;;http://x\033\\a.c:1: error: y\033]8;;\a\n").errors, 1);
    nx_expect_eq((int)take(": error: \n").count, 1);
    nx_expect_eq((int)take(":1:2: note: alone\n: warning: x").count, 2);
    nx_expect_eq((int)take("a.c:99999999999999:1: error: x\n").errors, 1);
    nx_expect_eq((int)take("^\n|^\n  |  ^\n").count, 0);
    /* More than are kept. */
    char *many = nx_alloc(64 * 1024);
    nx_require(many);
    size_t len = 0;
    for (int i = 0; i < 500; i++)
        len += (size_t)snprintf(many + len, 64 * 1024 - len,
                                "a.c:%d:1: error: x\na.c:%d:1: note: y\n", i, i);
    struct nx__dev_diagnostics d = take(many);
    nx_expect_eq((int)d.count, NX__DEV_ITEMS_MOST);
    nx_expect_eq((int)d.errors, 500);
}

static const char *escaped(nx_bytes text, enum nx__text_for how)
{
    struct nx__dev_text out = {0};
    nx__text_escaped(&out, text, how);
    const char *copy =
        nx_format("%.*s", (int)out.buffer.len, out.buffer.len ? out.buffer.data : "");
    nx__buffer_free(&out.buffer);
    return copy;
}

NX_TEST("text is made harmless")
{
    nx_expect_eq(escaped(nx_str("<b a=\"x\" c='y'>&\t\n"), NX__TEXT_HTML),
                 "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;\t\n");
    nx_expect_eq(escaped(nx_str("a\033[1m\x01\x7f\xff\xc2\x9b\xe2\x80\xae z"), NX__TEXT_PLAIN),
                 "a\xef\xbf\xbd[1m\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd z");
    nx_expect_eq(escaped(nx_str("\"\\\n\t\xff"), NX__TEXT_JSON), "\\\"\\\\\\n\\t\xef\xbf\xbd");
    nx_expect_eq(escaped(nx_str("/a b/\"\xc3\xa4.c"), NX__TEXT_URL), "/a%20b/%22%C3%A4.c");
}

typedef struct folder {
    const char *root, *file;
} folder;

static nx_err folder_setup(folder *f)
{
    char *real = realpath(nx_test_dir(), NULL);
    f->root = real ? nx_copy(nx_str(real)) : NULL;
    free(real);
    if (!f->root) return NX_EFAILED;
    f->file = nx_format("%s/a.c", f->root);
    return nx_fs_write_file(f->file,
                            nx_str("one\ntwo\n\tx = \"\xe6\x97\xa5\" + thing;\r\nfour\nfive"));
}

static void folder_teardown(folder *f)
{
    (void)f;
}

NX_FIXTURE(folder, folder_setup, folder_teardown);

static const char *marked(const struct nx__dev_excerpt *e)
{
    return nx_format("%.*s", (int)e->mark_len, e->lines[e->at].text + e->mark);
}

NX_TEST_WITH(folder, f, "an excerpt marks what is meant, however columns are counted")
{
    struct nx__dev_excerpt e;
    nx__dev_excerpt(&e, f->root, nx_str(f->file), 3, 20, 1, true); /* the tab takes 8, the sign 2 */
    nx_expect_eq((int)e.count, 5);
    nx_expect_eq(e.first, 1);
    nx_expect_eq((int)e.at, 2);
    nx_expect_eq(marked(&e), "thing");
    nx_expect_eq(e.lines[2].text[e.lines[2].len - 1], ';'); /* no carriage return */
    nx__dev_excerpt_free(&e);
    nx__dev_excerpt(&e, f->root, nx_str(f->file), 3, 14, 3, false);
    nx_expect_eq(marked(&e), "thi");
    nx__dev_excerpt_free(&e);
    nx__dev_excerpt(&e, f->root, nx_str(f->file), 3, 9, 1,
                    false); /* in the middle of a character */
    nx_expect_eq(marked(&e), "\xe6\x97\xa5");
    nx__dev_excerpt_free(&e);
    nx__dev_excerpt(&e, f->root, nx_str(f->file), 3, 999, 999, true);
    nx_expect_eq((int)e.mark_len, 0);
    nx__dev_excerpt_free(&e);
    nx__dev_excerpt(&e, f->root, nx_str(f->file), 77, 1, 1, true);
    nx_expect_eq((int)e.count, 0);
    nx__dev_excerpt_free(&e);
}

NX_TEST_WITH(folder, f, "an excerpt of a long line has the mark in it")
{
    char *line = nx_alloc(100001);
    nx_require(line);
    memset(line, 'x', 100000);
    line[100000] = '\0';
    memcpy(line + 50000, " mark ", 6);
    nx_require_ok(nx_fs_write_file(f->file, nx_str(line)));
    struct nx__dev_excerpt e;
    nx__dev_excerpt(&e, f->root, nx_str(f->file), 1, 50002, 1, true);
    nx_expect_eq((int)e.lines[0].len, NX__DEV_EXCERPT_LINE_MOST);
    nx_expect_eq(marked(&e), "mark");
    nx__dev_excerpt_free(&e);
}

NX_TEST_WITH(folder, f, "nothing is shown of other files")
{
    static const char *const others[] = {"/etc/passwd", "/dev/zero", "/proc/self/environ", "",
                                         "gone.c"};
    struct nx__dev_excerpt e;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        nx__dev_excerpt(&e, f->root, nx_str(others[i]), 1, 1, 1, true);
        nx_expect(!e.source);
        nx_expect_eq((int)e.count, 0);
        nx__dev_excerpt_free(&e);
    }
    nx__dev_excerpt(&e, f->root, nx_str(nx_format("%s/../../../../../../etc/passwd", f->root)), 1,
                    1, 1, true);
    nx_expect_eq((int)e.count, 0);
    nx__dev_excerpt_free(&e);
    nx_expect(nx__dev_is_own(f->root, f->file));
    nx_expect(!nx__dev_is_own(f->root, nx_format("%s/nexus_modules/p/p.c", f->root)));
    nx_expect(!nx__dev_is_own(f->root, nx_format("%s-other/a.c", f->root)));
    nx_expect(nx__dev_is_own("/", "/app.c"));
    nx_expect(!nx__dev_is_own("/", "/etc/passwd"));
}
