/* WebSocket: messages in both directions over one connection, as a server and as a client
 * (RFC 6455), compressed where both sides like (RFC 7692).
 *
 * A handler that loops holds a fiber:
 *
 *   static nx_err echo(nx_request *req, nx_response *res)
 *   {
 *       nx_ws *ws;
 *       nx_ws_message message;
 *       NX_TRY(nx_ws_accept(req, res, &ws));
 *       while (nx_ws_receive(ws, &message) == NX_OK) NX_TRY(nx_ws_send_message(ws, &message));
 *       return NX_OK;
 *   }
 *
 * Callbacks hold none while nothing comes:
 *
 *   static nx_err said(nx_ws *ws, const nx_ws_message *message)
 *   {
 *       return nx_ws_send_message(ws, message);
 *   }
 *   static nx_err echo(nx_request *req, nx_response *res)
 *   {
 *       return nx_ws_serve(req, res, .message = said);
 *   }
 *
 * All calls are for the thread on which the WebSocket was made. */
#ifndef NEXUS_WEBSOCKET_H
#define NEXUS_WEBSOCKET_H

#include <nexus/events.h>
#include <nexus/fetch.h>
#include <nexus/http.h>
#include <nexus/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nx_ws nx_ws;

/* A message. A NUL stands behind its data, and is not counted. */
typedef struct nx_ws_message {
    nx_bytes data; /* of a text message: valid UTF-8 */
    bool text;     /* else binary */
} nx_ws_message;

/* What nx_ws_send does when max_queue bytes wait for the peer already. */
typedef enum nx_ws_slow {
    NX_WS_WAIT = 1, /* suspends until there is room */
    NX_WS_DROP,     /* drops the message, and returns NX_OK */
    NX_WS_CUT,      /* ends the connection */
} nx_ws_slow;

/* Compression, where the peer can do it too. */
typedef enum nx_ws_compress {
    NX_WS_FRESH = 1, /* each message for itself: no memory is kept between two */
    NX_WS_CONTEXT,   /* messages are compressed together with those before: smaller, and up to
                        300 KiB of memory for each connection while it sends */
} nx_ws_compress;

/* Zero means the default, which is named in the comment. Deadlines: NX_FOREVER for none. */
typedef struct nx_ws_options {
    size_t size;
    /* A server's. */
    const char *origins; /* pages that may connect: "https://a.example, http://localhost:3000"; with
                            a star for the first labels any name below the others; "*": any.
                            Default: those of the request's own host. Programs that are no browsers
                            send no origin, and may always */
    /* Both. */
    const char *protocols; /* subprotocols, best first: "chat.v2, chat.v1". A server takes the first
                              that the client knows too; none */
    size_t max_message;    /* bytes of a message that comes, decompressed; 1 MiB. Then the
                              connection is closed with code 1009 */
    size_t max_queue;      /* bytes that wait for the peer to take them, 1 MiB */
    nx_ws_slow slow;       /* when that is reached; NX_WS_WAIT */
    nx_ws_compress compress;    /* no compression */
    uint32_t compress_min;      /* smaller messages are sent as they are; 256 bytes */
    uint32_t window_bits;       /* of compression, 9 to 15: windows of 512 bytes to 32 KiB; 15 */
    nx_duration heartbeat;      /* of silence before the peer is asked whether it is there (a ping);
                                   without an answer for as long again it is gone. 30 s */
    nx_duration idle_deadline;  /* without a message from the peer: then it is closed with 1001;
                                   none */
    nx_duration write_deadline; /* without the peer taking a byte that waits for it, 30 s */
    nx_duration close_deadline; /* for the peer's answer to our close, 5 s */
    void *data;                 /* for nx_ws_data */
    /* Callbacks, for nx_ws_serve. Each runs in a fiber, so it may wait; then the messages that
     * follow wait too, and the peer. Memory of nx_alloc lasts until it returns. `open` comes first,
     * when the handler has returned. An error of these closes the connection with code 1011, and is
     * logged unless it is NX_ECLOSED. `close` comes last, once, if nx_ws_serve returned NX_OK; the
     * WebSocket is gone when it returns. */
    nx_err (*open)(nx_ws *ws);
    nx_err (*message)(nx_ws *ws, const nx_ws_message *message);
    void (*close)(nx_ws *ws);
    /* A client's. */
    const char *headers;               /* fields of the request, each line "name: value\n"; none */
    nx_duration deadline;              /* to connect and shake hands, 10 s */
    const nx_tls_connect_options *tls; /* for wss: which authorities are trusted, and so on; its
                                          deadlines and protocols do not count */
    nx_http_version version;           /* what it goes over: HTTP/1.1. NX_HTTP_2, NX_HTTP_3: a
                                          stream of that, with a connection of its own (RFC 8441,
                                          RFC 9220), of a server that is known to have it */
} nx_ws_options;
#define NX_WS_MAX_MESSAGE ((size_t)1 << 20)
#define NX_WS_MAX_QUEUE   ((size_t)1 << 20)

/* ---- A server's */

/* Accepts the handshake; the WebSocket lasts until the handler has returned, and what it has
 * spawned has ended. If it is open then, it is closed, with code 1000, or 1011 after an error. The
 * handler's deadline no longer counts; when the server stops, it is closed with code 1001. An error
 * is to be returned from the handler, and becomes the right answer: NX_EPROTO (400 or 426: that is
 * no handshake), NX_EPERM (403: the page is of another origin), NX_ENOTSUP (505, 501), NX_EINVAL
 * (options), NX_ENOMEM, NX_ERESET. May suspend.
 */
NX_API NX_MUST_CHECK nx_err nx_ws_accept_with(nx_request *req, nx_response *res, nx_ws **out,
                                              const nx_ws_options *options);
#define nx_ws_accept(req, res, ...)                                                                \
    NX__WS_ACCEPT(req, res, __VA_ARGS__, .size = sizeof(nx_ws_options))
#define NX__WS_ACCEPT(req, res, out, ...)                                                          \
    nx_ws_accept_with((req), (res), (out), &(nx_ws_options){__VA_ARGS__})

/* The same with callbacks: the handler returns, and no fiber is held while nothing comes. */
NX_API NX_MUST_CHECK nx_err nx_ws_serve_with(nx_request *req, nx_response *res,
                                             const nx_ws_options *options);
#define nx_ws_serve(req, res, ...)                                                                 \
    nx_ws_serve_with((req), (res), &(nx_ws_options){.size = sizeof(nx_ws_options), __VA_ARGS__})

/* ---- A client's */

/* Connects to "ws://host:port/path", or "wss:", and shakes hands: nx_ws_connect(&ws,
 * "ws://localhost:3000/chat", .protocols = "chat"). The caller frees it with nx_ws_free. With
 * callbacks they are called as a server's are, until then. NX_EINVAL (the URL, the options),
 * NX_EPROTO (the answer is none to a handshake, or a refusal, whose status the message says),
 * NX_ETIMEDOUT, NX_ENOTSUP (another scheme; a server without WebSocket over that version; "ws:"
 * over HTTP/3), NX_ENOMEM, and what nx_net_connect returns, NX_EPERM
 * (needs --allow-net) among it. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_ws_connect_with(nx_ws **out, const char *url,
                                               const nx_ws_options *options);
#define nx_ws_connect(out, ...) NX__WS_CONNECT(out, __VA_ARGS__, .size = sizeof(nx_ws_options))
#define NX__WS_CONNECT(out, url, ...)                                                              \
    nx_ws_connect_with((out), (url), &(nx_ws_options){__VA_ARGS__})

/* Frees a client's. One that is open is closed with code 1000, and the peer's answer is waited for
 * without the caller; `close` is still called. No fiber may be in it. NULL is nothing. Does not
 * suspend. */
NX_API void nx_ws_free(nx_ws *ws);
static inline void nx_ws_auto(nx_ws **ws)
{
    nx_ws_free(*ws);
    *ws = NULL;
}

/* ---- Both sides' */

/* Waits for the next message, whose data lasts until the next call. One fiber at a time; not with
 * callbacks (NX_ESTATE). NX_ECLOSED (closed by either side; nx_ws_close_code says why), NX_ERESET
 * (the connection has broken), NX_EPROTO, NX_ETOOBIG (what came was not right, or too much; the
 * peer has been told), NX_ETIMEDOUT (the peer is gone), NX_ENOMEM, NX_ECANCELED. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_ws_receive(nx_ws *ws, nx_ws_message *message);

/* Sends a message: text, which has to be UTF-8; text as a slice; bytes; a value as JSON; one as it
 * came. It is copied, or with the kernel, when the call returns, and goes out with the others of
 * the loop's turn. Any fiber of the thread. NX_ECLOSED (it is closed, or being closed), NX_EINVAL
 * (no UTF-8), NX_ENOMEM, NX_ECANCELED. Suspends when max_queue bytes wait for the peer, see `slow`.
 */
NX_API NX_MUST_CHECK nx_err nx_ws_send(nx_ws *ws, const char *text);
NX_API NX_MUST_CHECK nx_err nx_ws_send_text(nx_ws *ws, nx_bytes text);
NX_API NX_MUST_CHECK nx_err nx_ws_send_bytes(nx_ws *ws, nx_bytes bytes);
NX_API NX_MUST_CHECK nx_err nx_ws_send_json(nx_ws *ws, nx_value value);
NX_API NX_MUST_CHECK nx_err nx_ws_send_message(nx_ws *ws, const nx_ws_message *message);

/* ---- Topics (see <nexus/events.h>): one message to all who listen, made once, and compressed once
 * for all who have agreed on the same */

/* Makes it a listener of the topic, of any number of them, until it closes: it gets what
 * nx_topic_send sends, the data as a text message, or as a binary one where the event is `binary`
 * or the data are not UTF-8; the rest of an event is for streams of events. Of `options` only
 * `recent` counts. One that falls behind by more than the topic's max_queue is ended, or misses
 * messages where its `slow` is NX_WS_DROP. NX_ESTATE (it listens already), NX_ENOTSUP (a client's),
 * NX_ECLOSED, NX_ENOMEM. Does not suspend. */
NX_API NX_MUST_CHECK nx_err nx_ws_subscribe_with(nx_ws *ws, nx_topic *topic,
                                                 const nx_subscribe_options *options);
#define nx_ws_subscribe(ws, ...)                                                                   \
    NX__WS_SUBSCRIBE(ws, __VA_ARGS__, .size = sizeof(nx_subscribe_options))
#define NX__WS_SUBSCRIBE(ws, topic, ...)                                                           \
    nx_ws_subscribe_with((ws), (topic), &(nx_subscribe_options){__VA_ARGS__})

/* It listens no longer; harmless where it did not. Does not suspend. */
NX_API void nx_ws_unsubscribe(nx_ws *ws, const nx_topic *topic);

/* ---- Signals, and the end */

/* Sends a ping with up to 125 bytes; the answer is not shown. The heartbeat does so by itself.
 * NX_ECLOSED, NX_EINVAL (more bytes), NX_ENOMEM. Does not suspend. */
NX_API NX_MUST_CHECK nx_err nx_ws_ping(nx_ws *ws, nx_bytes bytes);

/* Closes it in order: tells the peer, with a code (1000, 3000 to 4999, or another that RFC 6455
 * 7.4 lets an endpoint send; 0: none) and a reason of at most 123 bytes, or NULL. What was sent
 * before goes first; messages of the peer that are under way may still be received. Harmless when
 * it is closed already. Does not suspend. */
NX_API void nx_ws_close(nx_ws *ws, unsigned code, const char *reason);

/* How it was closed: the code of the peer's close, else ours; 1005: without one, 1006: without a
 * close; 0: it is open. The reason lasts as long as the WebSocket. */
NX_API unsigned nx_ws_close_code(const nx_ws *ws);
NX_API nx_bytes nx_ws_close_reason(const nx_ws *ws);

/* The subprotocol that was agreed on; empty: none. */
NX_API const char *nx_ws_protocol(const nx_ws *ws);

/* Bytes that wait for the peer to take them. */
NX_API size_t nx_ws_queued(const nx_ws *ws);

/* A pointer of the program's. */
NX_API void *nx_ws_data(const nx_ws *ws);
NX_API void nx_ws_set_data(nx_ws *ws, void *data);

#ifdef __cplusplus
}
#endif

#endif
