/* The store by itself: nexus test */
#include "./store.h"

#include <nexus/fs.h>
#include <nexus/test.h>

typedef struct fixture {
    store store;
    const char *path;
} fixture;

static nx_err setup(fixture *f)
{
    f->path = nx_format("%s/todo.txt", nx_test_dir());
    return store_open(&f->store, f->path);
}

static void teardown(fixture *f)
{
    store_close(&f->store);
}

NX_FIXTURE(fixture, setup, teardown);

NX_TEST_WITH(fixture, f, "a store begins empty")
{
    nx_expect_eq(f->store.count, 0);
}

NX_TEST_WITH(fixture, f, "todos are numbered from 1")
{
    todo *t;
    for (int id = 1; id <= 40; id++) { /* past the first capacity */
        nx_require_ok(store_add(&f->store, nx_str("buy milk"), &t));
        nx_expect_eq(t->id, id);
    }
    nx_expect_eq(store_find(&f->store, 40)->text, "buy milk");
    nx_expect_eq(store_find(&f->store, 41), NULL);
}

NX_TEST_WITH(fixture, f, "what is no line of text is refused")
{
    static const char too_long[256];
    static const struct {
        const char *name;
        nx_bytes text;
    } rows[] = {
        {"empty", {"", 0}},
        {"two lines", {"a\nb", 3}},
        {"a line that ends early", {"a\0b", 3}},
        {"no text", {"\xff", 1}},
        {"too long", {too_long, sizeof too_long}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].name) {
            nx_expect_err(NX_EINVAL, store_add(&f->store, rows[i].text, NULL));
            nx_expect_contains(nx_error_last()->message, "one line");
        }
    nx_expect_eq(f->store.count, 0);
}

NX_TEST_WITH(fixture, f, "a saved store is read back")
{
    todo *t;
    nx_require_ok(store_add(&f->store, nx_str("buy milk"), NULL));
    nx_require_ok(store_add(&f->store, nx_str("drink it"), &t));
    t->done = true;
    nx_require_ok(store_save(&f->store));

    nx_bytes file;
    nx_require_ok(nx_fs_read_file(f->path, &file));
    nx_expect_eq(file, "1 - buy milk\n2 x drink it\n");

    store again;
    nx_require_ok(store_open(&again, f->path));
    nx_expect_eq(again.count, 2);
    nx_expect(store_find(&again, 2)->done);
    store_close(&again);
}

NX_BENCH("find among 1,000")
{
    store s = {0};
    for (int i = 0; i < 1000; i++) nx_require_ok(store_add(&s, nx_str("x"), NULL));
    while (nx_bench_loop(b)) nx_bench_use(store_find(&s, 999));
    store_close(&s);
}
