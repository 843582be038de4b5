/* What follows an upgrade: bytes both ways, until one side has enough. */
#include "http/proxy/proxy.h"

#include "http/data.h"
#include "http/h1/parse.h"
#include "http/tunnel.h"
#include "net/fd.h"
#include <errno.h>
#include <nexus/fiber.h>

enum { PIECE = 16 * 1024 };

/* Two fibers, one a direction, in a scope that ends with the first of them. */
struct passage {
    struct nx__tunnel tunnel; /* the client's side */
    struct nx__exchange *x;   /* the upstream's */
    nx_scope *scope;
    struct nx__op *reader, *writer; /* who waits for the client */
    bool readable, writable;        /* as far as is known */
    bool gone;
};

nx_bytes nx__proxy_upgrade_asked(const nx_request *req)
{
    nx_bytes upgrade = nx_request_header(req, "upgrade"), field, value;
    if (!upgrade.len) return (nx_bytes){0};
    for (size_t i = 0; nx_request_header_at(req, i, &field, &value); i++) {
        size_t at = 0, len;
        const char *option;
        if (!nx__text_ieq(field, "connection")) continue;
        while (nx__h1_next_element(value.data, value.len, &at, &option, &len))
            if (NX__ASCII_IS(option, len, "upgrade")) return upgrade;
    }
    return (nx_bytes){0};
}

/* ---- What the client's side tells */

static struct passage *of(struct nx__tunnel *tunnel)
{
    return nx__container_of(tunnel, struct passage, tunnel);
}

static void ready(struct nx__tunnel *tunnel, uint32_t events)
{
    struct passage *p = of(tunnel);
    if (events & NX__READABLE) {
        tunnel->drained = false;
        p->readable = true;
        if (p->reader) nx__op_complete(p->reader, 0);
    }
    if (events & NX__WRITABLE) {
        p->writable = true;
        if (p->writer) nx__op_complete(p->writer, 0);
    }
}

static void entered(struct nx__tunnel *tunnel)
{
    (void)tunnel; /* the handler closes it before it ends */
}

static void stop(struct nx__tunnel *tunnel)
{
    if (of(tunnel)->scope) nx_scope_cancel(of(tunnel)->scope);
}

static void gone(struct nx__tunnel *tunnel)
{
    of(tunnel)->gone = true;
    stop(tunnel);
}

/* ---- The two directions */

static nx_err wait(struct nx__op **waiter)
{
    struct nx__timed_op op = {0};
    *waiter = &op.op;
    int64_t result = nx__net_wait(&op, nx__loop(), NX_FOREVER);
    *waiter = NULL;
    return nx__net_wait_error(result);
}

static nx_err upwards(void *arg)
{
    struct passage *p = arg;
    char data[PIECE];
    nx_err err = NX_OK;
    while (!err && !p->gone) {
        long n = p->tunnel.driver->read(&p->tunnel, data, sizeof data);
        if (n == -EAGAIN) {
            p->readable = false;
            err = wait(&p->reader);
        } else if (n <= 0) {
            break;
        } else {
            err = p->x->conn->driver->write(p->x, nx_slice(data, (size_t)n));
        }
    }
    nx_scope_cancel(p->scope);
    return NX_OK;
}

static nx_err send_all(struct passage *p, nx_bytes piece)
{
    while (piece.len && !p->gone) {
        p->writable = false;
        long n = p->tunnel.driver->send(&p->tunnel, &piece, 1);
        if (n < 0 && n != -EAGAIN) return nx__error_system((int)-n, "cannot send");
        if (n > 0) piece = nx_slice(piece.data + n, piece.len - (size_t)n);
        if (piece.len && !p->writable) NX_TRY(wait(&p->writer));
    }
    return p->gone ? nx__error_set(NX_ECLOSED, "the client has gone") : NX_OK;
}

static nx_err downwards(void *arg)
{
    struct passage *p = arg;
    nx_err err = NX_OK;
    while (!err) {
        nx_bytes piece;
        err = p->x->conn->driver->read(p->x, &piece);
        if (!err && !piece.len) break;
        if (!err) err = send_all(p, piece);
    }
    nx_scope_cancel(p->scope);
    return NX_OK;
}

static bool is_granted(nx_bytes asked, const struct nx__answer *answer)
{
    for (uint32_t i = 0; i < answer->field_count; i++) {
        if (!nx__text_ieq(answer->fields[i].name, "upgrade")) continue;
        nx_bytes got = answer->fields[i].value;
        size_t at = 0, len;
        const char *protocol;
        while (nx__h1_next_element(asked.data, asked.len, &at, &protocol, &len))
            if (len == got.len && nx__ascii_ieq(protocol, got.data, len)) return true;
    }
    return false;
}

nx_err nx__proxy_upgrade(nx_response *res, nx_bytes asked, struct nx__exchange *x,
                         const struct nx__answer *answer)
{
    static const struct nx__tunnel_user user = {
        .ready = ready, .entered = entered, .stop = stop, .gone = gone};
    struct passage p = {.tunnel.user = &user, .x = x};
    nx_bytes protocol = {0};
    if (!is_granted(asked, answer))
        return nx__error_set(NX_EPROTO,
                             "the upstream changes to a protocol that nobody has asked for");
    for (uint32_t i = 0; i < answer->field_count; i++)
        if (nx__text_ieq(answer->fields[i].name, "upgrade")) protocol = answer->fields[i].value;
    const char *name = nx_copy(protocol);
    if (!name) return nx__error_set(NX_ENOMEM, "cannot pass the upgrade on: out of memory");
    nx__proxy_answer_fields(res, answer);
    x->deadline = x->idle_deadline = NX_FOREVER; /* its silence is its own business from here on */
    NX_TRY(nx_scope_open(&p.scope));
    nx_err err = nx__tunnel_open(res, &p.tunnel, name);
    bool open = !err;
    if (!err) err = nx_spawn(NULL, upwards, &p, .name = "proxy upwards");
    if (!err) err = nx_spawn(NULL, downwards, &p, .name = "proxy downwards");
    if (err) nx_scope_cancel(p.scope);
    nx_scope *scope = p.scope; /* which the fibers cancel while it is closed */
    NX_IGNORE(nx_scope_close(&scope));
    p.scope = NULL;
    if (open && !p.gone) p.tunnel.driver->close(&p.tunnel, true);
    return open ? NX_OK : err;
}
