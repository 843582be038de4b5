/* HTTP connections to one server, for the load generator. */
#define _GNU_SOURCE
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t client_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

_Noreturn void client_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("bench_load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void client_init(client *c, uint16_t port, const char *path, const char *body, size_t body_len,
                 uint32_t depth, const char *expected)
{
    memset(c, 0, sizeof *c);
    c->port = port;
    c->expected = expected;
    c->expected_len = expected ? strlen(expected) : 0;
    char about[96] = "";
    if (body)
        snprintf(about, sizeof about, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                 body_len);
    int len =
        snprintf(c->request, sizeof c->request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\n",
                 body ? "POST" : "GET", path, port, about);
    if (len < 0 || (size_t)len + body_len > sizeof c->request / depth)
        client_die("%u requests are more than %d bytes", depth, CLIENT_MAX_SENT);
    if (body) memcpy(c->request + len, body, body_len);
    c->request_len = (size_t)len + body_len;
    for (size_t i = 1; i < CLIENT_MAX_DEPTH && (i + 1) * c->request_len <= sizeof c->request; i++)
        memcpy(c->request + i * c->request_len, c->request, c->request_len);
}

bool client_open(const client *c, connection *con)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(c->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    con->waiting = 0;
    con->rest_len = 0;
    con->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (con->fd < 0) return false;
    int on = 1;
    setsockopt(con->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(con->fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        fcntl(con->fd, F_SETFL, O_NONBLOCK) == 0)
        return true;
    int error = errno;
    close(con->fd);
    con->fd = -1;
    errno = error;
    return false;
}

void client_close(connection *con)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    if (con->fd < 0) return;
    setsockopt(con->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(con->fd);
    con->fd = -1;
    free(con->rest);
    con->rest = NULL;
    con->rest_len = 0;
}

bool client_ask(const client *c, connection *con, uint32_t count)
{
    ssize_t len = (ssize_t)(c->request_len * count);
    if (send(con->fd, c->request, (size_t)len, MSG_NOSIGNAL) != len) return false;
    con->waiting += count;
    return true;
}

/* Finds the value of a header field in head[0..len); NULL if it is not there. */
static const char *field(const char *head, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    const char *stop = head + len;
    for (const char *line = head; (line = memchr(line, '\n', (size_t)(stop - line)));) {
        line++;
        if ((size_t)(stop - line) <= name_len) return NULL;
        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':')
            return line + name_len + 1;
    }
    return NULL;
}

/* Checks the answer at data[0..len) the long way and remembers it. Returns its length, 0 if there
 * is more to come. */
static size_t parse(client *c, const char *data, size_t len)
{
    const char *end = memmem(data, len, "\r\n\r\n", 4);
    if (!end) {
        if (len >= CLIENT_MAX_ANSWER)
            client_die("the head of an answer does not end: %.200s", data);
        return 0;
    }
    size_t head_len = (size_t)(end - data) + 4;
    if (head_len < 16 || memcmp(data, "HTTP/1.1 ", 9) != 0)
        client_die("this is no answer of HTTP/1.1: %.*s", (int)(len < 200 ? len : 200), data);
    const char *length = field(data, head_len, "content-length");
    if (!length) client_die("an answer without content-length: %.*s", (int)head_len, data);
    unsigned long body_len = strtoul(length, NULL, 10);
    if (body_len > CLIENT_MAX_ANSWER - head_len)
        client_die("an answer of more than %d bytes", CLIENT_MAX_ANSWER);
    if (len - head_len < body_len) return 0;

    bool right = memcmp(data + 9, "200 ", 4) == 0;
    if (right && c->expected)
        right = body_len == c->expected_len && memcmp(data + head_len, c->expected, body_len) == 0;
    if (right) {
        c->known_len = head_len + body_len;
        memcpy(c->known, data, c->known_len);
    } else {
        c->wrong++;
    }
    return head_len + body_len;
}

int client_read(client *c, connection *con)
{
    static char buffer[CLIENT_MAX_ANSWER + 262144];
    size_t have = con->rest_len;
    if (have > 0) memcpy(buffer, con->rest, have);
    ssize_t got = recv(con->fd, buffer + have, sizeof buffer - CLIENT_MAX_ANSWER, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (got <= 0) return -1;
    have += (size_t)got;

    int answers = 0;
    const char *p = buffer;
    while (have > 0) {
        size_t len = c->known_len;
        if (len == 0 || have < len || memcmp(p, c->known, len) != 0) len = parse(c, p, have);
        if (len == 0) break;
        p += len;
        have -= len;
        answers++;
    }
    if (answers > (int)con->waiting) client_die("%d answers to %u requests", answers, con->waiting);
    con->waiting -= (uint32_t)answers;
    if (have > 0) {
        if (!con->rest) con->rest = malloc(CLIENT_MAX_ANSWER);
        if (!con->rest || have > CLIENT_MAX_ANSWER) client_die("out of memory");
        memcpy(con->rest, p, have);
    }
    con->rest_len = have;
    return answers;
}
