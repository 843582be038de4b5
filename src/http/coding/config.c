/* What a server compresses and decodes, and the driver that does it. */
#include "http/coding/coding.h"

#include <stdlib.h>

static nx_bytes peer(nx_request *req)
{
    return req->coded->wire->peer(req);
}

static nx_bytes protocol(const nx_request *req)
{
    return req->coded->wire->protocol(req);
}

static const nx_tls_info *tls(nx_request *req)
{
    const struct nx__http_driver *wire = req->coded->wire;
    return wire->tls ? wire->tls(req) : NULL;
}

static nx_err early(nx_response *res, nx_bytes link)
{
    return res->req->coded->wire->early(res, link);
}

static bool read_all(const nx_request *req)
{
    const struct nx__coded *coded = req->coded;
    return coded->ended || (!coded->decoder && coded->wire->read_all(req));
}

static nx_bytes trailers(const nx_request *req)
{
    return req->coded->wire->trailers(req);
}

static void moves(nx_request *req)
{
    req->coded->wire->moves(req);
}

static void watch(nx_request *req)
{
    req->coded->wire->watch(req);
}

static int descriptor(const nx_request *req)
{
    return req->coded->wire->descriptor(req);
}

static void leave(nx_request *req)
{
    req->coded->wire->leave(req);
}

static const struct nx__http_driver driver = {
    .send = nx__coded_send,
    .send_json = nx__coded_send_json,
    .send_file = nx__coded_send_file,
    .write = nx__coded_write,
    .end = nx__coded_end,
    .early = early,
    .read = nx__coded_read,
    .body = nx__coded_body,
    .read_all = read_all,
    .trailers = trailers,
    .peer = peer,
    .protocol = protocol,
    .tls = tls,
    .descriptor = descriptor,
    .leave = leave,
    .moves = moves,
    .watch = watch,
};

static void begin(nx_request *req)
{
    struct nx__coded *coded = nx__arena_alloc(&req->fiber->own.arena, sizeof *coded);
    if (!coded) return; /* nothing is compressed then, and an encoded body is refused */
    *coded = (struct nx__coded){.wire = req->driver};
    req->coded = coded;
    req->driver = &driver;
}

static void end(nx_request *req)
{
    struct nx__coded *coded = req->coded;
    if (!coded) return;
    req->driver = coded->wire;
    nx__encoder_give(coded->encoder);
    nx__coded_body_end(coded);
    req->coded = NULL;
}

static struct nx__coding_config *config_of(nx_http_server *server, size_t more)
{
    struct nx__coding_config *config = realloc(server->coding, sizeof *config + more);
    if (!config) {
        nx__server_mistake(server, NX_ENOMEM, "cannot set up compression: out of memory");
        return NULL;
    }
    if (!server->coding)
        *config =
            (struct nx__coding_config){.begin = begin, .end = end, .close = nx__encoders_free};
    server->coding = config;
    return config;
}

void nx_http_compress_with(nx_http_server *server, const nx_compress_options *options)
{
    if (!server) return; /* out of memory: nx_http_listen says so */
    nx_compress_options o = {0};
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (o.level < 0 || o.level > 9) {
        nx__server_mistake(server, NX_EINVAL, "the compression level is %d, not from 1 to 9",
                           o.level);
        return;
    }
    size_t count = 0, text = 0;
    for (; o.types && o.types[count]; count++) text += strlen(o.types[count]) + 1;
    struct nx__coding_config *config =
        config_of(server, o.types ? (count + 1) * sizeof *config->types + text : 0);
    if (!config) return;
    config->compress = true;
    config->min = o.min ? o.min : 1024;
    config->level = o.level ? o.level : 4;
    config->types = NULL;
    if (!o.types) return;
    config->types = (const char **)(void *)(config + 1);
    char *at = (char *)(config->types + count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(o.types[i]) + 1;
        config->types[i] = memcpy(at, o.types[i], len);
        at += len;
    }
    config->types[count] = NULL;
}

void nx_http_decode_bodies_with(nx_http_server *server, const nx_decode_options *options)
{
    if (!server) return; /* out of memory: nx_http_listen says so */
    nx_decode_options o = {0};
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    struct nx__coding_config *config = server->coding ? server->coding : config_of(server, 0);
    if (!config) return;
    config->decode = true;
    config->max_ratio = o.max_ratio ? o.max_ratio : 100;
}
