/* Going through directories. */
#include "fs_test.h"

#include <errno.h>
#include <fcntl.h>
#include <nexus/fiber.h>

/* What a walk gives, sorted and with a space between. */
static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *walked(nx_walk *walk)
{
    const char *found[1000];
    size_t count = 0;
    nx_fs_entry entry;
    nx_err err;
    while ((err = nx_walk_next(walk, &entry)) == NX_OK && count < 1000) {
        nx_expect_eq(entry.error, NX_OK);
        nx_expect_eq(
            strcmp(entry.path + strlen(entry.path) - strlen(entry.relative), entry.relative), 0);
        found[count++] = nx_copy(nx_str(entry.relative));
    }
    nx_expect_eq(err, NX_ECLOSED);
    nx_walk_free(walk);
    if (count) qsort(found, count, sizeof *found, by_text);
    const char *text = "";
    for (size_t i = 0; i < count; i++) text = nx_format("%s%s%s", text, i ? " " : "", found[i]);
    return text;
}

static void tree(void)
{
    nx_require_ok(nx_fs_mkdir(at("a/b/c"), .parents = true));
    nx_require_ok(nx_fs_mkdir(at(".git/x"), .parents = true));
    make("a/1.c", "");
    make("a/b/2.c", "");
    make("a/b/c/3.c", "");
    make("a/b/c/4.h", "");
    make(".git/x/5.c", "");
    nx_require_ok(nx_fs_symlink("..", at("a/up")));
}

NX_TEST("everything comes, and what was asked for")
{
    nx_walk *w;
    tree();
    nx_require_ok(nx_fs_walk(&w, nx_test_dir()));
    nx_expect_eq(walked(w),
                 ".git .git/x .git/x/5.c a a/1.c a/b a/b/2.c a/b/c a/b/c/3.c a/b/c/4.h a/up");
    nx_require_ok(nx_fs_walk(&w, nx_test_dir(), .no_hidden = true, .depth = 2));
    nx_expect_eq(walked(w), "a a/1.c a/b a/up");
    nx_require_ok(nx_fs_walk(&w, nx_test_dir(), .match = "*.c"));
    nx_expect_eq(walked(w), ".git/x/5.c a/1.c a/b/2.c a/b/c/3.c");
    nx_require_ok(nx_fs_walk(&w, nx_test_dir(), .match = "a/*/*.{c,h}"));
    nx_expect_eq(walked(w), "a/b/2.c");
    nx_require_ok(nx_fs_walk(&w, nx_test_dir(), .match = "**/*.c",
                             .ignore = (const char *const[]){".git", "a/b/c", NULL}));
    nx_expect_eq(walked(w), "a/1.c a/b/2.c");
}

NX_TEST("a directory is skipped, whether it has been read or not")
{
    static const char *const names[] = {"a", "a/b", "a/b/c"};
    tree();
    for (size_t i = 0; i < 3; i++) {
        nx_subtest ("%s", names[i]) {
            nx_walk *w;
            nx_fs_entry entry;
            size_t below = 0;
            nx_require_ok(nx_fs_walk(&w, nx_test_dir()));
            while (nx_walk_next(w, &entry) == NX_OK) {
                size_t len = strlen(names[i]);
                below += strncmp(entry.relative, names[i], len) == 0 && entry.relative[len] == '/';
                if (strcmp(entry.relative, names[i]) == 0) nx_walk_skip(w);
            }
            nx_walk_free(w);
            nx_expect_eq(below, 0);
        }
    }
}

NX_TEST("large directories come whole", .deadline = NX_S(60))
{
    enum { FILES = 5000 };
    static bool seen[FILES];
    nx_walk *w;
    nx_fs_entry entry;
    int fd = open(nx_test_dir(), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < FILES; i++)
        close(openat(fd, nx_format("%05d-with-a-long-name", i), O_WRONLY | O_CREAT, 0600));
    close(fd);
    nx_require_ok(nx_fs_walk(&w, nx_test_dir()));
    size_t count = 0;
    while (nx_walk_next(w, &entry) == NX_OK) {
        int i = atoi(entry.name);
        nx_expect(!seen[i]);
        nx_expect_eq(entry.type, NX_FILE_REGULAR);
        seen[i] = true;
        count++;
    }
    nx_walk_free(w);
    nx_expect_eq(count, FILES);
    nx_fs_entry *entries;
    nx_expect_ok(nx_fs_list(nx_test_dir(), &entries, &count));
    nx_require_eq(count, FILES);
    for (size_t i = 0; i < count; i++) nx_expect_eq(atoi(entries[i].name), i);
}

/* So many files, in directories of 100. */
static void many(const char *name, int count)
{
    char path[32];
    nx_require_ok(nx_fs_mkdir(at(name)));
    int fd = open(at(name), O_PATH | O_DIRECTORY);
    for (int i = 0; i < count; i++) {
        (void)snprintf(path, sizeof path, "%d", i / 100);
        if (i % 100 == 0) nx_require_eq(mkdirat(fd, path, 0700), 0);
        (void)snprintf(path, sizeof path, "%d/%d", i / 100, i);
        (void)close(openat(fd, path, O_WRONLY | O_CREAT, 0600));
    }
    (void)close(fd);
}

NX_TEST("a walk is left while it reads ahead, and tells nothing of what is skipped",
        .deadline = NX_S(60))
{
    nx_walk *w;
    nx_fs_entry entry;
    many("tree", 3000);
    for (int taken = 0; taken < 2000; taken += 500) {
        nx_require_ok(nx_fs_walk(&w, at("tree")));
        for (int i = 0; i < taken; i++) nx_expect_ok(nx_walk_next(w, &entry));
        nx_walk_free(w);
    }
    size_t directories = 0, files = 0;
    nx_require_ok(nx_fs_walk(&w, at("tree")));
    while (nx_walk_next(w, &entry) == NX_OK) {
        if (entry.type != NX_FILE_DIRECTORY)
            files++;
        else if (directories++ % 2)
            nx_walk_skip(w);
    }
    nx_walk_free(w);
    nx_expect_eq(directories, 30);
    nx_expect_eq(files, 1500);
}

static nx_err walking(void *arg)
{
    nx_fs_entry entry;
    nx_err err = NX_OK;
    while (!err) err = nx_walk_next(arg, &entry);
    return err;
}

NX_TEST("a walk that is cancelled goes on for who is not", .deadline = NX_S(60))
{
    nx_walk *w;
    nx_fs_entry entry;
    nx_fiber *fiber;
    many("tree", 300);
    nx_require_ok(nx_fs_walk(&w, at("tree")));
    nx_require_ok(nx_spawn(&fiber, walking, w));
    nx_cancel(fiber);
    nx_expect_err(NX_ECANCELED, nx_join(fiber));
    size_t count = 0;
    while (nx_walk_next(w, &entry) == NX_OK) count++;
    nx_expect_eq(count, 303);
    nx_expect_err(NX_ECLOSED, nx_walk_next(w, &entry));
    nx_walk_free(w);
}

NX_TEST("directories that wait are no more than there is room for", .deadline = NX_S(60))
{
    enum { LONG = 255, LEVELS = 14 };
    char name[LONG + 1];
    nx_walk *w;
    nx_fs_entry entry;
    nx_err err;
    const char *tree; /* in memory, where so many are soon made */
    if (nx_fs_temp_dir(&tree, .in = "/dev/shm")) nx_skip("%s", nx_error_last()->message);
    memset(name, 'x', LONG);
    name[LONG] = '\0';
    int fd = open(tree, O_PATH | O_DIRECTORY);
    for (int i = 0; i < LEVELS; i++) {
        nx_require_eq(mkdirat(fd, name, 0700), 0);
        int next = openat(fd, name, O_PATH | O_DIRECTORY);
        (void)close(fd);
        fd = next;
    }
    int count = (int)(NX_WALK_WAITING_MOST / ((LEVELS + 1) * (LONG + 1))) + 100;
    for (int i = 0; i < count; i++) {
        (void)snprintf(name, sizeof name, "%0*d", LONG, i);
        nx_require_eq(mkdirat(fd, name, 0700), 0);
    }
    (void)close(fd);
    nx_require_ok(nx_fs_walk(&w, tree));
    while ((err = nx_walk_next(w, &entry)) == NX_OK) {}
    nx_expect_eq(err, NX_ELIMIT);
    nx_expect_contains(nx_error_last()->message, "over 64 MiB of paths of directories wait");
    nx_expect_err(NX_ELIMIT, nx_walk_next(w, &entry));
    nx_walk_free(w);
    nx_require_ok(nx_fs_remove_all(tree));
}

NX_TEST("what is removed meanwhile is not there, and no error")
{
    nx_walk *w;
    nx_fs_entry entry;
    tree();
    nx_require_ok(nx_fs_walk(&w, nx_test_dir()));
    nx_require_ok(nx_fs_remove_all(at("a")));
    nx_require_ok(nx_fs_remove_all(at(".git")));
    nx_expect_err(NX_ECLOSED, nx_walk_next(w, &entry));
    nx_expect_err(NX_ECLOSED, nx_walk_next(w, &entry));
    nx_walk_free(w);
}

NX_TEST("a directory that can't be read comes a second time, with the reason")
{
    if (getuid() == 0) nx_skip("the superuser may read everything");
    nx_walk *w;
    nx_fs_entry entry;
    int errors = 0;
    tree();
    nx_require_ok(nx_fs_chmod(at("a/b"), 0));
    nx_require_ok(nx_fs_walk(&w, nx_test_dir()));
    while (nx_walk_next(w, &entry) == NX_OK) {
        if (!entry.error) continue;
        nx_expect_eq(entry.error, NX_EACCES);
        nx_expect_eq(entry.relative, "a/b");
        errors++;
    }
    nx_expect_eq(errors, 1);
    nx_walk_free(w);
    nx_require_ok(nx_fs_chmod(at("a/b"), 0700));
}

NX_TEST("what no walk can begin with")
{
    nx_walk *w;
    nx_fs_entry *entries;
    size_t count;
    make("file", "");
    expect_system(NX_ENOENT, ENOENT, nx_fs_walk(&w, at("none")));
    expect_system(NX_ENOENT, ENOTDIR, nx_fs_walk(&w, at("file")));
    nx_expect_err(NX_EINVAL, nx_fs_walk(&w, nx_test_dir(), .match = "["));
    nx_expect_err(NX_EINVAL,
                  nx_fs_walk(&w, nx_test_dir(), .ignore = (const char *const[]){"a", "{", NULL}));
    expect_system(NX_ENOENT, ENOENT, nx_fs_list(at("none"), &entries, &count));
    nx_expect(!w && !entries && !count);
}
