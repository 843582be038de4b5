/* What the ways to connect a WebSocket share: over a connection of HTTP/1.1, which becomes it
 * (client.c), and over a stream of HTTP/2 or HTTP/3 (client_stream.c). */
#ifndef NX__WS_CLIENT_H
#define NX__WS_CLIENT_H

#include "http/ws/ws.h"
#include <nexus/url.h>

static inline struct nx__ws_deflate_wish nx__ws_wish(const nx_ws_options *o)
{
    return (struct nx__ws_deflate_wish){
        .fresh = o->compress == NX_WS_FRESH,
        .max_bits = (uint8_t)(o->window_bits ? o->window_bits : NX__WS_BITS_MOST)};
}

/* Cuts the next of the program's own fields, "name: value", off `*rest`; empty at the end. */
nx_bytes nx__ws_field_next(nx_bytes *rest);

/* The options for TLS, of the program's or the defaults, for a connection in `span`. */
void nx__ws_tls_options(nx_tls_connect_options *out, const nx_ws_options *o, nx_duration span);

/* "cannot connect to "ws://host/": " and why. Returns the error. */
nx_err nx__ws_failed(const char *url, nx_err err, const char *why);

/* Looks at what the server has chosen of what was offered; `data` is NULL for nothing. NX_EPROTO.
 */
NX_MUST_CHECK nx_err nx__ws_agree(struct nx__ws_deflate *agreed, const char *url, nx_bytes protocol,
                                  nx_bytes extensions, const nx_ws_options *o);

/* Connects by a stream of HTTP/2 or HTTP/3, as the options say. `until` is absolute. As
 * nx_ws_connect. Suspends. */
NX_MUST_CHECK nx_err nx__ws_connect_stream(nx_ws **out, const nx_url *url, const nx_ws_options *o,
                                           nx_duration until);

#endif
