/* Every call on a path, in every bad situation: one table. */
#include "fs_test.h"

#include "base/error.h"
#include "loop/uring.h"
#include "permission/permission.h"
#include <errno.h>
#include <fcntl.h>
#include <nexus/fiber.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

/* ---- The calls, each on one path; "other" is a file and "tree" a directory beside it */

static const char *other, *tree, *fresh;

static nx_err read_file(const char *path)
{
    nx_bytes bytes;
    return nx_fs_read_file(path, &bytes);
}

static nx_err write_file(const char *path)
{
    return nx_fs_write_file(path, nx_str("x"));
}

static nx_err append_file(const char *path)
{
    return nx_fs_append_file(path, nx_str("x"));
}

static nx_err closed(nx_err err, nx_file **file)
{
    return err ? err : nx_file_close(*file);
}

static nx_err open_read(const char *path)
{
    nx_file *file;
    nx_err err = nx_fs_open(&file, path);
    nx_expect(!err == (file != NULL));
    return closed(err, &file);
}

static nx_err open_write(const char *path)
{
    nx_file *file;
    return closed(nx_fs_open(&file, path, .write = true), &file);
}

static nx_err open_create(const char *path)
{
    nx_file *file;
    return closed(nx_fs_open(&file, path, .create = true), &file);
}

static nx_err open_exclusive(const char *path)
{
    nx_file *file;
    return closed(nx_fs_open(&file, path, .exclusive = true), &file);
}

static nx_err stat_of(const char *path)
{
    nx_stat stat;
    return nx_fs_stat(path, &stat);
}

static nx_err lstat_of(const char *path)
{
    nx_stat stat;
    return nx_fs_lstat(path, &stat);
}

static nx_err change_mode(const char *path)
{
    return nx_fs_chmod(path, 0700);
}

static nx_err change_owner(const char *path)
{
    return nx_fs_chown(path, getuid(), NX_FS_KEEP);
}

static nx_err change_link_owner(const char *path)
{
    return nx_fs_lchown(path, getuid(), NX_FS_KEEP);
}

static nx_err change_times(const char *path)
{
    return nx_fs_utimes(path, 5, 6);
}

static nx_err cut(const char *path)
{
    return nx_fs_truncate(path, 0);
}

static nx_err space_of(const char *path)
{
    nx_fs_space space;
    return nx_fs_space_of(path, &space);
}

static nx_err make_dir(const char *path)
{
    return nx_fs_mkdir(path);
}

static nx_err make_dirs(const char *path)
{
    return nx_fs_mkdir(path, .parents = true);
}

static nx_err rename_from(const char *path)
{
    return nx_fs_rename(path, fresh);
}

static nx_err rename_to(const char *path)
{
    return nx_fs_rename(other, path);
}

static nx_err remove_one(const char *path)
{
    return nx_fs_remove(path);
}

static nx_err remove_all(const char *path)
{
    return nx_fs_remove_all(path);
}

static nx_err link_from(const char *path)
{
    return nx_fs_link(path, fresh);
}

static nx_err link_to(const char *path)
{
    return nx_fs_link(other, path);
}

static nx_err make_link(const char *path)
{
    return nx_fs_symlink("anywhere", path);
}

static nx_err read_link(const char *path)
{
    nx_bytes text;
    return nx_fs_read_link(path, &text);
}

static nx_err real_path(const char *path)
{
    nx_bytes text;
    return nx_fs_real_path(path, &text);
}

static nx_err temp_dir(const char *path)
{
    const char *made;
    return nx_fs_temp_dir(&made, .in = path);
}

static nx_err temp_file(const char *path)
{
    nx_file *file;
    const char *made;
    return closed(nx_fs_temp_file(&file, &made, .in = path), &file);
}

static nx_err temp_nameless(const char *path)
{
    nx_file *file;
    return closed(nx_fs_temp_file(&file, NULL, .in = path), &file);
}

static nx_err copy_from(const char *path)
{
    return nx_fs_copy(path, fresh);
}

static nx_err copy_to(const char *path)
{
    return nx_fs_copy(other, path);
}

static nx_err copy_tree_from(const char *path)
{
    return nx_fs_copy(path, fresh, .recursive = true);
}

static nx_err copy_tree_to(const char *path)
{
    return nx_fs_copy(tree, path, .recursive = true);
}

static nx_err list(const char *path)
{
    nx_fs_entry *entries;
    size_t count;
    return nx_fs_list(path, &entries, &count);
}

static nx_err walk(const char *path)
{
    nx_walk *w;
    nx_fs_entry entry;
    NX_TRY(nx_fs_walk(&w, path));
    nx_err err = NX_OK;
    while (!err) err = nx_walk_next(w, &entry);
    nx_walk_free(w);
    return err == NX_ECLOSED ? NX_OK : err;
}

static nx_err watch(const char *path)
{
    nx_watcher *w;
    NX_TRY(nx_fs_watch(&w, path));
    nx_watcher_free(w);
    return NX_OK;
}

static nx_err reader(const char *path)
{
    return nx_pipe(nx_fs_reader(path), nx_fs_writer(fresh));
}

static nx_err writer(const char *path)
{
    return nx_pipe(nx_fs_reader(other), nx_fs_writer(path));
}

/* ---- What each of them comes to: the errno, 0 where it is right to succeed */

enum { ANOTHER = 65534, LONG = 300, SITUATIONS = 10 };

static const struct situation {
    const char *path;
    bool another; /* the calls are another user's */
} situations[SITUATIONS] = {
    {"none", false},    /* nothing has the name */
    {"none/x", false},  /* nor the directory */
    {"file/x", false},  /* below a file */
    {"dir", false},     /* a directory, with something in it */
    {"file", false},    /* a file */
    {"loop", false},    /* a link to itself */
    {NULL, false},      /* a name of LONG bytes */
    {"shut/x", true},   /* in a directory that the user may not enter */
    {"locked/x", true}, /* a file that the user may not read, in a directory of another */
    {"ro/x", false},    /* a file in a file system that is read-only */
};

#define ELONG ENAMETOOLONG

static const struct row {
    const char *name;
    nx_err (*run)(const char *path);
    int comes_to[SITUATIONS];
} rows[] = {
    /* clang-format off */
    /*                                             none       none/x     file/x     dir        file       loop       LONG       shut/x     locked/x   ro/x */
    {"read a file",           read_file,          {ENOENT,    ENOENT,    ENOTDIR,   EISDIR,    0,         ELOOP,     ELONG,     EACCES,    EACCES,    0}},
    {"write a file",          write_file,         {0,         ENOENT,    ENOTDIR,   EISDIR,    0,         0,         ELONG,     EACCES,    EACCES,    EROFS}},
    {"append",                append_file,        {0,         ENOENT,    ENOTDIR,   EISDIR,    0,         ELOOP,     ELONG,     EACCES,    EACCES,    EROFS}},
    {"open to read",          open_read,          {ENOENT,    ENOENT,    ENOTDIR,   EISDIR,    0,         ELOOP,     ELONG,     EACCES,    EACCES,    0}},
    {"open to write",         open_write,         {ENOENT,    ENOENT,    ENOTDIR,   EISDIR,    0,         ELOOP,     ELONG,     EACCES,    EACCES,    EROFS}},
    {"open or make",          open_create,        {0,         ENOENT,    ENOTDIR,   EISDIR,    0,         ELOOP,     ELONG,     EACCES,    EACCES,    EROFS}},
    {"open what is new",      open_exclusive,     {0,         ENOENT,    ENOTDIR,   EEXIST,    EEXIST,    EEXIST,    ELONG,     EACCES,    EEXIST,    EEXIST}},
    {"stat",                  stat_of,            {ENOENT,    ENOENT,    ENOTDIR,   0,         0,         ELOOP,     ELONG,     EACCES,    0,         0}},
    {"lstat",                 lstat_of,           {ENOENT,    ENOENT,    ENOTDIR,   0,         0,         0,         ELONG,     EACCES,    0,         0}},
    {"chmod",                 change_mode,        {ENOENT,    ENOENT,    ENOTDIR,   0,         0,         ELOOP,     ELONG,     EACCES,    EPERM,     EROFS}},
    {"chown",                 change_owner,       {ENOENT,    ENOENT,    ENOTDIR,   0,         0,         ELOOP,     ELONG,     EACCES,    EPERM,     EROFS}},
    {"lchown",                change_link_owner,  {ENOENT,    ENOENT,    ENOTDIR,   0,         0,         0,         ELONG,     EACCES,    EPERM,     EROFS}},
    {"utimes",                change_times,       {ENOENT,    ENOENT,    ENOTDIR,   0,         0,         ELOOP,     ELONG,     EACCES,    EPERM,     EROFS}},
    {"truncate",              cut,                {ENOENT,    ENOENT,    ENOTDIR,   EISDIR,    0,         ELOOP,     ELONG,     EACCES,    EACCES,    EROFS}},
    {"space",                 space_of,           {ENOENT,    ENOENT,    ENOTDIR,   0,         0,         ELOOP,     ELONG,     EACCES,    0,         0}},
    {"mkdir",                 make_dir,           {0,         ENOENT,    ENOTDIR,   EEXIST,    EEXIST,    EEXIST,    ELONG,     EACCES,    EEXIST,    EEXIST}},
    {"mkdir with parents",    make_dirs,          {0,         0,         ENOTDIR,   0,         EEXIST,    EEXIST,    ELONG,     EACCES,    EEXIST,    EEXIST}},
    {"rename from",           rename_from,        {ENOENT,    ENOENT,    ENOTDIR,   0,         0,         0,         ELONG,     EACCES,    EACCES,    EXDEV}},
    {"rename to",             rename_to,          {0,         ENOENT,    ENOTDIR,   EISDIR,    0,         0,         ELONG,     EACCES,    EACCES,    EXDEV}},
    {"remove",                remove_one,         {ENOENT,    ENOENT,    ENOTDIR,   ENOTEMPTY, 0,         0,         ELONG,     EACCES,    EACCES,    EROFS}},
    {"remove all",            remove_all,         {0,         0,         ENOTDIR,   0,         0,         0,         ELONG,     EACCES,    EACCES,    EROFS}},
    {"link from",             link_from,          {ENOENT,    ENOENT,    ENOTDIR,   EPERM,     0,         0,         ELONG,     EACCES,    EPERM,     EXDEV}},
    {"link to",               link_to,            {0,         ENOENT,    ENOTDIR,   EEXIST,    EEXIST,    EEXIST,    ELONG,     EACCES,    EEXIST,    EEXIST}},
    {"symlink",               make_link,          {0,         ENOENT,    ENOTDIR,   EEXIST,    EEXIST,    EEXIST,    ELONG,     EACCES,    EEXIST,    EEXIST}},
    {"read a link",           read_link,          {ENOENT,    ENOENT,    ENOTDIR,   EINVAL,    EINVAL,    0,         ELONG,     EACCES,    EINVAL,    EINVAL}},
    {"real path",             real_path,          {ENOENT,    ENOENT,    ENOTDIR,   0,         0,         ELOOP,     ELONG,     EACCES,    0,         0}},
    {"temporary directory",   temp_dir,           {ENOENT,    ENOENT,    ENOTDIR,   0,         ENOTDIR,   ELOOP,     ELONG,     EACCES,    ENOTDIR,   ENOTDIR}},
    {"temporary file",        temp_file,          {ENOENT,    ENOENT,    ENOTDIR,   0,         ENOTDIR,   ELOOP,     ELONG,     EACCES,    ENOTDIR,   ENOTDIR}},
    {"nameless file",         temp_nameless,      {ENOENT,    ENOENT,    ENOTDIR,   0,         ENOTDIR,   ELOOP,     ELONG,     EACCES,    ENOTDIR,   ENOTDIR}},
    {"copy from",             copy_from,          {ENOENT,    ENOENT,    ENOTDIR,   EISDIR,    0,         ELOOP,     ELONG,     EACCES,    EACCES,    0}},
    {"copy to",               copy_to,            {0,         ENOENT,    ENOTDIR,   EISDIR,    0,         ELOOP,     ELONG,     EACCES,    EACCES,    EROFS}},
    {"copy a tree from",      copy_tree_from,     {ENOENT,    ENOENT,    ENOTDIR,   0,         0,         ELOOP,     ELONG,     EACCES,    EACCES,    0}},
    {"copy a tree to",        copy_tree_to,       {0,         ENOENT,    ENOTDIR,   0,         EEXIST,    ELOOP,     ELONG,     EACCES,    EEXIST,    EEXIST}},
    {"list",                  list,               {ENOENT,    ENOENT,    ENOTDIR,   0,         ENOTDIR,   ELOOP,     ELONG,     EACCES,    ENOTDIR,   ENOTDIR}},
    {"walk",                  walk,               {ENOENT,    ENOENT,    ENOTDIR,   0,         ENOTDIR,   ELOOP,     ELONG,     EACCES,    ENOTDIR,   ENOTDIR}},
    {"watch",                 watch,              {ENOENT,    ENOENT,    ENOTDIR,   0,         0,         ELOOP,     ELONG,     EACCES,    0,         0}},
    {"stream from",           reader,             {-NX_ENOENT, -NX_ENOENT, -NX_ENOENT, -NX_EINVAL, 0,          -NX_EINVAL, -NX_EINVAL, -NX_EACCES, -NX_EACCES, 0}},
    {"stream to",             writer,             {0,          -NX_ENOENT, -NX_ENOENT, -NX_EINVAL, 0,          -NX_EINVAL, -NX_EINVAL, -NX_EACCES, -NX_EACCES, -NX_EACCES}},
    /* clang-format on */
};

enum { ROWS = sizeof rows / sizeof *rows };

/* ---- The situations */

static void file_make(const char *path, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    nx_require_ge(fd, 0);
    nx_require_eq(write(fd, "text", 4), 4);
    nx_require_eq(fchmod(fd, mode), 0);
    (void)close(fd);
}

/* All anew, in the current directory. */
static void prepare(void)
{
    static const char *const all[] = {"none",   "file",  "dir",  "loop", "shut",
                                      "locked", "other", "tree", "fresh"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) nx_require_ok(nx_fs_remove_all(all[i]));
    file_make("file", 0644);
    file_make("other", 0644);
    nx_require_eq(symlink("loop", "loop"), 0);
    nx_require_eq(mkdir("dir", 0755), 0);
    file_make("dir/x", 0644);
    nx_require_eq(mkdir("tree", 0755), 0);
    file_make("tree/x", 0644);
    nx_require_eq(mkdir("shut", getuid() ? 0700 : 0), 0); /* or it could not be removed */
    nx_require_eq(mkdir("locked", 0755), 0);
    file_make("locked/x", 0600);
}

static void begin(void)
{
    (void)umask(022);
    nx_require_eq(chdir(nx_test_dir()), 0);
    nx_require_eq(chmod(".", 0777), 0);
    other = "other";
    tree = "tree";
    fresh = "fresh";
}

/* A file system of this process alone. False where it may have none. */
static bool mounted(const char *path, const char *size)
{
    return mkdir(path, 0755) == 0 && unshare(CLONE_NEWNS) == 0 &&
           mount("none", "/", "none", MS_REC | MS_PRIVATE, "") == 0 &&
           mount("tmpfs", path, "tmpfs", 0, size) == 0;
}

static bool read_only(void)
{
    if (!mounted("ro", "size=64k")) return false;
    file_make("ro/x", 0644);
    return mount("tmpfs", "ro", "tmpfs", MS_REMOUNT | MS_RDONLY, "") == 0;
}

static bool user_set(uid_t user)
{
    bool done = seteuid(user) == 0;
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* or it may not look at itself in /proc */
    return done;
}

/* What the call comes to, as an errno; what has none is negative. */
static int outcome(nx_err err, const char *path)
{
    if (!err) return 0;
    const nx_error *last = nx_error_last();
    nx_expect_eq(last->code, err);
    nx_expect_contains(last->message, "cannot ");
    nx_expect(strlen(path) > 100 || strstr(last->message, path));
    if (last->system) nx_expect_eq(nx__error_from_errno(last->system), err);
    return last->system ? last->system : -(int)err;
}

NX_TEST("each call on a path, in each bad situation", .deadline = NX_S(60))
{
    static char longest[LONG + 1];
    memset(longest, 'x', LONG);
    begin();
    bool has_read_only = read_only();
    if (!has_read_only) nx_test_log("no file system of its own: %s\n", strerror(errno));
    for (size_t s = 0; s < SITUATIONS; s++) {
        const char *path = situations[s].path ? situations[s].path : longest;
        if (situations[s].another && getuid() != 0) {
            nx_test_log("%s: it takes root to be another user\n", path);
            continue;
        }
        if (s == SITUATIONS - 1 && !has_read_only) continue;
        for (size_t i = 0; i < ROWS; i++) {
            prepare();
            nx_require(!situations[s].another || user_set(ANOTHER));
            int found = outcome(rows[i].run(path), path);
            nx_require(!situations[s].another || user_set(0));
            if (found != rows[i].comes_to[s])
                nx_test_fail("%s, on %.20s: %s, not %s", rows[i].name, path,
                             found < 0 ? nx_err_name((nx_err)-found) : strerror(found),
                             strerror(rows[i].comes_to[s]));
        }
    }
}

NX_TEST("each call on a path, when nothing is granted")
{
    static struct nx__permissions none;
    static const char *const paths[] = {"file", "dir", "none", "tree/x"};
    begin();
    prepare();
    for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
        nx__permissions_seal(&none);
        for (size_t i = 0; i < ROWS; i++) {
            nx_err err = rows[i].run(paths[p]);
            if (err != NX_EPERM || !strstr(nx_error_last()->message, "; run with --allow-"))
                nx_test_fail("%s, on %s: %s", rows[i].name, paths[p], nx_error_last()->message);
        }
        nx__permissions_seal(NULL);
    }
}

/* ---- Others */

/* What the call comes to when it is given up after a moment. */
static nx_err moment(const struct row *row, const char *path)
{
    nx_scope *scope;
    nx_require_ok(nx_scope_open(&scope, .deadline = NX_MS(60)));
    nx_err err = row->run(path);
    NX_IGNORE(nx_scope_close(&scope));
    return err;
}

static void fifos(void)
{
    static nx_err (*const waiting[])(const char *path) = {
        read_file, append_file, open_write, open_create, copy_to, reader, writer};
    nx_stat stat;
    begin();
    for (size_t i = 0; i < ROWS; i++) {
        prepare();
        nx_require_ok(nx_fs_remove_all("fifo"));
        nx_require_eq(mkfifo("fifo", 0600), 0);
        bool waits = false;
        for (size_t k = 0; k < sizeof waiting / sizeof *waiting; k++)
            waits |= waiting[k] == rows[i].run;
        nx_err err = waits ? moment(&rows[i], "fifo") : rows[i].run("fifo");
        if (waits != (err == NX_ECANCELED || err == NX_ETIMEDOUT))
            nx_test_fail("%s: %s", rows[i].name, nx_err_name(err));
        if (nx_fs_lstat("fifo", &stat) == NX_OK)
            nx_expect(stat.type == NX_FILE_FIFO || rows[i].run == rename_to);
    }
}

NX_TEST("a pipe that nobody opens keeps who waits for it, and no longer than they like",
        .deadline = NX_S(60))
{
    fifos();
}

NX_TEST("so it is with threads instead of a ring", .deadline = NX_S(60))
{
    nx__uring_refused = true;
    fifos();
}

NX_TEST("a socket and a device are no files", .deadline = NX_S(60))
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    nx_file *file;
    nx_bytes bytes;
    begin();
    prepare();
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    nx_require_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    (void)close(fd);
    expect_system(NX_EIO, ENXIO, nx_fs_open(&file, "socket", .write = true));
    expect_system(NX_EIO, ENXIO, nx_fs_read_file("socket", &bytes));
    nx_expect_err(NX_EINVAL, nx_fs_write_file("socket", nx_str("x")));
    nx_expect_err(NX_EINVAL, nx_fs_write_file("/dev/null", nx_str("x")));
    nx_expect_err(NX_EINVAL, nx_fs_copy("/dev/null", "x"));
    nx_expect_err(NX_EINVAL, nx_fs_copy("other", "/dev/null"));
    nx_expect_ok(nx_fs_append_file("/dev/null", nx_str("x")));
}

NX_TEST("a file is cut while it is read")
{
    enum { SIZE = 1 << 20 };
    static char data[SIZE];
    nx_file *file;
    nx_bytes rest;
    size_t got;
    begin();
    nx_require_ok(nx_fs_append_file("large", nx_slice(data, SIZE)));
    nx_require_ok(nx_fs_open(&file, "large"));
    nx_expect_ok(nx_file_read(file, data, 1000, &got));
    nx_require_eq(truncate("large", 1500), 0);
    nx_expect_ok(nx_file_read(file, data, SIZE, &got));
    nx_expect_eq(got, 500);
    nx_require_eq(truncate("large", 100), 0);
    nx_expect_ok(nx_file_read(file, data, SIZE, &got));
    nx_expect_eq(got, 0);
    nx_expect_ok(nx_file_read_rest(file, &rest));
    nx_expect_eq(rest.len, 0);
    nx_require_eq(unlink("large"), 0);
    nx_expect_ok(nx_file_seek(file, 0, NX_SEEK_START, NULL));
    nx_expect_ok(nx_file_read_rest(file, &rest));
    nx_expect_eq(rest.len, 100);
    nx_expect_ok(nx_file_close(file));
}

NX_TEST("what an open file is not open for")
{
    nx_file *file;
    nx_map map;
    char data[8];
    size_t got;
    begin();
    prepare();
    nx_require_ok(nx_fs_open(&file, "file"));
    expect_system(NX_EINVAL, EBADF, nx_file_write(file, nx_str("x")));
    expect_system(NX_EINVAL, EBADF, nx_file_write_at(file, 0, nx_str("x")));
    expect_system(NX_EINVAL, EINVAL, nx_file_truncate(file, 0));
    expect_system(NX_EACCES, EACCES, nx_file_map(file, &map, .write = true));
    nx_expect_err(NX_EINVAL, nx_file_map(file, &map, .len = 1000));
    nx_expect_err(NX_EINVAL, nx_file_map(file, &map, .offset = 1000));
    nx_expect_err(NX_EINVAL, nx_file_map(file, &map, .offset = 1));
    nx_expect(!map.data);
    nx_expect_err(NX_EINVAL, nx_file_chmod(file, 010000));
    nx_expect_err(NX_EINVAL, nx_file_seek(file, -1, NX_SEEK_START, NULL));
    nx_expect_err(NX_EINVAL, nx_file_seek(file, INT64_MAX, NX_SEEK_END, NULL));
    nx_expect_err(NX_EINVAL, nx_file_read_at(file, UINT64_MAX, data, sizeof data, &got));
    nx_expect_ok(nx_file_close(file));
    nx_require_ok(nx_fs_open(&file, "file", .write = true));
    expect_system(NX_EINVAL, EBADF, nx_file_read(file, data, sizeof data, &got));
    expect_system(NX_EINVAL, EBADF, nx_file_read_at(file, 0, data, sizeof data, &got));
    nx_expect_err(NX_ETOOBIG, nx_file_truncate(file, UINT64_MAX));
    nx_expect_err(NX_EACCES, nx_file_map(file, &map));
    nx_expect_ok(nx_file_close(file));
}

NX_TEST("a disk that is full, and its directory of files too")
{
    enum { SIZE = 1 << 20 };
    static char data[SIZE];
    nx_file *file;
    begin();
    if (!mounted("disk", "size=128k,nr_inodes=12"))
        nx_skip("no file system of its own: %s", strerror(errno));
    nx_bytes large = nx_slice(data, SIZE);
    nx_require_eq(chdir("disk"), 0);
    nx_require_ok(nx_fs_write_file("kept", nx_str("kept")));
    nx_require_ok(nx_fs_append_file("../large", large));
    nx_require_ok(nx_fs_mkdir("../tree"));
    nx_require_ok(nx_fs_append_file("../tree/large", large));
    expect_system(NX_ENOSPC, ENOSPC, nx_fs_write_file("kept", large));
    expect_system(NX_ENOSPC, ENOSPC, nx_fs_append_file("a", large));
    nx_require_ok(nx_fs_remove("a"));
    nx_require_ok(nx_fs_open(&file, "a", .create = true));
    expect_system(NX_ENOSPC, ENOSPC, nx_file_write(file, large));
    expect_system(NX_ENOSPC, ENOSPC, nx_file_writev(file, &large, 1));
    nx_expect_ok(nx_file_close(file));
    expect_system(NX_ENOSPC, ENOSPC, nx_fs_copy("../large", "a"));
    nx_require_ok(nx_fs_remove("a"));
    expect_system(NX_ENOSPC, ENOSPC, nx_fs_copy("../tree", "tree", .recursive = true));
    nx_expect(nx_fs_exists("tree") && !nx_fs_exists("tree/large")); /* nothing half */
    nx_expect_err(NX_ENOSPC, nx_pipe(nx_fs_reader("../large"), nx_fs_writer("a")));
    nx_require_ok(nx_fs_remove_all("tree"));
    nx_require_ok(nx_fs_remove("a"));
    nx_expect_eq(nx_fs_exists("kept"), true);
    /* No more names: 12 less the directory and "kept". */
    for (int i = 0; i < 10; i++) nx_require_ok(nx_fs_mkdir(nx_format("%d", i)));
    expect_system(NX_ENOSPC, ENOSPC, nx_fs_mkdir("x"));
    expect_system(NX_ENOSPC, ENOSPC, nx_fs_write_file("kept", nx_str("new")));
    expect_system(NX_ENOSPC, ENOSPC, nx_fs_symlink("a", "x"));
    nx_bytes bytes;
    nx_expect_ok(nx_fs_read_file("kept", &bytes));
    nx_expect_eq(bytes, "kept");
    nx_require_eq(chdir("/"), 0);
}
