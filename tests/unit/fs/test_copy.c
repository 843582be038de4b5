/* Copies of trees. */
#include "fs_test.h"

#include "permission/permission.h"
#include <errno.h>
#include <fcntl.h>
#include <nexus/fiber.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

/* a, sub/b, sub/deep/c, sub/link -> b, out -> ../outside */
static void tree(void)
{
    (void)umask(022);
    nx_require_ok(nx_fs_mkdir(at("from/sub/deep"), .parents = true));
    nx_require_ok(nx_fs_mkdir(at("outside")));
    make("from/a", "a");
    make("from/sub/b", "b");
    make("from/sub/deep/c", "c");
    make("outside/secret", "secret");
    nx_require_ok(nx_fs_symlink("b", at("from/sub/link")));
    nx_require_ok(nx_fs_symlink("../outside", at("from/out")));
}

static nx_err copy(void)
{
    return nx_fs_copy(at("from"), at("to"), .recursive = true);
}

static size_t count_below(const char *name)
{
    nx_walk *w;
    nx_fs_entry entry;
    size_t count = 0;
    nx_require_ok(nx_fs_walk(&w, at(name)));
    while (nx_walk_next(w, &entry) == NX_OK) count++;
    nx_walk_free(w);
    return count;
}

NX_TEST("a tree is copied with its links, permissions and times")
{
    nx_stat from, to;
    nx_bytes text;
    tree();
    nx_require_ok(nx_fs_chmod(at("from/a"), 0640));
    nx_require_ok(nx_fs_chmod(at("from/sub/deep"), 0550));
    nx_require_ok(nx_fs_utimes(at("from/a"), 7, 9));
    nx_require_ok(nx_fs_utimes(at("from/sub"), 11, 13));
    nx_expect_ok(nx_fs_copy(at("from"), at("to"), .recursive = true, .keep_times = true));
    nx_expect_eq(count_below("to"), 7);
    nx_expect_eq(contents("to/a"), "a");
    nx_expect_eq(contents("to/sub/deep/c"), "c");
    nx_expect_ok(nx_fs_read_link(at("to/sub/link"), &text));
    nx_expect_eq(text, "b");
    nx_expect_ok(nx_fs_lstat(at("to/out"), &to));
    nx_expect_eq(to.type, NX_FILE_LINK);
    nx_expect_ok(nx_fs_stat(at("to/a"), &to));
    nx_expect(to.mode == 0640 && to.modified == 9);
    nx_expect_ok(nx_fs_stat(at("to/sub/deep"), &to));
    nx_expect_eq(to.mode, 0550);
    nx_expect_ok(nx_fs_stat(at("to/sub"), &to));
    nx_expect_eq(to.modified, 13);
    nx_expect_ok(nx_fs_lstat(at("from/sub/link"), &from));
    nx_expect_ok(nx_fs_lstat(at("to/sub/link"), &to));
    nx_expect_eq(to.modified, from.modified);
    nx_require_ok(nx_fs_chmod(at("from/sub/deep"), 0755));
    nx_require_ok(nx_fs_chmod(at("to/sub/deep"), 0755));
}

NX_TEST("what is recursive copies a single file too, and a directory takes that")
{
    tree();
    nx_expect_ok(nx_fs_copy(at("from/a"), at("b"), .recursive = true));
    nx_expect_eq(contents("b"), "a");
    expect_system(NX_EINVAL, EISDIR, nx_fs_copy(at("from"), at("to")));
    nx_expect(!nx_fs_exists(at("to")));
    /* A link at the beginning is followed, on both sides. */
    nx_require_ok(nx_fs_symlink("from", at("link")));
    nx_require_ok(nx_fs_mkdir(at("real")));
    nx_require_ok(nx_fs_symlink("real", at("to-link")));
    nx_expect_ok(nx_fs_copy(at("link"), at("to-link/"), .recursive = true));
    nx_expect_eq(contents("real/sub/b"), "b");
}

NX_TEST("a link is copied itself, where it is said")
{
    nx_bytes text;
    tree();
    nx_expect_ok(nx_fs_copy(at("from/out"), at("copied"), .no_follow = true));
    nx_expect_ok(nx_fs_read_link(at("copied"), &text));
    nx_expect_eq(text, "../outside");
    make("there", "");
    expect_system(NX_EEXIST, EEXIST,
                  nx_fs_copy(at("from/out"), at("there"), .no_follow = true, .no_replace = true));
    nx_require_eq(chdir(nx_test_dir()), 0); /* a path of several parts, from here */
    nx_expect_ok(nx_fs_copy("from/sub/link", "from/a", .no_follow = true));
    nx_expect_ok(nx_fs_read_link("from/a", &text));
    nx_expect_eq(text, "b");
    nx_expect_eq(count_below("from"), 7);
    nx_expect_ok(nx_fs_copy(at("from/sub/b"), at("there"), .no_follow = true));
    nx_expect_eq(contents("there"), "b");
    nx_expect_ok(nx_fs_copy(at("from"), at("to"), .no_follow = true, .recursive = true));
    nx_expect_eq(contents("to/sub/b"), "b");
    expect_system(NX_EINVAL, EISDIR, nx_fs_copy(at("copied"), at("to"), .no_follow = true));
    expect_system(NX_ENOENT, ENOENT, nx_fs_copy(at("none"), at("x"), .no_follow = true));
}

NX_TEST("a tree is copied into one that is there")
{
    nx_stat stat;
    tree();
    nx_require_ok(nx_fs_mkdir(at("to/sub"), .parents = true, .mode = 0700));
    make("to/sub/b", "what was there");
    make("to/other", "stays");
    nx_require_ok(nx_fs_link(at("to/sub/b"), at("another-name")));
    nx_require_ok(nx_fs_symlink(at("outside/secret"), at("to/a")));
    nx_expect_ok(copy());
    nx_expect_eq(contents("to/sub/b"), "b");
    nx_expect_eq(contents("to/a"), "a");
    nx_expect_eq(contents("to/other"), "stays");
    /* Nothing is written through a link, or into a file of another name. */
    nx_expect_eq(contents("outside/secret"), "secret");
    nx_expect_eq(contents("another-name"), "what was there");
    nx_expect_ok(nx_fs_stat(at("to/sub"), &stat));
    nx_expect_eq(stat.mode, 0700);
    nx_expect_ok(copy()); /* once more */
    nx_expect_eq(count_below("to"), 8);
}

NX_TEST("what is there may have to stay")
{
    tree();
    nx_require_ok(nx_fs_mkdir(at("to/sub"), .parents = true));
    make("to/a", "older");
    make("to/sub/b", "newer");
    nx_require_ok(nx_fs_utimes(at("to/a"), 0, NX_S(100)));
    nx_require_ok(nx_fs_utimes(at("to/sub/b"), 0, NX_S(4000000000)));
    nx_expect_ok(nx_fs_copy(at("from"), at("to"), .recursive = true, .keep_newer = true));
    nx_expect_eq(contents("to/a"), "a");
    nx_expect_eq(contents("to/sub/b"), "newer");
    nx_expect_eq(contents("to/sub/deep/c"), "c");
    nx_expect_ok(nx_fs_copy(at("from/sub/b"), at("to/sub/b"), .keep_newer = true));
    nx_expect_eq(contents("to/sub/b"), "newer");
    nx_expect_ok(nx_fs_copy(at("from/sub/b"), at("fresh"), .keep_newer = true));
    nx_expect_eq(contents("fresh"), "b");
    nx_require_ok(nx_fs_utimes(at("to/a"), 0, NX_S(100)));
    nx_expect_ok(nx_fs_copy(at("from/a"), at("to/a"), .keep_newer = true));
    make("to/sub/b", "there");
    expect_system(NX_EEXIST, EEXIST,
                  nx_fs_copy(at("from"), at("to"), .recursive = true, .no_replace = true));
    nx_expect_contains(nx_error_last()->message, "cannot copy ");
    nx_expect_contains(nx_error_last()->message, "/from/");
    nx_expect_eq(contents("to/sub/b"), "there");
    nx_expect_ok(nx_fs_copy(at("from"), at("elsewhere"), .recursive = true, .no_replace = true));
    nx_expect_eq(contents("elsewhere/sub/b"), "b");
}

NX_TEST("what is in the way is an error that names it")
{
    tree();
    nx_require_ok(nx_fs_mkdir(at("to/a"), .parents = true));
    expect_system(NX_EINVAL, EISDIR, copy());
    nx_expect_contains(nx_error_last()->message, "/from/a\" to \"");
    nx_expect_contains(nx_error_last()->message, "/to/a\": is a directory");
    nx_require_ok(nx_fs_remove(at("to/a")));
    nx_require_ok(nx_fs_remove_all(at("to/sub")));
    make("to/sub", "a file");
    expect_system(NX_EEXIST, EEXIST, copy());
    nx_expect_contains(nx_error_last()->message, "/to/sub\": it is there already");
    nx_expect_eq(contents("to/sub"), "a file");
    /* No link is gone through, whatever it leads to. */
    nx_require_ok(nx_fs_remove(at("to/sub")));
    nx_require_ok(nx_fs_symlink(at("outside"), at("to/sub")));
    expect_system(NX_EEXIST, EEXIST, copy());
    nx_expect_eq(count_below("outside"), 1);
    make("file", "");
    expect_system(NX_EEXIST, EEXIST, nx_fs_copy(at("from"), at("file"), .recursive = true));
    expect_system(NX_ENOENT, ENOENT, nx_fs_copy(at("none"), at("x"), .recursive = true));
    expect_system(NX_ENOENT, ENOENT, nx_fs_copy(at("from"), at("none/x"), .recursive = true));
    expect_system(NX_ENOENT, ENOTDIR, nx_fs_copy(at("from"), at("file/x"), .recursive = true));
    nx_expect_err(NX_EINVAL, nx_fs_copy(at("from"), at("x"), .recursive = true, .match = "[a"));
    nx_require_ok(nx_fs_symlink("loop", at("loop")));
    expect_system(NX_EINVAL, ELOOP, nx_fs_copy(at("loop"), at("x"), .recursive = true));
    char *longest = nx_alloc(5000);
    memset(longest, 'x', 4999);
    longest[4999] = '\0';
    expect_system(NX_EINVAL, ENAMETOOLONG, nx_fs_copy(at("from"), longest, .recursive = true));
    expect_system(NX_EINVAL, ENAMETOOLONG, nx_fs_copy(longest, at("x"), .recursive = true));
}

NX_TEST("nothing is copied into itself")
{
    tree();
    nx_expect_err(NX_EINVAL, nx_fs_copy(at("from"), at("from"), .recursive = true));
    nx_expect_contains(nx_error_last()->message, "it would be copied into itself");
    nx_expect_err(NX_EINVAL, nx_fs_copy(at("from"), at("from/sub/new"), .recursive = true));
    nx_expect_err(NX_EINVAL, nx_fs_copy(at("from"), at("from/sub/deep"), .recursive = true));
    nx_require_ok(nx_fs_symlink("from/sub", at("way")));
    nx_expect_err(NX_EINVAL, nx_fs_copy(at("from"), at("way/new"), .recursive = true));
    nx_expect_eq(count_below("from"), 7);
    /* Out of itself it may be. */
    nx_expect_ok(nx_fs_copy(at("from/sub"), at("from"), .recursive = true));
    nx_expect_eq(contents("from/deep/c"), "c");
    nx_expect_ok(nx_fs_copy(at("from"), at("from-too"), .recursive = true));
}

NX_TEST("patterns say what is copied")
{
    static const char *const ignore[] = {"deep", NULL};
    tree();
    make("from/.hidden", "");
    make("from/sub/x.c", "");
    nx_expect_ok(nx_fs_copy(at("from"), at("c"), .recursive = true, .match = "*.c"));
    nx_expect(nx_fs_exists(at("c/sub/x.c")) && !nx_fs_exists(at("c/a")));
    nx_expect_ok(
        nx_fs_copy(at("from"), at("to"), .recursive = true, .ignore = ignore, .no_hidden = true));
    nx_expect(nx_fs_exists(at("to/sub/b")) && !nx_fs_exists(at("to/sub/deep")) &&
              !nx_fs_exists(at("to/.hidden")));
    nx_expect_ok(nx_fs_copy(at("from"), at("top"), .recursive = true, .match = "sub/b"));
    nx_expect_eq(count_below("top"), 2);
}

NX_TEST("pipes, sockets and devices are refused, or left out")
{
    tree();
    nx_require_eq(mkfifo(at("from/sub/fifo"), 0600), 0);
    expect_system(NX_EINVAL, EINVAL, copy());
    nx_expect_contains(nx_error_last()->message, "/from/sub/fifo\"");
    nx_expect_ok(nx_fs_copy(at("from"), at("to"), .recursive = true, .skip_special = true));
    nx_expect(nx_fs_exists(at("to/sub/deep/c")) && !nx_fs_exists(at("to/sub/fifo")));
    nx_require_ok(nx_fs_remove(at("from/sub/fifo")));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int here = open(at("from"), O_PATH | O_DIRECTORY);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/socket", here);
    nx_require_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    (void)close(fd);
    (void)close(here);
    expect_system(NX_EINVAL, EINVAL, copy());
    nx_expect_ok(nx_fs_copy(at("from"), at("to"), .recursive = true, .skip_special = true));
    nx_expect(!nx_fs_exists(at("to/socket")));
}

NX_TEST("two names of a file may stay two names of one", .deadline = NX_S(60))
{
    nx_stat a, b;
    char name[32];
    tree();
    nx_require_ok(nx_fs_link(at("from/a"), at("from/sub/deep/same")));
    for (int i = 0; i < 200; i++) { /* the table grows */
        (void)snprintf(name, sizeof name, "from/sub/%d", i);
        make(name, name);
        nx_require_ok(nx_fs_link(at(name), at(nx_format("%s-too", name))));
    }
    nx_expect_ok(copy());
    nx_expect_ok(nx_fs_stat(at("to/a"), &a));
    nx_expect_eq(a.links, 1);
    for (int times = 0; times < 2; times++) { /* into what has others, and into what has these */
        nx_expect_ok(nx_fs_copy(at("from"), at("to"), .recursive = true, .keep_links = true));
        nx_expect_ok(nx_fs_stat(at("to/a"), &a));
        nx_expect_ok(nx_fs_stat(at("to/sub/deep/same"), &b));
        nx_expect(a.links == 2 && a.inode == b.inode);
        for (int i = 0; i < 200; i++) {
            (void)snprintf(name, sizeof name, "from/sub/%d", i);
            nx_expect_ok(nx_fs_stat(at(nx_format("to/sub/%d", i)), &a));
            nx_expect_ok(nx_fs_stat(at(nx_format("to/sub/%d-too", i)), &b));
            nx_expect(a.links == 2 && a.inode == b.inode);
            nx_expect_eq(contents(nx_format("to/sub/%d", i)), name);
        }
        nx_expect_eq(count_below("to"), count_below("from"));
    }
}

NX_TEST("attributes go with it where it is said")
{
    char value[8];
    tree();
    if (setxattr(at("from/sub/b"), "user.nexus", "value", 5, 0) != 0)
        nx_skip("the file system has no attributes");
    nx_require_eq(setxattr(at("from/sub"), "user.dir", "d", 1, 0), 0);
    nx_expect_ok(copy());
    nx_expect_eq(getxattr(at("to/sub/b"), "user.nexus", value, sizeof value), -1);
    nx_require_ok(nx_fs_remove_all(at("to")));
    nx_expect_ok(nx_fs_copy(at("from"), at("to"), .recursive = true, .keep_attributes = true));
    nx_expect_eq(getxattr(at("to/sub/b"), "user.nexus", value, sizeof value), 5);
    nx_expect_eq(getxattr(at("to/sub"), "user.dir", value, sizeof value), 1);
    nx_expect_ok(nx_fs_copy(at("from/sub/b"), at("b"), .keep_attributes = true));
    nx_expect_eq(getxattr(at("b"), "user.nexus", value, sizeof value), 5);
}

NX_TEST("deep trees take no more descriptors, and holes no disk", .deadline = NX_S(60))
{
    enum { DEEP = 500 };
    nx_file *f;
    nx_stat from, to;
    nx_require_ok(nx_fs_mkdir(at("from")));
    int fd = open(at("from"), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < DEEP; i++) {
        nx_require_eq(mkdirat(fd, "d", 0700), 0);
        nx_require_eq(mkdirat(fd, "e", 0700), 0);
        int next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
        (void)close(openat(fd, "file", O_WRONLY | O_CREAT, 0600));
        (void)close(fd);
        fd = next;
    }
    (void)close(fd);
    nx_require_ok(nx_fs_open(&f, at("from/holes"), .create = true));
    nx_expect_ok(nx_file_write_at(f, 4 << 20, nx_str("data")));
    nx_expect_ok(nx_file_truncate(f, 8 << 20));
    nx_expect_ok(nx_file_close(f));
    nx_expect_ok(copy());
    nx_expect_eq(count_below("to"), 3 * DEEP + 1);
    nx_expect_ok(nx_fs_stat(at("from/holes"), &from));
    nx_expect_ok(nx_fs_stat(at("to/holes"), &to));
    nx_expect_eq(to.size, from.size);
    nx_expect_le(to.allocated, from.allocated + 65536);
    nx_require_ok(nx_fs_remove_all(at("from")));
    nx_require_ok(nx_fs_remove_all(at("to")));
}

/* ---- Cancelled */

static nx_err copying(void *arg)
{
    (void)arg;
    return copy();
}

NX_TEST("a copy can be cancelled, and leaves no half of a file", .deadline = NX_S(60))
{
    enum { FILES = 1200 };
    nx_fiber *fiber;
    char name[32], text[100];
    tree();
    int fd = open(at("from"), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < FILES; i++) {
        (void)snprintf(name, sizeof name, "%d", i);
        int file = openat(fd, name, O_WRONLY | O_CREAT, 0600);
        memset(text, 'x', sizeof text);
        nx_require_eq(write(file, text, sizeof text), sizeof text);
        (void)close(file);
    }
    (void)close(fd);
    nx_require_ok(nx_spawn(&fiber, copying, NULL));
    while (!nx_fs_exists(at("to/a")) && !nx_fs_exists(at("to/1"))) NX_IGNORE(nx_yield());
    nx_cancel(fiber);
    nx_err err = nx_join(fiber);
    nx_expect(err == NX_ECANCELED || err == NX_OK);
    nx_walk *w;
    nx_fs_entry entry;
    nx_require_ok(nx_fs_walk(&w, at("to")));
    while (nx_walk_next(w, &entry) == NX_OK) {
        nx_stat stat;
        nx_expect(!strstr(entry.name, ".nexus-"));
        nx_expect_ok(nx_fs_lstat(entry.path, &stat));
        if (entry.type == NX_FILE_REGULAR) nx_expect(stat.size == 100 || stat.size == 1);
    }
    nx_walk_free(w);
}

/* ---- What the grants hold */

static struct nx__permissions granted;

static void grant(const char *const *flags)
{
    for (; *flags; flags++) {
        bool taken;
        char flag[600];
        (void)snprintf(flag, sizeof flag, *flags, nx_test_dir());
        nx_require_ok(nx__permissions_parse(&granted, flag, &taken));
        nx_require(taken);
    }
    nx__permissions_open(&granted);
    nx__permissions_seal(&granted);
}
#define GRANT(...) grant((const char *const[]){__VA_ARGS__, NULL})

static void all_again(void)
{
    nx__permissions_seal(NULL);
    nx__permissions_free(&granted);
}

NX_TEST("both ends are held by the grants, and what is denied below them")
{
    static const char *const ignore[] = {"sub/deep", NULL};
    tree();
    GRANT("--allow-read=%s/from", "--allow-write=%s/to");
    nx_expect_ok(copy());
    nx_expect_err(NX_EPERM, nx_fs_copy(at("outside"), at("to/x"), .recursive = true));
    nx_expect_contains(nx_error_last()->message, "run with --allow-read=");
    nx_expect_err(NX_EPERM, nx_fs_copy(at("from"), at("outside/x"), .recursive = true));
    nx_expect_contains(nx_error_last()->message, "run with --allow-write=");
    nx_expect_err(NX_EPERM, nx_fs_copy(at("from/out"), at("to/x"), .recursive = true));
    nx_expect_err(NX_EPERM, nx_fs_copy(at("from"), at("to/../outside"), .recursive = true));
    all_again();
    nx_require_ok(nx_fs_remove_all(at("to")));

    GRANT("--allow-read=%s/from", "--deny-read=%s/from/sub/deep", "--allow-write=%s/to");
    nx_expect_err(NX_EPERM, copy());
    nx_expect_contains(nx_error_last()->message, "/from/sub/deep");
    all_again();
    nx_expect(!nx_fs_exists(at("to/sub/deep")));
    GRANT("--allow-read=%s/from", "--deny-read=%s/from/sub/deep", "--allow-write=%s/to");
    nx_expect_ok(nx_fs_copy(at("from"), at("to"), .recursive = true, .ignore = ignore));
    all_again();
    nx_expect_eq(contents("to/sub/b"), "b");
    nx_expect(!nx_fs_exists(at("to/sub/deep")));

    nx_require_ok(nx_fs_remove_all(at("to")));
    GRANT("--allow-read=%s/from", "--deny-read=%s/from/a", "--allow-write=%s/to");
    nx_expect_err(NX_EPERM, copy());
    nx_expect_contains(nx_error_last()->message, "/from/a");
    all_again();
    nx_expect(!nx_fs_exists(at("to/a")));

    GRANT("--allow-read=%s/from", "--allow-write=%s/to", "--deny-write=%s/to/sub");
    nx_expect_err(NX_EPERM, copy());
    nx_expect_contains(nx_error_last()->message, "/to/sub");
    all_again();
    nx_expect(!nx_fs_exists(at("to/sub")));
}

/* ---- Others who change the way meanwhile */

static struct {
    atomic_bool stop;
    char sub[600], link[600];
} swap;

static void *swaps(void *unused)
{
    while (!atomic_load(&swap.stop)) {
        (void)renameat2(AT_FDCWD, swap.sub, AT_FDCWD, swap.link, RENAME_EXCHANGE);
        (void)usleep(20);
    }
    return unused;
}

NX_TEST("a directory that becomes a link leads nobody out", .deadline = NX_S(60))
{
    static const char *const swapped[][2] = {{"from/sub", "from/swapped"},
                                             {"to/sub", "to/swapped"}};
    tree();
    make("outside/b", "secret");
    for (size_t side = 0; side < 2; side++) {
        pthread_t thread;
        nx_require_ok(nx_fs_mkdir(at("to/sub"), .parents = true));
        nx_require_ok(nx_fs_symlink(at("outside"), at(swapped[side][1])));
        (void)snprintf(swap.sub, sizeof swap.sub, "%s", at(swapped[side][0]));
        (void)snprintf(swap.link, sizeof swap.link, "%s", at(swapped[side][1]));
        atomic_store(&swap.stop, false);
        nx_require_eq(pthread_create(&thread, NULL, swaps, NULL), 0);
        for (int i = 0; i < 300; i++) {
            NX_IGNORE(copy());
            nx_bytes bytes;
            if (nx_fs_read_file(at("to/sub/b"), &bytes) == NX_OK && side == 0)
                nx_expect_eq(bytes, "b");
        }
        atomic_store(&swap.stop, true);
        (void)pthread_join(thread, NULL);
        nx_expect_eq(contents("outside/b"), "secret");
        nx_expect_eq(count_below("outside"), 2);
        nx_require_ok(nx_fs_remove_all(at("to")));
    }
}
