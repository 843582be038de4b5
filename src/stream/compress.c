/* Compression as transforms. */
#include "base/compiler.h"
#include "codec/codec.h"
#include "loop/files.h"
#include "stream/stream.h"

#include <nexus/runtime.h>
#include <stdlib.h>

enum {
    ROOM = 64 * 1024,  /* for what a step makes */
    ALONE = 16 * 1024, /* more than this is compressed on a thread of the pool */
};

/* ---- Compressing */

struct packing {
    const struct nx__codec *codec;
    void *encoder;
    /* A step: */
    enum nx__code_op op;
    nx_bytes in;
    char *out;
    size_t len;
    enum nx__coded_state state;
};

static nx_err step(void *state)
{
    struct packing *p = state;
    p->state = p->codec->encode(p->encoder, p->op, &p->in, p->out, ROOM, &p->len);
    return NX_OK;
}

static nx_err steps(struct packing *p, enum nx__code_op op, nx_bytes in, nx_stream *next)
{
    p->op = op;
    p->in = in;
    do {
        void *room;
        NX_TRY(nx_stream_room(next, ROOM, &room));
        p->out = room;
        NX_TRY(p->in.len > ALONE ? nx_blocking(step, p) : step(p));
        if (p->state >= NX__CODED_BAD)
            return nx__error_set(NX_ENOMEM, "cannot compress with %s: out of memory",
                                 p->codec->name);
        NX_TRY(nx_stream_commit(next, p->len));
    } while (p->state != NX__CODED_DONE);
    return NX_OK;
}

static nx_err pack(void *state, nx_bytes bytes, nx_stream *next)
{
    return steps(state, NX__CODE_MORE, bytes, next);
}

static nx_err pack_finish(void *state, nx_stream *next)
{
    return steps(state, NX__CODE_END, (nx_bytes){0}, next);
}

static void pack_close(void *state)
{
    struct packing *p = state;
    p->codec->encoder_free(p->encoder);
    free(p);
}

static nx_stream *packing_new(const struct nx__codec *codec, const nx_pack_options *o,
                              int level_default, int level_most)
{
    static const nx_stream_type type = {.size = sizeof type,
                                        .name = "a compressor",
                                        .transform = pack,
                                        .finish = pack_finish,
                                        .close = pack_close};
    if (o->level < 0 || o->level > level_most)
        return nx__stream_refused(NX_EINVAL, "the level of %s is %d, not from 1 to %d", codec->name,
                                  o->level, level_most);
    if (!codec->encoder_new)
        return nx__stream_refused(NX_ENOTSUP, "this build of Nexus can't compress with %s",
                                  codec->name);
    const struct nx__encoding how = {.level = o->level ? o->level : level_default};
    struct packing *p = calloc(1, sizeof *p);
    void *encoder = p ? codec->encoder_new(&how) : NULL;
    if (!encoder) {
        free(p);
        return nx__stream_no_memory();
    }
    p->codec = codec;
    p->encoder = encoder;
    return nx_stream_new(&type, p);
}

nx_stream *nx_gzip_with(const nx_pack_options *options)
{
    NX__OPTIONS(nx_pack_options, o, options);
    return packing_new(&nx__codec_gzip, &o, 6, 9);
}

nx_stream *nx_deflate_with(const nx_pack_options *options)
{
    NX__OPTIONS(nx_pack_options, o, options);
    return packing_new(o.raw ? &nx__codec_deflate : &nx__codec_zlib, &o, 6, 9);
}

nx_stream *nx_brotli_with(const nx_pack_options *options)
{
    NX__OPTIONS(nx_pack_options, o, options);
    return packing_new(&nx__codec_brotli, &o, 5, 11);
}

nx_stream *nx_zstd_with(const nx_pack_options *options)
{
    NX__OPTIONS(nx_pack_options, o, options);
    return packing_new(&nx__codec_zstd, &o, 3, 19);
}

/* ---- Decompressing */

struct unpacking {
    const struct nx__codec *codec;
    void *decoder;
    uint64_t received, given, max;
    uint32_t max_ratio;
    bool whole; /* a stream has ended, and nothing has come behind it */
};

static nx_err spoiled(const struct unpacking *u, enum nx__coded_state state)
{
    const char *name = u->codec->name;
    if (state == NX__CODED_NO_MEMORY)
        return nx__error_set(NX_ENOMEM, "cannot read %s: out of memory", name);
    if (state == NX__CODED_LARGE)
        return nx__error_set(NX_ETOOBIG,
                             "cannot read %s: it wants a larger window than 8 MiB "
                             "(see large_window)",
                             name);
    return nx__error_set(NX_EPROTO,
                         u->whole ? "what follows the end of the %s is none"
                                  : "cannot read %s: it is damaged, or something else",
                         name);
}

/* Lets through what has come out of the decoder. */
static nx_err sizes_check(const struct unpacking *u)
{
    if (u->max && u->given > u->max)
        return nx__error_set(NX_ETOOBIG, "cannot read %s: it grows to more than %llu bytes (max)",
                             u->codec->name, (unsigned long long)u->max);
    if (u->max_ratio && u->given > NX_UNPACK_RATIO_FREE && u->given / u->max_ratio > u->received)
        return nx__error_set(NX_ETOOBIG,
                             "cannot read %s: it grows to more than %u times its size (max_ratio)",
                             u->codec->name, u->max_ratio);
    return NX_OK;
}

static nx_err unpack(void *state, nx_bytes bytes, nx_stream *next)
{
    struct unpacking *u = state;
    u->received += bytes.len;
    bool full = false; /* the decoder may hold more than there was room for */
    while (bytes.len || full) {
        void *room;
        size_t len, before = bytes.len;
        if (u->whole && !u->codec->many) return spoiled(u, NX__CODED_BAD);
        NX_TRY(nx_stream_room(next, ROOM, &room));
        enum nx__coded_state coded = u->codec->decode(u->decoder, &bytes, room, ROOM, &len);
        if (coded >= NX__CODED_BAD) return spoiled(u, coded);
        u->whole = coded == NX__CODED_DONE;
        full = len == ROOM && !u->whole;
        u->given += len;
        NX_TRY(sizes_check(u));
        NX_TRY(nx_stream_commit(next, len));
        if (!u->whole && !len && bytes.len == before && before) return spoiled(u, NX__CODED_BAD);
        if (nx__file_turn(len) < 0) return nx__error_set(NX_ECANCELED, "cancelled");
    }
    return NX_OK;
}

static nx_err unpack_finish(void *state, nx_stream *next)
{
    const struct unpacking *u = state;
    (void)next;
    return u->whole ? NX_OK
                    : nx__error_set(NX_EPROTO, "cannot read %s: it is cut off", u->codec->name);
}

static void unpack_close(void *state)
{
    struct unpacking *u = state;
    u->codec->decoder_free(u->decoder);
    free(u);
}

static nx_stream *unpacking_new(const struct nx__codec *codec, const nx_unpack_options *o)
{
    static const nx_stream_type type = {.size = sizeof type,
                                        .name = "a decompressor",
                                        .transform = unpack,
                                        .finish = unpack_finish,
                                        .close = unpack_close};
    struct unpacking *u = malloc(sizeof *u);
    void *decoder =
        u ? codec->decoder_new(o->large_window ? NX__CODEC_WINDOW_MOST : NX__CODEC_WINDOW) : NULL;
    if (!decoder) {
        free(u);
        return nx__stream_no_memory();
    }
    *u = (struct unpacking){
        .codec = codec, .decoder = decoder, .max = o->max, .max_ratio = o->max_ratio};
    return nx_stream_new(&type, u);
}

nx_stream *nx_gunzip_with(const nx_unpack_options *options)
{
    NX__OPTIONS(nx_unpack_options, o, options);
    return unpacking_new(&nx__codec_gzip, &o);
}

nx_stream *nx_inflate_with(const nx_unpack_options *options)
{
    NX__OPTIONS(nx_unpack_options, o, options);
    return unpacking_new(o.raw ? &nx__codec_deflate : &nx__codec_zlib, &o);
}

nx_stream *nx_unbrotli_with(const nx_unpack_options *options)
{
    NX__OPTIONS(nx_unpack_options, o, options);
    return unpacking_new(&nx__codec_brotli, &o);
}

nx_stream *nx_unzstd_with(const nx_unpack_options *options)
{
    NX__OPTIONS(nx_unpack_options, o, options);
    return unpacking_new(&nx__codec_zstd, &o);
}
