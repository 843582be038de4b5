/* File operations and whole files. Run twice: with the ring and, in a program of its own, without
 * it. */
#include "loop_test.h"

#include "loop/files.h"
#include "loop/uring.h"
#include <dirent.h>
#include <fcntl.h>
#include <nexus/fs.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *in_directory(const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", nx_test_dir(), name);
    return path;
}

static nx_err write_text(const char *path, const char *text)
{
    return nx_fs_write_file(path, nx_str(text));
}

/* How many entries the directory has: a failed write leaves none behind. */
static int entries(void)
{
    int n = 0;
    DIR *d = opendir(nx_test_dir());
    while (d && readdir(d)) n++;
    if (d) (void)closedir(d);
    return n - 2;
}

NX_TEST("a file comes back as it was written")
{
    nx_bytes got;
    nx_expect_ok(write_text(in_directory("a"), "hello"));
    nx_expect_ok(nx_fs_read_file(in_directory("a"), &got));
    nx_expect_eq(got, "hello");
    nx_expect_eq(got.data[5], '\0');
    nx_expect_ok(write_text(in_directory("a"), ""));
    nx_expect_ok(nx_fs_read_file(in_directory("a"), &got));
    nx_expect_eq(got.len, 0);
    nx_expect_eq(got.data[0], '\0');
    size_t size = (3 << 20) + 17;
    char *big = nx_alloc(size);
    for (size_t i = 0; i < size; i++) big[i] = (char)(i * 31 >> 3);
    nx_expect_ok(nx_fs_write_file(in_directory("big"), nx_slice(big, size)));
    nx_expect_ok(nx_fs_read_file(in_directory("big"), &got));
    nx_expect_eq(got, nx_slice(big, size));
}

/* As root, a rename would turn /dev/null into a plain file for everybody. */
NX_TEST("what is no file stays what it is")
{
    const char *path = in_directory("pipe");
    struct stat st;
    nx_expect_eq(mkfifo(path, 0600), 0);
    int before = entries();
    nx_expect_err(NX_EINVAL, write_text(path, "x"));
    nx_expect_contains(nx_error_last()->message, "not a file");
    nx_expect(lstat(path, &st) == 0 && S_ISFIFO(st.st_mode));
    nx_expect_eq(entries(), before);
    nx_expect_eq(unlink(path), 0);
}

NX_TEST("files that say no size")
{
    nx_bytes got;
    nx_expect_ok(nx_fs_read_file("/proc/self/status", &got));
    nx_expect(got.len > 100 && strncmp(got.data, "Name:", 5) == 0);
    nx_expect_ok(nx_fs_read_file("/proc/self/maps", &got));
    nx_expect_gt(got.len, 1000);
    nx_expect_ok(nx_fs_read_file("/dev/null", &got));
    nx_expect_eq(got.len, 0);
}

NX_TEST("what cannot be read")
{
    nx_bytes got = nx_str("x");
    nx_expect_err(NX_ENOENT, nx_fs_read_file("no/such/config.json", &got));
    nx_expect_eq(last_message(), "cannot read \"no/such/config.json\": no such file");
    nx_expect_eq(nx_error_last()->system, ENOENT);
    nx_expect_eq(got.len, 0);
    nx_expect_err(NX_EINVAL, nx_fs_read_file(nx_test_dir(), &got));
    nx_expect_contains(last_message(), "is a directory");
    nx_expect_err(NX_ENOENT, nx_fs_read_file("/proc/self/status/x", &got));
    nx_expect_contains(last_message(), "no directory");
    char path[6000];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    nx_expect(nx_fs_read_file(path, &got) != NX_OK);
    nx_expect_eq(nx_error_last()->system, ENAMETOOLONG);
    nx_expect(write_text(path, "x") != NX_OK);
    nx_expect_eq(nx_error_last()->system, ENAMETOOLONG);
    nx_expect_err(NX_ENOENT, nx_fs_read_file("", &got));
}

NX_TEST("permissions stay")
{
    struct stat st;
    static char path[300];
    (void)snprintf(path, sizeof path, "%s", in_directory("a"));
    nx_expect_ok(write_text(path, "secret"));
    nx_expect_eq(chmod(path, 0604), 0);
    nx_expect_ok(write_text(path, "new secret"));
    nx_expect_eq(stat(path, &st), 0);
    nx_expect_eq(st.st_mode & 07777, 0604);
    nx_expect_eq(st.st_size, 10);
}

NX_TEST("what cannot be written")
{
    nx_expect_err(NX_ENOENT, write_text(in_directory("missing/file"), "x"));
    int before = entries();
    nx_expect(write_text(nx_test_dir(), "x") != NX_OK); /* a directory is not replaced */
    nx_expect_eq(entries(), before);
    nx_expect_eq(nx__file_write(-1, "x", 1, 0), -EBADF);
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    nx_expect_eq(nx__file_write(fd, "x", 1, 0), -ENOSPC);
    (void)close(fd);
}

NX_TEST("a full disk")
{
    const char *place = in_directory("small");
    char path[300];
    (void)snprintf(path, sizeof path, "%s/file", place);
    if (mkdir(place, 0700) != 0 || mount("none", place, "tmpfs", 0, "size=64k") != 0) {
        (void)rmdir(place);
        nx_skip("mounting is not allowed here");
    }
    size_t size = 1 << 20;
    nx_expect_ok(write_text(path, "old"));
    nx_expect_err(NX_ENOSPC, nx_fs_write_file(path, nx_slice(nx_alloc_zero(size, 1), size)));
    nx_expect_contains(last_message(), "no space left");
    nx_bytes got;
    nx_expect_ok(nx_fs_read_file(path, &got));
    nx_expect_eq(got, "old"); /* never half */
    nx_expect_eq(umount(in_directory("small")), 0);
    (void)rmdir(in_directory("small"));
}

NX_TEST("no descriptor left")
{
    if (on_valgrind()) nx_skip("valgrind keeps that limit to itself");
    struct rlimit limit, none;
    nx_expect_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int lowest = dup(0);
    (void)close(lowest);
    none = limit;
    none.rlim_cur = (rlim_t)lowest;
    nx_expect_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    nx_bytes got;
    nx_expect_err(NX_EMFILE, nx_fs_read_file("/proc/self/status", &got));
    nx_expect_contains(last_message(), "--max-open-files");
    nx_expect_err(NX_EMFILE, write_text(in_directory("b"), "x"));
    nx_expect_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    nx_expect_ok(write_text(in_directory("b"), "x"));
    int again = dup(0);
    nx_expect_eq(again, lowest); /* nothing was left open */
    (void)close(again);
}

NX_TEST("each operation")
{
    struct statx st;
    char text[8] = {0}, from[300], to[300];
    (void)snprintf(from, sizeof from, "%s/from", nx_test_dir());
    (void)snprintf(to, sizeof to, "%s/to", nx_test_dir());
    const struct open_how how = {.flags = O_RDWR | O_CREAT | O_EXCL, .mode = 0600};
    int64_t fd = nx__file_open(AT_FDCWD, from, &how);
    nx_expect_ge(fd, 0);
    nx_expect(fcntl((int)fd, F_GETFD) & FD_CLOEXEC);
    nx_expect_eq(nx__file_open(AT_FDCWD, from, &how), -EEXIST);
    nx_expect_eq(nx__file_write((int)fd, "abcdef", 6, 0), 6);
    nx_expect_eq(nx__file_sync((int)fd, false), 0);
    nx_expect_eq(nx__file_stat((int)fd, "", AT_EMPTY_PATH, &st), 0);
    nx_expect_eq(st.stx_size, 6);
    nx_expect_eq(nx__file_read((int)fd, text, 7, 2), 4); /* short, at the end */
    nx_expect_eq(text, "cdef");
    nx_expect_eq(nx__file_read((int)fd, text, 7, 100), 0);
    nx_expect_eq(nx__file_rename(AT_FDCWD, from, AT_FDCWD, to, 0), 0);
    nx_expect_eq(nx__file_rename(AT_FDCWD, from, AT_FDCWD, to, 0), -ENOENT);
    nx_expect_eq(nx__file_remove(AT_FDCWD, to, 0), 0);
    nx_expect_eq(nx__file_remove(AT_FDCWD, to, 0), -ENOENT);
    nx_expect_eq(nx__file_sync((int)fd, true), 0);
    nx_expect_eq(nx__file_mkdir(AT_FDCWD, from, 0700), 0);
    nx_expect_eq(nx__file_mkdir(AT_FDCWD, from, 0700), -EEXIST);
    nx_expect_eq(nx__file_remove(AT_FDCWD, from, AT_REMOVEDIR), 0);
    (void)close((int)fd);
    nx_expect_eq(nx__file_stat(-1, "", AT_EMPTY_PATH, &st), -EBADF);
}

NX_TEST("a pipe comes in pieces")
{
    int fds[2];
    char text[16];
    nx_expect_eq(pipe2(fds, O_CLOEXEC), 0);
    nx_expect_eq(nx__file_write(fds[1], "abc", 3, NX__FILE_POSITION), 3);
    nx_expect_eq(nx__file_read(fds[0], text, sizeof text, NX__FILE_POSITION), 3);
    nx_expect_eq(write(fds[1], "defgh", 5), 5);
    nx_expect_eq(nx__file_read(fds[0], text, 2, NX__FILE_POSITION), 2);
    nx_expect_eq(nx__file_read(fds[0], text, sizeof text, NX__FILE_POSITION), 3);
    nx_expect(memcmp(text, "fgh", 3) == 0);
    (void)close(fds[1]);
    nx_expect_eq(nx__file_read(fds[0], text, sizeof text, NX__FILE_POSITION), 0);
    (void)close(fds[0]);
}

static nx_err read_one(void *arg)
{
    nx_bytes got;
    NX_TRY(nx_fs_read_file(arg, &got));
    return nx_bytes_is(got, "shared") ? NX_OK : nx_fail(NX_EFAILED, "not what was written");
}

NX_TEST("more at once than the ring holds")
{
    static char path[300];
    (void)snprintf(path, sizeof path, "%s", in_directory("shared"));
    nx_expect_ok(write_text(path, "shared"));
    nx_scope *scope;
    nx_expect_ok(nx_scope_open(&scope));
    for (int i = 0; i < 1000; i++) nx_expect_ok(nx_spawn(NULL, read_one, path));
    nx_expect_ok(nx_scope_close(&scope));
}

static nx_err write_often(void *arg)
{
    for (int i = 0; i < 20; i++) NX_TRY(nx_fs_write_file(arg, nx_str(i % 2 ? "1111" : "2222")));
    return NX_OK;
}

NX_TEST("readers see the old or the new")
{
    static char path[300];
    (void)snprintf(path, sizeof path, "%s", in_directory("swapped"));
    nx_expect_ok(write_text(path, "2222"));
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, write_often, path));
    for (int i = 0; i < 40; i++) {
        nx_bytes got;
        nx_expect_ok(nx_fs_read_file(path, &got));
        nx_expect(nx_bytes_is(got, "1111") || nx_bytes_is(got, "2222"));
    }
    nx_expect_ok(nx_join(f));
}

NX_TEST("the backend")
{
    nx_bytes got;
    nx_expect_ok(nx_fs_read_file("/proc/self/status", &got));
    const char *backend = nx__files_backend();
    if (nx__uring_refused) nx_expect_eq(backend, "threads");
    nx_test_log("files are served by %s", backend);
    nx_expect_eq(nx__loop()->operations, 0);
}

int main(int argc, char **argv)
{
    const char *backend = getenv("NEXUS_TEST_FILES");
    nx__uring_refused = backend && strcmp(backend, "threads") == 0;
    return nx_test_main(argc, argv);
}
