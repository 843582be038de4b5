/* Compression as a driver over the protocol's driver: what a handler sends is encoded on its way
 * down, what it reads is decoded on its way up. */
#ifndef NX__CODING_H
#define NX__CODING_H

#include "http/coding/encoders.h"
#include "http/server.h"

/* Of a server; behind pointers, so that a program that compresses nothing links none of it. */
struct nx__coding_config {
    void (*begin)(nx_request *req); /* before the handler */
    void (*end)(nx_request *req);   /* after it */
    void (*close)(void);            /* the loop's encoders, when the server has stopped */
    bool compress, decode;
    uint32_t min, max_ratio;
    int level;
    const char **types; /* ended by NULL; NULL: nx__type_compressible. Behind the struct. */
};

/* Of a request. */
struct nx__coded {
    const struct nx__http_driver *wire; /* below */
    struct nx__encoder *encoder;        /* of an answer in pieces */
    char *out;                          /* its output, NX__CODED_PIECE */
    const struct nx__codec *codec;      /* of the body; NULL: it is as it came */
    void *decoder;
    nx_bytes raw;             /* read, not yet decoded */
    char *piece;              /* decoded, NX__CODED_PIECE */
    uint64_t received, given; /* bytes of the body: before, after */
    bool whole;               /* the last stream has ended */
    bool ended;               /* and the body with it */
};

enum {
    NX__CODED_PIECE = 16 * 1024,
    NX__CODED_FILE_MOST = 16 << 20,   /* a larger file is sent as it is */
    NX__CODED_RATIO_FREE = 64 * 1024, /* decoded bytes that no ratio is asked of */
};

/* compress.c */
nx_err nx__coded_send(nx_response *res, nx_bytes body);
nx_err nx__coded_send_json(nx_response *res, nx_value value);
nx_err nx__coded_send_file(nx_response *res, int fd, const struct nx__file_piece *pieces,
                           size_t count);
nx_err nx__coded_write(nx_response *res, nx_bytes piece);
nx_err nx__coded_end(nx_response *res);

/* decode.c */
nx_err nx__coded_read(nx_request *req, nx_bytes *chunk);
nx_err nx__coded_body(nx_request *req, nx_bytes *body);
void nx__coded_body_end(struct nx__coded *coded);

#endif
