/* The server's side of TLS: whatever a client sends, in whatever pieces, the handshake ends, and
 * PEM is read or refused. The first byte of the input says which. */
#include "base/buffer.h"
#include "memory.h"
#include "tls/context.h"
#include "tls/identity.h"
#include "tls/issue.h"
#include <nexus/tls.h>
#include <sys/socket.h>
#include <unistd.h>

static nx_tls_server *server;

static void begin(void)
{
    static const char *const names[] = {"localhost", "*.example.com"};
    struct nx__buffer cert, key;
    check(nx__tls_issue(
              &(struct nx__tls_issue){.common = "localhost", .names = names, .count = 2, .days = 2},
              &cert, &key) == NX_OK);
    check(nx_tls_server_new(&server, .cert = cert.data, .key = key.data, .protocols = "h2,http/1.1",
                            .keep = true) == NX_OK);
    nx__buffer_free(&cert);
    nx__buffer_free(&key);
}

/* In two pieces, of which the first is as long as the input says. */
static void hello(nx_bytes input)
{
    int ends[2];
    struct nx__buffer out = {0};
    char plain[256];
    if (input.len < 1) return;
    size_t first = (unsigned char)*input.data * 4u;
    input = nx_slice(input.data + 1, input.len - 1);
    if (first > input.len) first = input.len;
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    struct nx__tls *tls = nx__tls_server_begin(server, ends[0]);
    check(tls != NULL);
    check(write(ends[1], input.data, first) == (ssize_t)first);
    long n = nx__tls_handshake(tls, &out);
    if (n == -EAGAIN) {
        ssize_t more = (ssize_t)(input.len - first);
        check(write(ends[1], input.data + first, input.len - first) == more);
        check(shutdown(ends[1], SHUT_WR) == 0);
        nx__buffer_free(&out);
        n = nx__tls_handshake(tls, &out);
        check(n != -EAGAIN);
    }
    check(n < 0); /* nobody finishes a handshake by chance */
    check(nx__tls_why(tls) != NULL);
    check(nx__tls_recv(tls, plain, sizeof plain) <= 0);
    nx__tls_free(tls);
    nx__buffer_free(&out);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void pem(nx_bytes input)
{
    struct nx__tls_identity identity;
    char *text = nx_format("-----BEGIN %.*s", NX_FMT(input));
    if (text && !nx__tls_identity_read(&identity, text, NULL)) nx__tls_identity_free(&identity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memory_begin();
    if (!server) begin();
    if (size && size < 16384) (data[0] & 1 ? pem : hello)(nx_slice(data + 1, size - 1));
    memory_end();
    return 0;
}
