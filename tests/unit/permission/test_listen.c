/* Listening sockets, made without a launcher. */
#include "permission/broker.h"
#include "permission/listen.h"
#include "test.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

NX_TEST(addresses)
{
    char out[NX__LISTEN_ADDRESS_MAX];
    EXPECT_EQ(nx__listen_address("0.0.0.0", 80, out), NX_OK);
    EXPECT_STR(out, "0.0.0.0:80");
    EXPECT_EQ(nx__listen_address("::1", 80, out), NX_OK);
    EXPECT_STR(out, "[::1]:80");
    EXPECT_EQ(nx__listen_address("[::1]", 80, out), NX_OK);
    EXPECT_STR(out, "[::1]:80");
    EXPECT_EQ(nx__listen_address("unix:/a", 80, out), NX_OK);
    EXPECT_STR(out, "unix:/a");
}

NX_TEST(tcp)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "0.0.0.0", "::1", "[::1]"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        int fd, other, on = 0;
        uint16_t port, none;
        nx_err err = nx__listen(hosts[i], 0, 16, 0, NX__LISTEN_ALONE, &fd, &port);
        if (err == NX_EIO && strchr(hosts[i], ':')) continue; /* no IPv6 here */
        EXPECT_EQ(err, NX_OK);
        if (err) continue;
        EXPECT(port != 0);
        EXPECT(fcntl(fd, F_GETFL) & O_NONBLOCK);
        EXPECT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        socklen_t len = sizeof on;
        EXPECT(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len) == 0 && on);
        EXPECT_EQ(nx__listen(hosts[i], port, 16, 0, NX__LISTEN_ALONE, &other, &none),
                  NX_EADDRINUSE);
        EXPECT(other == -1 && strstr(nx_error_last()->message, "address in use") &&
               strstr(nx_error_last()->message, "ss -ltnp"));
        nx__broker_unlisten(&(struct nx__listener){fd, -1, -1});
        EXPECT_EQ(nx__listen(hosts[i], port, 16, 0, NX__LISTEN_ALONE, &fd, &none), NX_OK);
        EXPECT_EQ(none, port);
        EXPECT(close(fd) == 0);
    }
}

/* Accepts what is there; how many that were. */
static int accept_all(int fd)
{
    int count = 0;
    for (int got; (got = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0; count++) (void)close(got);
    return count;
}

NX_TEST(several_share_a_port)
{
    enum { SOCKETS = 3, PEERS = 100 };
    struct nx__listeners listeners;
    struct nx__listen_options options = {.host = "127.0.0.1", .backlog = 256, .sockets = SOCKETS};
    EXPECT_EQ(nx__broker_listen(&options, &listeners), NX_OK);
    EXPECT_EQ(listeners.count, SOCKETS);
    int peers[PEERS], other;
    uint16_t none;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(listeners.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < PEERS; i++) {
        peers[i] = socket(AF_INET, SOCK_STREAM, 0);
        EXPECT(connect(peers[i], (struct sockaddr *)&to, sizeof to) == 0);
    }
    int all = 0, most = 0;
    for (unsigned i = 0; i < listeners.count; i++) {
        int on = 0, n = accept_all(listeners.items[i].fd);
        socklen_t len = sizeof on;
        EXPECT(fcntl(listeners.items[i].fd, F_GETFD) & FD_CLOEXEC);
        EXPECT(getsockopt(listeners.items[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, &len) == 0 && on);
        all += n;
        if (n > most) most = n;
    }
    EXPECT_EQ(all, PEERS);
    EXPECT(most < PEERS);
    /* Who does not know of it is still told that the port is taken. */
    EXPECT_EQ(nx__listen("127.0.0.1", listeners.port, 16, 0, NX__LISTEN_ALONE, &other, &none),
              NX_EADDRINUSE);
    for (int i = 0; i < PEERS; i++) (void)close(peers[i]);
    for (unsigned i = 0; i < listeners.count; i++) nx__broker_unlisten(&listeners.items[i]);
}

NX_TEST(a_unix_socket_is_one)
{
    struct nx__listeners listeners;
    char host[64];
    (void)snprintf(host, sizeof host, "unix:/tmp/nexus-beside-%d.sock", (int)getpid());
    struct nx__listen_options options = {
        .host = host, .backlog = 16, .unix_mode = 0600, .sockets = 4};
    EXPECT_EQ(nx__broker_listen(&options, &listeners), NX_OK);
    EXPECT_EQ(listeners.count, 1);
    int another;
    EXPECT_EQ(nx__listen_beside(listeners.items[0].fd, 16, &another), NX_ENOTSUP);
    EXPECT_EQ(another, -1);
    nx__broker_unlisten(&listeners.items[0]);
}

NX_TEST(wrong_hosts)
{
    static const char *const hosts[] = {"",      "example.com",    "1.2.3",
                                        "127.1", "[127.0.0.1]",    "::1]",
                                        "unix:", "unix:@abstract", "a\033b"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        int fd;
        uint16_t port;
        EXPECT_EQ(nx__listen(hosts[i], 0, 16, 0, NX__LISTEN_ALONE, &fd, &port), NX_EINVAL);
        EXPECT(strstr(nx_error_last()->message, "cannot listen on") &&
               !strchr(nx_error_last()->message, '\033'));
    }
    int fd;
    uint16_t port;
    EXPECT_EQ(nx__listen("192.0.2.1", 0, 16, 0, NX__LISTEN_ALONE, &fd, &port), NX_EIO);
    EXPECT_STR(nx_error_last()->message,
               "cannot listen on 192.0.2.1:0: no such address on this machine");
}

NX_TEST(unix_sockets)
{
    char dir[] = "/tmp/nexus-listen-XXXXXX", host[64], file[64];
    EXPECT(mkdtemp(dir) != NULL);
    (void)snprintf(host, sizeof host, "unix:%s/s", dir);
    (void)snprintf(file, sizeof file, "%s/s", dir);
    int fd, other;
    uint16_t port;
    struct stat st;
    EXPECT_EQ(nx__listen(host, 0, 16, 0620, NX__LISTEN_ALONE, &fd, &port), NX_OK);
    EXPECT_EQ(port, 0);
    EXPECT(stat(file, &st) == 0 && (st.st_mode & 0777) == 0620);
    EXPECT_EQ(nx__listen(host, 0, 16, 0600, NX__LISTEN_ALONE, &other, &port), NX_EADDRINUSE);
    /* Left behind by a program that was killed: replaced. */
    EXPECT(close(fd) == 0);
    EXPECT_EQ(nx__listen(host, 0, 16, 0600, NX__LISTEN_ALONE, &fd, &port), NX_OK);
    nx__broker_unlisten(&(struct nx__listener){fd, -1, -1});
    EXPECT(lstat(file, &st) != 0);
    /* Somebody's file: kept. */
    fd = open(file, O_CREAT | O_WRONLY, 0600);
    EXPECT(fd >= 0 && close(fd) == 0);
    EXPECT_EQ(nx__listen(host, 0, 16, 0600, NX__LISTEN_ALONE, &fd, &port), NX_EADDRINUSE);
    EXPECT(lstat(file, &st) == 0 && S_ISREG(st.st_mode));
    EXPECT(unlink(file) == 0 && rmdir(dir) == 0);
}

NX_TEST(shared_addresses)
{
    int first, second, third;
    uint16_t port, same;
    EXPECT_EQ(nx__listen("127.0.0.1", 0, 16, 0, NX__LISTEN_SHARED, &first, &port), NX_OK);
    EXPECT_EQ(nx__listen("127.0.0.1", port, 16, 0, NX__LISTEN_JOIN, &second, &same), NX_OK);
    EXPECT_EQ(same, port);
    /* Not with strangers, who share too. */
    EXPECT_EQ(nx__listen("127.0.0.1", port, 16, 0, NX__LISTEN_SHARED, &third, &same),
              NX_EADDRINUSE);
    EXPECT_EQ(nx__listen("127.0.0.1", port, 16, 0, NX__LISTEN_ALONE, &third, &same), NX_EADDRINUSE);
    (void)close(first);
    (void)close(second);
    /* One that was alone may be joined once it says so. */
    int on = 1;
    EXPECT_EQ(nx__listen("127.0.0.1", 0, 16, 0, NX__LISTEN_ALONE, &first, &port), NX_OK);
    EXPECT_EQ(nx__listen("127.0.0.1", port, 16, 0, NX__LISTEN_JOIN, &second, &same), NX_EADDRINUSE);
    EXPECT(setsockopt(first, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
    EXPECT_EQ(nx__listen("127.0.0.1", port, 16, 0, NX__LISTEN_JOIN, &second, &same), NX_OK);
    (void)close(first);
    (void)close(second);
}
