/* permessage-deflate (RFC 7692): what is agreed on, and messages on both ways. */
#ifndef NX__WS_DEFLATE_H
#define NX__WS_DEFLATE_H

#include "base/buffer.h"

/* What was agreed on. A window is a power of two. */
struct nx__ws_deflate {
    bool on;
    bool server_fresh, client_fresh;  /* each message begins anew (..._no_context_takeover) */
    uint8_t server_bits, client_bits; /* windows of what each sends, 9 to 15 */
};

enum { NX__WS_BITS_LEAST = 9, NX__WS_BITS_MOST = 15 };

/* What we would like. */
struct nx__ws_deflate_wish {
    bool fresh;       /* no state is kept between messages, on neither side */
    uint8_t max_bits; /* windows of at most that many bits, on both sides */
};

/* As a server: takes the first offer in the field that can be met. False when there is none: it
 * goes without then. */
bool nx__ws_deflate_accept(struct nx__ws_deflate *agreed, nx_bytes field,
                           const struct nx__ws_deflate_wish *wish);

/* The field's value, of an answer, or of an offer; NX__WS_DEFLATE_TEXT bytes at most, with NUL. */
enum { NX__WS_DEFLATE_TEXT = 160 };
void nx__ws_deflate_answer(const struct nx__ws_deflate *agreed, char *out);
void nx__ws_deflate_offer(const struct nx__ws_deflate_wish *wish, char *out);

/* As a client: reads the answer to our offer; false when it is none to it (RFC 7692 7.1). An empty
 * field means that it goes without. */
bool nx__ws_deflate_agree(struct nx__ws_deflate *agreed, nx_bytes field,
                          const struct nx__ws_deflate_wish *wish);

/* ---- Messages */

/* One direction. */
struct nx__ws_inflater;
struct nx__ws_deflater;

/* NULL when memory is out. */
struct nx__ws_inflater *nx__ws_inflater_new(unsigned bits);
struct nx__ws_deflater *nx__ws_deflater_new(unsigned bits);
void nx__ws_inflater_free(struct nx__ws_inflater *inflater);
void nx__ws_deflater_free(struct nx__ws_deflater *deflater);

/* Decompresses a message to the end of `out`, and leaves room for a NUL. `fresh`: what came before
 * is forgotten. NX_EPROTO (that is no such thing), NX_ETOOBIG (out would have more than `most`
 * bytes), NX_ENOMEM; records none of them. */
NX_MUST_CHECK nx_err nx__ws_inflate(struct nx__ws_inflater *inflater, nx_bytes in,
                                    struct nx__buffer *out, size_t most, bool fresh);

/* Compresses a message to the end of `out`. NX_ENOMEM; records it not. */
NX_MUST_CHECK nx_err nx__ws_deflate(struct nx__ws_deflater *deflater, nx_bytes in,
                                    struct nx__buffer *out, bool fresh);

#endif
