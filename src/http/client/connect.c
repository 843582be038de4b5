/* A new connection: to the host, or through a proxy. */
#include "http/client/answer.h"
#include "http/client/pool.h"

#include "base/clock.h"
#include "net/dial.h"
#include "permission/connect.h"
#include <stdio.h>

static nx_duration span_until(nx_duration deadline)
{
    if (deadline == NX_FOREVER) return NX_FOREVER;
    nx_duration left = deadline - nx__clock_monotonic();
    return left > 0 ? left : 1;
}

/* Who asks a proxy for a host talks to that host: it takes a grant as without one. */
static nx_err permit(const struct nx__way *way)
{
    char peer[NX__PEER_MAX];
    bool v6 = memchr(way->host.data, ':', way->host.len) != NULL;
    int n = snprintf(peer, sizeof peer, v6 ? "[%.*s]:%u" : "%.*s:%u", NX_FMT(way->host), way->port);
    if (n >= (int)sizeof peer) return nx__error_set(NX_EINVAL, "the name of the host is too long");
    return nx__permit_connect(peer);
}

static nx_err dial(int *fd, const struct nx__way *way, nx_duration deadline)
{
    nx_duration span = span_until(deadline);
    if (way->unix_path.len) return nx__dial_unix(fd, way->unix_path, SOCK_STREAM, span);
    if (!way->proxy_host.len) return nx__dial(fd, way->host, way->port, span);
    NX_TRY(permit(way));
    return nx__dial(fd, way->proxy_host, way->proxy_port, span);
}

/* ---- Through a proxy (RFC 9110 9.3.6) */

enum { CONNECT_HEAD_MOST = 8192, CONNECT_FIELDS = 64 };

static void place_spell(const struct nx__way *way, char out[NX__PEER_MAX])
{
    bool v6 = memchr(way->host.data, ':', way->host.len) != NULL;
    (void)snprintf(out, NX__PEER_MAX, v6 ? "[%.*s]:%u" : "%.*s:%u", NX_FMT(way->host), way->port);
}

static nx_err refused(const struct nx__way *way, nx_err err, const char *why)
{
    return nx__error_set(err, "the proxy \"%.*s:%u\" does not connect: %s", NX_FMT(way->proxy_host),
                         way->proxy_port, why);
}

static nx_err connect_ask(struct nx__wire *wire, const struct nx__way *way, const char *place,
                          nx_duration deadline)
{
    const char *text =
        way->proxy_authorization.len
            ? nx_format("CONNECT %s HTTP/1.1\r\nhost: %s\r\nproxy-authorization: %.*s\r\n\r\n",
                        place, place, NX_FMT(way->proxy_authorization))
            : nx_format("CONNECT %s HTTP/1.1\r\nhost: %s\r\n\r\n", place, place);
    if (!text) return nx__error_set(NX_ENOMEM, "cannot make a connection: out of memory");
    return wire->type->write(wire, nx_str(text), deadline);
}

static nx_err connect_hear(struct nx__wire *wire, const struct nx__way *way, nx_duration deadline)
{
    const struct nx__h1_limits limits = {.max_headers = CONNECT_FIELDS,
                                         .max_head = CONNECT_HEAD_MOST};
    struct nx__h1_header headers[CONNECT_FIELDS];
    struct nx__answer_head head;
    size_t len = 0, resume = 0, got;
    char *text = nx_alloc(CONNECT_HEAD_MOST);
    if (!text) return nx__error_set(NX_ENOMEM, "cannot make a connection: out of memory");
    for (;;) {
        enum nx__h1_status status =
            len > resume ? nx__answer_parse(text, len, resume, &limits, headers, &head)
                         : NX__H1_PARTIAL;
        resume = len;
        if (status == NX__H1_PARTIAL) {
            NX_TRY(wire->type->read(wire, text + len, CONNECT_HEAD_MOST - len, &got, deadline));
            if (!got) return refused(way, NX_ERESET, "it has closed the connection");
            len += got;
            continue;
        }
        if (status == NX__H1_ERROR) return refused(way, NX_EPROTO, head.reason);
        if (head.status >= 200) break;
        len -= head.head_len;
        memmove(text, text + head.head_len, len);
        resume = 0;
    }
    if (head.status > 299)
        return refused(way, head.status == 407 || head.status == 403 ? NX_EACCES : NX_EREFUSED,
                       nx_format("its answer is %d", head.status));
    if (len != head.head_len) return refused(way, NX_EPROTO, "it says more than that it does");
    return NX_OK;
}

/* ---- TLS */

enum { NAME = 256 };

static void name_spell(const struct nx__way *way, char out[NAME])
{
    nx_bytes proves = way->tls_name.len ? way->tls_name : way->host;
    /* "example.com." is the same host, and no certificate has the dot. */
    if (proves.len && proves.data[proves.len - 1] == '.') proves.len--;
    (void)snprintf(out, NAME, "%.*s", NX_FMT(proves));
}

/* What is offered by ALPN, the best first. */
static const char *offers(nx_http_version version)
{
    return version == NX_HTTP_1 ? "http/1.1" : version == NX_HTTP_2 ? "h2" : "h2,http/1.1";
}

static nx_err tls_begin(struct nx__wire **wire, const struct nx__way *way, nx_duration deadline)
{
    char name[NAME], place[NX__PEER_MAX];
    nx_tls_connect_options o = *way->tls;
    name_spell(way, name);
    place_spell(way, place);
    o.protocols = offers(way->version);
    nx_err err = nx__wire_tls(wire, *wire, name, place, &o, deadline);
    if (!err) return NX_OK;
    struct nx__context *context = nx__context();
    int system = context->error.system;
    char why[NX__ERROR_MESSAGE_MAX];
    (void)snprintf(why, sizeof why, "%s", nx__error_last()->message);
    NX_IGNORE(nx__error_set(err, "cannot connect to \"%s\": %s", place, why));
    context->error.system = system;
    return err;
}

/* Through a proxy, asks for the host; over TLS, greets it. */
static nx_err wire_prepare(struct nx__wire **wire, const struct nx__way *way, nx_duration deadline)
{
    if (nx__way_tunnels(way)) {
        char place[NX__PEER_MAX];
        place_spell(way, place);
        nx_err err = connect_ask(*wire, way, place, deadline);
        if (!err) err = connect_hear(*wire, way, deadline);
        if (err) {
            (*wire)->type->close(*wire);
            return err;
        }
    }
    return way->tls ? tls_begin(wire, way, deadline) : NX_OK;
}

bool nx__way_tunnels(const struct nx__way *way)
{
    return way->proxy_host.len && (way->tls || way->version == NX_HTTP_2);
}

nx_err nx__client_connect(struct nx__client_conn **out, const struct nx__way *way,
                          nx_duration deadline)
{
    int fd;
    struct nx__wire *wire;
    *out = NULL;
    if (way->h3_port) {
        char name[NAME];
        name_spell(way, name);
        return nx__client_h3(out, way, name, deadline);
    }
    NX_TRY(dial(&fd, way, deadline));
    NX_TRY(nx__wire_socket(&wire, fd));
    NX_TRY(wire_prepare(&wire, way, deadline));
    bool agreed = way->tls && nx_bytes_is(nx__wire_tls_protocol(wire), "h2");
    if (agreed || (way->version == NX_HTTP_2 && !way->tls)) return nx__client_h2(out, wire);
    if (way->version != NX_HTTP_2) return nx__client_h1(out, wire);
    char place[NX__PEER_MAX];
    place_spell(way, place);
    wire->type->close(wire);
    return nx__error_set(NX_EPROTO, "cannot connect to \"%s\": it does not speak HTTP/2 (ALPN)",
                         place);
}
