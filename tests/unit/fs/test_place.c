/* What the grants hold: every call on a path, against links, "..", /proc, and others who change the
 * way meanwhile. */
#include "fs_test.h"

#include "permission/permission.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <nexus/fiber.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

static struct nx__permissions granted;

/* Grants by flags, whose %s is the test's folder; NULL at the end. */
static void grant(const char *const *flags)
{
    for (; *flags; flags++) {
        bool taken;
        char flag[600];
        (void)snprintf(flag, sizeof flag, *flags, nx_test_dir(), nx_test_dir());
        nx_require_ok(nx__permissions_parse(&granted, flag, &taken));
        nx_require(taken);
    }
    nx__permissions_open(&granted);
    nx__permissions_seal(&granted);
}
#define GRANT(...) grant((const char *const[]){__VA_ARGS__, NULL})

/* Old kernels have none, nor has valgrind: then paths are resolved each time, and held without. */
static bool has_openat2(void)
{
    struct open_how how = {.flags = O_PATH};
    long fd = syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how);
    if (fd >= 0) (void)close((int)fd);
    return fd >= 0;
}

static void all_again(void)
{
    nx__permissions_seal(NULL);
    nx__permissions_free(&granted);
}

static void tree(void)
{
    nx_require_ok(nx_fs_mkdir(at("in/sub"), .parents = true));
    nx_require_ok(nx_fs_mkdir(at("out")));
    make("in/a", "inside");
    make("in/sub/b", "inside");
    make("out/secret", "secret");
    nx_require_ok(nx_fs_symlink(at("out"), at("in/absolute")));
    nx_require_ok(nx_fs_symlink("../out", at("in/relative")));
    nx_require_ok(nx_fs_symlink("../out/secret", at("in/file")));
    nx_require_ok(nx_fs_symlink("sub", at("in/good")));
    nx_require_ok(nx_fs_symlink(at("in/sub"), at("in/good-absolute")));
    nx_require_ok(nx_fs_symlink("../out/new", at("in/dangling")));
    nx_require_ok(nx_fs_symlink("in", at("way-in")));
}

NX_TEST("reading is held below the grant")
{
    static const char *const inside[] = {"in/a",        "in/sub/b",   "in/./sub//b",
                                         "in/sub/../a", "in/good/b",  "in/good-absolute/b",
                                         "way-in/a",    "out/../in/a"};
    static const char *const outside[] = {
        "out/secret", "in/../out/secret", "in/absolute/secret",      "in/relative/secret",
        "in/file",    "way-in/file",      "in/sub/../../out/secret", "in/dangling"};
    nx_bytes bytes;
    nx_stat stat;
    nx_file *f;
    nx_walk *w;
    tree();
    GRANT("--allow-read=%s/in");
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        nx_subtest ("%s", inside[i]) {
            nx_expect_ok(nx_fs_read_file(at(inside[i]), &bytes));
            nx_expect_eq(bytes, "inside");
            nx_expect_ok(nx_fs_stat(at(inside[i]), &stat));
            nx_expect(nx_fs_exists(at(inside[i])));
        }
    }
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        nx_subtest ("%s", outside[i]) {
            nx_expect_err(NX_EPERM, nx_fs_read_file(at(outside[i]), &bytes));
            nx_expect_contains(nx_error_last()->message, "is not allowed; run with --allow-read=");
            nx_expect_err(NX_EPERM, nx_fs_stat(at(outside[i]), &stat));
            nx_expect_err(NX_EPERM, nx_fs_open(&f, at(outside[i])));
            nx_expect_err(NX_EPERM, nx_fs_real_path(at(outside[i]), &bytes));
            nx_expect_err(NX_EPERM, nx_fs_copy(at(outside[i]), at("in/x")));
            nx_expect(!nx_fs_exists(at(outside[i])));
        }
    }
    nx_expect_ok(nx_fs_read_link(at("in/file"), &bytes));
    nx_expect_err(NX_EPERM, nx_fs_read_link(at("way-in"), &bytes));
    nx_expect_err(NX_EPERM, nx_fs_walk(&w, nx_test_dir()));
    nx_expect_err(NX_EPERM, nx_fs_walk(&w, at("in/absolute")));
    nx_expect_ok(nx_fs_walk(&w, at("in/good")));
    nx_walk_free(w);
    all_again();
}

NX_TEST("writing is held below the grant, and so is every name")
{
    static const char *const outside[] = {"out/x", "in/absolute/x", "in/relative/x", "in/../out/x",
                                          "in/sub/../../x"};
    nx_file *f;
    const char *path;
    nx_fs_entry *entries;
    size_t count;
    tree();
    GRANT("--allow-write=%s/in");
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        nx_subtest ("%s", outside[i]) {
            const char *p = at(outside[i]);
            nx_expect_err(NX_EPERM, nx_fs_write_file(p, nx_str("x")));
            nx_expect_contains(nx_error_last()->message, "is not allowed; run with --allow-write=");
            nx_expect_err(NX_EPERM, nx_fs_append_file(p, nx_str("x")));
            nx_expect_err(NX_EPERM, nx_fs_open(&f, p, .create = true));
            nx_expect_err(NX_EPERM, nx_fs_mkdir(p));
            nx_expect_err(NX_EPERM, nx_fs_mkdir(nx_format("%s/y", p), .parents = true));
            nx_expect_err(NX_EPERM, nx_fs_symlink("a", p));
            nx_expect_err(NX_EPERM, nx_fs_remove(p));
            nx_expect_err(NX_EPERM, nx_fs_remove_all(p));
            nx_expect_err(NX_EPERM, nx_fs_chmod(p, 0600));
            nx_expect_err(NX_EPERM, nx_fs_truncate(p, 0));
            nx_expect_err(NX_EPERM, nx_fs_utimes(p, 0, 0));
        }
    }
    nx_expect_err(NX_EPERM, nx_fs_open(&f, at("in/dangling"), .create = true));
    nx_expect_err(NX_EPERM, nx_fs_append_file(at("in/file"), nx_str("x")));
    nx_expect_err(NX_EPERM, nx_fs_chmod(at("in/file"), 0777));
    nx_expect_err(NX_EPERM, nx_fs_temp_dir(&path, .in = at("out")));
    nx_expect_err(NX_EPERM, nx_fs_temp_file(&f, NULL, .in = at("out")));
    nx_expect_err(NX_EPERM, nx_fs_temp_file(&f, &path, .in = at("out")));
    /* Moving a file where it can be read takes reading it. */
    nx_expect_err(NX_EPERM, nx_fs_rename(at("in/a"), at("in/c")));
    nx_expect_err(NX_EPERM, nx_fs_link(at("in/a"), at("in/c")));
    nx_expect_err(NX_EPERM, nx_fs_open(&f, at("in/a"), .read = true, .write = true));
    all_again();
    GRANT("--allow-write=%s/in", "--allow-read=%s/in");
    nx_expect_err(NX_EPERM, nx_fs_rename(at("in/a"), at("out/c")));
    nx_expect_err(NX_EPERM, nx_fs_rename(at("out/secret"), at("in/c")));
    nx_expect_err(NX_EPERM, nx_fs_link(at("out/secret"), at("in/c")));
    nx_expect_err(NX_EPERM, nx_fs_link(at("in/a"), at("out/c")));
    nx_expect_err(NX_EPERM, nx_fs_rename(at("in/a"), at("in/absolute/c")));
    nx_expect_ok(nx_fs_rename(at("in/a"), at("in/good/c")));
    nx_expect_ok(nx_fs_write_file(at("in/file"), nx_str("own")));
    nx_expect_ok(nx_fs_mkdir(at("in/x/y/z"), .parents = true));
    nx_expect_ok(nx_fs_append_file(at("in/x/y/z/f"), nx_str("own")));
    nx_expect_ok(nx_fs_copy(at("in/x/y/z/f"), at("in/x/copy")));
    nx_expect_ok(nx_fs_temp_dir(&path, .in = at("in")));
    nx_expect_ok(nx_fs_remove_all(at("in/x")));
    nx_expect_ok(nx_fs_remove(at("in/absolute")));
    all_again();
    nx_expect_eq(contents("out/secret"), "secret");
    nx_expect_eq(contents("in/file"), "own");
    nx_expect_ok(nx_fs_list(at("out"), &entries, &count));
    nx_expect_eq(count, 1);
}

NX_TEST("a grant of one file is of that name")
{
    nx_bytes bytes;
    tree();
    GRANT("--allow-read=%s/in/a", "--allow-write=%s/in/a,%s/in/new");
    nx_expect_ok(nx_fs_read_file(at("in/a"), &bytes));
    nx_expect_ok(nx_fs_write_file(at("in/a"), nx_str("changed")));
    nx_expect_ok(nx_fs_append_file(at("in/a"), nx_str(" again")));
    nx_expect_err(NX_EPERM, nx_fs_write_file(at("in/ab"), nx_str("x")));
    nx_expect_err(NX_EPERM, nx_fs_read_file(at("in/sub/b"), &bytes));
    nx_expect_ok(nx_fs_mkdir(at("in/new/deep"), .parents = true));
    nx_expect_ok(nx_fs_write_file(at("in/new/deep/x"), nx_str("x")));
    nx_expect_ok(nx_fs_remove_all(at("in/new")));
    nx_expect_err(NX_EPERM, nx_fs_remove(at("in/sub/b")));
    all_again();
    nx_expect_eq(contents("in/a"), "changed again");
}

NX_TEST("what is denied inside a grant is denied, in a walk too")
{
    nx_bytes bytes;
    nx_walk *w;
    nx_fs_entry entry;
    int denied = 0;
    tree();
    GRANT("--allow-read=%s/in", "--deny-read=%s/in/sub", "--allow-write", "--deny-write=%s/in/sub");
    nx_expect_ok(nx_fs_read_file(at("in/a"), &bytes));
    nx_expect_err(NX_EPERM, nx_fs_read_file(at("in/sub/b"), &bytes));
    nx_expect_contains(nx_error_last()->message, "is denied by --deny-read");
    nx_expect_err(NX_EPERM, nx_fs_read_file(at("in/good/b"), &bytes));
    nx_expect_err(NX_EPERM, nx_fs_write_file(at("in/good/b"), nx_str("x")));
    nx_expect_err(NX_EPERM, nx_fs_remove_all(at("in/sub")));
    nx_require_ok(nx_fs_walk(&w, at("in")));
    while (nx_walk_next(w, &entry) == NX_OK) {
        nx_expect_ne(entry.name, "b");
        denied += entry.error == NX_EPERM && strcmp(entry.name, "sub") == 0;
    }
    nx_walk_free(w);
    nx_expect_eq(denied, 1);
    nx_watcher *watcher;
    nx_fs_event event;
    nx_require_ok(nx_fs_watch(&watcher, at("in"), .recursive = true, .create = true));
    (void)close(open(at("in/sub/hidden"), O_WRONLY | O_CREAT, 0600));
    nx_require_eq(mkdir(at("in/new"), 0700), 0);
    nx_require_eq(rename(at("in/sub"), at("in/new/seen")), 0);
    nx_require_eq(rename(at("in/new/seen"), at("in/sub")), 0);
    (void)close(open(at("in/sub/hidden2"), O_WRONLY | O_CREAT, 0600));
    (void)close(open(at("in/last"), O_WRONLY | O_CREAT, 0600));
    do {
        nx_require_ok(nx_watcher_next(watcher, &event));
        nx_expect(!strstr(event.relative, "hidden2"));
    } while (strcmp(event.relative, "last") != 0);
    nx_watcher_free(watcher);
    all_again();
}

NX_TEST("the inside of a process is no file, unless all is granted")
{
    static const char *const inside[] = {"/proc/self/mem",
                                         "/proc/self/environ",
                                         "/proc/self/task/../environ",
                                         "/proc/thread-self/environ",
                                         "/proc/self/root/proc/self/environ",
                                         "/dev/fd/../environ"};
    nx_bytes bytes;
    nx_file *f;
    tree();
    nx_require_ok(nx_fs_symlink("/proc/self/environ", at("in/environ")));
    static const char *const grants[][3] = {{"--allow-read", "--allow-write", NULL},
                                            {"--allow-read=/", "--allow-write=/", NULL}};
    for (size_t g = 0; g < 2; g++) {
        grant(grants[g]);
        for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
            nx_subtest ("%s with %s", inside[i], grants[g][0]) {
                nx_expect_err(NX_EPERM, nx_fs_read_file(inside[i], &bytes));
                nx_expect_contains(nx_error_last()->message,
                                   "is not allowed; run with --allow-all");
                nx_expect_err(NX_EPERM, nx_fs_open(&f, inside[i], .write = true));
            }
        }
        nx_expect_err(NX_EPERM, nx_fs_read_file(at("in/environ"), &bytes));
        nx_expect_ok(nx_fs_read_file("/proc/self/status", &bytes));
        all_again();
    }
    GRANT("--allow-read=%s/in");
    nx_expect_err(NX_EPERM, nx_fs_read_file(at("in/environ"), &bytes));
    nx_expect_err(NX_EPERM, nx_fs_read_file(
                                nx_format("/proc/self/root%s/out/secret", nx_test_dir()), &bytes));
    nx_expect_err(NX_EPERM, nx_fs_read_file(nx_format("/proc/self/cwd/%s", "x"), &bytes));
    all_again();
    GRANT("--allow-all");
    nx_expect_ok(nx_fs_read_file("/proc/self/environ", &bytes));
    all_again();
}

NX_TEST("a granted directory stays the one that it was")
{
    nx_bytes bytes;
    if (!has_openat2()) nx_skip("there is no openat2 here");
    tree();
    GRANT("--allow-read=%s/in");
    nx_require_eq(rename(at("in"), at("moved")), 0);
    nx_require_eq(rename(at("out"), at("in")), 0);
    nx_expect_err(NX_ENOENT, nx_fs_read_file(at("in/secret"), &bytes));
    nx_expect_ok(nx_fs_read_file(at("in/a"), &bytes));
    all_again();
}

/* ---- Others in the way */

static struct {
    char sub[300], link[300];
    atomic_bool stop;
    bool quick;
} swap;

static void *swaps(void *unused)
{
    while (!atomic_load(&swap.stop)) {
        (void)renameat2(AT_FDCWD, swap.sub, AT_FDCWD, swap.link, RENAME_EXCHANGE);
        (void)renameat2(AT_FDCWD, swap.sub, AT_FDCWD, swap.link, RENAME_EXCHANGE);
        if (!swap.quick) (void)usleep(1000);
    }
    return unused;
}

NX_TEST("a directory that becomes a link leads nobody out", .deadline = NX_S(60))
{
    pthread_t thread;
    nx_bytes bytes;
    unsigned read = 0;
    tree();
    make("out/b", "secret");
    nx_require_ok(nx_fs_symlink("../out", at("in/swapped")));
    (void)snprintf(swap.sub, sizeof swap.sub, "%s", at("in/sub"));
    (void)snprintf(swap.link, sizeof swap.link, "%s", at("in/swapped"));
    static const char *const grants[][3] = {{"--allow-read=%s/in", "--allow-write=%s/in", NULL},
                                            {"--allow-read=%s/in/", "--deny-read=/nowhere", NULL}};
    for (size_t g = 0; g < 2; g++) {
        grant(grants[g]);
        atomic_store(&swap.stop, false);
        swap.quick = has_openat2();
        int times = swap.quick ? 3000 : 60;
        nx_require_eq(pthread_create(&thread, NULL, swaps, NULL), 0);
        for (int i = 0; i < times; i++) {
            nx_err err = nx_fs_read_file(at("in/sub/b"), &bytes);
            if (err) continue;
            read++;
            if (nx_bytes_is(bytes, "inside")) continue;
            nx_test_fail("read what is outside");
            break;
        }
        if (g == 0)
            for (int i = 0; i < times / 3; i++)
                NX_IGNORE(nx_fs_write_file(at("in/sub/new"), nx_str("x")));
        atomic_store(&swap.stop, true);
        pthread_join(thread, NULL);
        all_again();
    }
    nx_expect_gt(read, 0);
    nx_expect(!nx_fs_exists(at("out/new")));
}
