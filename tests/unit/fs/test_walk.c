/* Going through directories. */
#include "fs_test.h"

#include <errno.h>
#include <fcntl.h>

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

NX_TEST("large directories come whole")
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
