/* The floor of the rows of files: bare system calls, as micro/files.c has them. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PIECE (1 << 20)

static char piece[PIECE];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(int good)
{
    if (good) return;
    perror("files");
    exit(1);
}

static double read_file(const char *path)
{
    double done = 0;
    int fd = open(path, O_RDONLY);
    check(fd >= 0);
    for (ssize_t n; (n = read(fd, piece, PIECE)) != 0;) {
        check(n > 0);
        done += (double)n / 1e6;
    }
    close(fd);
    return done;
}

static double write_file(const char *path, int pieces)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    check(fd >= 0);
    for (int i = 0; i < pieces; i++) check(write(fd, piece, PIECE) == PIECE);
    check(fsync(fd) == 0);
    close(fd);
    return pieces * (PIECE / 1e6);
}

static double pipe_files(const char *from, const char *to)
{
    double done = 0;
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    check(in >= 0 && out >= 0);
    for (ssize_t n; (n = read(in, piece, PIECE)) != 0;) {
        check(n > 0);
        for (ssize_t i = 0; i < n; i++)
            piece[i] = (char)(piece[i] - (piece[i] >= 'a' && piece[i] <= 'z' ? 'a' - 'A' : 0));
        check(write(out, piece, (size_t)n) == n);
        done += (double)n / 1e6;
    }
    close(in);
    close(out);
    return done;
}

static double copy(const char *from, const char *to)
{
    double done = 0;
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    check(in >= 0 && out >= 0);
    for (ssize_t n; (n = copy_file_range(in, NULL, out, NULL, 1 << 30, 0)) != 0;) {
        check(n > 0);
        done += (double)n / 1e6;
    }
    close(in);
    close(out);
    return done;
}

static double read_small(const char *path)
{
    char name[600];
    double done = 0;
    for (int i = 0; i < 10000; i++) {
        struct stat stat;
        (void)snprintf(name, sizeof name, "%s/%d/%d", path, i / 100, i % 100);
        int fd = open(name, O_RDONLY);
        check(fd >= 0 && fstat(fd, &stat) == 0);
        char *data = malloc((size_t)stat.st_size + 1);
        check(data != NULL && read(fd, data, (size_t)stat.st_size + 1) == stat.st_size);
        done += stat.st_size == 2048;
        free(data);
        close(fd);
    }
    return done;
}

static double walk(int at, const char *name)
{
    double done = 0;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    check(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        done += 1;
        if (entry->d_type == DT_DIR) done += walk(fd, entry->d_name);
    }
    closedir(dir);
    return done;
}

int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    double start = now();
    double done = strcmp(argv[1], "read") == 0    ? read_file(argv[2])
                  : strcmp(argv[1], "write") == 0 ? write_file(argv[2], atoi(argv[3]))
                  : strcmp(argv[1], "pipe") == 0  ? pipe_files(argv[2], argv[3])
                  : strcmp(argv[1], "copy") == 0  ? copy(argv[2], argv[3])
                  : strcmp(argv[1], "small") == 0 ? read_small(argv[2])
                                                  : walk(AT_FDCWD, argv[2]);
    printf("{\"rate\":%.1f}\n", done / (now() - start));
    return 0;
}
