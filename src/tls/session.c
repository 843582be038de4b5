/* Records of one connection, over libssl: what the socket gives and takes goes through memory that
 * all connections of a thread share, so that many records are one system call. */
#include "tls/session.h"

#include "base/syscall.h"
#include "crypto/library.h"
#include "loop/loop.h"
#include "tls/tls.h"
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <stdlib.h>

enum {
    IN_ROOM = 64 * 1024,                    /* read in one go */
    RECORD_MOST = NX__TLS_RECORD + 5 + 256, /* sealed, whatever the cipher adds */
    OUT_ROOM = 4 * RECORD_MOST,             /* sent in one go */
    FIRST_RECORD = 4 * 1024,
    FIRST_BYTES = 64 * 1024, /* see record_most */
};
#define PAUSE NX_S(1)

/* What sessions of a thread borrow while they hold it. */
struct shared {
    size_t sessions;
    size_t in_at, in_len, out_len;
    struct nx__buffer *sink; /* takes what `out` has no room for and the socket does not take */
    char in[IN_ROOM];
    char out[OUT_ROOM];
    char record[NX__TLS_RECORD]; /* small pieces that make a record together */
};

static NX__THREAD_LOCAL struct shared *shared;

/* ---- Between libssl and the socket */

static int bio_read(BIO *bio, char *data, int len)
{
    struct nx__tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    const char *from;
    size_t there, n = (size_t)len;
    if (tls->in.len) {
        from = tls->in.data;
        there = tls->in.len;
    } else {
        if (shared->in_at == shared->in_len) {
            long got = -EAGAIN;
            /* Who is told that there is nothing waits for an event, and an end that came with the
             * last bytes brings none: then the socket itself has to have said so. */
            if (!tls->dry || !tls->fed) {
                do got = nx__recv(tls->fd, shared->in, tls->want);
                while (got == -EINTR);
            }
            if (got <= 0) {
                tls->dry = true;
                if (got == -EAGAIN)
                    BIO_set_retry_read(bio);
                else if (got)
                    tls->error = (int)-got;
                else
                    tls->ended = true;
                return got ? -1 : 0;
            }
            tls->dry = (size_t)got < tls->want;
            if (nx__unlikely(!tls->open && !tls->handshake_bytes)) tls->first = shared->in[0];
            shared->in_at = 0;
            shared->in_len = (size_t)got;
            if (nx__unlikely(!tls->open)) tls->handshake_bytes += (uint32_t)got;
        }
        from = shared->in + shared->in_at;
        there = shared->in_len - shared->in_at;
    }
    if (n > there) n = there;
    memcpy(data, from, n);
    if (tls->in.len)
        nx__buffer_consume(&tls->in, n);
    else
        shared->in_at += n;
    return (int)n;
}

/* Sends what is in the shared output; what the socket does not take goes to the sink. */
static bool flush(struct nx__tls *tls)
{
    size_t sent = 0;
    while (sent < shared->out_len && !(shared->sink && shared->sink->len) && !tls->error) {
        long n = nx__send(tls->fd, shared->out + sent, shared->out_len - sent);
        if (n > 0)
            sent += (size_t)n;
        else if (n == -EAGAIN)
            break;
        else if (n != -EINTR)
            tls->error = (int)-n;
    }
    size_t left = shared->out_len - sent;
    shared->out_len = 0;
    if (!left || tls->error) return !tls->error;
    if (shared->sink &&
        !nx__buffer_append(shared->sink, shared->out + sent, left, NX__TLS_OUT_MOST))
        return true;
    tls->error = ENOMEM;
    return false;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct nx__tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    for (size_t done = 0; done < (size_t)len;) {
        if (shared->out_len == OUT_ROOM && !flush(tls)) return -1;
        size_t n = (size_t)len - done, room = OUT_ROOM - shared->out_len;
        if (n > room) n = room;
        memcpy(shared->out + shared->out_len, data + done, n);
        shared->out_len += n;
        done += n;
    }
    return len;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

/* One for the process, never freed. */
static const BIO_METHOD *socket_method(void)
{
    static BIO_METHOD *_Atomic kept;
    BIO_METHOD *method = kept, *none = NULL;
    if (method) return method;
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "nexus");
    if (!method) return NULL;
    (void)BIO_meth_set_read(method, bio_read);
    (void)BIO_meth_set_write(method, bio_write);
    (void)BIO_meth_set_ctrl(method, bio_control);
    if (atomic_compare_exchange_strong(&kept, &none, method)) return method;
    BIO_meth_free(method);
    return none;
}

/* ---- The life of one */

/* Most of it is written before it is read. */
static bool shared_take(void)
{
    if (shared) return true;
    shared = malloc(sizeof *shared);
    if (!shared) return false;
    shared->sessions = shared->in_at = shared->in_len = shared->out_len = 0;
    shared->sink = NULL;
    return true;
}

struct nx__tls *nx__tls_new(SSL *ssl, int fd)
{
    const BIO_METHOD *method = socket_method();
    BIO *bio = method ? BIO_new(method) : NULL;
    struct nx__tls *tls = bio ? calloc(1, sizeof *tls) : NULL;
    if (!tls || !shared_take()) {
        free(tls);
        BIO_free(bio);
        SSL_free(ssl);
        ERR_clear_error();
        (void)nx__error_set(NX_ENOMEM, "cannot begin TLS: out of memory");
        return NULL;
    }
    shared->sessions++;
    tls->ssl = ssl;
    tls->fd = fd;
    tls->want = IN_ROOM;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    return tls;
}

void nx__tls_free(struct nx__tls *tls)
{
    if (!tls) return;
    SSL_free(tls->ssl);
    nx__buffer_free(&tls->in);
    free(tls->facts);
    free(tls->whose);
    free(tls);
    if (--shared->sessions) return;
    free(shared);
    shared = NULL;
}

/* ---- Reading */

/* What libssl has not taken of what was read stays with the connection. */
static void leave(struct nx__tls *tls)
{
    size_t left = shared->in_len - shared->in_at;
    if (left && nx__buffer_append(&tls->in, shared->in + shared->in_at, left, IN_ROOM))
        tls->error = ENOMEM;
    shared->in_at = shared->in_len = 0;
    if (!tls->in.len) nx__buffer_free(&tls->in);
    if (shared->out_len) (void)flush(tls); /* an alert */
}

/* Keeps the reason that libssl gives for a failure, and forgets what it has to say about it.
 * ENOMEM, or EPROTO. */
static int reason_take(struct nx__tls *tls)
{
    uint32_t reason = ERR_peek_error();
    if (reason) tls->reason = (uint16_t)ERR_GET_REASON(reason);
    return nx__crypto_starved() ? ENOMEM : EPROTO;
}

/* What a call of libssl that has not succeeded means: 0 for an end, or -errno. */
static long outcome(struct nx__tls *tls, int result)
{
    int what = SSL_get_error(tls->ssl, result);
    int error = reason_take(tls);
    if (what == SSL_ERROR_WANT_READ) return -EAGAIN;
    if (what == SSL_ERROR_ZERO_RETURN) {
        tls->closed = true;
        return 0;
    }
    if (tls->error) return -tls->error;
    if (tls->ended && error != ENOMEM) return 0;
    return -error;
}

long nx__tls_handshake(struct nx__tls *tls, struct nx__buffer *out)
{
    if (tls->error) return -tls->error;
    if (out->len) return -EAGAIN;
    tls->want = IN_ROOM;
    tls->dry = tls->fed = false;
    shared->sink = out;
    int n = SSL_do_handshake(tls->ssl);
    long result = n == 1 ? 1 : outcome(tls, n);
    tls->open = n == 1;
    /* A server's ticket goes with its first answer. Where nothing has been asked yet it goes at
     * once: a client that waits for a word about its last packet before it sends another would wait
     * long. */
    if (tls->open && SSL_is_server(tls->ssl) && shared->in_at == shared->in_len)
        (void)SSL_write(tls->ssl, "", 0);
    if (result == 0) result = -ECONNRESET;
    if (result == -EAGAIN && tls->handshake_bytes > NX__TLS_HANDSHAKE_MOST) result = -EMSGSIZE;
    if (result < 0 && nx__tls_is_text(tls)) shared->out_len = 0;
    leave(tls);
    shared->sink = NULL;
    return tls->error ? -tls->error : result;
}

long nx__tls_recv(struct nx__tls *tls, void *data, size_t len)
{
    size_t got = 0;
    long end = 0;
    if (tls->error) return -tls->error;
    /* No more than is asked for and a record: the rest would have to be kept. */
    tls->want = len < IN_ROOM - RECORD_MOST ? (uint32_t)len + RECORD_MOST : IN_ROOM;
    tls->dry = tls->fed = false;
    shared->sink = NULL;
    while (got < len) {
        int n = SSL_read(tls->ssl, (char *)data + got,
                         len - got < INT_MAX ? (int)(len - got) : INT_MAX);
        if (n <= 0) {
            end = outcome(tls, n);
            break;
        }
        got += (size_t)n;
        tls->fed = true;
    }
    leave(tls);
    return got ? (long)got : end;
}

bool nx__tls_more(const struct nx__tls *tls)
{
    return !tls->dry || tls->in.len || SSL_pending(tls->ssl);
}

/* ---- Writing */

/* How much goes into a record. What a connection sends first, or first after a pause, arrives in
 * rounds of a few packets, and a record that needs two of them is read after the second. */
static size_t record_most(struct nx__tls *tls)
{
    nx_duration now = nx__loop()->now;
    if (now - tls->paused > PAUSE) tls->sent = 0;
    tls->paused = now;
    return tls->sent < FIRST_BYTES ? FIRST_RECORD : NX__TLS_RECORD;
}

static long seal(struct nx__tls *tls, const char *data, size_t len)
{
    int n = SSL_write(tls->ssl, data, (int)len);
    if (n != (int)len) {
        int error = reason_take(tls);
        if (!tls->error) tls->error = error;
        return -tls->error;
    }
    if (tls->sent < FIRST_BYTES) tls->sent += (uint32_t)len;
    return n;
}

/* What a record is made of: a part of a piece, or several pieces one behind the other. */
static nx_bytes next_record(const struct iovec *pieces, size_t count, size_t *piece, size_t *at,
                            size_t most)
{
    while (*piece < count && *at == pieces[*piece].iov_len) ++*piece, *at = 0;
    if (*piece == count) return (nx_bytes){0};
    const char *from = (const char *)pieces[*piece].iov_base + *at;
    size_t n = pieces[*piece].iov_len - *at;
    if (n >= most || *piece + 1 == count) {
        if (n > most) n = most;
        *at += n;
        return nx_slice(from, n);
    }
    size_t len = 0;
    while (len < most && *piece < count) {
        n = pieces[*piece].iov_len - *at;
        if (n > most - len) n = most - len;
        if (n) memcpy(shared->record + len, (const char *)pieces[*piece].iov_base + *at, n);
        len += n;
        *at += n;
        if (*at == pieces[*piece].iov_len) ++*piece, *at = 0;
    }
    return nx_slice(shared->record, len);
}

long nx__tls_send(struct nx__tls *tls, const struct iovec *pieces, size_t count,
                  struct nx__buffer *out)
{
    size_t piece = 0, at = 0, sealed = 0, most = record_most(tls);
    if (tls->error) return -tls->error;
    if (out->len) return -EAGAIN;
    shared->sink = out;
    while (!out->len) {
        nx_bytes record = next_record(pieces, count, &piece, &at, most);
        if (!record.len) break;
        long n = seal(tls, record.data, record.len);
        if (n < 0) {
            shared->out_len = 0; /* else it would go with the next connection's */
            return n;
        }
        sealed += (size_t)n;
        /* A peer that takes little has little kept for it. */
        if ((tls->slow || shared->out_len + RECORD_MOST > OUT_ROOM) && !flush(tls)) break;
    }
    if (!tls->error) (void)flush(tls);
    shared->out_len = 0;
    tls->slow = out->len != 0;
    return tls->error ? -tls->error : (long)sealed;
}

nx_err nx__tls_keep(struct nx__tls *tls, const void *data, size_t len, struct nx__buffer *out,
                    size_t most)
{
    if (len > most || out->len > most - len) return NX_ETOOBIG;
    shared->sink = out;
    for (size_t done = 0; done < len && !tls->error;) {
        size_t n = len - done < NX__TLS_RECORD ? len - done : NX__TLS_RECORD;
        if (seal(tls, (const char *)data + done, n) < 0) break;
        done += n;
        if (nx__buffer_append(out, shared->out, shared->out_len, NX__TLS_OUT_MOST))
            tls->error = ENOMEM;
        shared->out_len = 0;
    }
    shared->out_len = 0;
    return !tls->error ? NX_OK : tls->error == ENOMEM ? NX_ENOMEM : NX_EPROTO;
}

int nx__tls_end(struct nx__tls *tls)
{
    if (tls->error || !tls->open) return -tls->error;
    shared->sink = NULL;
    if (SSL_shutdown(tls->ssl) < 0) {
        int error = reason_take(tls);
        if (!tls->error) tls->error = error;
        shared->out_len = 0;
        return -tls->error;
    }
    (void)flush(tls);
    return 0;
}
