/* Compression over HTTP: of answers, and of the bodies that clients send. Both are off until asked
 * for. */
#ifndef NEXUS_COMPRESS_H
#define NEXUS_COMPRESS_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nx_http_server nx_http_server;

/* Zero means the default, which is named in the comment. */
typedef struct nx_compress_options {
    size_t size;
    const char *const *types; /* content types, ended by NULL; "text/" with its slash is all of the
                                 kind, "+json" all with the suffix; text, JSON, XML, JavaScript,
                                 WebAssembly, SVG and the like */
    uint32_t min;             /* bytes of a whole answer: below, it goes as it is; 1,024 */
    int level;                /* 1 (fast) to 9 (small); 4 */
} nx_compress_options;

/* Compresses answers with zstd, br or gzip, whichever the client likes best: whole ones, and pieces
 * as they are sent. Left alone: answers with a content-encoding, a content-range or "cache-control:
 * no-transform", statuses without a body, types that gain nothing. A strong etag becomes a weak
 * one. Where an answer holds both a secret and what the peer has sent, its length gives the secret
 * away (BREACH): give such an answer "cache-control: no-transform". Mistakes come out of
 * nx_http_listen: NX_EINVAL (level), NX_ENOMEM. Does not suspend. */
NX_API void nx_http_compress_with(nx_http_server *server, const nx_compress_options *options);
#define nx_http_compress(server, ...)                                                              \
    nx_http_compress_with(                                                                         \
        (server), &(nx_compress_options){.size = sizeof(nx_compress_options), __VA_ARGS__})

typedef struct nx_decode_options {
    size_t size;
    uint32_t max_ratio; /* a body may grow to so many times its size, past 64 KiB; 100 */
} nx_decode_options;

/* Decodes request bodies with a content-encoding of gzip, br or zstd, so that nx_request_body and
 * nx_request_read give what was meant. max_body counts before and after. Past max_body or max_ratio
 * reading fails with NX_ETOOBIG (413), for bytes that do not decode with NX_EPROTO (400). Without
 * this call such a body can't be read: NX_ENOTSUP, answered with 415. Does not suspend. */
NX_API void nx_http_decode_bodies_with(nx_http_server *server, const nx_decode_options *options);
#define nx_http_decode_bodies(server, ...)                                                         \
    nx_http_decode_bodies_with(                                                                    \
        (server), &(nx_decode_options){.size = sizeof(nx_decode_options), __VA_ARGS__})

#ifdef __cplusplus
}
#endif

#endif
