/* File operations and whole files. Run twice: with the ring and, in a program of its own, without
 * it. */
#define LOOP_TEST_OWN_MAIN
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

static char directory[] = "/tmp/nexus-test-XXXXXX";

static const char *in_directory(const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
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
    DIR *d = opendir(directory);
    while (d && readdir(d)) n++;
    if (d) (void)closedir(d);
    return n - 2;
}

NX_TEST(a_file_comes_back_as_it_was_written)
{
    nx_bytes got;
    EXPECT_EQ(write_text(in_directory("a"), "hello"), NX_OK);
    EXPECT_EQ(nx_fs_read_file(in_directory("a"), &got), NX_OK);
    EXPECT(nx_bytes_is(got, "hello"));
    EXPECT_EQ(got.data[5], '\0');
    EXPECT_EQ(write_text(in_directory("a"), ""), NX_OK);
    EXPECT_EQ(nx_fs_read_file(in_directory("a"), &got), NX_OK);
    EXPECT_EQ(got.len, 0);
    EXPECT_EQ(got.data[0], '\0');
    size_t size = (3 << 20) + 17;
    char *big = nx_alloc(size);
    for (size_t i = 0; i < size; i++) big[i] = (char)(i * 31 >> 3);
    EXPECT_EQ(nx_fs_write_file(in_directory("big"), nx_slice(big, size)), NX_OK);
    EXPECT_EQ(nx_fs_read_file(in_directory("big"), &got), NX_OK);
    EXPECT(nx_bytes_eq(got, nx_slice(big, size)));
}

/* As root, a rename would turn /dev/null into a plain file for everybody. */
NX_TEST(what_is_no_file_stays_what_it_is)
{
    const char *path = in_directory("pipe");
    struct stat st;
    EXPECT_EQ(mkfifo(path, 0600), 0);
    int before = entries();
    EXPECT_EQ(write_text(path, "x"), NX_EINVAL);
    EXPECT(strstr(nx_error_last()->message, "not a file") != NULL);
    EXPECT(lstat(path, &st) == 0 && S_ISFIFO(st.st_mode));
    EXPECT_EQ(entries(), before);
    EXPECT_EQ(unlink(path), 0);
}

NX_TEST(files_that_say_no_size)
{
    nx_bytes got;
    EXPECT_EQ(nx_fs_read_file("/proc/self/status", &got), NX_OK);
    EXPECT(got.len > 100 && strncmp(got.data, "Name:", 5) == 0);
    EXPECT_EQ(nx_fs_read_file("/proc/self/maps", &got), NX_OK);
    EXPECT(got.len > 1000);
    EXPECT_EQ(nx_fs_read_file("/dev/null", &got), NX_OK);
    EXPECT_EQ(got.len, 0);
}

NX_TEST(what_cannot_be_read)
{
    nx_bytes got = nx_str("x");
    EXPECT_EQ(nx_fs_read_file("no/such/config.json", &got), NX_ENOENT);
    EXPECT_STR(last_message(), "cannot read \"no/such/config.json\": no such file");
    EXPECT_EQ(nx_error_last()->system, ENOENT);
    EXPECT_EQ(got.len, 0);
    EXPECT_EQ(nx_fs_read_file(directory, &got), NX_EIO);
    EXPECT(strstr(last_message(), "is a directory") != NULL);
    EXPECT_EQ(nx_fs_read_file("/proc/self/status/x", &got), NX_ENOENT);
    EXPECT(strstr(last_message(), "no directory") != NULL);
    char path[6000];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    EXPECT(nx_fs_read_file(path, &got) != NX_OK);
    EXPECT_EQ(nx_error_last()->system, ENAMETOOLONG);
    EXPECT(write_text(path, "x") != NX_OK);
    EXPECT_EQ(nx_error_last()->system, ENAMETOOLONG);
    EXPECT_EQ(nx_fs_read_file("", &got), NX_ENOENT);
}

NX_TEST(permissions_stay)
{
    struct stat st;
    static char path[300];
    (void)snprintf(path, sizeof path, "%s", in_directory("a"));
    EXPECT_EQ(write_text(path, "secret"), NX_OK);
    EXPECT_EQ(chmod(path, 0604), 0);
    EXPECT_EQ(write_text(path, "new secret"), NX_OK);
    EXPECT_EQ(stat(path, &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 0604);
    EXPECT_EQ(st.st_size, 10);
}

NX_TEST(what_cannot_be_written)
{
    EXPECT_EQ(write_text(in_directory("missing/file"), "x"), NX_ENOENT);
    int before = entries();
    EXPECT(write_text(directory, "x") != NX_OK); /* a directory is not replaced */
    EXPECT_EQ(entries(), before);
    EXPECT_EQ(nx__file_write(-1, "x", 1, 0), -EBADF);
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    EXPECT_EQ(nx__file_write(fd, "x", 1, 0), -ENOSPC);
    (void)close(fd);
}

NX_TEST(a_full_disk)
{
    const char *place = in_directory("small");
    char path[300];
    (void)snprintf(path, sizeof path, "%s/file", place);
    if (mkdir(place, 0700) != 0 || mount("none", place, "tmpfs", 0, "size=64k") != 0) {
        (void)rmdir(place);
        printf("skipped a_full_disk: mounting is not allowed here\n");
        return;
    }
    size_t size = 1 << 20;
    EXPECT_EQ(write_text(path, "old"), NX_OK);
    EXPECT_EQ(nx_fs_write_file(path, nx_slice(nx_alloc_zero(size, 1), size)), NX_ENOSPC);
    EXPECT(strstr(last_message(), "no space left") != NULL);
    nx_bytes got;
    EXPECT_EQ(nx_fs_read_file(path, &got), NX_OK);
    EXPECT(nx_bytes_is(got, "old")); /* never half */
    EXPECT_EQ(umount(in_directory("small")), 0);
    (void)rmdir(in_directory("small"));
}

NX_TEST(no_descriptor_left)
{
    if (on_valgrind()) return; /* which keeps that limit to itself */
    struct rlimit limit, none;
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int lowest = dup(0);
    (void)close(lowest);
    none = limit;
    none.rlim_cur = (rlim_t)lowest;
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    nx_bytes got;
    EXPECT_EQ(nx_fs_read_file("/proc/self/status", &got), NX_EMFILE);
    EXPECT(strstr(last_message(), "--max-open-files") != NULL);
    EXPECT_EQ(write_text(in_directory("b"), "x"), NX_EMFILE);
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_EQ(write_text(in_directory("b"), "x"), NX_OK);
    int again = dup(0);
    EXPECT_EQ(again, lowest); /* nothing was left open */
    (void)close(again);
}

NX_TEST(each_operation)
{
    struct statx st;
    char text[8] = {0}, from[300], to[300];
    (void)snprintf(from, sizeof from, "%s/from", directory);
    (void)snprintf(to, sizeof to, "%s/to", directory);
    int64_t fd = nx__file_open(AT_FDCWD, from, O_RDWR | O_CREAT | O_EXCL, 0600);
    EXPECT(fd >= 0);
    EXPECT(fcntl((int)fd, F_GETFD) & FD_CLOEXEC);
    EXPECT_EQ(nx__file_open(AT_FDCWD, from, O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
    EXPECT_EQ(nx__file_write((int)fd, "abcdef", 6, 0), 6);
    EXPECT_EQ(nx__file_sync((int)fd), 0);
    EXPECT_EQ(nx__file_stat((int)fd, &st), 0);
    EXPECT_EQ(st.stx_size, 6);
    EXPECT_EQ(nx__file_read((int)fd, text, 7, 2), 4); /* short, at the end */
    EXPECT_STR(text, "cdef");
    EXPECT_EQ(nx__file_read((int)fd, text, 7, 100), 0);
    EXPECT_EQ(nx__file_rename(AT_FDCWD, from, to), 0);
    EXPECT_EQ(nx__file_rename(AT_FDCWD, from, to), -ENOENT);
    EXPECT_EQ(nx__file_remove(AT_FDCWD, to), 0);
    EXPECT_EQ(nx__file_remove(AT_FDCWD, to), -ENOENT);
    (void)close((int)fd);
    EXPECT_EQ(nx__file_stat(-1, &st), -EBADF);
}

NX_TEST(a_pipe_comes_in_pieces)
{
    int fds[2];
    char text[16];
    EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
    EXPECT_EQ(nx__file_write(fds[1], "abc", 3, 0), 3);
    EXPECT_EQ(nx__file_read(fds[0], text, sizeof text, 0), 3);
    EXPECT_EQ(write(fds[1], "defgh", 5), 5);
    EXPECT_EQ(nx__file_read(fds[0], text, 2, 0), 2);
    EXPECT_EQ(nx__file_read(fds[0], text, sizeof text, 0), 3);
    EXPECT(memcmp(text, "fgh", 3) == 0);
    (void)close(fds[1]);
    EXPECT_EQ(nx__file_read(fds[0], text, sizeof text, 0), 0);
    (void)close(fds[0]);
}

static nx_err read_one(void *arg)
{
    nx_bytes got;
    NX_TRY(nx_fs_read_file(arg, &got));
    return nx_bytes_is(got, "shared") ? NX_OK : nx_fail(NX_EFAILED, "not what was written");
}

NX_TEST(more_at_once_than_the_ring_holds)
{
    static char path[300];
    (void)snprintf(path, sizeof path, "%s", in_directory("shared"));
    EXPECT_EQ(write_text(path, "shared"), NX_OK);
    nx_scope *scope;
    EXPECT_EQ(nx_scope_open(&scope), NX_OK);
    for (int i = 0; i < 1000; i++) EXPECT_EQ(nx_spawn(NULL, read_one, path), NX_OK);
    EXPECT_EQ(nx_scope_close(&scope), NX_OK);
}

static nx_err write_often(void *arg)
{
    for (int i = 0; i < 20; i++) NX_TRY(nx_fs_write_file(arg, nx_str(i % 2 ? "1111" : "2222")));
    return NX_OK;
}

NX_TEST(readers_see_the_old_or_the_new)
{
    static char path[300];
    (void)snprintf(path, sizeof path, "%s", in_directory("swapped"));
    EXPECT_EQ(write_text(path, "2222"), NX_OK);
    nx_fiber *f = NULL;
    EXPECT_EQ(nx_spawn(&f, write_often, path), NX_OK);
    for (int i = 0; i < 40; i++) {
        nx_bytes got;
        EXPECT_EQ(nx_fs_read_file(path, &got), NX_OK);
        EXPECT(nx_bytes_is(got, "1111") || nx_bytes_is(got, "2222"));
    }
    EXPECT_EQ(nx_join(f), NX_OK);
}

NX_TEST(the_backend)
{
    const char *backend = nx__files_backend();
    if (nx__uring_refused) EXPECT_STR(backend, "threads");
    printf("files are served by %s\n", backend);
    EXPECT_EQ(nx__loop()->operations, 0);
}

int main(int argc, char **argv)
{
    const char *backend = getenv("NEXUS_TEST_FILES");
    nx__uring_refused = backend && strcmp(backend, "threads") == 0;
    if (!mkdtemp(directory)) return 1;
    int code = nx__program_run(nx_test_main, argc, argv);
    static const char *const made[] = {"a", "b", "big", "shared", "swapped"};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) (void)unlink(in_directory(made[i]));
    (void)rmdir(directory);
    return code;
}
