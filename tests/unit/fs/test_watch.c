/* Watching files. */
#include "fs_test.h"

#include <errno.h>
#include <fcntl.h>
#include <nexus/fiber.h>
#include <nexus/timer.h>

/* The events that come until there has been quiet for a while, as "create a, modify b". */
struct hearing {
    nx_watcher *watcher;
    const char *text;
    nx_err err;
};

static nx_err hear(void *arg)
{
    struct hearing *h = arg;
    static char text[64 * 1024];
    size_t len = 0;
    nx_fs_event event;
    text[0] = '\0';
    h->text = text;
    while ((h->err = nx_watcher_next(h->watcher, &event)) == NX_OK) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s %s%s", len ? ", " : "",
                                nx_fs_event_name(event.kind), event.relative,
                                event.directory ? "/" : "");
        if (event.from)
            len += (size_t)snprintf(text + len, sizeof text - len, " from %s",
                                    event.from + strlen(event.path) - strlen(event.relative));
        if (len > sizeof text / 2) break;
    }
    return NX_OK;
}

static const char *heard(nx_watcher *watcher)
{
    static struct hearing h;
    nx_fiber *f;
    h = (struct hearing){.watcher = watcher, .text = ""};
    nx_require_ok(nx_spawn(&f, hear, &h));
    size_t len = 0;
    for (int quiet = 0; quiet < 3; quiet++) {
        nx_require_ok(nx_sleep(NX_MS(25)));
        if (strlen(h.text) == len) continue;
        len = strlen(h.text);
        quiet = -1;
    }
    nx_cancel(f);
    nx_require_ok(nx_join(f));
    nx_expect(h.err == NX_ECANCELED || h.err == NX_ECLOSED);
    return h.text;
}

static void put(const char *name, const char *text)
{
    int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    nx_require_ge(fd, 0);
    nx_require_eq(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

NX_TEST("what happens to files is told in order")
{
    nx_watcher *w;
    put("old", "1");
    nx_require_ok(nx_fs_watch(&w, nx_test_dir()));
    put("a", "1");
    nx_expect_eq(heard(w), "create a");
    put("old", "2");
    nx_expect_eq(heard(w), "modify old");
    nx_require_eq(rename(at("a"), at("b")), 0);
    nx_expect_eq(heard(w), "rename b from a");
    nx_require_eq(unlink(at("b")), 0);
    nx_require_eq(mkdir(at("dir"), 0700), 0);
    put("dir/below", "");
    nx_expect_eq(heard(w), "remove b, create dir/");
    nx_watcher_free(w);
}

NX_TEST("paths are from where the watch's own was from")
{
    nx_watcher *w;
    nx_fs_event event;
    nx_require_eq(chdir(nx_test_dir()), 0);
    nx_require_ok(nx_fs_mkdir("dir/sub", .parents = true));
    nx_require_ok(nx_fs_watch(&w, "./dir", .recursive = true));
    put("dir/sub/x", "");
    nx_require_ok(nx_watcher_next(w, &event));
    nx_expect_eq(event.path, "./dir/sub/x");
    nx_expect_eq(event.relative, "sub/x");
    nx_require_eq(rename("dir/sub/x", "dir/y"), 0);
    nx_require_ok(nx_watcher_next(w, &event));
    nx_expect_eq(event.path, "./dir/y");
    nx_expect_eq(event.from, "./dir/sub/x");
    nx_watcher_free(w);
}

NX_TEST("all below is watched, and what is new below too")
{
    nx_watcher *w;
    nx_require_ok(nx_fs_mkdir(at("a/b"), .parents = true));
    nx_require_ok(nx_fs_watch(&w, nx_test_dir(), .recursive = true, .create = true, .remove = true,
                              .rename = true));
    put("a/b/x", "1");
    nx_expect_eq(heard(w), "create a/b/x");
    nx_require_ok(nx_fs_mkdir(at("new/deep/deeper"), .parents = true));
    put("new/deep/deeper/y", "1");
    const char *text = heard(w);
    nx_expect_contains(text, "create new/");
    nx_expect_contains(text, "create new/deep/deeper/");
    nx_expect_contains(text, "create new/deep/deeper/y");
    put("new/deep/deeper/z", "1");
    nx_expect_eq(heard(w), "create new/deep/deeper/z");
    nx_require_eq(rename(at("new/deep"), at("a/moved")), 0);
    nx_expect_eq(heard(w), "rename a/moved/ from new/deep");
    put("a/moved/deeper/z2", "1");
    nx_expect_eq(heard(w), "create a/moved/deeper/z2");
    nx_require_ok(nx_fs_remove_all(at("a")));
    text = heard(w);
    nx_expect_contains(text, "remove a/moved/deeper/z2");
    nx_expect_contains(text, "remove a/");
    nx_watcher_free(w);
}

NX_TEST("no file of a directory that is made meanwhile is missed, nor told twice",
        .deadline = NX_S(30))
{
    enum { DIRS = 60, FILES = 20 };
    static char seen[DIRS][FILES];
    nx_watcher *w;
    nx_require_ok(nx_fs_watch(&w, nx_test_dir(), .recursive = true, .create = true));
    pid_t child = fork();
    if (child == 0) {
        for (int d = 0; d < DIRS; d++) {
            char path[600];
            (void)snprintf(path, sizeof path, "%s/%d", nx_test_dir(), d);
            (void)mkdir(path, 0700);
            for (int f = 0; f < FILES; f++) {
                (void)snprintf(path, sizeof path, "%s/%d/%d", nx_test_dir(), d, f);
                (void)close(open(path, O_WRONLY | O_CREAT, 0600));
            }
        }
        _exit(0);
    }
    int left = DIRS * FILES;
    nx_fs_event event;
    while (left) {
        nx_require_ok(nx_watcher_next(w, &event));
        nx_require_eq(event.kind, NX_FS_CREATE);
        int d, f;
        if (event.directory || sscanf(event.relative, "%d/%d", &d, &f) != 2) continue;
        if (seen[d][f]++) nx_test_fail("%s is told twice", event.relative);
        left--;
    }
    nx_expect_eq(heard(w), "");
    nx_watcher_free(w);
}

NX_TEST("what crosses the border is made or removed")
{
    nx_watcher *w;
    nx_require_ok(nx_fs_mkdir(at("in")));
    nx_require_ok(nx_fs_mkdir(at("out/dir"), .parents = true));
    put("out/file", "");
    put("out/dir/x", "");
    nx_require_ok(nx_fs_watch(&w, at("in"), .recursive = true));
    nx_require_eq(rename(at("out/file"), at("in/file")), 0);
    nx_expect_eq(heard(w), "create file");
    nx_require_eq(rename(at("out/dir"), at("in/dir")), 0);
    nx_expect_eq(heard(w), "create dir/, create dir/x");
    nx_require_eq(rename(at("in/dir"), at("out/dir")), 0);
    nx_expect_eq(heard(w), "remove dir/");
    put("out/dir/y", "");
    nx_expect_eq(heard(w), "");
    nx_require_eq(rename(at("in/file"), at("out/file")), 0);
    nx_expect_eq(heard(w), "remove file");
    nx_watcher_free(w);
}

NX_TEST("only what was asked for comes")
{
    nx_watcher *w;
    nx_require_ok(nx_fs_watch(&w, nx_test_dir(), .recursive = true, .match = "*.c",
                              .ignore = (const char *const[]){"build", NULL}, .no_hidden = true));
    nx_require_ok(nx_fs_mkdir(at("build")));
    nx_require_ok(nx_fs_mkdir(at("src")));
    nx_expect_eq(heard(w), "");
    put("build/x.c", "");
    put(".x.c", "");
    put("src/x.h", "");
    put("src/x.c", "");
    nx_expect_eq(heard(w), "create src/x.c");
    nx_require_eq(rename(at("src/x.h"), at("src/y.c")), 0);
    nx_require_eq(rename(at("src/x.c"), at("src/z.h")), 0);
    nx_expect_eq(heard(w), "create src/y.c, remove src/x.c");
    nx_watcher_free(w);
    nx_require_ok(nx_fs_watch(&w, at("src"), .modify = true));
    put("src/y.c", "more");
    put("src/new.c", "more");
    nx_require_eq(unlink(at("src/y.c")), 0);
    nx_expect_eq(heard(w), "modify y.c, modify new.c");
    nx_watcher_free(w);
    nx_expect_err(NX_EINVAL, nx_fs_watch(&w, nx_test_dir(), .match = "["));
    expect_system(NX_ENOENT, ENOENT, nx_fs_watch(&w, at("none")));
    nx_expect(!w);
}

NX_TEST("with a debounce a file comes once")
{
    nx_watcher *w;
    nx_require_ok(nx_fs_watch(&w, nx_test_dir(), .debounce = NX_MS(15)));
    for (int i = 0; i < 5; i++) put("a", "1");
    put("gone", "1");
    put("b", "1");
    nx_require_eq(unlink(at("gone")), 0);
    nx_expect_eq(heard(w), "create a, create b");
    put("a", "2");
    put("b", "2");
    put("a", "3");
    nx_require_eq(unlink(at("b")), 0);
    nx_expect_eq(heard(w), "modify a, remove b");
    nx_require_eq(unlink(at("a")), 0);
    put("a", "4");
    nx_expect_eq(heard(w), "modify a");
    nx_watcher_free(w);
}

NX_TEST("a file is watched, whoever takes its place")
{
    nx_watcher *w;
    put("a", "1");
    nx_require_ok(nx_fs_watch(&w, at("a")));
    put("b", "1");
    put("a", "2");
    nx_expect_eq(heard(w), "modify a");
    nx_require_ok(nx_fs_write_file(at("a"), nx_str("3")));
    nx_expect_eq(heard(w), "create a");
    nx_require_eq(unlink(at("a")), 0);
    nx_expect_eq(heard(w), "remove a");
    put("a", "");
    nx_expect_eq(heard(w), "create a");
    nx_watcher_free(w);
}

NX_TEST("the end of what is watched is told")
{
    nx_watcher *w;
    nx_fs_event event;
    nx_require_ok(nx_fs_mkdir(at("dir/sub"), .parents = true));
    nx_require_ok(nx_fs_watch(&w, at("dir"), .recursive = true, .remove = true));
    nx_require_ok(nx_fs_remove_all(at("dir")));
    nx_require_ok(nx_watcher_next(w, &event));
    nx_expect_eq(event.relative, "sub");
    nx_require_ok(nx_watcher_next(w, &event));
    nx_expect_eq(event.relative, "");
    nx_expect_eq(event.path, at("dir"));
    nx_expect_err(NX_ECLOSED, nx_watcher_next(w, &event));
    nx_expect_err(NX_ECLOSED, nx_watcher_next(w, &event));
    nx_watcher_free(w);
}

NX_TEST("more than the system keeps is told, and watching goes on", .deadline = NX_S(60))
{
    nx_watcher *w;
    nx_fs_event event;
    bool overflow = false;
    nx_require_ok(nx_fs_mkdir(at("sub")));
    nx_require_ok(nx_fs_watch(&w, nx_test_dir(), .recursive = true));
    nx_bytes limit;
    nx_require_ok(nx_fs_read_file("/proc/sys/fs/inotify/max_queued_events", &limit));
    long most = strtol(limit.data, NULL, 10);
    if (most > 100000) nx_skip("this system keeps %ld events", most);
    char *one = (char *)at("one"), *two = (char *)at("two");
    put("one", "");
    for (long i = 0; i < most; i++) (void)rename(i & 1 ? two : one, i & 1 ? one : two);
    nx_require_ok(nx_fs_mkdir(at("unseen")));
    while (!overflow) {
        nx_require_ok(nx_watcher_next(w, &event));
        overflow = event.kind == NX_FS_OVERFLOW;
    }
    (void)heard(w);
    put("unseen/x", "");
    nx_expect_contains(heard(w), "create unseen/x");
    put("sub/x", "");
    nx_expect_contains(heard(w), "create sub/x");
    nx_watcher_free(w);
}

NX_TEST("a link leads no watch out")
{
    nx_watcher *w;
    nx_require_ok(nx_fs_mkdir(at("in")));
    nx_require_ok(nx_fs_mkdir(at("out")));
    nx_require_ok(nx_fs_watch(&w, at("in"), .recursive = true));
    nx_require_eq(symlink("../out", at("in/link")), 0);
    put("out/x", "");
    nx_expect_eq(heard(w), "create link");
    nx_watcher_free(w);
}

static nx_err next_of(void *arg)
{
    nx_fs_event event;
    return nx_watcher_next(arg, &event);
}

NX_TEST("who waits for a watcher is told that it is freed")
{
    nx_watcher *watcher;
    nx_fiber *waiting;
    nx_fs_event event;
    nx_require_ok(nx_fs_watch(&watcher, nx_test_dir()));
    nx_require_ok(nx_spawn(&waiting, next_of, watcher));
    nx_expect_ok(nx_yield());
    nx_expect_err(NX_ESTATE, nx_watcher_next(watcher, &event));
    nx_watcher_free(watcher);
    nx_expect_err(NX_ECLOSED, nx_join(waiting));
}
