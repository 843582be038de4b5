/* Listening sockets, made without a launcher. */
#include "permission/broker.h"
#include "permission/listen.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nexus/test.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

NX_TEST("addresses")
{
    char out[NX__LISTEN_ADDRESS_MAX];
    nx_expect_ok(nx__listen_address("0.0.0.0", 80, out));
    nx_expect_eq(out, "0.0.0.0:80");
    nx_expect_ok(nx__listen_address("::1", 80, out));
    nx_expect_eq(out, "[::1]:80");
    nx_expect_ok(nx__listen_address("[::1]", 80, out));
    nx_expect_eq(out, "[::1]:80");
    nx_expect_ok(nx__listen_address("unix:/a", 80, out));
    nx_expect_eq(out, "unix:/a");
}

NX_TEST("tcp")
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "0.0.0.0", "::1", "[::1]"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        nx_subtest ("%s", hosts[i]) {
            int fd, other, on = 0;
            uint16_t port, none;
            nx_err err = nx__listen(hosts[i], 0, 16, 0, NX__LISTEN_ALONE, &fd, &port);
            if (err == NX_EIO && strchr(hosts[i], ':')) nx_skip("no IPv6 here");
            nx_require_ok(err);
            nx_expect(port != 0);
            nx_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
            nx_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
            socklen_t len = sizeof on;
            nx_expect(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len) == 0 && on);
            nx_expect_err(NX_EADDRINUSE,
                          nx__listen(hosts[i], port, 16, 0, NX__LISTEN_ALONE, &other, &none));
            nx_expect(other == -1 && strstr(nx_error_last()->message, "address in use") &&
                      strstr(nx_error_last()->message, "ss -ltnp"));
            nx__broker_unlisten(&(struct nx__listener){fd, -1, -1});
            nx_expect_ok(nx__listen(hosts[i], port, 16, 0, NX__LISTEN_ALONE, &fd, &none));
            nx_expect_eq(none, port);
            nx_expect_eq(close(fd), 0);
        }
}

/* Accepts what is there; how many that were. */
static int accept_all(int fd)
{
    int count = 0;
    for (int got; (got = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0; count++) (void)close(got);
    return count;
}

NX_TEST("several share a port")
{
    enum { SOCKETS = 3, PEERS = 100 };
    struct nx__listeners listeners;
    struct nx__listen_options options = {.host = "127.0.0.1", .backlog = 256, .sockets = SOCKETS};
    nx_expect_ok(nx__broker_listen(&options, &listeners));
    nx_expect_eq(listeners.count, SOCKETS);
    int peers[PEERS], other;
    uint16_t none;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(listeners.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < PEERS; i++) {
        peers[i] = socket(AF_INET, SOCK_STREAM, 0);
        nx_expect_eq(connect(peers[i], (struct sockaddr *)&to, sizeof to), 0);
    }
    int all = 0, most = 0;
    for (unsigned i = 0; i < listeners.count; i++) {
        int on = 0, n = accept_all(listeners.items[i].fd);
        socklen_t len = sizeof on;
        nx_expect(fcntl(listeners.items[i].fd, F_GETFD) & FD_CLOEXEC);
        nx_expect(getsockopt(listeners.items[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, &len) == 0 &&
                  on);
        all += n;
        if (n > most) most = n;
    }
    nx_expect_eq(all, PEERS);
    nx_expect_lt(most, PEERS);
    /* Who does not know of it is still told that the port is taken. */
    nx_expect_err(NX_EADDRINUSE,
                  nx__listen("127.0.0.1", listeners.port, 16, 0, NX__LISTEN_ALONE, &other, &none));
    for (int i = 0; i < PEERS; i++) (void)close(peers[i]);
    for (unsigned i = 0; i < listeners.count; i++) nx__broker_unlisten(&listeners.items[i]);
}

enum { CONNECTIONS = 60 };

/* How many of so many new connections each of the sockets gets. */
static void spread(uint16_t port, const int *fds, int count, int *out)
{
    int peers[CONNECTIONS];
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < CONNECTIONS; i++) {
        peers[i] = socket(AF_INET, SOCK_STREAM, 0);
        nx_expect_eq(connect(peers[i], (struct sockaddr *)&to, sizeof to), 0);
    }
    for (int i = 0; i < count; i++) out[i] = accept_all(fds[i]);
    for (int i = 0; i < CONNECTIONS; i++) (void)close(peers[i]);
}

NX_TEST("nothing new for a socket that is to be closed")
{
    int fds[4], got[4];
    uint16_t port;
    nx_require_ok(nx__listen("127.0.0.1", 0, 256, 0, NX__LISTEN_SHARED, &fds[0], &port));
    for (int i = 1; i < 4; i++) nx_require_ok(nx__listen_beside(fds[0], 256, &fds[i]));
    nx__listen_among(fds[0], (uint32_t[]){0, 2}, 2);
    spread(port, fds, 4, got);
    nx_expect(got[0] && got[2]);
    nx_expect_eq(got[0] + got[2], CONNECTIONS);
    /* The last one takes the place of one that is gone. */
    (void)close(fds[1]);
    fds[1] = fds[3];
    nx__listen_among(fds[0], (uint32_t[]){1}, 1);
    spread(port, fds, 3, got);
    nx_expect_eq(got[1], CONNECTIONS);
    nx__listen_among(fds[0], NULL, 0);
    spread(port, fds, 3, got);
    nx_expect(got[0] && got[1] && got[2]);
    nx_expect_eq(got[0] + got[1] + got[2], CONNECTIONS);
    /* A place where there is nobody is as none. */
    nx__listen_among(fds[0], (uint32_t[]){7}, 1);
    spread(port, fds, 3, got);
    nx_expect_eq(got[0] + got[1] + got[2], CONNECTIONS);
    for (int i = 0; i < 3; i++) (void)close(fds[i]);
}

NX_TEST("a unix socket is one")
{
    struct nx__listeners listeners;
    char host[160];
    (void)snprintf(host, sizeof host, "unix:%s/s", nx_test_dir());
    struct nx__listen_options options = {
        .host = host, .backlog = 16, .unix_mode = 0600, .sockets = 4};
    nx_expect_ok(nx__broker_listen(&options, &listeners));
    nx_expect_eq(listeners.count, 1);
    int another;
    nx_expect_err(NX_ENOTSUP, nx__listen_beside(listeners.items[0].fd, 16, &another));
    nx_expect_eq(another, -1);
    nx__broker_unlisten(&listeners.items[0]);
}

NX_TEST("wrong hosts")
{
    static const char *const hosts[] = {"",     "example.com", "1.2.3",  "127.1", "[127.0.0.1]",
                                        "::1]", "unix:",       "unix:@", "a\033b"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        nx_subtest ("%s", hosts[i]) {
            int fd;
            uint16_t port;
            nx_expect_err(NX_EINVAL, nx__listen(hosts[i], 0, 16, 0, NX__LISTEN_ALONE, &fd, &port));
            nx_expect(strstr(nx_error_last()->message, "cannot listen on") &&
                      !strchr(nx_error_last()->message, '\033'));
        }
    int fd;
    uint16_t port;
    nx_expect_err(NX_EIO, nx__listen("192.0.2.1", 0, 16, 0, NX__LISTEN_ALONE, &fd, &port));
    nx_expect_eq(nx_error_last()->message,
                 "cannot listen on 192.0.2.1:0: no such address on this machine");
}

NX_TEST("unix sockets")
{
    char host[160];
    (void)snprintf(host, sizeof host, "unix:%s/s", nx_test_dir());
    const char *file = host + strlen("unix:");
    int fd, other;
    uint16_t port;
    struct stat st;
    nx_expect_ok(nx__listen(host, 0, 16, 0620, NX__LISTEN_ALONE, &fd, &port));
    nx_expect_eq(port, 0);
    nx_expect(stat(file, &st) == 0 && (st.st_mode & 0777) == 0620);
    nx_expect_err(NX_EADDRINUSE, nx__listen(host, 0, 16, 0600, NX__LISTEN_ALONE, &other, &port));
    /* Left behind by a program that was killed: replaced. */
    nx_expect_eq(close(fd), 0);
    nx_expect_ok(nx__listen(host, 0, 16, 0600, NX__LISTEN_ALONE, &fd, &port));
    nx__broker_unlisten(&(struct nx__listener){fd, -1, -1});
    nx_expect(lstat(file, &st) != 0);
    /* Somebody's file: kept. */
    fd = open(file, O_CREAT | O_WRONLY, 0600);
    nx_expect(fd >= 0 && close(fd) == 0);
    nx_expect_err(NX_EADDRINUSE, nx__listen(host, 0, 16, 0600, NX__LISTEN_ALONE, &fd, &port));
    nx_expect(lstat(file, &st) == 0 && S_ISREG(st.st_mode));
}

NX_TEST("shared addresses")
{
    int first, second, third;
    uint16_t port, same;
    nx_expect_ok(nx__listen("127.0.0.1", 0, 16, 0, NX__LISTEN_SHARED, &first, &port));
    nx_expect_ok(nx__listen("127.0.0.1", port, 16, 0, NX__LISTEN_JOIN, &second, &same));
    nx_expect_eq(same, port);
    /* Not with strangers, who share too. */
    nx_expect_err(NX_EADDRINUSE,
                  nx__listen("127.0.0.1", port, 16, 0, NX__LISTEN_SHARED, &third, &same));
    nx_expect_err(NX_EADDRINUSE,
                  nx__listen("127.0.0.1", port, 16, 0, NX__LISTEN_ALONE, &third, &same));
    (void)close(first);
    (void)close(second);
    /* One that was alone may be joined once it says so. */
    int on = 1;
    nx_expect_ok(nx__listen("127.0.0.1", 0, 16, 0, NX__LISTEN_ALONE, &first, &port));
    nx_expect_err(NX_EADDRINUSE,
                  nx__listen("127.0.0.1", port, 16, 0, NX__LISTEN_JOIN, &second, &same));
    nx_expect_eq(setsockopt(first, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
    nx_expect_ok(nx__listen("127.0.0.1", port, 16, 0, NX__LISTEN_JOIN, &second, &same));
    (void)close(first);
    (void)close(second);
}

NX_TEST("abstract sockets have a name and no file")
{
    char name[64], spelled[NX__LISTEN_ADDRESS_MAX];
    int fd, other;
    uint16_t port = 1;
    (void)snprintf(name, sizeof name, "unix:@nexus-test-%d", (int)getpid());
    nx_require_ok(nx__listen(name, 0, 16, 0600, NX__LISTEN_ALONE, &fd, &port));
    nx_expect_eq(port, 0);
    nx_expect_err(NX_EADDRINUSE, nx__listen(name, 0, 16, 0600, NX__LISTEN_ALONE, &other, &port));
    nx_expect(nx__listen_is_at(fd, name, 0, &port));
    nx_expect(!nx__listen_is_at(fd, "unix:@nexus-test", 0, &port));
    nx_expect(!nx__listen_is_at(fd, name + 6, 0, &port));
    nx_expect_ok(nx__listen_spell(fd, spelled, &port));
    nx_expect_eq(spelled, name);
    nx__broker_unlisten(&(struct nx__listener){fd, -1, -1});
}

NX_TEST("a socket is known by its address")
{
    static const struct {
        const char *host, *asked;
        bool is;
    } rows[] = {
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "localhost", true},
        {"127.0.0.1", "0.0.0.0", false},
        {"0.0.0.0", "127.0.0.1", false},
        {"0.0.0.0", "0.0.0.0", true},
        {"0.0.0.0", "::", false},
        {"::1", "[::1]", true},
        {"::1", "127.0.0.1", false},
        {"::", "::", true},
        {"127.0.0.1", "unix:/x", false},
        {"127.0.0.1", "no host", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s for %s", rows[i].host, rows[i].asked) {
            int fd;
            uint16_t port, found = 0;
            char spelled[NX__LISTEN_ADDRESS_MAX], wanted[NX__LISTEN_ADDRESS_MAX];
            nx_err err = nx__listen(rows[i].host, 0, 16, 0, NX__LISTEN_ALONE, &fd, &port);
            if (err == NX_EIO) nx_skip("no IPv6 here");
            nx_require_ok(err);
            nx_expect_eq(nx__listen_is_at(fd, rows[i].asked, port, &found), rows[i].is);
            if (rows[i].is) nx_expect_eq(found, port);
            nx_expect(!nx__listen_is_at(fd, rows[i].asked, (uint16_t)(port ^ 1), &found));
            nx_expect(!nx__listen_is_at(fd, rows[i].asked, 0, &found));
            nx_expect_ok(nx__listen_spell(fd, spelled, &found));
            nx_expect_ok(nx__listen_address(rows[i].host, port, wanted));
            nx_expect_eq(spelled, wanted);
            (void)close(fd);
        }
    char spelled[NX__LISTEN_ADDRESS_MAX];
    uint16_t port;
    nx_expect_err(NX_EINVAL, nx__listen_spell(-1, spelled, &port));
    int pair[2];
    nx_require_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    nx_expect_err(NX_ENOTSUP, nx__listen_spell(pair[0], spelled, &port));
    (void)close(pair[0]);
    (void)close(pair[1]);
}
