/* A request, from the call to the head of its answer: redirects, and trying again. */
#include "http/client/client.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "date/date.h"
#include "http/data.h"
#include "http/h1/parse.h"
#include "http/h1/parser.h"
#include "http/h1/syntax.h"
#include <nexus/encode.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define CONNECT_DEADLINE     NX_S(10)
#define ALTERNATIVE_DEADLINE NX_S(3) /* for a connection to one, since there is another way */
#define HEAD_DEADLINE        NX_S(60)
#define IDLE_DEADLINE        NX_S(60)
#define RETRY_DELAY          NX_MS(200)
#define RETRY_DELAY_MAX      NX_S(10)

enum {
    REDIRECTS = 20,
    MAX_RATIO = 100,
    MAX_HEADERS = 200,
    FIELDS_MOST = 200,        /* of a request */
    DRAINED_MOST = 64 * 1024, /* of a body that nobody wants, for the connection's sake */
    OWN_FIELDS = 4,           /* that each try adds */
};
#define MAX_BODY ((uint64_t)64 << 20)

/* What is asked, and how often it has been. */
struct asking {
    nx_fetch_options o; /* with the defaults filled in */
    nx_client *client;
    nx_fetched *res;
    nx_url url;
    nx_bytes method;
    struct nx__fetch_body body;
    struct nx__field *fields;
    size_t field_count, field_most;
    nx_bytes host;          /* of a Host field of the caller's; empty: the URL's */
    nx_bytes authorization; /* of the URL */
    nx_duration deadline;   /* absolute */
    uint32_t redirects, retries;
    bool alternative; /* the last try went to an alternative service */
    bool left_origin; /* a redirect has led elsewhere: what is secret was for the first */
    bool source_used;
};

/* ---- Errors */

nx_err nx__fetch_failed(const nx_url *url, nx_err err)
{
    enum { SHOWN = 90 };
    char why[NX__ERROR_MESSAGE_MAX], place[SHOWN + 4];
    struct nx__context *context = nx__context();
    int system = context->error.system;
    size_t len = url->href.len < SHOWN ? url->href.len : SHOWN;
    (void)snprintf(why, sizeof why, "%s", nx__error_last()->message);
    (void)snprintf(place, sizeof place, "%.*s%s", (int)len, url->href.data,
                   url->href.len > SHOWN ? "..." : "");
    NX_IGNORE(nx__error_set(err, "cannot fetch \"%s\": %s", place, why));
    context->error.system = system;
    return err;
}

const char *nx__fetch_field_check(nx_bytes name, nx_bytes value)
{
    static const char *const framing[] = {"content-length",
                                          "transfer-encoding",
                                          "connection",
                                          "keep-alive",
                                          "proxy-connection",
                                          "upgrade",
                                          "te",
                                          "trailer",
                                          "expect"};
    if (!name.len) return "a header has no name";
    for (size_t i = 0; i < name.len; i++)
        if (!nx__h1_is(name.data[i], NX__H1_TOKEN)) return "the name of a header is no token";
    for (size_t i = 0; i < value.len; i++)
        if (!nx__h1_is(value.data[i], NX__H1_VALUE))
            return "a header has line breaks or control characters";
    for (size_t i = 0; i < sizeof framing / sizeof *framing; i++)
        if (nx__text_ieq(name, framing[i]))
            return "headers that frame the message are the client's";
    return NULL;
}

static nx_err invalid(const char *url, const char *why)
{
    return nx__error_set(NX_EINVAL, "cannot fetch \"%.90s\": %s", url, why);
}

/* ---- What is asked */

static bool may_repeat(nx_bytes method)
{
    static const char *const safe[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        if (nx_bytes_is(method, safe[i])) return true;
    return false;
}

/* What may go by 0-RTT, and so twice (RFC 8470 4): methods that are safe (RFC 9110 9.2.1). */
static bool is_safe(const struct asking *a)
{
    return a->body.length == NX__LENGTH_NONE &&
           (nx_bytes_is(a->method, "GET") || nx_bytes_is(a->method, "HEAD") ||
            nx_bytes_is(a->method, "OPTIONS"));
}

static nx_err method_check(struct asking *a, const char *url)
{
    bool has_body = a->body.length != NX__LENGTH_NONE;
    a->method = a->o.method ? nx_str(a->o.method) : nx_str(has_body ? "POST" : "GET");
    if (!a->method.len) return invalid(url, "the method is empty");
    for (size_t i = 0; i < a->method.len; i++)
        if (!nx__h1_is(a->method.data[i], NX__H1_TOKEN))
            return invalid(url, "the method is no token");
    if (nx_bytes_is(a->method, "CONNECT") || nx_bytes_is(a->method, "TRACE"))
        return invalid(url, "CONNECT and TRACE are not sent");
    if (has_body && (nx_bytes_is(a->method, "GET") || nx_bytes_is(a->method, "HEAD")))
        return invalid(url, "GET and HEAD have no body");
    /* Who expects a body is told that there is none (RFC 9110 8.6). */
    if (!has_body && (nx_bytes_is(a->method, "POST") || nx_bytes_is(a->method, "PUT") ||
                      nx_bytes_is(a->method, "PATCH")))
        a->body.length = 0;
    return NX_OK;
}

static bool has_field(const struct asking *a, const char *name)
{
    for (size_t i = 0; i < a->field_count; i++)
        if (nx__text_ieq(a->fields[i].name, name)) return true;
    return false;
}

static void field_add(struct asking *a, const char *name, nx_bytes value)
{
    if (a->field_count < a->field_most)
        a->fields[a->field_count++] = (struct nx__field){.name = nx_str(name), .value = value};
}

static nx_err fields_make(struct asking *a, const char *url)
{
    enum { OWN = 4 }; /* that are added below */
    size_t given = 0;
    while (a->o.headers && a->o.headers[given]) given++;
    if (given > (size_t)FIELDS_MOST * 2) return invalid(url, "there are too many headers");
    a->field_most = given / 2 + OWN;
    a->fields = nx_alloc(a->field_most * sizeof *a->fields);
    if (!a->fields) return nx__error_set(NX_ENOMEM, "cannot fetch \"%.90s\": out of memory", url);
    for (const char *const *h = a->o.headers; h && h[0]; h += 2) {
        if (!h[1]) return invalid(url, "the last header has no value");
        const char *why = nx__fetch_field_check(nx_str(h[0]), nx_str(h[1]));
        if (why) return invalid(url, why);
        if (nx__text_ieq(nx_str(h[0]), "host")) {
            a->host = nx_str(h[1]);
            if (!nx__h1_valid_host(h[1], a->host.len))
                return invalid(url, "the Host header names no host");
            continue;
        }
        a->fields[a->field_count++] =
            (struct nx__field){.name = nx_str(h[0]), .value = nx_str(h[1])};
    }
    if (!has_field(a, "accept")) field_add(a, "accept", nx_str("*/*"));
    if (has_field(a, "accept-encoding"))
        a->o.raw = true; /* who negotiates decodes */
    else if (!a->o.raw)
        field_add(a, "accept-encoding", nx_str("gzip, br, zstd"));
    if (a->client->user_agent && !has_field(a, "user-agent"))
        field_add(a, "user-agent", nx_str(a->client->user_agent));
    if (a->body.type.len && !has_field(a, "content-type")) {
        if (nx__fetch_field_check(nx_str("content-type"), a->body.type))
            return invalid(url, "the type of the body can't be sent");
        field_add(a, "content-type", a->body.type);
    }
    return NX_OK;
}

/* Takes user and password out of the URL: they go as a field, and nowhere else. */
static nx_err url_take(struct asking *a, bool secret)
{
    nx_bytes scheme = a->url.scheme;
    if (!nx_bytes_is(scheme, "http") && !nx_bytes_is(scheme, "https")) {
        char quoted[NX__QUOTED];
        NX_IGNORE(nx__error_set(NX_EINVAL,
                                "\"%s:\" is neither http: nor https:", nx__quoted(quoted, scheme)));
        return nx__fetch_failed(&a->url, NX_EINVAL);
    }
    if (a->url.username.len || a->url.password.len) {
        nx_bytes user, password, text;
        NX_TRY(nx_percent_decode(a->url.username, &user));
        NX_TRY(nx_percent_decode(a->url.password, &password));
        char *pair = nx_alloc(user.len + password.len + 1);
        if (!pair) return nx__fetch_failed(&a->url, NX_ENOMEM);
        if (user.len) memcpy(pair, user.data, user.len);
        pair[user.len] = ':';
        if (password.len) memcpy(pair + user.len + 1, password.data, password.len);
        NX_TRY(nx_base64_encode(nx_slice(pair, user.len + password.len + 1), &text));
        const char *basic = nx_format("Basic %.*s", NX_FMT(text));
        if (!basic) return nx__fetch_failed(&a->url, NX_ENOMEM);
        if (secret) a->authorization = nx_str(basic);
        NX_TRY(nx_url_set(&a->url, NX_URL_USERNAME, nx_str("")));
        NX_TRY(nx_url_set(&a->url, NX_URL_PASSWORD, nx_str("")));
    }
    return a->url.fragment.data ? nx_url_set(&a->url, NX_URL_FRAGMENT, nx_str("")) : NX_OK;
}

static void place_make(const nx_url *url, struct nx__cookie_place *place)
{
    *place = (struct nx__cookie_place){.host = nx__url_host(url),
                                       .path = url->path,
                                       .secure = nx_bytes_is(url->scheme, "https"),
                                       .is_address = url->host_kind != NX_URL_NAME};
}

static nx_err ask_make(struct asking *a, const struct nx__way *way, struct nx__ask *ask,
                       struct nx__field *fields)
{
    nx_bytes target = a->url.path;
    if (a->url.query.data) /* both stand side by side in the URL */
        target.len = (size_t)(a->url.query.data + a->url.query.len - target.data);
    size_t count = 0;
    bool proxied = way->proxy_host.len && !nx__way_tunnels(way);
    /* A proxy goes where the absolute-form of the target leads, and that is what was granted; the
     * Host field says the same (RFC 9112 3.2.2). */
    bool own_host = a->host.len && !a->left_origin && !proxied;
    for (size_t i = 0; i < a->field_count; i++) {
        const struct nx__field *f = &a->fields[i];
        bool secret = nx__text_ieq(f->name, "authorization") || nx__text_ieq(f->name, "cookie") ||
                      nx__text_ieq(f->name, "proxy-authorization");
        if (!(secret && a->left_origin)) fields[count++] = *f;
    }
    if (a->authorization.len && !has_field(a, "authorization"))
        fields[count++] = (struct nx__field){nx_str("authorization"), a->authorization, false};
    if (proxied && way->proxy_authorization.len)
        fields[count++] =
            (struct nx__field){nx_str("proxy-authorization"), way->proxy_authorization, false};
    if (a->client->jar && !has_field(a, "cookie")) {
        struct nx__cookie_place place;
        place_make(&a->url, &place);
        nx_bytes cookies =
            nx__jar_get(a->client->jar, &place, nx__clock_wall() / NX_S(1), nx__scope_arena());
        if (!cookies.data) return nx__error_set(NX_ENOMEM, "out of memory");
        if (cookies.len) fields[count++] = (struct nx__field){nx_str("cookie"), cookies, false};
    }
    if (way->alternative) {
        const char *used = nx_format("%.*s:%u", NX_FMT(a->url.host), way->h3_port);
        if (!used) return nx__error_set(NX_ENOMEM, "out of memory");
        fields[count++] = (struct nx__field){nx_str("alt-used"), nx_str(used), false};
    }
    *ask = (struct nx__ask){.method = a->method,
                            .scheme = a->url.scheme,
                            .authority = own_host ? a->host : a->url.host_port,
                            .target = target,
                            .to_proxy = proxied,
                            .fields = fields,
                            .field_count = count,
                            .length = a->body.length,
                            .body = a->body.bytes};
    return NX_OK;
}

/* ---- One try */

static nx_err upload(struct asking *a, struct nx__exchange *x)
{
    nx_stream *source = a->body.source;
    a->body.source = NULL;
    a->source_used = true;
    return nx__upload_stream(&a->res->upload, x, source);
}

/* There is an answer, and some of the request may not have gone yet. */
static nx_err answered(const struct asking *a, struct nx__exchange *x)
{
    nx_fetched *res = a->res;
    if (!res->upload) return NX_OK;
    if (x->enough) {
        nx__upload_end(res->upload);
        res->upload = NULL;
        return NX_OK;
    }
    /* Parts of a form are the caller's memory, and last until now. */
    return a->o.source ? NX_OK : nx__upload_wait(res->upload);
}

/* A connection, and what is asked over it. Where an alternative service can't be reached, the
 * origin itself is asked. */
static nx_err conn_take(struct asking *a, struct nx__client_conn **conn, struct nx__ask *ask,
                        bool fresh, bool *reused)
{
    struct nx__way way;
    struct nx__field *fields = nx_alloc((a->field_count + OWN_FIELDS) * sizeof *fields);
    if (!fields) return nx__fetch_failed(&a->url, NX_ENOMEM);
    NX_TRY(nx__way_make(&way, a->client, &a->url, &a->o, is_safe(a)));
    for (;;) {
        nx_duration span = a->o.connect_deadline;
        if (way.alternative && span > ALTERNATIVE_DEADLINE) span = ALTERNATIVE_DEADLINE;
        a->alternative = way.alternative;
        NX_TRY(ask_make(a, &way, ask, fields));
        nx_err err =
            nx__client_pool_take(&a->client->pool, conn, &way, fresh, span, a->deadline, reused);
        bool own = err == NX_ECANCELED || err == NX_ENOMEM || err == NX_ELIMIT ||
                   nx__deadline(0) >= a->deadline;
        if (!err || !way.alternative || own) return err;
        nx__way_broken(a->client, &a->url);
        way.alternative = false;
        way.h3_port = 0;
    }
}

static nx_err exchange(struct asking *a, bool fresh, bool *reused)
{
    nx_fetched *res = a->res;
    struct nx__client_conn *conn = NULL;
    struct nx__ask ask;
    nx_err err = conn_take(a, &conn, &ask, fresh, reused);
    if (err) return err;
    struct nx__exchange *x = res->storage;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): there is one */
    memset(x, 0, conn->driver->exchange_size);
    *x = (struct nx__exchange){.conn = conn,
                               .arena = res->arena,
                               .deadline = a->deadline,
                               .head_deadline = a->o.head_deadline,
                               .idle_deadline = a->o.idle_deadline,
                               .max_head = a->o.max_head,
                               .max_headers = MAX_HEADERS};
    res->x = x;
    err = conn->driver->begin(x, &ask);
    if (!err && a->body.source && a->body.length != NX__LENGTH_NONE) err = upload(a, x);
    if (err == NX_ECLOSED) err = NX_OK; /* it has answered before it took all */
    if (!err) err = conn->driver->head(x, &res->answer);
    if (!err && a->alternative) nx__way_good(a->client, &a->url);
    if (!err) err = answered(a, x);
    if (!err) return NX_OK;
    conn->broken = true;
    return nx__fetch_failed(&a->url, err);
}

static void given_up(nx_fetched *res)
{
    struct nx__context kept;
    memcpy(&kept, nx__context(), sizeof kept);
    nx__fetched_let(res);
    memcpy(nx__context(), &kept, sizeof kept);
}

/* ---- Again */

static bool body_repeats(const struct asking *a)
{
    return a->body.length == NX__LENGTH_NONE || !a->source_used;
}

/* From a field of Retry-After: seconds or a date (RFC 9110 10.2.3). -1: it says nothing. */
static nx_duration retry_after(const nx_fetched *res)
{
    nx_bytes value = nx_fetched_header(res, "retry-after");
    int64_t seconds = 0;
    if (!value.len) return -1;
    for (size_t i = 0; i < value.len; i++) {
        if (!nx__h1_is_digit(value.data[i])) {
            if (!nx__http_date_read(value, &seconds)) return -1;
            seconds -= nx__clock_wall() / NX_S(1);
            break;
        }
        if (seconds < INT32_MAX) seconds = seconds * 10 + (value.data[i] - '0');
    }
    return seconds <= 0 ? 0 : seconds > INT32_MAX ? NX_FOREVER : NX_S(seconds);
}

/* Doubled each time, and anything from half of that to all of it: clients that were refused
 * together do not come back together. */
static nx_duration back_off(const struct asking *a)
{
    nx_duration span = a->o.retry_delay;
    for (uint32_t i = 0; i < a->retries && span < a->o.retry_delay_max; i++) span *= 2;
    if (span > a->o.retry_delay_max) span = a->o.retry_delay_max;
    uint32_t chance = 0;
    if (getrandom(&chance, sizeof chance, 0) != sizeof chance) chance = 0;
    return span - (nx_duration)((double)span / 2 * ((double)chance / UINT32_MAX));
}

/* Waits before the next try; false where there is none. */
static nx_err again(struct asking *a, nx_duration asked, bool *goes)
{
    nx_duration span = asked >= 0 ? asked : back_off(a);
    *goes = false;
    if (a->retries >= a->o.retries || !may_repeat(a->method) || !body_repeats(a)) return NX_OK;
    if (span > a->o.retry_delay_max) return NX_OK;
    if (a->deadline != NX_FOREVER && nx__deadline(span) >= a->deadline) return NX_OK;
    a->retries++;
    *goes = true;
    return nx_sleep(span);
}

static bool status_repeats(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

static bool error_repeats(nx_err err)
{
    return err == NX_EREFUSED || err == NX_ERESET || err == NX_EUNREACH || err == NX_ETIMEDOUT;
}

/* The answer goes, with its connection if that can be had by reading a little. */
static void answer_drop(nx_fetched *res)
{
    size_t read = 0;
    struct nx__context kept;
    memcpy(&kept, nx__context(), sizeof kept);
    struct nx__exchange *x = res->x;
    bool small = res->answer.length == NX__LENGTH_UNKNOWN || res->answer.length <= DRAINED_MOST;
    while (x && small && !x->done && read < DRAINED_MOST) {
        nx_bytes piece;
        if (x->conn->driver->read(x, &piece) || !piece.len) break;
        read += piece.len;
    }
    nx__fetched_let(res);
    memcpy(nx__context(), &kept, sizeof kept);
}

/* Asks until there is an answer that is to be taken. */
static nx_err answer_get(struct asking *a)
{
    bool fresh = false, revived = false;
    for (;;) {
        bool reused = false, goes;
        nx_err err = exchange(a, fresh, &reused);
        /* RFC 9110 15.5.20: the alternative does not serve this origin. */
        if (!err && a->alternative && a->res->answer.status == 421 && body_repeats(a)) {
            nx__way_broken(a->client, &a->url);
            answer_drop(a->res);
            continue;
        }
        if (!err) {
            if (!a->o.retries || !status_repeats(a->res->answer.status)) return NX_OK;
            NX_TRY(again(a, retry_after(a->res), &goes));
            if (!goes) return NX_OK;
            answer_drop(a->res);
            continue;
        }
        const struct nx__exchange *x = a->res->x;
        bool answering = x && x->answering;
        /* The peer has said that nothing was done for it, or it never went. */
        bool untouched = x && !x->begun;
        given_up(a->res);
        bool astray = a->alternative && !reused && (err == NX_ERESET || err == NX_EPROTO);
        if (astray) nx__way_broken(a->client, &a->url);
        /* The peer has closed a connection while it was idle, and nobody has known. */
        if (!revived && !answering && (err == NX_ERESET || astray) && body_repeats(a) &&
            (untouched || ((reused || astray) && may_repeat(a->method)))) {
            revived = fresh = true;
            continue;
        }
        if (!error_repeats(err) || answering) return err;
        struct nx__context kept;
        memcpy(&kept, nx__context(), sizeof kept);
        NX_TRY(again(a, -1, &goes));
        memcpy(nx__context(), &kept, sizeof kept);
        if (!goes) return err;
    }
}

/* ---- Redirects (RFC 9110 15.4) */

static bool same_origin(const nx_url *a, const nx_url *b)
{
    return nx_bytes_eq(a->scheme, b->scheme) && nx_bytes_eq(a->host, b->host) && a->port == b->port;
}

static bool redirects(const struct asking *a)
{
    int status = a->res->answer.status;
    return a->o.redirects != NX_FETCH_NO_REDIRECTS &&
           (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) &&
           nx_fetched_header(a->res, "location").data;
}

static void body_drop(struct asking *a)
{
    size_t kept = 0;
    for (size_t i = 0; i < a->field_count; i++) {
        nx_bytes name = a->fields[i].name;
        if (!(name.len > 8 && nx__ascii_ieq(name.data, "content-", 8)))
            a->fields[kept++] = a->fields[i];
    }
    a->field_count = kept;
    a->body.length = NX__LENGTH_NONE;
    a->body.bytes = (nx_bytes){0};
}

static nx_err redirect(struct asking *a)
{
    int status = a->res->answer.status;
    nx_bytes location = nx_fetched_header(a->res, "location");
    nx_url before = a->url;
    if (a->redirects == a->o.redirects) {
        NX_IGNORE(nx__error_set(NX_ELIMIT, "more than %u redirects", a->o.redirects));
        return nx__fetch_failed(&a->url, NX_ELIMIT);
    }
    a->redirects++;
    if (!nx__utf8_valid(location.data, location.len) ||
        nx_url_resolve(&before, location, &a->url)) {
        char quoted[NX__QUOTED];
        a->url = before;
        NX_IGNORE(nx__error_set(NX_EPROTO, "it redirects to \"%s\", which is no URL",
                                nx__quoted(quoted, location)));
        return nx__fetch_failed(&a->url, NX_EPROTO);
    }
    bool to_get = (status == 303 && !nx_bytes_is(a->method, "HEAD")) ||
                  ((status == 301 || status == 302) && nx_bytes_is(a->method, "POST"));
    if (to_get) {
        a->method = nx_str("GET");
        body_drop(a);
    } else if (!body_repeats(a)) {
        NX_IGNORE(
            nx__error_set(NX_ESTATE, "it redirects, and a body from a stream can't be sent again"));
        return nx__fetch_failed(&before, NX_ESTATE);
    }
    if (!same_origin(&before, &a->url)) {
        a->left_origin = true;
        a->authorization = (nx_bytes){0};
    }
    NX_TRY(url_take(a, true));
    answer_drop(a->res);
    return NX_OK;
}

static void cookies_take(const struct asking *a)
{
    struct nx__cookie_place place;
    nx_bytes name, value;
    if (!a->client->jar) return;
    place_make(&a->url, &place);
    for (size_t i = 0; nx_fetched_header_at(a->res, i, &name, &value); i++)
        if (nx__text_ieq(name, "set-cookie"))
            (void)nx__jar_set(a->client->jar, &place, value, nx__clock_wall() / NX_S(1));
}

/* ---- All of it */

static void defaults(nx_fetch_options *o)
{
    if (!o->connect_deadline) o->connect_deadline = CONNECT_DEADLINE;
    if (!o->head_deadline) o->head_deadline = HEAD_DEADLINE;
    if (!o->idle_deadline) o->idle_deadline = IDLE_DEADLINE;
    if (!o->redirects) o->redirects = REDIRECTS;
    if (!o->retry_delay) o->retry_delay = RETRY_DELAY;
    if (!o->retry_delay_max) o->retry_delay_max = RETRY_DELAY_MAX;
    if (!o->max_body) o->max_body = MAX_BODY;
    if (!o->max_ratio) o->max_ratio = MAX_RATIO;
    if (!o->max_head || o->max_head > NX__H1_MAX_HEAD) o->max_head = NX__H1_MAX_HEAD;
}

static void close_at_end(void *res)
{
    nx_fetched_close(res);
}

static nx_err fetched_new(struct asking *a, const char *url)
{
    nx_fetched *res = nx_alloc_zero(1, sizeof *res);
    if (res) res->storage = nx_alloc(NX__EXCHANGE_MOST);
    if (!res || !res->storage || nx_defer(close_at_end, res))
        return nx__error_set(NX_ENOMEM, "cannot fetch \"%.90s\": out of memory", url);
    res->client = a->client;
    res->arena = nx__scope_arena();
    res->max_body = a->o.max_body;
    res->max_ratio = a->o.max_ratio;
    a->res = res;
    return NX_OK;
}

static nx_err fetch(struct asking *a, const char *url)
{
    nx_err err = nx_url_parse(nx_str(url), &a->url);
    if (err) return err;
    if (a->o.version > NX_HTTP_3) return invalid(url, "there is no such version of HTTP");
    NX_TRY(url_take(a, true));
    NX_TRY(method_check(a, url));
    NX_TRY(fields_make(a, url));
    NX_TRY(fetched_new(a, url));
    a->res->raw = a->o.raw;
    for (;;) {
        NX_TRY(answer_get(a));
        cookies_take(a);
        nx__way_told(a->res, &a->url);
        if (!redirects(a)) break;
        NX_TRY(redirect(a));
    }
    a->res->url = a->url;
    a->res->redirects = a->redirects;
    if (!a->res->answer.empty) return NX_OK;
    err = nx__fetched_over(a->res);
    return err ? nx__fetch_failed(&a->url, err) : NX_OK;
}

nx_err nx_fetch_with(nx_fetched **out, const char *url, const nx_fetch_options *options)
{
    NX__OPTIONS(nx_fetch_options, o, options);
    struct asking a = {0};
    *out = NULL;
    defaults(&o);
    a.o = o;
    a.deadline = o.deadline && o.deadline != NX_FOREVER ? nx__deadline(o.deadline) : NX_FOREVER;
    nx_err err = nx__fetch_body(&a.o, &a.body);
    if (!err) a.client = o.client ? o.client : nx__client_own();
    if (!err) err = a.client ? fetch(&a, url) : nx__error_last()->code;
    if (err && a.res) {
        given_up(a.res);
        a.res->closed = true;
    }
    struct nx__context kept;
    memcpy(&kept, nx__context(), sizeof kept);
    nx_stream_close(a.body.source);
    if (err) memcpy(nx__context(), &kept, sizeof kept);
    if (!err) *out = a.res;
    return err;
}
