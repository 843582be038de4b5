/* HTTP/2 sessions of a server: the input is what a peer sends behind the preface, in pieces of some
 * length. Requests are answered by a handler that reads all of their bodies; what is answered is
 * taken, and the connection is gone in the end. */
#include "http/attach.h"
#include "http/h2/h2.h"
#include "http/workers.h"
#include "session.h"
#include <errno.h>
#include <nexus/timer.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INPUT_MOST = 16384, TURNS_MOST = 10000 };

static nx_err hello(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("hello", "you"));
}

static void begin(void)
{
    nx__limits.watchdog = NX_FOREVER; /* who fuzzes blocks it */
    check(nx__loop_init(&loop, NULL) == NX_OK);
    server = nx_http_server_new(.max_body = 4096, .pages = NX_HTTP_PAGES_TEXT);
    check(server != NULL);
    nx_http_get(server, "/", hello);
    nx_http_route(server, "*", "/*path", echo);
}

/* Takes what there is; false at the end. */
static bool drop(int fd)
{
    char bytes[4096];
    ssize_t n;
    do n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    while (n > 0);
    return n != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];
    if (!server) begin();
    if (size < 1 || size > INPUT_MOST) return 0;
    size_t piece = data[0] ? data[0] * 8u : INPUT_MOST;
    data++;
    size--;
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    check(nx__http_attach(server, ends[0]) == NX_OK);
    check(send(ends[1], NX__H2_PREFACE, NX__H2_PREFACE_LEN, MSG_NOSIGNAL) == NX__H2_PREFACE_LEN);
    for (size_t at = 0; at < size;) {
        size_t len = size - at < piece ? size - at : piece;
        ssize_t n = send(ends[1], data + at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN) break; /* it has been refused */
        if (n > 0) at += (size_t)n;
        check(nx_sleep(1) == NX_OK); /* a turn of the loop */
        (void)drop(ends[1]);
    }
    (void)shutdown(ends[1], SHUT_WR);
    for (int turns = 0; server->stats.connections; turns++) {
        check(turns < TURNS_MOST);
        check(nx_sleep(1) == NX_OK); /* a turn of the loop */
        (void)drop(ends[1]);
    }
    (void)close(ends[1]);
    return 0;
}
