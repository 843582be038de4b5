/* The store and its journal, with time as a number: nexus test */
#include "./store.h"

#include <nexus.h>
#include <nexus/test.h>
#include <stdio.h>

typedef struct disk {
    store *store;
    const char *path;
} disk;

static nx_err disk_setup(disk *d)
{
    d->path = nx_format("%s/links.log", nx_test_dir());
    return store_open(&d->store, d->path, 0);
}

static void disk_teardown(disk *d)
{
    store_close(d->store);
}

NX_FIXTURE(disk, disk_setup, disk_teardown);

static const shortlink *add(disk *d, const char *code, int64_t expires)
{
    const shortlink *l = NULL;
    nx_require_ok(store_add(d->store, nx_str(code), nx_str("https://example.com"), 1, expires, &l));
    return l;
}

static void reopen(disk *d, int64_t now)
{
    store_close(d->store);
    d->store = NULL;
    nx_require_ok(store_open(&d->store, d->path, now));
}

static void file_is(disk *d, const char *wanted)
{
    nx_bytes file;
    nx_require_ok(nx_fs_read_file(d->path, &file));
    nx_expect_eq(file, wanted);
}

NX_TEST_WITH(disk, d, "a link is found, and after a restart too")
{
    add(d, "one", 0);
    file_is(d, "+ one 1 0 0 0 https://example.com\n");
    reopen(d, 1);
    const shortlink *l = store_find(d->store, nx_str("one"), 1);
    nx_require(l != NULL);
    nx_expect_eq(l->url, "https://example.com");
    nx_expect_eq(l->created, 1);
    nx_expect_eq(store_find(d->store, nx_str("on"), 1), NULL);
    nx_expect_eq(store_find(d->store, nx_str(""), 1), NULL);
    nx_expect_eq(store_find(d->store, nx_slice("one\0", 4), 1), NULL);
}

NX_TEST_WITH(disk, d, "a random code is new each time")
{
    char codes[200][CODE_RANDOM + 1];
    for (size_t i = 0; i < 200; i++) {
        memcpy(codes[i], add(d, "", 0)->code, sizeof codes[i]);
        nx_expect_eq(strlen(codes[i]), (size_t)CODE_RANDOM);
        for (size_t k = 0; k < i; k++) nx_expect_ne(codes[i], codes[k]);
    }
    nx_expect_eq(store_count(d->store), 200);
}

NX_TEST_WITH(disk, d, "what can be no code, and what is taken")
{
    const shortlink *l;
    const char *const bad[] = {
        "ab", "a b", "a/b", "../x", "a+b", "caf\xc3\xa9", "a23456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        nx_expect_err(NX_EINVAL, store_add(d->store, nx_str(bad[i]), nx_str("http://a"), 1, 0, &l));
    nx_expect_err(NX_EINVAL,
                  store_add(d->store, nx_slice("a\0b", 3), nx_str("http://a"), 1, 0, &l));
    add(d, "one", 0);
    nx_expect_err(NX_EEXIST, store_add(d->store, nx_str("one"), nx_str("http://a"), 1, 0, &l));
    add(d, "ONE", 0); /* case counts */
    nx_expect_eq(store_count(d->store), 2);
}

NX_TEST_WITH(disk, d, "a link that has expired is gone, and its code is free")
{
    add(d, "one", 10);
    nx_expect(store_find(d->store, nx_str("one"), 9) != NULL);
    nx_expect_eq(store_find(d->store, nx_str("one"), 10), NULL);
    nx_expect_err(NX_ENOENT, store_remove(d->store, nx_str("one"), 10));
    const shortlink *l;
    nx_require_ok(store_add(d->store, nx_str("one"), nx_str("http://b"), 11, 20, &l));
    reopen(d, 12);
    nx_expect_eq(store_find(d->store, nx_str("one"), 12)->url, "http://b");
    reopen(d, 20);
    nx_expect_eq(store_count(d->store), 0);
}

NX_TEST_WITH(disk, d, "a link that was removed stays away")
{
    add(d, "one", 0);
    add(d, "two", 0);
    nx_require_ok(store_remove(d->store, nx_str("one"), 1));
    nx_expect_err(NX_ENOENT, store_remove(d->store, nx_str("one"), 1));
    reopen(d, 1);
    nx_expect_eq(store_find(d->store, nx_str("one"), 1), NULL);
    nx_expect_eq(store_count(d->store), 1);
}

NX_TEST_WITH(disk, d, "hits are saved, soon and at the end")
{
    store_hit(d->store, add(d, "one", 0), 5);
    store_hit(d->store, store_find(d->store, nx_str("one"), 1), 6);
    nx_require_ok(nx_sleep(NX_MS(1200)));
    file_is(d, "+ one 1 0 0 0 https://example.com\n= one 2 6\n");
    store_hit(d->store, store_find(d->store, nx_str("one"), 1), 7);
    reopen(d, 1);
    nx_expect_eq(store_find(d->store, nx_str("one"), 1)->hits, 3);
    nx_expect_eq(store_find(d->store, nx_str("one"), 1)->last_hit, 7);
    store_hit(d->store, store_find(d->store, nx_str("one"), 1), 8);
    nx_require_ok(store_remove(d->store, nx_str("one"), 1)); /* with a hit to be saved */
    reopen(d, 1);
    nx_expect_eq(store_count(d->store), 0);
}

NX_TEST_WITH(disk, d, "the list begins with the newest")
{
    const char *const wanted[] = {"three", "two", "one"};
    add(d, "one", 0), add(d, "two", 0), add(d, "old", 5), add(d, "three", 0);
    const shortlink *l = NULL;
    for (size_t i = 0; i < 3; i++) {
        l = store_older(d->store, l, 5);
        nx_require(l != NULL);
        nx_expect_eq(l->code, wanted[i]);
    }
    nx_expect_eq(store_older(d->store, l, 5), NULL);
}

NX_TEST_WITH(disk, d, "a torn last line is cut off, wherever it was torn")
{
    static const char whole[] = "+ one 1 0 0 0 http://a\n", torn[] = "+ two 1 0 0 0 http://b";
    for (size_t len = 1; len < sizeof torn; len++)
        nx_subtest ("%zu bytes of it", len) {
            store_close(d->store);
            d->store = NULL;
            nx_require_ok(
                nx_fs_write_file(d->path, nx_str(nx_format("%s%.*s", whole, (int)len, torn))));
            nx_require_ok(store_open(&d->store, d->path, 1));
            nx_expect_eq(store_count(d->store), 1);
            file_is(d, whole);
        }
    add(d, "new", 0);
    file_is(d, "+ one 1 0 0 0 http://a\n+ new 1 0 0 0 https://example.com\n");
}

NX_TEST_WITH(disk, d, "a damaged line in the middle is named, and nothing is lost by going on")
{
    static const char *const lines[] = {"x",          "+ a",
                                        "* one 1",    "+ one 1 0 0 0 ",
                                        "= one",      "= one 1 2 3",
                                        "= one -1 2", "+ one x 0 0 0 u",
                                        "",           "+ a/b 1 0 0 0 u",
                                        "- one two"};
    store_close(d->store);
    d->store = NULL;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        nx_subtest ("\"%s\"", lines[i]) {
            const char *text = nx_format("+ one 1 0 0 0 http://a\n%s\n- one\n", lines[i]);
            nx_require_ok(nx_fs_write_file(d->path, nx_str(text)));
            nx_expect_err(NX_EPROTO, store_open(&d->store, d->path, 1));
            nx_expect_contains(nx_error_last()->message, "line 2 of");
            file_is(d, text);
        }
}

NX_TEST_WITH(disk, d, "a long journal becomes a short one", .deadline = NX_S(60))
{
    enum { LINES = 10100 };
    add(d, "one", 0);
    store_close(d->store);
    d->store = NULL;
    char *text = nx_alloc(LINES * 40), *at = text;
    at += snprintf(at, 40, "+ one 1 0 0 0 http://a\n");
    for (int i = 1; i < LINES; i++) at += snprintf(at, 40, "= one %d %d\n", i, i);
    nx_require_ok(nx_fs_write_file(d->path, nx_slice(text, (size_t)(at - text))));
    nx_require_ok(store_open(&d->store, d->path, 1));
    file_is(d, "+ one 1 0 10099 10099 http://a\n");
    add(d, "two", 0); /* goes behind it */
    reopen(d, 1);
    nx_expect_eq(store_count(d->store), 2);
}

typedef struct adder {
    disk *disk;
    int number;
} adder;

static nx_err add_many(void *arg)
{
    const adder *a = arg;
    const shortlink *l;
    for (int i = 0; i < 20; i++)
        NX_TRY(store_add(a->disk->store, nx_str(nx_format("c-%d-%d", a->number, i)),
                         nx_str("http://a"), 1, 0, &l));
    return NX_OK;
}

NX_TEST_WITH(disk, d, "many at once: each is there when its call returns")
{
    enum { ADDERS = 50 };
    nx_fiber *fibers[ADDERS];
    adder adders[ADDERS];
    for (int i = 0; i < ADDERS; i++) {
        adders[i] = (adder){d, i};
        nx_require_ok(nx_spawn(&fibers[i], add_many, &adders[i]));
    }
    for (int i = 0; i < ADDERS; i++) nx_expect_ok(nx_join(fibers[i]));
    reopen(d, 1);
    nx_expect_eq(store_count(d->store), ADDERS * 20);
}

static nx_err add_same(void *arg)
{
    disk *d = arg;
    const shortlink *l;
    return store_add(d->store, nx_str("same"), nx_str("http://a"), 1, 0, &l);
}

NX_TEST_WITH(disk, d, "of two who want a code at once one gets it")
{
    nx_fiber *a, *b;
    nx_require_ok(nx_spawn(&a, add_same, d));
    nx_require_ok(nx_spawn(&b, add_same, d));
    nx_expect_ok(nx_join(a));
    nx_expect_err(NX_EEXIST, nx_join(b));
}

NX_TEST_WITH(disk, d, "whoever is cancelled while he waits leaves all as the disk has it")
{
    nx_fiber *f;
    nx_require_ok(nx_spawn(&f, add_same, d));
    nx_require_ok(nx_yield()); /* now it waits for the disk */
    nx_cancel(f);
    nx_expect_err(NX_ECANCELED, nx_join(f));
    reopen(d, 1);
    nx_expect(store_find(d->store, nx_str("same"), 1) != NULL);
}

NX_TEST_WITH(disk, d, "another process is waited for, not written over")
{
    store *second = NULL;
    nx_scope *scope = NULL;
    nx_require_ok(nx_scope_open(&scope, .deadline = NX_MS(200)));
    nx_expect_err(NX_ECANCELED, store_open(&second, d->path, 1)); /* it would wait on */
    nx_expect_err(NX_ETIMEDOUT, nx_scope_close(&scope));
}

NX_BENCH("find among 10,000")
{
    store *s;
    const shortlink *l;
    const char *path = nx_format("%s/links.log", nx_test_dir());
    char *text = nx_alloc(10001 * 40), *at = text;
    for (int i = 0; i < 10000; i++) at += snprintf(at, 40, "+ code-%d 1 0 0 0 http://a\n", i);
    nx_require_ok(nx_fs_write_file(path, nx_slice(text, (size_t)(at - text))));
    nx_require_ok(store_open(&s, path, 1));
    while (nx_bench_loop(b)) {
        l = store_find(s, nx_str("code-7777"), 1);
        nx_bench_use((const void *)l);
    }
    store_close(s);
}
