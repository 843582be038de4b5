/* One connection's TLS: bytes of the socket in, bytes of the program out, and the other way round.
 *
 * A session belongs to the thread that made it, allocates nothing while it is idle but what libssl
 * keeps, and never waits: what would block says so. Reading never waits for writing: what TLS
 * itself has to say in between, such as new keys, goes with what is written next. */
#ifndef NX__TLS_SESSION_H
#define NX__TLS_SESSION_H

#include "base/buffer.h"
#include <nexus/tls.h>
#include <sys/uio.h>

struct nx__tls;

enum {
    NX__TLS_RECORD = 16 * 1024,          /* plain bytes in a record (RFC 8446 5.1) */
    NX__TLS_OUT_MOST = 512 * 1024,       /* sealed bytes that nobody has taken */
    NX__TLS_HANDSHAKE_MOST = 256 * 1024, /* bytes of a peer before the handshake is done */
};

/* Goes on with the handshake: 1 when it is done, -EAGAIN (more has to come), or another -errno.
 * What the socket does not take is put into `out`, which has to be empty, and has to go before it
 * is called again, or before anything else is sent. */
long nx__tls_handshake(struct nx__tls *tls, struct nx__buffer *out);

/* The protocol that was agreed on (ALPN); empty for none. */
nx_bytes nx__tls_protocol(const struct nx__tls *tls);

/* Why the handshake has failed, in words: "the peer offers nothing newer than TLS 1.1". */
const char *nx__tls_why(const struct nx__tls *tls);

/* What came first was no TLS but text, as HTTP is: nothing was sent to the peer. */
bool nx__tls_is_text(const struct nx__tls *tls);

/* Whether the peer has said that no more comes (close_notify); an end without is an end in the
 * middle. */
bool nx__tls_is_closed(const struct nx__tls *tls);

/* What the handshake has made of it; in memory of the session. NULL where memory is out. */
const nx_tls_info *nx__tls_info(struct nx__tls *tls);

/* Reads decrypted bytes, as nx__recv does: the count, 0 when the peer has ended what it sends,
 * -EAGAIN, or another -errno; -EPROTO where what came is not TLS, or was changed on its way. */
long nx__tls_recv(struct nx__tls *tls, void *data, size_t len);

/* Whether there may be more to read although no event of the poller will say so. */
bool nx__tls_more(const struct nx__tls *tls);

/* Seals and sends the bytes of the pieces, until all have gone or the socket takes no more: sealed
 * bytes that it does not take are put into `out`, which has to be empty. They go to the socket as
 * they are, before anything else is sent. The number of bytes that were sealed, so that with `out`
 * still empty it is all; -errno. */
long nx__tls_send(struct nx__tls *tls, const struct iovec *pieces, size_t count,
                  struct nx__buffer *out);

/* Seals the bytes and adds them to `out`, at most `most` there. NX_ETOOBIG, NX_ENOMEM, NX_EPROTO.
 */
NX_MUST_CHECK nx_err nx__tls_keep(struct nx__tls *tls, const void *data, size_t len,
                                  struct nx__buffer *out, size_t most);

/* What has gone wrong with the socket, as an errno; 0: nothing. */
int nx__tls_error(const struct nx__tls *tls);

/* Tells the peer that no more comes (close_notify), as far as the socket takes it. 0, or -errno. */
int nx__tls_end(struct nx__tls *tls);

/* Frees it; the socket stays open. NULL is nothing. */
void nx__tls_free(struct nx__tls *tls);

#endif
