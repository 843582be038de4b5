/* The load of the TLS rows: connections to 127.0.0.1 by TLS 1.3, one after the other.
 *
 *     bench_tls --port P --seconds S [--resume]   a handshake and one request each; with tickets
 *     bench_tls --port P --seconds S --path PATH  one connection that asks for PATH again and again
 *     bench_tls --port P --idle N                 N connections that have asked once and keep
 * still, until the standard input ends
 *
 * Prints JSON: what was done. Certificates are not looked at. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static SSL_CTX *ctx;
static SSL_SESSION *session;
static int port;

static void die(const char *what)
{
    fprintf(stderr, "bench_tls: %s\n", what);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int session_new(SSL *ssl, SSL_SESSION *offered)
{
    (void)ssl;
    SSL_SESSION_free(session);
    session = offered;
    return 1;
}

static SSL *open_one(int *fd)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *fd = socket(AF_INET, SOCK_STREAM, 0);
    if (*fd < 0 || connect(*fd, (struct sockaddr *)&to, sizeof to) != 0) die("cannot connect");
    int on =
        1; /* as browsers and curl do: a question does not wait for a word about the handshake */
    (void)setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL *ssl = SSL_new(ctx);
    if (!ssl) die("out of memory");
    (void)SSL_set_tlsext_host_name(ssl, "localhost");
    if (session) (void)SSL_set_session(ssl, session);
    SSL_set_fd(ssl, *fd);
    if (SSL_connect(ssl) != 1) die("the handshake has failed");
    return ssl;
}

/* By a reset, so that thousands leave no TIME_WAIT behind. */
static void close_one(SSL *ssl, int fd)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    SSL_free(ssl);
    close(fd);
}

/* Asks, and reads the whole answer; returns the length of its body. */
static size_t ask(SSL *ssl, const char *path)
{
    static char data[1 << 16];
    char request[512];
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path),
        n;
    size_t have = 0;
    char *end = NULL;
    if (SSL_write(ssl, request, len) != len) die("cannot ask");
    while (!end) {
        n = SSL_read(ssl, data + have, (int)(4096 - have));
        if (n <= 0) die("closed before the answer");
        have += (size_t)n;
        data[have] = '\0';
        end = strstr(data, "\r\n\r\n");
    }
    if (strncmp(data, "HTTP/1.1 200", 12) != 0) die("it does not answer by 200");
    for (char *c = data; c < end; c++)
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c | 0x20);
    const char *field = strstr(data, "content-length: ");
    if (!field) die("the answer has no content-length");
    size_t length = strtoull(field + 16, NULL, 10), got = have - (size_t)(end + 4 - data);
    while (got < length) {
        n = SSL_read(ssl, data, sizeof data);
        if (n <= 0) die("closed in the middle of the answer");
        got += (size_t)n;
    }
    return length;
}

static void idle(int count)
{
    SSL **all = calloc((size_t)count, sizeof(SSL *));
    int fd, closed = 0;
    char c;
    if (!all) die("out of memory");
    for (int i = 0; i < count; i++) {
        all[i] = open_one(&fd);
        (void)ask(all[i], "/");
    }
    printf("{\"open\":%d}\n", count);
    fflush(stdout);
    while (read(0, &c, 1) > 0) {}
    for (int i = 0; i < count; i++)
        closed += recv(SSL_get_fd(all[i]), &c, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
    printf("{\"closed\":%d}\n", closed);
}

int main(int argc, char **argv)
{
    double seconds = 1;
    int resume = 0, hold = 0, fd;
    const char *path = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--resume") == 0)
            resume = 1;
        else if (i + 1 == argc)
            die("an option lacks its value");
        else if (strcmp(argv[i], "--port") == 0)
            port = atoi(argv[++i]);
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = atof(argv[++i]);
        else if (strcmp(argv[i], "--path") == 0)
            path = argv[++i];
        else if (strcmp(argv[i], "--idle") == 0)
            hold = atoi(argv[++i]);
        else
            die("there is no such option");
    }
    CRYPTO_library_init();
    ctx = SSL_CTX_new(TLS_method());
    if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
        !SSL_CTX_set1_groups_list(ctx, "X25519")) /* which all servers have */
        die("out of memory");
    if (hold) {
        idle(hold);
        return 0;
    }
    if (resume) {
        (void)SSL_CTX_set_session_cache_mode(ctx,
                                             SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, session_new);
    }
    unsigned long count = 0, resumed = 0;
    double bytes = 0, begun = now(), until = begun + seconds;
    SSL *ssl = path ? open_one(&fd) : NULL;
    while (now() < until) {
        if (!path) ssl = open_one(&fd);
        bytes += (double)ask(ssl, path ? path : "/");
        resumed += (unsigned long)SSL_session_reused(ssl);
        count++;
        if (!path) close_one(ssl, fd);
    }
    double took = now() - begun;
    printf("{\"requests\":%lu,\"resumed\":%lu,\"bytes\":%.0f,\"rate\":%.1f}\n", count, resumed,
           bytes, (double)count / took);
    return 0;
}
