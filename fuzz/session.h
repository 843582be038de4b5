/* What fuzzers of sessions share, whose inputs are served by fibers: a server, and a handler that
 * sends back what it gets. */
#include "http/server.h"
#include <stdlib.h>

/* What ended fibers keep for the next request is reached from their stacks alone, where
 * LeakSanitizer does not look. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static void check(bool good)
{
    if (!good) abort();
}

static struct nx_loop loop;
static nx_http_server *server;

static nx_err echo(nx_request *req, nx_response *res)
{
    nx_bytes chunk;
    do {
        NX_TRY(nx_request_read(req, &chunk));
        NX_TRY(nx_response_write(res, chunk));
    } while (chunk.len);
    nx_bytes trailer = nx_request_trailer(req, "x");
    if (trailer.len) nx_response_trailer(res, "x", "y");
    return NX_OK;
}
