/* The rows of files: what a program gets through in a second.
 *
 * usage: files.c read FILE | write FILE MB | pipe FILE FILE | copy FILE FILE | small DIRECTORY |
 * walk DIRECTORY Prints {"rate":…}: megabytes, files or entries a second. */
#include <nexus/fiber.h>
#include <nexus/fs.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECE (1 << 20)

static char piece[PIECE];

static nx_err read_file(const char *path, double *done)
{
    nx_file *file;
    size_t got;
    NX_TRY(nx_fs_open(&file, path));
    do {
        NX_TRY(nx_file_read(file, piece, PIECE, &got));
        *done += (double)got / 1e6;
    } while (got);
    return nx_file_close(file);
}

static nx_err write_file(const char *path, int pieces, double *done)
{
    nx_file *file;
    NX_TRY(nx_fs_open(&file, path, .create = true, .truncate = true));
    for (int i = 0; i < pieces; i++) {
        NX_TRY(nx_file_write(file, nx_slice(piece, PIECE)));
        *done += PIECE / 1e6;
    }
    NX_TRY(nx_file_sync(file));
    return nx_file_close(file);
}

static nx_err read_small(const char *path, double *done)
{
    char name[600];
    for (int i = 0; i < 10000; i++) {
        nx_bytes bytes;
        nx_scope *scope;
        (void)snprintf(name, sizeof name, "%s/%d/%d", path, i / 100, i % 100);
        NX_TRY(nx_scope_open(&scope));
        NX_TRY(nx_fs_read_file(name, &bytes));
        *done += bytes.len == 2048;
        NX_TRY(nx_scope_close(&scope));
    }
    return NX_OK;
}

static void uppercase(void *arg, char *data, size_t len)
{
    *(double *)arg += (double)len / 1e6;
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(data[i] - (data[i] >= 'a' && data[i] <= 'z' ? 'a' - 'A' : 0));
}

static nx_err copy(const char *from, const char *to, double *done)
{
    nx_stat stat;
    NX_TRY(nx_pipe(nx_fs_reader(from), nx_fs_writer(to)));
    NX_TRY(nx_fs_stat(to, &stat));
    *done = (double)stat.size / 1e6;
    return NX_OK;
}

static nx_err walk(const char *path, double *done)
{
    nx_walk *walk;
    nx_fs_entry entry;
    nx_err err;
    NX_TRY(nx_fs_walk(&walk, path));
    while ((err = nx_walk_next(walk, &entry)) == NX_OK) *done += 1;
    nx_walk_free(walk);
    return err == NX_ECLOSED ? NX_OK : err;
}

int main(int argc, char **argv)
{
    double done = 0;
    if (argc < 3) return NX_EUSAGE;
    nx_duration start = nx_now();
    nx_err err =
        strcmp(argv[1], "read") == 0    ? read_file(argv[2], &done)
        : strcmp(argv[1], "write") == 0 ? write_file(argv[2], atoi(argv[3]), &done)
        : strcmp(argv[1], "pipe") == 0
            ? nx_pipe(nx_fs_reader(argv[2]), nx_change(uppercase, &done), nx_fs_writer(argv[3]))
        : strcmp(argv[1], "copy") == 0  ? copy(argv[2], argv[3], &done)
        : strcmp(argv[1], "small") == 0 ? read_small(argv[2], &done)
                                        : walk(argv[2], &done);
    if (err)
        fprintf(stderr, "%s\n", nx_error_last()->message);
    else
        printf("{\"rate\":%.1f}\n", done / ((double)(nx_now() - start) / 1e9));
    return err;
}
