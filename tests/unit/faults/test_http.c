/* A server some of whose allocations and system calls fail: connections fail, the server goes on.
 */
#include "faults.h"

#include "loop/loop.h"
#include "loop/uring.h"
#include <arpa/inet.h>
#include <errno.h>
#include <nexus/fiber.h>
#include <nexus/fs.h>
#include <nexus/http.h>
#include <nexus/static.h>
#include <nexus/test.h>
#include <nexus/text.h>
#include <nexus/timer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE = 20, ANSWERS = 4 };

static nx_http_server *server;

/* ---- The server */

static nx_err get_json(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("a", nx_arr(1, "two")));
}

static nx_err post_body(nx_request *req, nx_response *res)
{
    nx_bytes body;
    NX_TRY(nx_request_body(req, &body));
    return nx_response_send_bytes(res, body);
}

static nx_err get_pieces(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_write(res, nx_str("piece ")));
    NX_TRY(nx_response_write(res, nx_str("by piece")));
    return nx_response_end(res);
}

static nx_err serve(void *arg)
{
    return nx_http_listen(arg);
}

static void begin(void)
{
    nx_fiber *fiber;
    nx__uring_refused = true; /* so that functions are called */
    nx_require_ok(nx_fs_write_file(nx_format("%s/file.txt", nx_test_dir()), nx_str("of a file")));
    server = nx_http_server_new(.host = "127.0.0.1", .port = NX_HTTP_ANY_PORT);
    nx_http_get(server, "/json", get_json);
    nx_http_post(server, "/body", post_body);
    nx_http_get(server, "/pieces", get_pieces);
    nx_http_static(server, "/files", nx_test_dir());
    nx_require_ok(nx_spawn(&fiber, serve, server));
    while (!nx_http_port(server)) nx_require_ok(nx_sleep(NX_MS(1)));
}

static void end(void)
{
    nx_http_stop(server);
    nx_http_stats stats = {.size = sizeof stats};
    do {
        nx_require_ok(nx_sleep(NX_MS(1)));
        nx_http_stats_get(server, &stats);
    } while (stats.connections);
}

/* ---- The client */

static const char requests[] =
    "GET /json HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\n\r\n"
    "POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    "5\r\nhello\r\n0\r\n\r\n"
    "GET /pieces HTTP/1.1\r\nhost: a\r\n\r\n"
    "GET /files/file.txt HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

static unsigned count(nx_bytes text, const char *part)
{
    unsigned n = 0;
    nx_bytes rest = text, piece;
    while (nx_text_split(&rest, nx_str(part), &piece)) n++;
    return n ? n - 1 : 0;
}

/* All that comes back; an error where that is not four good answers. */
static nx_err ask_over(nx_stream *connection)
{
    nx_bytes answer;
    NX_TRY(nx_stream_write(connection, nx_str(requests)));
    NX_TRY(nx_stream_read_all(connection, 1 << 16, &answer));
    if (count(answer, "HTTP/1.1 200 OK\r\n") == ANSWERS &&
        nx_text_contains(answer, nx_str("of a file")))
        return NX_OK;
    return nx_fail(NX_ECLOSED, "not all were answered");
}

/* What has failed is the client's, or the server's, or nobody's; in the end no connection is left.
 */
static nx_err ask(void)
{
    nx_http_stats stats = {.size = sizeof stats};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(nx_http_port(server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return nx_fail(NX_EFAILED, "no socket");
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        (void)close(fd);
        return nx_fail(NX_EFAILED, "no connection");
    }
    nx_stream *connection = nx_fd_duplex(fd);
    nx_err err = ask_over(connection);
    nx_stream_close(connection);
    do {
        if (nx_sleep(NX_US(100))) NX_IGNORE(nx_yield()); /* which needs no memory */
        nx_http_stats_get(server, &stats);
    } while (stats.connections);
    return err ? nx_fail(err == NX_ENOMEM ? err : NX_ECLOSED, "a connection that failed") : NX_OK;
}

/* The next timer needs memory. */
static void no_room_for_timers(void)
{
    struct nx__timers *timers = &nx__loop()->timers;
    timers->capacity = timers->count + timers->kept;
}

/* Nothing fails here, so that it is served as ever. */
static void ask_again(const struct faults_scenario *scenario, nx_err err, const char *failed)
{
    (void)scenario, (void)err, (void)failed;
    nx_expect_ok(ask());
}

static const struct faults_scenario asking = {.name = "requests",
                                              .run = ask,
                                              .before = no_room_for_timers,
                                              .after = ask_again,
                                              .instead = NX_ECLOSED};

NX_TEST("one allocation fails", .deadline = NX_S(60))
{
    begin();
    faults_run(FAULTS_MEMORY, &asking, 1);
    end();
}

NX_TEST("memory runs out", .deadline = NX_S(60))
{
    begin();
    faults_run(FAULTS_NO_MEMORY, &asking, 1);
    end();
}

NX_TEST("system calls fail", .deadline = NX_S(60))
{
    static const int all[] = {EIO, EINTR, EMFILE, ECONNRESET};
    begin();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) faults_run(all[i], &asking, 1);
    end();
}
