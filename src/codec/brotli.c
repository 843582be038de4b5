/* br by libbrotli (RFC 7932). */
#include "codec/codec.h"

#include "base/compiler.h"
#include <brotli/decode.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

/* The dictionary of the format, as the library's sources bring it: compressed to less than a half,
 * by the format, without itself. */
__asm__(".section .rodata\n"
        ".hidden nx__brotli_words, nx__brotli_words_end\n"
        ".global nx__brotli_words, nx__brotli_words_end\n"
        "nx__brotli_words:\n.incbin \"" NX__BROTLI_WORDS "\"\nnx__brotli_words_end:\n"
        ".byte 0\n.previous\n");
extern const uint8_t nx__brotli_words[], nx__brotli_words_end[];
enum { WORDS_SIZE = 122784 };

/* What the library has done by who uses it, once, before anything else of its is called. */
void BrotliDecoderLazyStaticInitInner(void);
void BrotliEncoderLazyStaticInitInner(void);
void BrotliSetDictionaryData(const uint8_t *data);

static bool dictionary_unpack(void)
{
    static uint8_t *words; /* the library's, for as long as the program runs */
    size_t len = WORDS_SIZE;
    uint8_t *made = malloc(WORDS_SIZE);
    if (!made) return false;
    if (BrotliDecoderDecompress((size_t)(nx__brotli_words_end - nx__brotli_words), nx__brotli_words,
                                &len, made) != BROTLI_DECODER_RESULT_SUCCESS ||
        len != WORDS_SIZE) {
        free(made);
        return false;
    }
    words = made;
    BrotliSetDictionaryData(words);
    return true;
}

/* False when memory is out; the next call tries again. */
static bool library_ready(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static atomic_bool ready;
    static bool decodes;
    if (atomic_load_explicit(&ready, memory_order_acquire)) return true;
    (void)pthread_mutex_lock(&lock);
    if (!decodes) BrotliDecoderLazyStaticInitInner();
    decodes = true;
    bool good = atomic_load(&ready) || dictionary_unpack();
#if defined(NX__BROTLI_ENCODER)
    if (good && !atomic_load(&ready)) BrotliEncoderLazyStaticInitInner();
#endif
    if (good) atomic_store_explicit(&ready, true, memory_order_release);
    (void)pthread_mutex_unlock(&lock);
    return good;
}

#if defined(NX__BROTLI_ENCODER)
#include <brotli/encode.h>

/* An encoder of the library serves one stream, so that what is used again is its memory: a few
 * tables, of the same sizes each time. */
enum { BLOCKS_MOST = 16, BLOCK_LEAST = 4096 };

struct block {
    size_t size;
    max_align_t data[];
};

struct encoder {
    BrotliEncoderState *state;
    struct block *spare[BLOCKS_MOST];
    int spare_count;
};

static void *block_alloc(void *opaque, size_t size)
{
    struct encoder *e = opaque;
    for (int i = 0; i < e->spare_count; i++) {
        struct block *block = e->spare[i];
        if (block->size < size || block->size > 2 * size) continue;
        e->spare[i] = e->spare[--e->spare_count];
        return block->data;
    }
    struct block *block = size <= SIZE_MAX - sizeof *block ? malloc(sizeof *block + size) : NULL;
    if (!block) return NULL;
    block->size = size;
    return block->data;
}

static void block_free(void *opaque, void *data)
{
    struct encoder *e = opaque;
    if (!data) return;
    struct block *block = (struct block *)(void *)((char *)data - offsetof(struct block, data));
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
    struct encoder *e = library_ready() ? calloc(1, sizeof *e) : NULL;
    if (!e) return NULL;
    if (encoder_reset(e, how)) return e;
    encoder_free(e);
    return NULL;
}

static enum nx__coded_state encode(void *encoder, enum nx__code_op op, nx_bytes *in, char *out,
                                   size_t cap, size_t *len)
{
    static const BrotliEncoderOperation operation[] = {[NX__CODE_MORE] = BROTLI_OPERATION_PROCESS,
                                                       [NX__CODE_FLUSH] = BROTLI_OPERATION_FLUSH,
                                                       [NX__CODE_END] = BROTLI_OPERATION_FINISH};
    BrotliEncoderState *state = ((struct encoder *)encoder)->state;
    size_t in_left = in->len, out_left = cap;
    const uint8_t *from = (const uint8_t *)in->data;
    uint8_t *to = (uint8_t *)out;
    *len = 0;
    /* A failed reset has left none. */
    if (!state ||
        !BrotliEncoderCompressStream(state, operation[op], &in_left, &from, &out_left, &to, NULL))
        return NX__CODED_NO_MEMORY;
    *in = nx_slice(from, in_left);
    *len = cap - out_left;
    if (op == NX__CODE_END) return BrotliEncoderIsFinished(state) ? NX__CODED_DONE : NX__CODED_ON;
    return in_left || BrotliEncoderHasMoreOutput(state) ? NX__CODED_ON : NX__CODED_DONE;
}

#endif

static void *decoder_new(unsigned window)
{
    (void)window; /* 16 MiB at most, by the format */
    return library_ready() ? BrotliDecoderCreateInstance(NULL, NULL, NULL) : NULL;
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
