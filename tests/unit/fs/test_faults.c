/* Every call with each of its allocations and system calls failing in turn: the error is told,
 * nothing leaks, and a file that is replaced has the old contents or the new. */
#include "fs_test.h"

#include "faults.h"
#include "loop/uring.h"
#include "permission/permission.h"
#include <errno.h>
#include <nexus/fiber.h>

enum { LARGE = 200000 };

/* One call, on a folder that prepare() has made. */
struct call {
    const char *name;
    nx_err (*run)(void);
    const char *replaced; /* a file that has "old" before, and LARGE bytes of 'n' after success */
    void (*after)(nx_err err); /* looks at the rest */
    bool adds; /* nothing is said of what `replaced` has after an error: it is no replacement */
};

/* Paths that are there before memory fails. */
static const char *p_file, *p_link, *p_dir, *p_new, *p_tree, *p_target, *p_other, *p_deep, *p_test;
static char large[LARGE];

static void prepare(void)
{
    nx_require_ok(nx_fs_remove_all(p_test));
    nx_require_ok(nx_fs_mkdir(p_test));
    nx_require_ok(nx_fs_mkdir(p_dir));
    nx_require_ok(nx_fs_mkdir(nx_format("%s/sub/deep", p_tree), .parents = true));
    nx_require_ok(nx_fs_append_file(p_file, nx_str("old")));
    nx_require_ok(nx_fs_append_file(nx_format("%s/sub/a", p_tree), nx_slice(large, LARGE)));
    nx_require_ok(nx_fs_append_file(nx_format("%s/sub/deep/b", p_tree), nx_str("b")));
    nx_require_ok(nx_fs_symlink("file", p_link));
    nx_require_ok(
        nx_fs_link(nx_format("%s/sub/deep/b", p_tree), nx_format("%s/sub/deep/b2", p_tree)));
    nx_require_ok(nx_fs_symlink("a", nx_format("%s/sub/link", p_tree)));
    nx_require_ok(nx_fs_mkdir(nx_format("%s/sub/deep", p_target), .parents = true));
    nx_require_ok(nx_fs_append_file(nx_format("%s/sub/deep/b", p_target), nx_str("old")));
}

/* ---- The calls */

static nx_err read_file(void)
{
    nx_bytes bytes;
    NX_TRY(nx_fs_read_file(p_file, &bytes));
    nx_expect_eq(bytes, "old");
    return NX_OK;
}

static nx_err write_file(void)
{
    return nx_fs_write_file(p_file, nx_slice(large, LARGE));
}

static nx_err append_file(void)
{
    return nx_fs_append_file(p_file, nx_slice(large, LARGE));
}

static nx_err with_file(nx_err (*use)(nx_file *file))
{
    nx_file *file;
    NX_TRY(nx_fs_open(&file, p_file, .read = true, .write = true));
    nx_err err = use(file);
    if (!err) return nx_file_close(file);
    /* What is looked at is the error of the use. */
    nx_error first = *nx_error_last();
    char *message = nx_copy(nx_str(first.message));
    NX_IGNORE(nx_file_close(file));
    return message ? nx_fail(err, "%s", message) : err;
}

static nx_err use_read(nx_file *file)
{
    char data[8];
    size_t got;
    nx_bytes rest;
    NX_TRY(nx_file_read(file, data, 1, &got));
    nx_expect_eq(got, 1);
    NX_TRY(nx_file_read_at(file, 1, data, sizeof data, &got));
    nx_expect_eq(got, 2);
    nx_space spaces[2] = {{data, 1}, {data + 1, 1}};
    NX_TRY(nx_file_readv(file, spaces, 2, &got));
    nx_expect_eq(nx_slice(data, got), "ld");
    NX_TRY(nx_file_seek(file, -2, NX_SEEK_END, NULL));
    NX_TRY(nx_file_read_rest(file, &rest));
    nx_expect_eq(rest, "ld");
    return NX_OK;
}

static nx_err use_write(nx_file *file)
{
    const nx_bytes pieces[2] = {nx_str("two "), nx_str("three ")};
    NX_TRY(nx_file_write(file, nx_str("one ")));
    NX_TRY(nx_file_writev(file, pieces, 2));
    NX_TRY(nx_file_write_at(file, 100, nx_str("four")));
    NX_TRY(nx_file_truncate(file, 1000));
    NX_TRY(nx_file_sync(file));
    NX_TRY(nx_file_sync_data(file));
    nx_bytes bytes;
    NX_TRY(nx_file_seek(file, 0, NX_SEEK_START, NULL));
    NX_TRY(nx_file_read_rest(file, &bytes));
    nx_expect_eq(bytes.len, 1000);
    nx_expect_eq(nx_slice(bytes.data, 14), "one two three ");
    return NX_OK;
}

static nx_err use_facts(nx_file *file)
{
    nx_stat stat;
    NX_TRY(nx_file_chmod(file, 0640));
    NX_TRY(nx_file_chown(file, NX_FS_KEEP, NX_FS_KEEP));
    NX_TRY(nx_file_utimes(file, 5, 6));
    NX_TRY(nx_file_stat(file, &stat));
    nx_expect(stat.mode == 0640 && stat.modified == 6);
    return NX_OK;
}

static nx_err use_lock_and_map(nx_file *file)
{
    nx_map map;
    NX_TRY(nx_file_lock(file));
    nx_file_unlock(file);
    NX_TRY(nx_file_map(file, &map, .write = true));
    nx_expect_eq(nx_slice(map.data, map.len), "old");
    nx_err err = nx_map_sync(&map);
    nx_map_free(&map);
    return err;
}

static nx_err file_read(void)
{
    return with_file(use_read);
}

static nx_err file_write(void)
{
    return with_file(use_write);
}

static nx_err file_facts(void)
{
    return with_file(use_facts);
}

static nx_err file_lock_and_map(void)
{
    return with_file(use_lock_and_map);
}

static nx_err facts(void)
{
    nx_stat stat;
    nx_fs_space space;
    NX_TRY(nx_fs_stat(p_link, &stat));
    nx_expect_eq(stat.size, 3);
    NX_TRY(nx_fs_lstat(p_link, &stat));
    NX_TRY(nx_fs_space_of(p_dir, &space));
    NX_TRY(nx_fs_chmod(p_file, 0600));
    NX_TRY(nx_fs_chown(p_file, NX_FS_KEEP, NX_FS_KEEP));
    NX_TRY(nx_fs_lchown(p_link, NX_FS_KEEP, NX_FS_KEEP));
    NX_TRY(nx_fs_utimes(p_file, 1, 2));
    return nx_fs_truncate(p_file, 2);
}

static nx_err names(void)
{
    nx_bytes text;
    NX_TRY(nx_fs_mkdir(p_deep, .parents = true));
    NX_TRY(nx_fs_link(p_file, p_other));
    NX_TRY(nx_fs_rename(p_other, p_new));
    NX_TRY(nx_fs_remove(p_new));
    NX_TRY(nx_fs_symlink("../file", p_new));
    NX_TRY(nx_fs_read_link(p_new, &text));
    nx_expect_eq(text, "../file");
    return nx_fs_real_path(p_new, &text);
}

static nx_err remove_all(void)
{
    NX_TRY(nx_fs_remove_all(p_tree));
    nx_expect(!nx_fs_exists(p_tree));
    return NX_OK;
}

static nx_err temporary(void)
{
    const char *path;
    nx_file *file;
    NX_TRY(nx_fs_temp_dir(&path, .in = p_dir));
    NX_TRY(nx_fs_temp_file(&file, &path, .in = p_dir));
    NX_TRY(nx_file_close(file));
    NX_TRY(nx_fs_temp_file(&file, NULL, .in = p_dir));
    return nx_file_close(file);
}

static nx_err copy(void)
{
    return nx_fs_copy(nx_format("%s/sub/a", p_tree), p_file, .keep_times = true);
}

/* Over a part of it that is there, of which "b" is to be replaced. */
static nx_err copy_tree(void)
{
    return nx_fs_copy(p_tree, p_target, .recursive = true, .keep_times = true, .keep_links = true,
                      .keep_attributes = true);
}

static void copy_tree_after(nx_err err)
{
    static const char *const names[] = {"sub/a", "sub/deep/b", "sub/deep/b2", "sub/link"};
    nx_walk *w;
    nx_fs_entry entry;
    size_t count = 0;
    nx_require_ok(nx_fs_walk(&w, p_target));
    while (nx_walk_next(w, &entry) == NX_OK) {
        count++;
        nx_expect(!strstr(entry.name, ".nexus-"));
    }
    nx_walk_free(w);
    if (!err) nx_expect_eq(count, 6);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        nx_bytes from, to;
        nx_require_ok(nx_fs_read_file(nx_format("%s/%s", p_tree, names[i]), &from));
        if (nx_fs_read_file(nx_format("%s/%s", p_target, names[i]), &to)) continue;
        nx_expect(nx_bytes_eq(from, to) || (err && nx_bytes_is(to, "old")));
    }
}

static nx_err copy_link(void)
{
    return nx_fs_copy(p_link, p_other, .no_follow = true, .keep_times = true);
}

static nx_err streams(void)
{
    return nx_pipe(nx_fs_reader(nx_format("%s/sub/a", p_tree)), nx_fs_writer(p_file, .sync = true));
}

static nx_err list(void)
{
    nx_fs_entry *entries;
    size_t count;
    NX_TRY(nx_fs_list(nx_format("%s/sub", p_tree), &entries, &count));
    nx_expect_eq(count, 3);
    return NX_OK;
}

static nx_err walk(void)
{
    nx_walk *w;
    nx_fs_entry entry;
    size_t count = 0;
    nx_err err, below = NX_OK;
    const char *const ignore[] = {"none", NULL};
    NX_TRY(nx_fs_walk(&w, p_tree, .match = "**", .ignore = ignore));
    while ((err = nx_walk_next(w, &entry)) == NX_OK) {
        count++;
        if (entry.error) below = entry.error;
    }
    nx_walk_free(w);
    if (err != NX_ECLOSED) return err;
    if (below) return nx_fail(below, "cannot read what is below");
    nx_expect_eq(count, 6);
    return NX_OK;
}

static nx_err watch(void)
{
    nx_watcher *w;
    nx_fs_event event;
    NX_TRY(nx_fs_watch(&w, p_tree, .recursive = true, .match = "*"));
    nx_err err = nx_fs_mkdir(nx_format("%s/made", p_tree));
    if (!err) err = nx_watcher_next(w, &event);
    if (!err) nx_expect(event.kind == NX_FS_CREATE || event.kind == NX_FS_OVERFLOW);
    nx_error last = *nx_error_last();
    char *message = err ? nx_copy(nx_str(last.message)) : NULL;
    nx_watcher_free(w);
    return message ? nx_fail(err, "%s", message) : err;
}

static const struct call calls[] = {
    {.name = "read a file", .run = read_file},
    {.name = "replace a file", .run = write_file, .replaced = "file"},
    {.name = "append to a file", .run = append_file},
    {.name = "read from an open file", .run = file_read},
    {.name = "write to an open file", .run = file_write},
    {.name = "facts of an open file", .run = file_facts},
    {.name = "lock and map", .run = file_lock_and_map},
    {.name = "facts", .run = facts},
    {.name = "names", .run = names},
    {.name = "remove all", .run = remove_all},
    {.name = "for a while", .run = temporary},
    {.name = "copy a file", .run = copy, .replaced = "file", .adds = true},
    {.name = "copy a tree", .run = copy_tree, .after = copy_tree_after},
    {.name = "copy a link", .run = copy_link},
    {.name = "streams", .run = streams, .replaced = "file", .adds = true},
    {.name = "list", .run = list},
    {.name = "walk", .run = walk},
    {.name = "watch", .run = watch},
};

/* ---- Each of them, again and again */

static void begin(void)
{
    memset(large, 'n', sizeof large);
    p_test = at("t");
    p_file = at("t/file");
    p_link = at("t/link");
    p_dir = at("t/dir");
    p_new = at("t/dir/new");
    p_other = at("t/dir/other");
    p_target = at("t/target");
    p_deep = at("t/dir/deep/er");
    p_tree = at("t/tree");
}

/* What can't be looked at is not granted; else the error names what failed. */
static bool is_told(nx_err err, const char *failed, const char *said)
{
    if (err == NX_EPERM && failed && strcmp(failed, "fstatfs") == 0) return true;
    return strstr(said, "cannot ") || strstr(said, "out of memory");
}

static void after(const struct faults_scenario *scenario, nx_err err, const char *failed)
{
    const struct call *call = scenario->arg;
    if (err) nx_expect(is_told(err, failed, nx_error_last()->message));
    if (call->replaced) {
        nx_bytes now = contents(nx_format("t/%s", call->replaced));
        bool new = nx_bytes_eq(now, nx_slice(large, LARGE));
        nx_expect(err ? call->adds || new || nx_bytes_is(now, "old") : new);
    }
    if (call->after) call->after(err);
}

static void each(int what)
{
    begin();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct faults_scenario scenario = {.name = calls[i].name,
                                           .run = calls[i].run,
                                           .before = prepare,
                                           .after = after,
                                           .arg = &calls[i]};
        faults_run(what, &scenario, 1);
    }
}

/* The pool serves, and functions are called. */
static void all(int what)
{
    nx__uring_refused = true;
    each(what);
}

/* The ring does, where there is one. */
static void all_by_ring(int what)
{
    if (nx__uring_probe() != 0) nx_skip("this kernel has no io_uring, or refuses it");
    if (!faults_ring()) nx_skip("operations of a ring fail at will from Linux 6.10 on");
    each(what);
}

NX_TEST("memory runs out", .deadline = NX_S(120))
{
    all(FAULTS_MEMORY);
}

NX_TEST("the disk fails", .deadline = NX_S(120))
{
    all(EIO);
}

NX_TEST("calls are interrupted", .deadline = NX_S(120))
{
    all(EINTR);
}

NX_TEST("the disk is full", .deadline = NX_S(120))
{
    all(ENOSPC);
}

NX_TEST("there are no more descriptors", .deadline = NX_S(120))
{
    all(EMFILE);
}

NX_TEST("half of it is moved", .deadline = NX_S(120))
{
    all(FAULTS_SHORT);
}

NX_TEST("the disk fails a ring", .deadline = NX_S(120))
{
    all_by_ring(EIO);
}

NX_TEST("a ring's operations are interrupted", .deadline = NX_S(120))
{
    all_by_ring(EINTR);
}

NX_TEST("a ring is out of descriptors", .deadline = NX_S(120))
{
    all_by_ring(EMFILE);
}

NX_TEST("a ring moves half of it", .deadline = NX_S(120))
{
    all_by_ring(FAULTS_SHORT);
}

/* Paths go other ways where there are grants, and others again where something is denied. */
static void all_granted(const char *deny, int what)
{
    static struct nx__permissions granted;
    const char *const flags[] = {nx_format("--allow-read=%s", nx_test_dir()),
                                 nx_format("--allow-write=%s", nx_test_dir()), deny};
    for (size_t i = 0; i < 3 && flags[i]; i++) {
        bool taken;
        nx_require_ok(nx__permissions_parse(&granted, flags[i], &taken));
        nx_require(taken);
    }
    nx__permissions_open(&granted);
    nx__permissions_seal(&granted);
    all(what);
    nx__permissions_seal(NULL);
    nx__permissions_free(&granted);
}

NX_TEST("the disk fails below a grant", .deadline = NX_S(120))
{
    all_granted(NULL, EIO);
}

NX_TEST("the disk fails where something is denied", .deadline = NX_S(120))
{
    all_granted(nx_format("--deny-read=%s/nothing", nx_test_dir()), EIO);
}

NX_TEST("memory runs out where something is denied", .deadline = NX_S(120))
{
    all_granted(nx_format("--deny-read=%s/nothing", nx_test_dir()), FAULTS_MEMORY);
}

NX_TEST("what can't be looked at is not taken for harmless")
{
    static struct nx__permissions granted;
    static const char *const paths[] = {"/proc/self/environ", "/proc/self/task/../environ"};
    bool taken;
    nx__uring_refused = true;
    begin();
    nx_require_ok(nx__permissions_parse(&granted, "--allow-read", &taken));
    nx__permissions_seal(&granted);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        for (unsigned long n = 1; n < 100; n++) {
            nx_bytes bytes;
            faults_begin(EIO, n);
            nx_err err = nx_fs_read_file(paths[i], &bytes);
            const char *failed = faults_stop();
            if (!err) nx_test_fail("it is read where %s fails", failed ? failed : "nothing");
            if (!failed) break;
        }
    }
    nx__permissions_seal(NULL);
    nx__permissions_free(&granted);
}

/* By what fails in turn, the calls are known in their order. Threads of the pool may shift them by
 * one on a busy machine, so that one is passed over: not each time. */
NX_TEST("what replaces a file is on the disk before it has the name, and the name before the end",
        .deadline = NX_S(120))
{
    static const char *const order[] = {"pwritev", "fsync", "renameat2", "fsync"};
    enum { STEPS = sizeof order / sizeof *order, TRIES = 10 };
    size_t met = 0;
    nx__uring_refused = true;
    begin();
    for (int i = 0; i < TRIES && met < STEPS; i++) {
        met = 0;
        for (unsigned long n = 1; n < 100; n++) {
            prepare();
            faults_begin(EIO, n);
            NX_IGNORE(write_file());
            const char *failed = faults_stop();
            if (!failed) break;
            if (met < STEPS && strcmp(failed, order[met]) == 0) met++;
        }
    }
    nx_expect_eq(met, STEPS);
}
