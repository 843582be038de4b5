/* WebSockets as a client over a stream of HTTP/2 (RFC 8441) or HTTP/3 (RFC 9220). */
#include "http/ws/client.h"

#include "http/client/client.h"
#include "http/client/through.h"
#include "http/data.h"
#include "http/h1/parse.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    HEAD_MOST = 16 * 1024, /* bytes of the answer's head */
    FIELDS_MOST = 100,     /* and fields */
    OWN_FIELDS = 3,
    OWN_MOST = 200, /* fields of the program's */
};

/* What is asked, in memory of the current scope. */
struct asking {
    struct nx__ask ask;
    struct nx__field *fields;
    char offer[NX__WS_DEFLATE_TEXT];
};

static nx_bytes trimmed(nx_bytes text)
{
    while (text.len && (*text.data == ' ' || *text.data == '\t'))
        text = nx_slice(text.data + 1, text.len - 1);
    while (text.len && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

static void field_add(struct asking *a, nx_bytes name, nx_bytes value)
{
    a->fields[a->ask.field_count++] = (struct nx__field){.name = name, .value = value};
}

/* The program's own fields. */
static nx_err fields_add(struct asking *a, const nx_url *url, const char *headers)
{
    nx_bytes rest = nx_str(headers);
    for (nx_bytes line; (line = nx__ws_field_next(&rest)).len;) {
        const char *colon = memchr(line.data, ':', line.len); /* it has been looked for */
        size_t len = (size_t)(colon - line.data);
        nx_bytes name = nx_slice(line.data, len);
        nx_bytes value = trimmed(nx_slice(colon + 1, line.len - len - 1));
        const char *why = nx__fetch_field_check(name, value);
        if (!why && a->ask.field_count == OWN_FIELDS + OWN_MOST) why = "there are too many headers";
        if (why) return nx__ws_failed(url->href.data, NX_EINVAL, why);
        if (!nx__text_ieq(name, "host"))
            field_add(a, name, value);
        else if (nx__h1_valid_host(value.data, value.len))
            a->ask.authority = value;
        else
            return nx__ws_failed(url->href.data, NX_EINVAL, "the Host header names no host");
    }
    return NX_OK;
}

static nx_err asking_make(struct asking *a, const nx_url *url, const nx_ws_options *o)
{
    const struct nx__ws_deflate_wish wish = nx__ws_wish(o);
    nx_bytes target = url->path;
    if (url->query.data) /* both stand side by side in the URL */
        target.len = (size_t)(url->query.data + url->query.len - target.data);
    *a = (struct asking){.fields = nx_alloc((OWN_FIELDS + OWN_MOST) * sizeof *a->fields)};
    if (!a->fields) return nx__ws_failed(url->href.data, NX_ENOMEM, "out of memory");
    a->ask = (struct nx__ask){.method = nx_str("CONNECT"),
                              .scheme = nx_bytes_is(url->scheme, "wss") ? nx_str("https")
                                                                        : nx_str("http"),
                              .authority = url->host_port,
                              .target = target,
                              .protocol = nx_str("websocket"),
                              .fields = a->fields,
                              .length = NX__LENGTH_UNKNOWN};
    field_add(a, nx_str("sec-websocket-version"), nx_str("13"));
    if (o->protocols) field_add(a, nx_str("sec-websocket-protocol"), nx_str(o->protocols));
    if (o->compress) {
        nx__ws_deflate_offer(&wish, a->offer);
        field_add(a, nx_str("sec-websocket-extensions"), nx_str(a->offer));
    }
    return fields_add(a, url, o->headers);
}

/* A field of the answer that has to be there once, or not at all (`data` is NULL). */
static bool answer_field(const struct nx__answer *answer, const char *name, nx_bytes *value)
{
    *value = (nx_bytes){0};
    for (uint32_t i = 0; i < answer->field_count; i++) {
        if (!nx_bytes_is(answer->fields[i].name, name)) continue;
        if (value->data) return false;
        *value = answer->fields[i].value;
    }
    return true;
}

static nx_err answer_take(nx_ws **out, const struct nx__answer *answer, const nx_url *url,
                          const nx_ws_options *o)
{
    struct nx__ws_deflate agreed = {.on = false};
    nx_bytes protocol, extensions;
    if (answer->status < 200 || answer->status > 299)
        return nx__error_set(NX_EPROTO, "cannot connect to \"%.100s\": the server answers %d",
                             url->href.data, answer->status);
    if (!answer_field(answer, "sec-websocket-protocol", &protocol) ||
        !answer_field(answer, "sec-websocket-extensions", &extensions))
        return nx__ws_failed(url->href.data, NX_EPROTO, "the server has chosen twice");
    NX_TRY(nx__ws_agree(&agreed, url->href.data, protocol, extensions, o));
    NX_TRY(nx__ws_new(out, o, protocol));
    (*out)->deflate = agreed;
    (*out)->reader.deflate = agreed.on;
    return NX_OK;
}

/* Says what failed, of an error that does not. */
static nx_err explain(const nx_url *url, nx_err err)
{
    char why[NX__ERROR_MESSAGE_MAX];
    int system = nx__error_last()->system;
    (void)snprintf(why, sizeof why, "%s", nx__error_last()->message);
    NX_IGNORE(nx__ws_failed(url->href.data, err, why));
    nx__context()->error.system = system;
    return err;
}

/* Over a connection, which stays the caller's on failure. */
static nx_err shake(nx_ws **out, struct nx__exchange *x, const struct nx__ask *ask,
                    const nx_url *url, const nx_ws_options *o)
{
    const struct nx__client_driver *driver = x->conn->driver;
    struct nx__answer answer;
    nx_err err = driver->begin(x, ask);
    if (!err) err = driver->head(x, &answer);
    if (err) return explain(url, err);
    NX_TRY(answer_take(out, &answer, url, o));
    err = nx__through_open(&(*out)->tunnel, x);
    if (!err) return NX_OK;
    nx__ws_release(*out);
    return explain(url, err);
}

static nx_err connect_to(struct nx__client_conn **out, const nx_url *url, const nx_ws_options *o,
                         nx_duration until)
{
    nx_tls_connect_options tls;
    bool secure = nx_bytes_is(url->scheme, "wss");
    nx__ws_tls_options(&tls, o, NX_FOREVER);
    if (o->version == NX_HTTP_3 && !secure)
        return nx__ws_failed(url->href.data, NX_ENOTSUP, "HTTP/3 takes \"wss:\"");
    const struct nx__way way = {.tls = secure ? &tls : NULL,
                                .tls_name = nx_str(tls.name),
                                .version = o->version,
                                .host = nx__url_host(url),
                                .port = url->port,
                                .h3_port = o->version == NX_HTTP_3 ? url->port : 0};
    return nx__client_connect(out, &way, until);
}

nx_err nx__ws_connect_stream(nx_ws **out, const nx_url *url, const nx_ws_options *o,
                             nx_duration until)
{
    struct nx__client_conn *conn = NULL;
    struct asking asking;
    NX_TRY(asking_make(&asking, url, o));
    NX_TRY(connect_to(&conn, url, o, until));
    const struct nx__client_driver *driver = conn->driver;
    struct nx__exchange *x = calloc(1, driver->exchange_size);
    if (!x) {
        driver->close(conn);
        return nx__ws_failed(url->href.data, NX_ENOMEM, "out of memory");
    }
    *x = (struct nx__exchange){.conn = conn,
                               .arena = nx__scope_arena(),
                               .deadline = until,
                               .head_deadline = NX_FOREVER,
                               .idle_deadline = NX_FOREVER,
                               .max_head = HEAD_MOST,
                               .max_headers = FIELDS_MOST};
    nx_err err = shake(out, x, &asking.ask, url, o);
    if (!err) return NX_OK;
    struct nx__context kept;
    memcpy(&kept, nx__context(), sizeof kept);
    driver->end(x);
    driver->close(conn);
    free(x);
    memcpy(nx__context(), &kept, sizeof kept);
    return err;
}
