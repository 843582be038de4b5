/* What the hostile programs share. Each tries one way to what it was not granted, by system calls
 * of its own: none of Nexus's checks is in its way. It prints "in" when it got there, else the name
 * of the error. tests/e2e/held_test.py reads its first comment: which CVE or class it "stands for",
 * which "grant" it would need (read, write, net, run, or all of them), and whether it is "held" by
 * the kernel alone, as docs/security/guarantees.md says. */
#ifndef ATTACK_H
#define ATTACK_H

#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *open_folder;   /* granted for reading and writing */
static const char *closed_folder; /* not granted; has "secret" in it */
static int port; /* of TCP and UDP on 127.0.0.1, where somebody listens; not granted */
static const char *abstract_name; /* of a Unix socket, the same */
static int victim;                /* a process of the same user, which does nothing */

/* Static, so that programs may make several. */
static inline const char *path_in(const char *folder, const char *name)
{
    static char paths[8][4096];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static inline const char *closed(const char *name)
{
    return path_in(closed_folder, name);
}

static inline const char *opened(const char *name)
{
    return path_in(open_folder, name);
}

/* An open file has to give its contents up too. */
static inline long read_it(int fd)
{
    char text[32];
    if (fd < 0) return -1;
    ssize_t n = read(fd, text, sizeof text);
    int error = errno;
    (void)close(fd);
    errno = error;
    return n >= 6 && memcmp(text, "secret", 6) == 0 ? 0 : n < 0 ? -1 : (errno = ENODATA, -1);
}

static inline struct sockaddr_in there(void)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

/* The way in: 0 or more when it leads there, else -1 with errno. */
static long attack(void);

int main(int argc, char **argv)
{
    if (argc < 6) return 2;
    open_folder = argv[1];
    closed_folder = argv[2];
    port = atoi(argv[3]);
    abstract_name = argv[4];
    victim = atoi(argv[5]);
    puts(attack() >= 0 ? "in" : strerrorname_np(errno));
    return 0;
}

#endif
