/* Exchanges with upstreams, and the one that asks how they are. */
#include "http/proxy/proxy.h"

#include "http/h1/parser.h"

enum { MAX_HEADERS = NX_HTTP_MAX_RESPONSE_HEADERS };

nx_err nx__upstream_take(const struct nx__proxying *of, const struct nx__upstream *u,
                         struct nx__exchange *x, nx_duration deadline, bool alone, bool fresh,
                         bool *reused)
{
    const nx_proxy_options *o = &of->o;
    const struct nx__way way = {.tls = u->tls ? &of->tls : NULL,
                                .trust = of->trust,
                                .tls_name = nx_str(of->tls_name),
                                .version = alone ? NX_HTTP_1 : o->version,
                                .h3_port = !alone && o->version == NX_HTTP_3 ? u->port : 0,
                                .host = nx_str(u->host),
                                .port = u->port,
                                .unix_path = nx_str(u->unix_path)};
    struct nx__client_conn *conn;
    nx_client *client = nx__client_proxying();
    x->conn = NULL;
    if (!client) return NX_ENOMEM;
    NX_TRY(nx__client_pool_take(&client->pool, &conn, &way, fresh, o->connect_deadline, deadline,
                                reused));
    memset(x, 0, conn->driver->exchange_size);
    *x = (struct nx__exchange){.conn = conn,
                               .arena = nx__scope_arena(),
                               .deadline = deadline,
                               .head_deadline = o->head_deadline,
                               .idle_deadline = o->idle_deadline,
                               .max_head = NX__H1_MAX_HEAD,
                               .max_headers = MAX_HEADERS};
    return NX_OK;
}

void nx__upstream_let(struct nx__exchange *x)
{
    struct nx__client_conn *conn = x->conn;
    nx_client *client = nx__client_proxying();
    if (!conn || !client) return;
    conn->driver->end(x);
    x->conn = NULL;
    nx__client_pool_give(&client->pool, conn);
}

nx_err nx__upstream_probe(const struct nx__proxying *of, const struct nx__upstream *u, bool fresh,
                          bool *reused)
{
    static const struct nx__field fields[] = {{{"accept", 6}, {"*/*", 3}, false}};
    struct nx__exchange *x = nx_alloc(NX__EXCHANGE_MOST);
    const char *target = nx_format("%s%s", u->base, of->health_path);
    struct nx__answer answer = {0};
    if (!x || !target) return NX_ENOMEM;
    const struct nx__ask ask = {.method = nx_str("GET"),
                                .scheme = nx_str(u->tls ? "https" : "http"),
                                .authority = nx_str(u->authority),
                                .target = nx_str(target),
                                .fields = fields,
                                .field_count = sizeof fields / sizeof *fields,
                                .length = NX__LENGTH_NONE};
    nx_err err =
        nx__upstream_take(of, u, x, nx__deadline(of->o.health_deadline), false, fresh, reused);
    if (!err) err = x->conn->driver->begin(x, &ask);
    if (!err) err = x->conn->driver->head(x, &answer);
    struct nx__context kept;
    memcpy(&kept, nx__context(), sizeof kept);
    nx__upstream_let(x);
    if (err) return nx__error_take(&kept, err);
    if (answer.status < 400) return NX_OK;
    return nx__error_set(NX_EFAILED, "%s answers %d", target, answer.status);
}
