/* Open files: reading, writing, locks, maps. */
#include "fs_test.h"

#include <errno.h>
#include <fcntl.h>
#include <nexus/fiber.h>
#include <nexus/timer.h>
#include <sys/wait.h>

static nx_bytes rest(nx_file *file)
{
    nx_bytes bytes;
    nx_require_ok(nx_file_read_rest(file, &bytes));
    return bytes;
}

NX_TEST("reading and writing move the position")
{
    nx_file *f;
    char buffer[8];
    size_t got;
    uint64_t position;
    make("a", "0123456789");
    nx_require_ok(nx_fs_open(&f, at("a"), .read = true, .write = true));
    nx_expect_ok(nx_file_read(f, buffer, 4, &got));
    nx_expect_eq(nx_slice(buffer, got), "0123");
    nx_expect_ok(nx_file_write(f, nx_str("AB")));
    nx_expect_ok(nx_file_read(f, buffer, 8, &got));
    nx_expect_eq(nx_slice(buffer, got), "6789");
    nx_expect_ok(nx_file_read(f, buffer, 8, &got));
    nx_expect_eq(got, 0);
    nx_expect_ok(nx_file_seek(f, -2, NX_SEEK_END, &position));
    nx_expect_eq(position, 8);
    nx_expect_ok(nx_file_seek(f, -4, NX_SEEK_CURRENT, NULL));
    nx_expect_eq(rest(f), "AB6789");
    expect_system(NX_EINVAL, EINVAL, nx_file_seek(f, -11, NX_SEEK_CURRENT, NULL));
    expect_system(NX_EINVAL, EINVAL, nx_file_seek(f, INT64_MAX, NX_SEEK_END, NULL));
    nx_expect_ok(nx_file_seek(f, 20, NX_SEEK_START, NULL));
    nx_expect_ok(nx_file_read(f, buffer, 8, &got));
    nx_expect_eq(got, 0);
    nx_expect_ok(nx_file_write(f, nx_str("x")));
    nx_expect_ok(nx_file_close(f));
    nx_expect_eq(contents("a"), nx_slice("0123AB6789\0\0\0\0\0\0\0\0\0\0x", 21));
}

NX_TEST("places and pieces leave nothing out")
{
    nx_file *f;
    char one[3], two[4];
    size_t got;
    nx_require_ok(nx_fs_open(&f, at("a"), .read = true, .create = true));
    const nx_bytes pieces[] = {nx_str("abc"), nx_str(""), nx_str("defg"), nx_str("h")};
    nx_expect_ok(nx_file_writev(f, pieces, 4));
    nx_expect_ok(nx_file_write_at(f, 1, nx_str("XX")));
    nx_expect_ok(nx_file_read_at(f, 6, one, sizeof one, &got));
    nx_expect_eq(nx_slice(one, got), "gh");
    nx_expect_ok(nx_file_seek(f, 0, NX_SEEK_START, NULL));
    const nx_space spaces[] = {{one, sizeof one}, {NULL, 0}, {two, sizeof two}};
    nx_expect_ok(nx_file_readv(f, spaces, 3, &got));
    nx_expect_eq(got, 7);
    nx_expect_eq(nx_slice(one, 3), "aXX");
    nx_expect_eq(nx_slice(two, 4), "defg");
    nx_expect_ok(nx_file_readv(f, spaces, 3, &got));
    nx_expect_eq(got, 1);
    nx_bytes *many = nx_alloc(2000 * sizeof *many);
    for (int i = 0; i < 2000; i++) many[i] = nx_str("y");
    nx_expect_err(NX_ELIMIT, nx_file_writev(f, many, 2000));
    nx_expect_ok(nx_file_writev(f, many, NX_FILE_PIECES_MOST));
    nx_expect_ok(nx_file_writev(f, NULL, 0));
    nx_expect_ok(nx_file_readv(f, NULL, 0, &got));
    nx_expect_eq(got, 0);
    nx_expect_ok(nx_file_close(f));
    nx_expect_eq(contents("a").len, 8 + NX_FILE_PIECES_MOST);
}

NX_TEST("large reads go on where one call ends")
{
    enum { SIZE = (3 << 20) + 5 };
    nx_file *f;
    size_t got;
    char *data = nx_alloc(SIZE), *back = nx_alloc(SIZE + 100);
    for (size_t i = 0; i < SIZE; i++) data[i] = (char)(i * 31 >> 3);
    nx_require_ok(nx_fs_open(&f, at("a"), .read = true, .create = true));
    nx_expect_ok(nx_file_write(f, nx_slice(data, SIZE)));
    nx_expect_ok(nx_file_read_at(f, 0, back, SIZE + 100, &got));
    nx_expect(nx_bytes_eq(nx_slice(back, got), nx_slice(data, SIZE)));
    memset(back, 0, SIZE);
    nx_expect_ok(nx_file_seek(f, 1, NX_SEEK_START, NULL));
    const nx_space spaces[] = {
        {back, 100}, {back + 100, 1 << 20}, {back + 100 + (1 << 20), 2 << 20}};
    nx_expect_ok(nx_file_readv(f, spaces, 3, &got));
    nx_expect(nx_bytes_eq(nx_slice(back, got), nx_slice(data + 1, got)));
    nx_expect_eq(got, 100 + (3 << 20) > SIZE - 1 ? SIZE - 1 : 100 + (3 << 20));
    nx_expect_ok(nx_file_close(f));
}

NX_TEST("how it is opened")
{
    nx_file *f;
    char byte;
    size_t got;
    make("a", "abc");
    expect_system(NX_ENOENT, ENOENT, nx_fs_open(&f, at("none")));
    nx_expect(!f);
    expect_system(NX_EEXIST, EEXIST, nx_fs_open(&f, at("a"), .exclusive = true));
    expect_system(NX_EINVAL, EISDIR, nx_fs_open(&f, nx_test_dir()));
    nx_expect_eq(symlink("a", at("link")), 0);
    expect_system(NX_EINVAL, ELOOP, nx_fs_open(&f, at("link"), .no_follow = true));
    nx_require_ok(nx_fs_open(&f, at("a")));
    expect_system(NX_EINVAL, EBADF, nx_file_write(f, nx_str("x")));
    nx_expect_ok(nx_file_close(f));
    nx_require_ok(nx_fs_open(&f, at("a"), .append = true));
    expect_system(NX_EINVAL, EBADF, nx_file_read(f, &byte, 1, &got));
    nx_expect_ok(nx_file_write(f, nx_str("d")));
    nx_expect_err(NX_EINVAL, nx_file_write_at(f, 0, nx_str("d")));
    nx_expect_ok(nx_file_close(f));
    nx_expect_eq(contents("a"), "abcd");
    nx_require_ok(nx_fs_open(&f, at("a"), .truncate = true));
    nx_expect_ok(nx_file_close(f));
    nx_expect_eq(contents("a"), "");
    (void)umask(0);
    nx_require_ok(nx_fs_open(&f, at("new"), .exclusive = true, .mode = 0640));
    nx_stat stat;
    nx_expect_ok(nx_file_stat(f, &stat));
    nx_expect_eq(stat.mode, 0640);
    nx_expect_ok(nx_file_close(f));
    nx_expect_ok(nx_file_close(NULL));
}

NX_TEST("several append at once, and nothing mixes")
{
    enum { WRITERS = 4, LINES = 200 };
    for (int i = 0; i < WRITERS; i++) {
        if (fork() != 0) continue;
        char line[64];
        memset(line, 'a' + i, sizeof line);
        line[sizeof line - 1] = '\n';
        int fd = open(at("log"), O_WRONLY | O_APPEND | O_CREAT, 0666);
        for (int n = 0; n < LINES; n++) (void)!write(fd, line, sizeof line);
        _exit(0);
    }
    char line[64];
    memset(line, 'z', sizeof line);
    line[sizeof line - 1] = '\n';
    for (int n = 0; n < LINES; n++)
        nx_expect_ok(nx_fs_append_file(at("log"), nx_slice(line, sizeof line)));
    while (wait(NULL) > 0) {}
    nx_bytes all = contents("log");
    nx_expect_eq(all.len, (WRITERS + 1) * LINES * sizeof line);
    for (size_t i = 0; i < all.len; i += sizeof line)
        for (size_t j = 1; j < sizeof line - 1; j++)
            if (all.data[i + j] != all.data[i]) nx_test_fail("line %zu is mixed", i / sizeof line);
}

/* ---- Pipes */

static nx_err write_late(void *path)
{
    nx_file *f;
    NX_TRY(nx_sleep(NX_MS(20)));
    NX_TRY(nx_fs_open(&f, path, .write = true));
    NX_TRY(nx_sleep(NX_MS(20)));
    NX_TRY(nx_file_write(f, nx_str("through")));
    NX_TRY(nx_sleep(NX_MS(20)));
    NX_TRY(nx_file_write(f, nx_str(" the pipe")));
    return nx_file_close(f);
}

NX_TEST("a pipe is waited for, and the loop is not")
{
    nx_fiber *writer;
    char *path = (char *)at("pipe");
    nx_require_eq(mkfifo(path, 0600), 0);
    nx_require_ok(nx_spawn(&writer, write_late, path));
    nx_expect_eq(contents("pipe"), "through the pipe");
    nx_expect_ok(nx_join(writer));
    nx_require_ok(nx_spawn(&writer, write_late, path));
    nx_file *f;
    char buffer[64];
    size_t got;
    nx_require_ok(nx_fs_open(&f, path));
    nx_expect_ok(nx_file_read(f, buffer, sizeof buffer, &got));
    nx_expect_eq(nx_slice(buffer, got), "through");
    expect_system(NX_EINVAL, ESPIPE, nx_file_seek(f, 0, NX_SEEK_START, NULL));
    expect_system(NX_EINVAL, ESPIPE, nx_file_read_at(f, 0, buffer, 1, &got));
    nx_expect_eq(rest(f), " the pipe");
    nx_expect_ok(nx_file_close(f));
    nx_expect_ok(nx_join(writer));
}

static nx_err read_pipe(void *path)
{
    nx_bytes bytes;
    return nx_fs_read_file(path, &bytes);
}

NX_TEST("a wait for a pipe is cancelled")
{
    nx_fiber *reader;
    char *path = (char *)at("pipe");
    nx_require_eq(mkfifo(path, 0600), 0);
    nx_require_ok(nx_spawn(&reader, read_pipe, path));
    nx_expect_ok(nx_sleep(NX_MS(20)));
    nx_cancel(reader);
    nx_expect_err(NX_ECANCELED, nx_join(reader));
}

NX_TEST("files that make their contents up, and devices")
{
    nx_bytes bytes;
    nx_file *f;
    char buffer[16];
    size_t got;
    nx_expect_ok(nx_fs_read_file("/proc/self/status", &bytes));
    nx_expect_contains(bytes, "Pid:");
    nx_expect_ok(nx_fs_read_file("/dev/null", &bytes));
    nx_expect_eq(bytes.len, 0);
    nx_require_ok(nx_fs_open(&f, "/dev/zero", .read = true, .write = true));
    nx_expect_ok(nx_file_read(f, buffer, sizeof buffer, &got));
    nx_expect_eq(got, sizeof buffer);
    nx_expect_ok(nx_file_write(f, nx_str("gone")));
    nx_expect_ok(nx_file_close(f));
}

/* ---- Locks */

static nx_err lock_and_note(void *arg)
{
    nx_file *f;
    bool *has = arg;
    NX_TRY(nx_fs_open(&f, at("a"), .write = true));
    nx_err err = nx_file_lock(f);
    *has = !err;
    nx_err closed = nx_file_close(f);
    return err ? err : closed;
}

NX_TEST("locks keep others out until they are given up")
{
    nx_file *one, *two;
    bool has = false;
    make("a", "");
    nx_require_ok(nx_fs_open(&one, at("a")));
    nx_require_ok(nx_fs_open(&two, at("a")));
    nx_expect_ok(nx_file_lock(one, .shared = true));
    nx_expect_ok(nx_file_lock(two, .shared = true, .now = true));
    nx_expect_err(NX_EAGAIN, nx_file_lock(two, .now = true));
    nx_file_unlock(two);
    nx_expect_ok(nx_file_lock(one));
    nx_fiber *waits, *gives_up;
    nx_require_ok(nx_spawn(&waits, lock_and_note, &has));
    bool never = false;
    nx_require_ok(nx_spawn(&gives_up, lock_and_note, &never));
    nx_expect_ok(nx_sleep(NX_MS(10)));
    nx_cancel(gives_up);
    nx_expect_err(NX_ECANCELED, nx_join(gives_up));
    nx_expect(!has && !never);
    nx_expect_ok(nx_file_close(one));
    nx_expect_ok(nx_join(waits));
    nx_expect(has);
    nx_expect_ok(nx_file_close(two));
}

/* ---- Maps */

NX_TEST("a mapped file is memory")
{
    nx_file *f;
    nx_map map;
    make("a", "0123456789");
    nx_require_ok(nx_fs_open(&f, at("a"), .read = true, .write = true));
    nx_require_ok(nx_file_map(f, &map, .write = true));
    nx_expect_eq(nx_slice(map.data, map.len), "0123456789");
    map.data[3] = 'X';
    nx_expect_ok(nx_map_sync(&map));
    nx_map_free(&map);
    nx_expect_eq(contents("a"), "012X456789");
    nx_require_ok(nx_file_map(f, &map, .copy = true, .len = 4));
    map.data[0] = 'Y';
    nx_expect_eq(nx_slice(map.data, map.len), "Y12X");
    nx_map_free(&map);
    nx_expect_eq(contents("a"), "012X456789");
    nx_expect_err(NX_EINVAL, nx_file_map(f, &map, .len = 11));
    nx_expect_err(NX_EINVAL, nx_file_map(f, &map, .offset = 1));
    nx_expect_err(NX_EINVAL, nx_file_map(f, &map, .offset = 4096));
    nx_expect_ok(nx_file_truncate(f, 0));
    nx_expect_ok(nx_file_map(f, &map));
    nx_expect(!map.data && !map.len);
    nx_map_free(&map);
    nx_expect_ok(nx_file_close(f));
}

NX_TEST("a full disk is told")
{
    nx_file *f;
    nx_require_ok(nx_fs_open(&f, "/dev/full", .write = true));
    expect_system(NX_ENOSPC, ENOSPC, nx_file_write(f, nx_str("x")));
    nx_expect_ok(nx_file_close(f));
    expect_system(NX_ENOSPC, ENOSPC, nx_fs_append_file("/dev/full", nx_str("x")));
}
