/* A program that a service manager has started by itself, without a launcher: each in a process of
 * its own, since the environment and the descriptors are one for all. */
#include "permission/activation.h"
#include "permission/broker.h"
#include "permission/listen.h"
#include "permission/notify.h"
#include <fcntl.h>
#include <nexus/runtime.h>
#include <nexus/test.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* A manager's socket, at `name`: a path, or "@" and an abstract one. */
static int manager(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    memcpy(address.sun_path, name, len);
    if (name[0] == '@') address.sun_path[0] = '\0';
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    nx_require_eq(bind(fd, (const struct sockaddr *)(const void *)&address, size), 0);
    nx_require_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static const char *told(int fd)
{
    char text[2048];
    ssize_t n = recv(fd, text, sizeof text, 0);
    return n < 0 ? "nothing" : nx_copy(nx_slice(text, (size_t)n));
}

NX_TEST("the manager is told")
{
    const char *names[] = {nx_format("%s/notify", nx_test_dir()),
                           nx_format("@nexus-test-%d", (int)getpid())};
    for (size_t i = 0; i < 2; i++) {
        int fd = manager(names[i]);
        nx_notify_ready();
        nx_expect_eq(told(fd), "READY=1");
        nx_notify_status("two\nlines");
        nx_expect_eq(told(fd), "STATUS=twolines");
        nx_notify_status("");
        nx_expect_eq(told(fd), "STATUS=");
        char *large = nx_alloc(5000);
        memset(large, 'x', 4999);
        large[4999] = '\0';
        nx_notify_status(large);
        nx_expect_eq(strlen(told(fd)), strlen("STATUS=") + NX__NOTIFY_TEXT_MOST - 1);
        nx__notify(NX__NOTIFY_STOPPING, NULL);
        nx_expect_eq(told(fd), "STOPPING=1");
        nx__notify(NX__NOTIFY_RELOADING, NULL);
        nx_expect_contains(told(fd), "RELOADING=1\nMONOTONIC_USEC=");
        nx_expect_eq(told(fd), "nothing");
        (void)close(fd);
        nx_expect(!nx__notify_send(NX__NOTIFY_READY, NULL)); /* nobody hears it */
    }
    (void)setenv("NOTIFY_SOCKET", "relative", 1);
    nx_expect(!nx__notify_send(NX__NOTIFY_READY, NULL));
    (void)unsetenv("NOTIFY_SOCKET");
    nx_expect(!nx__notify_send(NX__NOTIFY_READY, NULL));
}

NX_TEST("how often the watchdog wants to hear")
{
    static const struct {
        const char *usec, *pid;
        nx_duration interval;
    } rows[] = {
        {"3000000", NULL, NX_MS(1500)},
        {"3000000", "own", NX_MS(1500)},
        {"3000000", "1", 0},
        {"3000000x", NULL, 0},
        {"0", NULL, 0},
        {NULL, NULL, 0},
        {"99999999999999999999", NULL, 0},
    };
    char own[16];
    (void)snprintf(own, sizeof own, "%d", (int)getpid());
    (void)setenv("NOTIFY_SOCKET", "/none", 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s for %s", rows[i].usec, rows[i].pid) {
            (void)unsetenv("WATCHDOG_USEC");
            (void)unsetenv("WATCHDOG_PID");
            if (rows[i].usec) (void)setenv("WATCHDOG_USEC", rows[i].usec, 1);
            if (rows[i].pid)
                (void)setenv("WATCHDOG_PID", strcmp(rows[i].pid, "own") ? rows[i].pid : own, 1);
            nx__notify_prepare();
            nx_expect_eq(nx__notify_interval(), rows[i].interval);
        }
}

/* Puts the descriptors from 3 on, as a manager does. The test's own that are there are lost, so it
 * is a process that does it. */
static void pass(const int *fds, int count)
{
    char number[16];
    int kept[8];
    for (int i = 0; i < count; i++) kept[i] = fcntl(fds[i], F_DUPFD, 200);
    for (int i = 0; i < count; i++) (void)dup2(kept[i], 3 + i);
    (void)snprintf(number, sizeof number, "%d", count);
    (void)setenv("LISTEN_FDS", number, 1);
    (void)snprintf(number, sizeof number, "%d", (int)getpid());
    (void)setenv("LISTEN_PID", number, 1);
}

static void passed(int inet, int local, const char *path, uint16_t inet_port)
{
    struct nx__listeners got;
    struct nx__listen_options o = {.host = "127.0.0.1", .port = inet_port, .backlog = 16};
    struct stat own, given;
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    pass((const int[]){inet, udp, local}, 3);
    nx_require_ok(nx__broker_listen(&o, &got));
    nx_expect_eq(got.port, inet_port);
    nx_expect(fstat(got.items->fd, &own) == 0 && fstat(3, &given) == 0 &&
              own.st_ino == given.st_ino);
    nx_expect(fcntl(got.items->fd, F_GETFD) & FD_CLOEXEC);
    nx_expect(fcntl(got.items->fd, F_GETFL) & O_NONBLOCK);
    int type = 0;
    socklen_t len = sizeof type; /* the one that can't be used is closed, and its number taken */
    nx_expect_eq(getsockopt(4, SOL_SOCKET, SO_TYPE, &type, &len), 0);
    nx_expect_eq(type, SOCK_STREAM);
    nx_expect_eq(getenv("LISTEN_FDS"), NULL);
    nx__broker_unlisten(got.items);
    nx_require_ok(nx__broker_listen(&o, &got)); /* and once more */
    nx__broker_unlisten(got.items);

    o = (struct nx__listen_options){.host = nx_format("unix:%s", path), .backlog = 16};
    nx_require_ok(nx__broker_listen(&o, &got));
    nx__broker_unlisten(got.items);
    nx_expect_eq(access(path, F_OK), 0); /* it is the manager's */
}

NX_TEST("sockets of the manager's are taken by their address")
{
    int inet, local;
    uint16_t inet_port, none;
    const char *path = nx_format("%s/socket", nx_test_dir());
    nx_require_ok(nx__listen("127.0.0.1", 0, 16, 0, NX__LISTEN_ALONE, &inet, &inet_port));
    nx_require_ok(
        nx__listen(nx_format("unix:%s", path), 0, 16, 0600, NX__LISTEN_ALONE, &local, &none));
    pid_t child = fork();
    if (child == 0) {
        passed(inet, local, path, inet_port);
        _exit(0);
    }
    int status;
    nx_require_eq(waitpid(child, &status, 0), child);
    nx_expect_eq(status, 0);
    (void)close(inet);
    (void)close(local);
}
