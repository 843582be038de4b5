/* What is known of files; their names, copies, and what is for a while. */
#include "fs_test.h"

#include <errno.h>
#include <fcntl.h>

NX_TEST("what is known of a file")
{
    nx_stat a, b;
    (void)umask(022);
    make("a", "abc");
    nx_require_ok(nx_fs_symlink("a", at("link")));
    nx_expect_ok(nx_fs_stat(at("a"), &a));
    nx_expect_eq(a.type, NX_FILE_REGULAR);
    nx_expect_eq(a.size, 3);
    nx_expect_eq(a.mode, 0644);
    nx_expect_eq(a.user, getuid());
    nx_expect_eq(a.links, 1);
    struct stat plain;
    nx_require_eq(stat(at("a"), &plain), 0);
    nx_expect_eq(a.modified, plain.st_mtim.tv_sec * NX_S(1) + plain.st_mtim.tv_nsec);
    nx_expect_eq(a.inode, plain.st_ino);
    nx_expect_ok(nx_fs_stat(at("link"), &b));
    nx_expect(a.inode == b.inode && a.device == b.device);
    nx_expect_ok(nx_fs_lstat(at("link"), &b));
    nx_expect_eq(b.type, NX_FILE_LINK);
    nx_expect_ok(nx_fs_stat(nx_test_dir(), &b));
    nx_expect_eq(b.type, NX_FILE_DIRECTORY);
    nx_expect_ok(nx_fs_stat("/dev/null", &b));
    nx_expect_eq(b.type, NX_FILE_CHARACTER);
    nx_expect(nx_fs_exists(at("a")) && !nx_fs_exists(at("none")));
    expect_system(NX_ENOENT, ENOENT, nx_fs_stat(at("none"), &a));
    expect_system(NX_ENOENT, ENOTDIR, nx_fs_stat(at("a/b"), &a));
    nx_expect_eq(a.size, 0);
}

NX_TEST("permissions, owners, times, sizes")
{
    nx_stat stat;
    nx_file *f;
    make("a", "abcdef");
    nx_require_ok(nx_fs_symlink("a", at("link")));
    nx_expect_ok(nx_fs_chmod(at("link"), 04711));
    nx_expect_ok(nx_fs_utimes(at("link"), NX_TIME_KEEP, -1500000001));
    nx_expect_ok(nx_fs_truncate(at("link"), 3));
    nx_expect_ok(nx_fs_stat(at("a"), &stat));
    nx_expect_eq(stat.mode, 04711 & ~(getuid() ? 04000 : 0));
    nx_expect_eq(stat.size, 3);
    nx_expect_ok(nx_fs_utimes(at("a"), 5, -1500000001));
    nx_expect_ok(nx_fs_stat(at("a"), &stat));
    nx_expect_eq(stat.accessed, 5);
    nx_expect_eq(stat.modified, -1500000001);
    nx_require_ok(nx_fs_open(&f, at("a"), .write = true));
    nx_expect_ok(nx_file_chmod(f, 0600));
    nx_expect_ok(nx_file_utimes(f, NX_TIME_NOW, NX_TIME_KEEP));
    nx_expect_ok(nx_file_truncate(f, 1000));
    nx_expect_ok(nx_file_chown(f, getuid(), NX_FS_KEEP));
    nx_expect_ok(nx_file_sync(f));
    nx_expect_ok(nx_file_sync_data(f));
    nx_expect_ok(nx_file_stat(f, &stat));
    nx_expect_eq(stat.mode, 0600);
    nx_expect_eq(stat.size, 1000);
    nx_expect_gt(stat.accessed, NX_S(1000000000));
    nx_expect_ok(nx_file_close(f));
    nx_expect_ok(nx_fs_chown(at("a"), getuid(), getgid()));
    nx_expect_ok(nx_fs_lchown(at("link"), getuid(), getgid()));
    nx_expect_err(NX_EINVAL, nx_fs_chmod(at("a"), 010000));
    expect_system(NX_ENOENT, ENOENT, nx_fs_chmod(at("none"), 0600));
    expect_system(NX_ENOENT, ENOENT, nx_fs_chown(at("none"), 0, 0));
    expect_system(NX_ENOENT, ENOENT, nx_fs_utimes(at("none"), 0, 0));
    expect_system(NX_ENOENT, ENOENT, nx_fs_truncate(at("none"), 0));
    expect_system(NX_EINVAL, EISDIR, nx_fs_truncate(nx_test_dir(), 0));
    nx_fs_space space;
    nx_expect_ok(nx_fs_space_of(at("a"), &space));
    nx_expect(space.total >= space.free && space.free >= space.available && space.total);
}

NX_TEST("directories are made, with those above them")
{
    nx_stat stat;
    (void)umask(0);
    nx_expect_ok(nx_fs_mkdir(at("a"), .mode = 0750));
    nx_expect_ok(nx_fs_stat(at("a"), &stat));
    nx_expect_eq(stat.mode, 0750);
    expect_system(NX_EEXIST, EEXIST, nx_fs_mkdir(at("a")));
    nx_expect_ok(nx_fs_mkdir(at("a"), .parents = true));
    expect_system(NX_ENOENT, ENOENT, nx_fs_mkdir(at("b/c")));
    nx_expect_ok(nx_fs_mkdir(at("b//c/d/"), .parents = true, .mode = 0700));
    nx_expect_ok(nx_fs_stat(at("b/c"), &stat));
    nx_expect_eq(stat.mode, 0777);
    nx_expect_ok(nx_fs_stat(at("b/c/d"), &stat));
    nx_expect_eq(stat.mode, 0700);
    make("file", "");
    expect_system(NX_EEXIST, EEXIST, nx_fs_mkdir(at("file"), .parents = true));
    expect_system(NX_ENOENT, ENOTDIR, nx_fs_mkdir(at("file/x"), .parents = true));
    nx_expect_ok(nx_fs_symlink("a", at("link")));
    nx_expect_ok(nx_fs_mkdir(at("link"), .parents = true));
    char *longest = nx_alloc(5000);
    memset(longest, 'x', 5000);
    longest[4999] = '\0';
    expect_system(NX_EINVAL, ENAMETOOLONG, nx_fs_mkdir(longest, .parents = true));
}

NX_TEST("names are changed, linked, removed")
{
    nx_bytes text;
    make("a", "1");
    make("b", "2");
    nx_expect_ok(nx_fs_rename(at("a"), at("c")));
    expect_system(NX_EEXIST, EEXIST, nx_fs_rename(at("b"), at("c"), .no_replace = true));
    nx_expect_ok(nx_fs_rename(at("b"), at("c"), .exchange = true));
    nx_expect_eq(contents("b"), "1");
    nx_expect_ok(nx_fs_rename(at("b"), at("c")));
    nx_expect_eq(contents("c"), "1");
    expect_system(NX_ENOENT, ENOENT, nx_fs_rename(at("b"), at("d")));
    nx_expect_contains(nx_error_last()->message, "cannot rename");
    nx_expect_ok(nx_fs_link(at("c"), at("hard")));
    expect_system(NX_EEXIST, EEXIST, nx_fs_link(at("c"), at("hard")));
    nx_expect_ok(nx_fs_symlink("nowhere", at("soft")));
    nx_expect_ok(nx_fs_read_link(at("soft"), &text));
    nx_expect_eq(text, "nowhere");
    expect_system(NX_EINVAL, EINVAL, nx_fs_read_link(at("c"), &text));
    expect_system(NX_ENOENT, ENOENT, nx_fs_real_path(at("soft"), &text));
    nx_expect_ok(nx_fs_symlink("c", at("soft2")));
    nx_expect_ok(nx_fs_real_path(at("soft2"), &text));
    char *real = realpath(at("c"), NULL);
    nx_expect_eq(text, real);
    free(real);
    nx_expect_ok(nx_fs_remove(at("soft")));
    nx_expect_ok(nx_fs_mkdir(at("dir")));
    make("dir/x", "");
    expect_system(NX_ESTATE, ENOTEMPTY, nx_fs_remove(at("dir")));
    nx_expect_ok(nx_fs_remove(at("dir/x")));
    nx_expect_ok(nx_fs_remove(at("dir")));
    expect_system(NX_ENOENT, ENOENT, nx_fs_remove(at("dir")));
    nx_expect_ok(nx_fs_symlink("loop", at("loop")));
    expect_system(NX_EINVAL, ELOOP, nx_fs_read_file(at("loop"), &text));
}

NX_TEST("all of a directory is removed, and nothing besides")
{
    enum { DEEP = 300 };
    char *outside = (char *)at("outside");
    nx_require_ok(nx_fs_mkdir(outside));
    make("outside/kept", "1");
    nx_require_ok(nx_fs_mkdir(at("tree/a/b"), .parents = true));
    for (int i = 0; i < 200; i++) make(nx_format("tree/a/%d", i), "");
    nx_require_ok(nx_fs_symlink(outside, at("tree/link")));
    nx_require_ok(nx_fs_symlink(outside, at("link")));
    int fd = open(at("tree"), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < DEEP; i++) {
        nx_require_eq(mkdirat(fd, "deep", 0700), 0);
        int next = openat(fd, "deep", O_RDONLY | O_DIRECTORY);
        close(openat(next, "file", O_WRONLY | O_CREAT, 0600));
        close(fd);
        fd = next;
    }
    close(fd);
    nx_expect_ok(nx_fs_remove_all(at("tree")));
    nx_expect(!nx_fs_exists(at("tree")));
    nx_expect_ok(nx_fs_remove_all(at("tree")));
    nx_expect_ok(nx_fs_remove_all(at("link")));
    nx_expect_eq(contents("outside/kept"), "1");
    nx_expect_ok(nx_fs_remove_all(at("outside/kept")));
    nx_expect_ok(nx_fs_remove_all(at("no/such")));
}

NX_TEST("what can't be removed stays, and the rest does not")
{
    if (getuid() == 0) nx_skip("the superuser may remove everything");
    nx_require_ok(nx_fs_mkdir(at("tree/held"), .parents = true));
    make("tree/held/a", "");
    make("tree/b", "");
    nx_require_ok(nx_fs_chmod(at("tree/held"), 0500));
    expect_system(NX_EACCES, EACCES, nx_fs_remove_all(at("tree")));
    nx_expect(nx_fs_exists(at("tree/held/a")) && !nx_fs_exists(at("tree/b")));
    nx_require_ok(nx_fs_chmod(at("tree/held"), 0700));
}

NX_TEST("copies have the contents, the permissions and the holes")
{
    enum { SIZE = 8 << 20 };
    nx_file *f;
    nx_stat from, to;
    make("a", "abc");
    nx_expect_ok(nx_fs_chmod(at("a"), 0640));
    nx_expect_ok(nx_fs_utimes(at("a"), 7, 9));
    nx_expect_ok(nx_fs_copy(at("a"), at("b"), .keep_times = true));
    nx_expect_eq(contents("b"), "abc");
    nx_expect_ok(nx_fs_stat(at("b"), &to));
    nx_expect(to.mode == 0640 && to.modified == 9);
    make("b", "a much longer text");
    expect_system(NX_EEXIST, EEXIST, nx_fs_copy(at("a"), at("b"), .no_replace = true));
    nx_expect_ok(nx_fs_copy(at("a"), at("b")));
    nx_expect_eq(contents("b"), "abc");
    expect_system(NX_EINVAL, EINVAL, nx_fs_copy(at("a"), at("a")));
    nx_expect_ok(nx_fs_link(at("a"), at("same")));
    expect_system(NX_EINVAL, EINVAL, nx_fs_copy(at("a"), at("same")));
    nx_expect_eq(contents("a"), "abc");
    expect_system(NX_EINVAL, EISDIR, nx_fs_copy(nx_test_dir(), at("c")));
    nx_expect_ok(nx_fs_copy("/proc/self/status", at("proc")));
    nx_expect_contains(contents("proc"), "Pid:");
    nx_require_ok(nx_fs_open(&f, at("holes"), .create = true));
    nx_expect_ok(nx_file_write_at(f, 4 << 20, nx_str("data")));
    nx_expect_ok(nx_file_truncate(f, SIZE));
    nx_expect_ok(nx_file_close(f));
    nx_expect_ok(nx_fs_copy(at("holes"), at("copy")));
    nx_expect(nx_bytes_eq(contents("holes"), contents("copy")));
    nx_expect_ok(nx_fs_stat(at("holes"), &from));
    nx_expect_ok(nx_fs_stat(at("copy"), &to));
    nx_expect_le(to.allocated, from.allocated + 65536);
    make("empty", "");
    nx_expect_ok(nx_fs_copy(at("empty"), at("b")));
    nx_expect_eq(contents("b"), "");
}

NX_TEST("files and directories for a while")
{
    nx_file *f;
    nx_stat stat;
    const char *path, *other;
    nx_expect_ok(nx_fs_temp_dir(&path, .in = nx_test_dir(), .prefix = "t-"));
    nx_expect_ok(nx_fs_temp_dir(&other, .in = nx_test_dir()));
    nx_expect_ne(path, other);
    nx_expect_contains(path, "/t-");
    nx_expect_ok(nx_fs_stat(path, &stat));
    nx_expect(stat.type == NX_FILE_DIRECTORY && stat.mode == 0700);
    nx_expect_ok(nx_fs_temp_file(&f, &other, .in = path));
    nx_expect_ok(nx_file_write(f, nx_str("abc")));
    nx_expect_ok(nx_file_close(f));
    nx_expect_ok(nx_fs_stat(other, &stat));
    nx_expect(stat.mode == 0600 && stat.size == 3);
    nx_fs_entry *entries;
    size_t count;
    nx_expect_ok(nx_fs_temp_file(&f, NULL, .in = path));
    nx_expect_ok(nx_file_write(f, nx_str("abc")));
    nx_expect_ok(nx_fs_list(path, &entries, &count));
    nx_expect_eq(count, 1);
    nx_expect_ok(nx_file_close(f));
    expect_system(NX_EINVAL, EINVAL, nx_fs_temp_dir(&path, .prefix = "../x"));
    expect_system(NX_ENOENT, ENOENT, nx_fs_temp_dir(&path, .in = at("none")));
    expect_system(NX_ENOENT, ENOENT, nx_fs_temp_file(&f, NULL, .in = at("none")));
    nx_expect(!path && !f);
}
