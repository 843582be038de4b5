/* br by libbrotli (RFC 7932). */
#include "codec/codec.h"

#include "base/compiler.h"
#include "base/list.h"
#include <brotli/decode.h>
#include <setjmp.h>
#include <stdlib.h>

#if defined(NX__BROTLI_ENCODER)
#include <brotli/encode.h>

/* An encoder of the library serves one stream, so that what is used again is its memory: a few
 * tables, of the same sizes each time. */
enum { BLOCKS_MOST = 16, BLOCK_LEAST = 4096 };

struct block {
    struct nx__list link; /* in encoder->blocks, while it is the library's */
    size_t size;
    max_align_t data[];
};

struct encoder {
    BrotliEncoderState *state; /* NULL: memory was out */
    struct block *spare[BLOCKS_MOST];
    int spare_count;
    struct nx__list blocks;
    /* The library ends the program where it gets no memory. So it is left by a jump, and what it
     * has is freed without it. */
    bool encoding;
    jmp_buf no_memory;
};

static void *block_alloc(void *opaque, size_t size)
{
    struct encoder *e = opaque;
    for (int i = 0; i < e->spare_count; i++) {
        struct block *block = e->spare[i];
        if (block->size < size || block->size > 2 * size) continue;
        e->spare[i] = e->spare[--e->spare_count];
        nx__list_insert(&e->blocks, &block->link);
        return block->data;
    }
    struct block *block = size <= SIZE_MAX - sizeof *block ? malloc(sizeof *block + size) : NULL;
    if (block) {
        block->size = size;
        nx__list_insert(&e->blocks, &block->link);
        return block->data;
    }
    if (e->encoding) longjmp(e->no_memory, 1);
    return NULL;
}

static void block_free(void *opaque, void *data)
{
    struct encoder *e = opaque;
    if (!data) return;
    struct block *block = (struct block *)(void *)((char *)data - offsetof(struct block, data));
    nx__list_remove(&block->link);
    if (block->size >= BLOCK_LEAST && e->spare_count < BLOCKS_MOST)
        e->spare[e->spare_count++] = block;
    else
        free(block);
}

static bool encoder_reset(void *encoder, const struct nx__encoding *how)
{
    struct encoder *e = encoder;
    if (e->state) BrotliEncoderDestroyInstance(e->state);
    e->state = BrotliEncoderCreateInstance(block_alloc, block_free, e);
    if (!e->state) return false;
    uint32_t hint = how->size < (1u << 30) ? (uint32_t)how->size : 1u << 30;
    uint32_t window = how->window ? how->window : BROTLI_DEFAULT_WINDOW;
    return BrotliEncoderSetParameter(e->state, BROTLI_PARAM_QUALITY, (uint32_t)how->level) &&
           BrotliEncoderSetParameter(e->state, BROTLI_PARAM_LGWIN, window) &&
           BrotliEncoderSetParameter(e->state, BROTLI_PARAM_SIZE_HINT, hint);
}

static void encoder_free(void *encoder)
{
    struct encoder *e = encoder;
    if (e->state) BrotliEncoderDestroyInstance(e->state);
    while (e->spare_count) free(e->spare[--e->spare_count]);
    free(e);
}

static void *encoder_new(const struct nx__encoding *how)
{
    struct encoder *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    nx__list_init(&e->blocks);
    if (encoder_reset(e, how)) return e;
    encoder_free(e);
    return NULL;
}

/* After a jump out of the library: its own state lies in one of the blocks. */
static void give_up(struct encoder *e)
{
    e->encoding = false;
    e->state = NULL;
    for (struct nx__list *at = e->blocks.next, *next; at != &e->blocks; at = next) {
        next = at->next;
        free(nx__container_of(at, struct block, link));
    }
    nx__list_init(&e->blocks);
}

static enum nx__coded_state encode(void *encoder, enum nx__code_op op, nx_bytes *in, char *out,
                                   size_t cap, size_t *len)
{
    static const BrotliEncoderOperation operation[] = {[NX__CODE_MORE] = BROTLI_OPERATION_PROCESS,
                                                       [NX__CODE_FLUSH] = BROTLI_OPERATION_FLUSH,
                                                       [NX__CODE_END] = BROTLI_OPERATION_FINISH};
    struct encoder *e = encoder;
    BrotliEncoderState *state = e->state;
    size_t in_left = in->len, out_left = cap;
    const uint8_t *from = (const uint8_t *)in->data;
    uint8_t *to = (uint8_t *)out;
    *len = 0;
    if (!state) return NX__CODED_NO_MEMORY;
    if (setjmp(e->no_memory)) {
        give_up(e);
        return NX__CODED_NO_MEMORY;
    }
    e->encoding = true;
    bool ok =
        BrotliEncoderCompressStream(state, operation[op], &in_left, &from, &out_left, &to, NULL);
    e->encoding = false;
    if (!ok) return NX__CODED_NO_MEMORY;
    *in = nx_slice(from, in_left);
    *len = cap - out_left;
    if (op == NX__CODE_END) return BrotliEncoderIsFinished(state) ? NX__CODED_DONE : NX__CODED_ON;
    return in_left || BrotliEncoderHasMoreOutput(state) ? NX__CODED_ON : NX__CODED_DONE;
}

#endif

static void *decoder_new(unsigned window)
{
    (void)window; /* 16 MiB at most, by the format */
    return BrotliDecoderCreateInstance(NULL, NULL, NULL);
}

static enum nx__coded_state decode(void *decoder, nx_bytes *in, char *out, size_t cap, size_t *len)
{
    size_t in_left = in->len, out_left = cap;
    const uint8_t *from = (const uint8_t *)in->data;
    uint8_t *to = (uint8_t *)out;
    *len = 0;
    if (BrotliDecoderIsFinished(decoder)) return NX__CODED_BAD; /* nothing follows a stream */
    BrotliDecoderResult result =
        BrotliDecoderDecompressStream(decoder, &in_left, &from, &out_left, &to, NULL);
    *in = nx_slice(from, in_left);
    *len = cap - out_left;
    if (result == BROTLI_DECODER_RESULT_SUCCESS) return NX__CODED_DONE;
    if (result != BROTLI_DECODER_RESULT_ERROR) return NX__CODED_ON;
    BrotliDecoderErrorCode why = BrotliDecoderGetErrorCode(decoder);
    bool memory = why <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
                  why >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
    return memory ? NX__CODED_NO_MEMORY : NX__CODED_BAD;
}

static void decoder_free(void *decoder)
{
    BrotliDecoderDestroyInstance(decoder);
}

const struct nx__codec nx__codec_brotli = {
    .name = "br",
#if defined(NX__BROTLI_ENCODER)
    .encoder_new = encoder_new,
    .encoder_reset = encoder_reset,
    .encode = encode,
    .encoder_free = encoder_free,
#endif
    .decoder_new = decoder_new,
    .decode = decode,
    .decoder_free = decoder_free,
};
