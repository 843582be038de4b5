/* Asking an HTTP server without a port: the client's end of a socket pair. */
#include "test/process.h"

#include "base/buffer.h"
#include "http/attach.h"
#include "http/h1/chunked.h"
#include "loop/loop.h"
#include <errno.h>
#include <nexus/timer.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ANSWER_MOST = 64 << 20,
    REQUEST_MOST = 64 << 20,
    PIECE = 64 * 1024,
};

struct exchange {
    struct nx__watch watch; /* our end */
    struct nx__buffer out, in;
    size_t sent;
    bool head_only; /* HEAD: no body, whatever the fields say */
    bool ended;     /* the server sends no more */
};

/* ---- The request */

/* A line end in a name or a value would make another request of it. */
static bool is_line(const char *text)
{
    return text && !strpbrk(text, "\r\n");
}

#define PUT(...) NX_TRY(nx__buffer_printf(&x->out, REQUEST_MOST, __VA_ARGS__))

static nx_err write_request(struct exchange *x, const nx_test_request_options *o)
{
    nx_bytes body = o->body ? nx_str(o->body) : o->bytes;
    bool json = o->json.kind != NX_VALUE_NULL, typed = false, hosted = false;
    if (json) NX_TRY(nx_json_write(o->json, &body));
    bool has_body = json || o->body || o->bytes.len;
    const char *method = o->method ? o->method : has_body ? "POST" : "GET";
    const char *path = o->path ? o->path : "/";
    if (!is_line(method) || !is_line(path) || strpbrk(method, " "))
        return nx__error_set(NX_EINVAL, "cannot ask: the method or the path is no single line");
    PUT("%s %s HTTP/1.1\r\n", method, path);
    for (const char *const *h = o->headers; h && h[0]; h += 2) {
        if (!is_line(h[0]) || !is_line(h[1]))
            return nx__error_set(NX_EINVAL,
                                 "cannot ask: the header \"%.50s\" has no value of one line", h[0]);
        hosted |= strcasecmp(h[0], "host") == 0;
        typed |= strcasecmp(h[0], "content-type") == 0;
        PUT("%s: %s\r\n", h[0], h[1]);
    }
    if (!hosted) PUT("host: test\r\n");
    if (json && !typed) PUT("content-type: application/json\r\n");
    if (has_body) PUT("content-length: %zu\r\n", body.len);
    PUT("\r\n");
    x->head_only = strcmp(method, "HEAD") == 0;
    return nx__buffer_append(&x->out, body.data, body.len, REQUEST_MOST);
}

/* ---- The answer */

static nx_err improper(const char *what)
{
    return nx__error_set(NX_EPROTO, "the server has not answered properly: %s", what);
}

/* The head of `in`, up to and with its empty line; false while it is not whole. */
static bool head_of(const struct nx__buffer *in, size_t *len)
{
    const char *end = in->len ? memmem(in->data, in->len, "\r\n\r\n", 4) : NULL;
    if (end) *len = (size_t)(end - in->data) + 4;
    return end != NULL;
}

nx_bytes nx_test_answer_header(const nx_test_answer *answer, const char *name)
{
    size_t name_len = strlen(name);
    const char *at = answer->head.data, *end = at + answer->head.len;
    while (at < end) {
        const char *eol = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (!eol) eol = end;
        if ((size_t)(eol - at) > name_len && at[name_len] == ':' &&
            strncasecmp(at, name, name_len) == 0) {
            const char *value = at + name_len + 1;
            while (value < eol && *value == ' ') value++;
            return nx_slice(value, (size_t)(eol - value));
        }
        at = eol + 2;
    }
    return (nx_bytes){0};
}

/* Takes the chunks out of the body, in place. `*whole` when its end has come. */
static nx_err unchunk(char *data, size_t len, size_t *body_len, bool *whole)
{
    char trailer[NX__H1_DEFAULT_MAX_TRAILER];
    struct nx__h1_chunked decoder = {.trailer = trailer, .trailer_cap = sizeof trailer};
    size_t at = 0, out = 0;
    for (;;) {
        size_t used, piece_len;
        const char *piece;
        switch (nx__h1_chunked_feed(&decoder, data + at, len - at, &used, &piece, &piece_len)) {
        case NX__CHUNK_DATA:
            memmove(data + out, piece, piece_len);
            out += piece_len;
            at += used;
            break;
        case NX__CHUNK_END:
            *body_len = out;
            *whole = true;
            return NX_OK;
        case NX__CHUNK_MORE: *whole = false; return NX_OK;
        default: return improper(decoder.reason);
        }
    }
}

static bool number(nx_bytes text, size_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || n > ANSWER_MOST) return false;
        n = n * 10 + (size_t)(text.data[i] - '0');
    }
    *out = n;
    return text.len > 0;
}

/* True when the bytes of a chunked body end as one does; worth a look then, not after each piece.
 */
static bool may_be_whole(nx_bytes body)
{
    return body.len >= 5 && memcmp(body.data + body.len - 4, "\r\n\r\n", 4) == 0;
}

/* Reads what has come. NX_EAGAIN: more is to come. */
static nx_err read_answer(struct exchange *x, nx_test_answer *answer)
{
    size_t head_len;
    if (!head_of(&x->in, &head_len))
        return x->ended ? improper("no whole head has come") : NX_EAGAIN;
    const char *head = x->in.data;
    if (head_len < 17 || memcmp(head, "HTTP/1.1 ", 9) != 0) return improper("no status line");
    answer->status = (head[9] - '0') * 100 + (head[10] - '0') * 10 + (head[11] - '0');
    if (answer->status >= 100 && answer->status < 200) { /* 100 Continue: the answer follows */
        nx__buffer_consume(&x->in, head_len);
        return read_answer(x, answer);
    }
    const char *reason = head + 13;
    answer->reason =
        nx_slice(reason, (size_t)((const char *)memchr(reason, '\r', head_len - 13) - reason));
    answer->head = nx_slice(head, head_len);
    nx_bytes rest = nx_slice(head + head_len, x->in.len - head_len);
    size_t length;
    if (x->head_only || answer->status == 204 || answer->status == 304) {
        answer->body = nx_slice(rest.data, 0);
        return rest.len ? improper("a body where there is none") : NX_OK;
    }
    if (nx_test_answer_header(answer, "transfer-encoding").data) {
        if (!may_be_whole(rest)) return x->ended ? improper("the body was cut off") : NX_EAGAIN;
        char *copy = nx_copy(rest); /* what is not whole yet is decoded anew */
        if (!copy) return NX_ENOMEM;
        bool whole = false;
        NX_TRY(unchunk(copy, rest.len, &length, &whole));
        if (!whole) return x->ended ? improper("the body was cut off") : NX_EAGAIN;
        answer->body = nx_slice(copy, length);
        return NX_OK;
    }
    nx_bytes said = nx_test_answer_header(answer, "content-length");
    if (said.data && !number(said, &length)) return improper("a wrong content-length");
    if (!said.data) {
        answer->body = rest;
        return x->ended ? NX_OK : NX_EAGAIN;
    }
    answer->body = nx_slice(rest.data, length);
    if (rest.len > length) return improper("the body is longer than its content-length");
    if (rest.len == length) return NX_OK;
    return x->ended ? improper("the body was cut off") : NX_EAGAIN;
}

/* ---- The exchange */

/* Sends and receives what it can. `*progress` when there was something. */
static nx_err turn(struct exchange *x, bool *progress)
{
    *progress = false;
    while (x->sent < x->out.len) {
        ssize_t n = send(x->watch.fd, x->out.data + x->sent, x->out.len - x->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno != EAGAIN)
            x->sent = x->out.len; /* an answer may be there all the same */
        if (n <= 0) break;
        x->sent += (size_t)n;
        *progress = true;
    }
    while (!x->ended) {
        NX_TRY(nx__buffer_reserve(&x->in, PIECE, ANSWER_MOST));
        ssize_t n = recv(x->watch.fd, x->in.data + x->in.len, PIECE, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) break;
        x->ended = n <= 0;
        if (n > 0) x->in.len += (size_t)n;
        *progress = true;
    }
    return NX_OK;
}

static nx_err exchange(struct exchange *x, nx_test_answer *answer)
{
    for (;;) {
        bool progress;
        NX_TRY(turn(x, &progress));
        nx_err err = progress ? read_answer(x, answer) : NX_EAGAIN;
        if (err != NX_EAGAIN) return err;
        uint32_t events = NX__READABLE | (x->sent < x->out.len ? NX__WRITABLE : 0u);
        NX_TRY(nx__wait_fd(&x->watch, events, NX_FOREVER));
    }
}

/* Copies the answer out of memory that is about to go. */
static nx_err keep(nx_test_answer *answer, const struct nx__buffer *in)
{
    char *copy = nx_copy(nx_slice(in->data, in->len));
    if (!copy) return NX_ENOMEM;
    nx_bytes *const parts[] = {&answer->body, &answer->head, &answer->reason};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i]->data >= in->data && parts[i]->data <= in->data + in->len)
            parts[i]->data = copy + (parts[i]->data - in->data);
    return NX_OK;
}

static void ready(struct nx__watch *watch, uint32_t events)
{
    (void)watch;
    (void)events;
}

nx_err nx_test_request_with(nx_http_server *server, nx_test_answer *answer,
                            const nx_test_request_options *options)
{
    nx_test_request_options o = {0};
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    *answer = (nx_test_answer){0};
    struct nx_loop *loop = nx__loop();
    struct exchange x = {.watch = {.fd = -1, .ready = ready}};
    int pair[2] = {-1, -1};
    uint64_t before = 0;
    bool attached = false;
    nx_err err = write_request(&x, &o);
    if (err == NX_ETOOBIG) err = nx__error_set(err, "cannot ask: the request is too large");
    if (!err && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        err = nx__error_system(errno, "cannot ask the server");
    if (!err) err = nx__poller_add(&loop->poller, &x.watch, pair[0], NX__READABLE | NX__WRITABLE);
    if (!err) {
        before = server ? server->stats.connections : 0;
        err = nx__http_attach(server, pair[1]);
        attached = !err;
    }
    if (!err) err = exchange(&x, answer);
    if (err == NX_ETOOBIG) err = nx__error_set(err, "the answer is larger than 64 MiB");
    if (!err) err = keep(answer, &x.in);
    if (x.watch.fd >= 0) nx__poller_remove(&loop->poller, &x.watch);
    if (pair[0] >= 0) (void)close(pair[0]);
    if (pair[1] >= 0 && !attached) (void)close(pair[1]);
    /* The server has the connection until it sees that we are gone and its handler has returned. */
    while (attached && server && server->stats.connections > before && !err)
        err = nx_sleep(NX_US(50));
    if (attached) nx__http_detach(server);
    nx__buffer_free(&x.in);
    nx__buffer_free(&x.out);
    return err;
}
