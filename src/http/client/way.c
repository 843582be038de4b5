/* Where a request goes: to the host or through a proxy, over TCP or by HTTP/3. */
#include "http/client/client.h"

#include "base/clock.h"
#include "http/data.h"
#include "http/h1/syntax.h"

nx_bytes nx__url_host(const nx_url *url)
{
    nx_bytes host = url->host;
    return url->host_kind == NX_URL_IPV6 ? nx_slice(host.data + 1, host.len - 2) : host;
}

static nx_err h3_alone(const struct nx__way *way, const nx_url *url)
{
    const char *why = !way->tls             ? "HTTP/3 takes \"https:\""
                      : way->unix_path.len  ? "HTTP/3 goes over no Unix socket"
                      : way->proxy_host.len ? "HTTP/3 goes through no proxy"
                                            : NULL;
    if (!why) return NX_OK;
    NX_IGNORE(nx__error_set(NX_ENOTSUP, "%s", why));
    return nx__fetch_failed(url, NX_ENOTSUP);
}

nx_err nx__way_make(struct nx__way *way, nx_client *client, const nx_url *url,
                    const nx_fetch_options *o, bool safe)
{
    bool tls = nx_bytes_is(url->scheme, "https");
    const struct nx__proxy *proxy = tls ? &client->https : &client->http;
    *way = (struct nx__way){.tls = tls ? &client->tls : NULL,
                            .version = o->version,
                            .host = nx__url_host(url),
                            .port = url->port};
    if (o->unix_socket) {
        way->unix_path = nx_str(o->unix_socket);
    } else if (proxy->host &&
               !(client->no_proxy && nx__no_proxy_has(client->no_proxy, way->host, way->port))) {
        way->proxy_host = nx_str(proxy->host);
        way->proxy_port = proxy->port;
        way->proxy_authorization = nx_str(proxy->authorization);
    }
    way->early = safe;
    if (o->version == NX_HTTP_3) {
        NX_TRY(h3_alone(way, url));
        way->h3_port = way->port;
    } else if (o->version == NX_HTTP_ANY && tls && !way->unix_path.len && !way->proxy_host.len) {
        way->h3_port = nx__alternatives_port(&client->alternatives, way->host, way->port,
                                             nx__clock_monotonic());
        way->alternative = way->h3_port != 0;
    }
    return NX_OK;
}

/* How long the answer has lain somewhere (RFC 9111 5.1). */
static nx_duration age_of(const nx_fetched *res)
{
    nx_bytes age = nx_fetched_header(res, "age");
    int64_t seconds = 0;
    for (size_t i = 0; i < age.len && nx__h1_is_digit(age.data[i]) && seconds < INT32_MAX; i++)
        seconds = seconds * 10 + (age.data[i] - '0');
    return NX_S(seconds);
}

void nx__way_told(const nx_fetched *res, const nx_url *url)
{
    struct nx__alternative said;
    nx_bytes field = nx_fetched_header(res, "alt-svc"), host = nx__url_host(url);
    /* What came without TLS anybody may have said. */
    if (!field.len || !nx_bytes_is(url->scheme, "https") || res->client->https.host) return;
    if (nx__alternative_read(field, host, &said))
        nx__alternatives_take(&res->client->alternatives, host, url->port, &said, age_of(res),
                              nx__clock_monotonic());
}

void nx__way_told_beside(struct nx__client_pool *pool, nx_bytes host, uint16_t port, nx_bytes field)
{
    nx_client *client = nx__container_of(pool, nx_client, pool);
    struct nx__alternative said;
    if (nx__alternative_read(field, host, &said))
        nx__alternatives_take(&client->alternatives, host, port, &said, 0, nx__clock_monotonic());
}

void nx__way_broken(nx_client *client, const nx_url *url)
{
    nx__alternatives_broken(&client->alternatives, nx__url_host(url), url->port,
                            nx__clock_monotonic());
}

void nx__way_good(nx_client *client, const nx_url *url)
{
    nx__alternatives_good(&client->alternatives, nx__url_host(url), url->port);
}
