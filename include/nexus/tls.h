/* TLS 1.3 and 1.2: connections that nobody else reads or changes, and that say who is at the other
 * end.
 *
 * Where a certificate, a key or authorities are given, it is by a file's path or as PEM itself
 * ("-----BEGIN CERTIFICATE-----..."). Reading a file needs --allow-read.
 *
 * What is made here belongs to the thread that made it, and is used by its fibers only; but an
 * nx_tls_server is for any thread. */
#ifndef NEXUS_TLS_H
#define NEXUS_TLS_H

#include <nexus/base.h>
#include <nexus/net.h>
#include <nexus/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum nx_tls_version { NX_TLS_1_2 = 1, NX_TLS_1_3 } nx_tls_version;

/* ---- Servers */

/* What connections are accepted with: certificates and rules. */
typedef struct nx_tls_server nx_tls_server;

typedef struct nx_tls_server_options {
    size_t size;
    const char *cert;      /* the chain: the server's own certificate, then those between it and an
                              authority */
    const char *key;       /* its private key; NULL: it lies in `cert` too */
    const char *client_ca; /* authorities: clients have to show a certificate that comes from one of
                              them. NULL: they show none */
    bool client_optional;  /* they may come without one */
    const char *protocols; /* ALPN, the best first: "h2,http/1.1". A client that speaks none of them
                              is refused. NULL: it is not asked */
    nx_tls_version least;  /* NX_TLS_1_2 */
    const char *key_log;   /* a file that keys are added to, for who looks at packets; needs
                              --allow-write. Also named by SSLKEYLOGFILE, with --allow-env. Whoever
                              reads it reads the connections */
    bool keep; /* files are read again at nx_tls_server_reload only, not as they change */
} nx_tls_server_options;

/* Reads the certificate and the key. The caller's to free. NX_EINVAL (no certificate, no key, they
 * do not belong together), NX_ENOTSUP (the key is encrypted), NX_ENOENT, NX_EACCES, NX_EPERM,
 * NX_ENOMEM. Blocks for as long as the disk takes. */
NX_API NX_MUST_CHECK nx_err nx_tls_server_new_with(nx_tls_server **out,
                                                   const nx_tls_server_options *options);
#define nx_tls_server_new(out, ...)                                                                \
    nx_tls_server_new_with(                                                                        \
        (out), &(nx_tls_server_options){.size = sizeof(nx_tls_server_options), __VA_ARGS__})

/* Adds another certificate: connections that ask for a name of its (SNI) are answered with it. An
 * exact name goes before "*.example.com"; who asks for none of the names, or for no name, gets the
 * first. Errors as above. */
NX_API NX_MUST_CHECK nx_err nx_tls_server_add(nx_tls_server *server, const char *cert,
                                              const char *key);

/* Reads all files again. What is wrong leaves all as it was. Connections that are open stay as they
 * are. Without it files that have changed are read again within NX_TLS_RELOAD, once somebody
 * connects; what is wrong then is logged. Any thread. Errors as above. */
NX_API NX_MUST_CHECK nx_err nx_tls_server_reload(nx_tls_server *server);
#define NX_TLS_RELOAD NX_S(2)

/* Frees it; connections stay. NULL is nothing. */
NX_API void nx_tls_server_free(nx_tls_server *server);
static inline void nx_tls_server_auto(nx_tls_server **server)
{
    nx_tls_server_free(*server);
    *server = NULL;
}

/* ---- Connections */

typedef struct nx_tls nx_tls;

typedef struct nx_tls_connect_options {
    size_t size;
    nx_duration deadline;      /* for the lookup, connecting and the handshake; 0: 30 s */
    nx_duration read_deadline; /* as in nx_connect_options */
    nx_duration write_deadline;
    const char *name;       /* that the server has to prove; NULL: the host of the address */
    const char *ca;         /* authorities that are trusted instead of the system's */
    const char *cert, *key; /* what is shown to a server that asks for a certificate */
    const char *protocols;  /* ALPN, the best first: "h2,http/1.1" */
    nx_tls_version least;   /* NX_TLS_1_2 */
    const char *key_log;    /* as in nx_tls_server_options */
    bool no_resumption;     /* each handshake is a whole one */
    bool insecure;          /* any certificate will do: anybody may read and change what is sent */
} nx_tls_connect_options;

/* Connects, and makes sure that the other end is who it is said to be: its certificate comes from
 * an authority, is valid now, and has the name.
 *   NX_AUTO(nx_tls) *tls = NULL;
 *   NX_TRY(nx_tls_connect(&tls, "example.com:443"));
 * `*out` is the caller's to close. Errors as nx_net_connect, and NX_EPROTO: the certificate is not
 * to be trusted (the message says why), the other end does not speak TLS, or refuses. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_tls_connect_with(nx_tls **out, const char *address,
                                                const nx_tls_connect_options *options);
#define nx_tls_connect(out, address, ...)                                                          \
    nx_tls_connect_with(                                                                           \
        (out), (address),                                                                          \
        &(nx_tls_connect_options){.size = sizeof(nx_tls_connect_options), __VA_ARGS__})

/* The same over a connection that is there, such as one that a proxy has made. It ends with this
 * one and stays the caller's to close, after it. `address` is for the name and for messages. */
NX_API NX_MUST_CHECK nx_err nx_tls_client_with(nx_tls **out, nx_conn *conn, const char *address,
                                               const nx_tls_connect_options *options);
#define nx_tls_client(out, conn, address, ...)                                                     \
    nx_tls_client_with(                                                                            \
        (out), (conn), (address),                                                                  \
        &(nx_tls_connect_options){.size = sizeof(nx_tls_connect_options), __VA_ARGS__})

/* The other end of it: answers the handshake of a connection that was accepted, which ends with
 * this one and stays the caller's to close, after it. NX_EPROTO, NX_ETIMEDOUT
 * (NX_TLS_HANDSHAKE_DEADLINE), NX_ERESET, NX_ECANCELED, NX_ENOMEM. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_tls_accept(nx_tls **out, nx_conn *conn, nx_tls_server *server);
#define NX_TLS_HANDSHAKE_DEADLINE NX_S(10)

/* What is read from the peer and written to it, as nx_net_stream has it: the same stream each time,
 * which ends with the connection. A peer that goes without saying so (close_notify) has its
 * connection end by NX_ERESET, "cut off": what came may not be all. */
NX_API nx_stream *nx_tls_stream(nx_tls *tls);

/* What the handshake has made of it; lasts as long as the connection. */
typedef struct nx_tls_info {
    nx_tls_version version;
    bool resumed;             /* no certificate was sent: it was shown before */
    const char *cipher;       /* "TLS_AES_128_GCM_SHA256" */
    const char *group;        /* that keys were exchanged with: "X25519MLKEM768" */
    const char *protocol;     /* ALPN; "" for none */
    const char *name;         /* that the client has asked for (SNI); "" for none */
    const char *peer_subject; /* of the peer's certificate: "CN=alice,O=Example"; "" without one */
    const char *peer_sha256;  /* of that certificate, in hex; "" without one */
} nx_tls_info;
NX_API const nx_tls_info *nx_tls_info_of(nx_tls *tls);

/* The connection below, for addresses and deadlines; NULL after the end. */
NX_API nx_conn *nx_tls_conn(nx_tls *tls);

/* Says goodbye and closes it, and its stream; NULL is nothing. No other fiber may be in it. */
NX_API void nx_tls_close(nx_tls *tls);
static inline void nx_tls_auto(nx_tls **tls)
{
    nx_tls_close(*tls);
    *tls = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
