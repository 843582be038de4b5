/* Sealing in chunks: every length, and every way to tamper with it. */
#include "crypto/chunks.h"
#include <nexus/crypto.h>
#include <nexus/encode.h>
#include <nexus/test.h>

enum { HEADER = NX__CHUNKS_HEADER, CHUNK = NX__CHUNK, SEALED = NX__CHUNK_SEALED };

static nx_bytes counted(size_t len)
{
    char *bytes = nx_alloc(len + 1);
    for (size_t i = 0; i < len; i++) bytes[i] = (char)(i * 7 % 253);
    return nx_slice(bytes, len);
}

static nx_bytes seal(const nx_cipher_key *key, nx_bytes plain)
{
    nx_bytes out;
    nx_require_ok(nx_pipe(nx_memory_reader(plain), nx_sealing(key),
                          nx_memory_writer(&out, 2 * plain.len + 1000)));
    return out;
}

static nx_err unseal(const nx_cipher_key *key, nx_bytes sealed, nx_bytes *out)
{
    *out = (nx_bytes){0};
    return nx_pipe(nx_memory_reader(sealed), nx_opening(key),
                   nx_memory_writer(out, sealed.len + 1));
}

/* Lets bytes through in pieces of `arg` bytes. */
static nx_err pieces(void *arg, nx_bytes bytes, nx_stream *next)
{
    size_t most = *(const size_t *)arg;
    while (bytes.len) {
        size_t len = bytes.len < most ? bytes.len : most;
        NX_TRY(nx_stream_write(next, nx_slice(bytes.data, len)));
        bytes = nx_slice(bytes.data + len, bytes.len - len);
    }
    return NX_OK;
}

NX_TEST("every length around the ends of chunks comes back", .deadline = NX_S(120))
{
    static const size_t lengths[] = {0,         1,
                                     15,        16,
                                     CHUNK - 1, CHUNK,
                                     CHUNK + 1, 2 * CHUNK - 1,
                                     2 * CHUNK, 2 * CHUNK + 1,
                                     5 * CHUNK, 700001};
    static const nx_cipher ciphers[] = {NX_AES_256_GCM, NX_CHACHA20_POLY1305,
                                        NX_XCHACHA20_POLY1305};
    for (size_t c = 0; c < 3; c++) {
        nx_cipher_key key = nx_cipher_key_new(ciphers[c]);
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            nx_bytes plain = counted(lengths[i]), back, sealed = seal(&key, plain);
            size_t chunks = lengths[i] ? (lengths[i] + CHUNK - 1) / CHUNK : 1;
            nx_expect_eq(sealed.len, HEADER + lengths[i] + chunks * 16);
            nx_require_ok(unseal(&key, sealed, &back));
            nx_expect(nx_bytes_eq(back, plain));
        }
    }
}

NX_TEST("pieces of any size make the same")
{
    static const size_t sizes[] = {1, 7, 40, CHUNK, SEALED, SEALED + 1, 200000};
    nx_cipher_key key = nx_cipher_key_new(NX_AES_256_GCM);
    nx_bytes plain = counted(3 * CHUNK + 5), sealed, back;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        nx_require_ok(nx_pipe(nx_memory_reader(plain), nx_transform(pieces, (void *)&sizes[i]),
                              nx_sealing(&key), nx_transform(pieces, (void *)&sizes[i]),
                              nx_memory_writer(&sealed, 2 * plain.len)));
        nx_require_ok(nx_pipe(nx_memory_reader(sealed), nx_transform(pieces, (void *)&sizes[i]),
                              nx_opening(&key), nx_memory_writer(&back, plain.len)));
        nx_expect(nx_bytes_eq(back, plain));
    }
}

/* The header, and then the chunks in the order given, of a stream of three and a half. */
static nx_bytes arranged(nx_bytes sealed, const char *order)
{
    char *out = nx_alloc(sealed.len * 3);
    size_t len = HEADER;
    memcpy(out, sealed.data, HEADER);
    for (; *order; order++) {
        size_t at = HEADER + (size_t)(*order - '0') * SEALED;
        size_t n = sealed.len - at < SEALED ? sealed.len - at : SEALED;
        memcpy(out + len, sealed.data + at, n);
        len += n;
    }
    return nx_slice(out, len);
}

NX_TEST("chunks that are missing, doubled, swapped or added are found")
{
    static const char *const orders[] = {"",      "0",    "01",    "012",   "123",   "023",
                                         "013",   "0213", "3",     "00123", "01233", "0",
                                         "01231", "0132", "01123", "01230"};
    nx_cipher_key key = nx_cipher_key_new(NX_AES_256_GCM);
    nx_bytes sealed = seal(&key, counted(3 * CHUNK + CHUNK / 2)), back;
    nx_require_ok(unseal(&key, arranged(sealed, "0123"), &back));
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        nx_test_log("order %s", orders[i]);
        nx_expect_err(NX_EPROTO, unseal(&key, arranged(sealed, orders[i]), &back));
        nx_expect_eq(back.len, 0);
    }
    /* A chunk of another stream with the same key. */
    nx_bytes other = seal(&key, counted(3 * CHUNK + CHUNK / 2));
    char *mixed = nx_copy(sealed);
    memcpy(mixed + HEADER + SEALED, other.data + HEADER + SEALED, SEALED);
    nx_expect_err(NX_EPROTO, unseal(&key, nx_slice(mixed, sealed.len), &back));
}

NX_TEST("a stream that is cut off anywhere, or has more behind it, is not opened")
{
    nx_cipher_key key = nx_cipher_key_new(NX_CHACHA20_POLY1305);
    nx_bytes sealed = seal(&key, counted(CHUNK + 3)), back;
    for (size_t len = 0; len<sealed.len; len += len> 80 && len < CHUNK ? 997 : 1)
        nx_require_err(NX_EPROTO, unseal(&key, nx_slice(sealed.data, len), &back));
    char *longer = nx_alloc_zero(sealed.len + 1, 1);
    memcpy(longer, sealed.data, sealed.len);
    nx_expect_err(NX_EPROTO, unseal(&key, nx_slice(longer, sealed.len + 1), &back));
    /* Behind a whole number of chunks, an empty one is more, too. */
    nx_bytes whole = seal(&key, counted(CHUNK));
    nx_require_eq(whole.len, HEADER + SEALED);
    longer = nx_alloc_zero(whole.len + 16, 1);
    memcpy(longer, whole.data, whole.len);
    nx_expect_err(NX_EPROTO, unseal(&key, nx_slice(longer, whole.len + 16), &back));
}

NX_TEST("any bit that differs is found")
{
    nx_cipher_key key = nx_cipher_key_new(NX_AES_256_GCM);
    nx_bytes sealed = seal(&key, counted(20)), back;
    for (size_t bit = 0; bit < sealed.len * 8; bit++) {
        char *changed = nx_copy(sealed);
        changed[bit / 8] = (char)(changed[bit / 8] ^ 1 << bit % 8);
        nx_require_err(NX_EPROTO, unseal(&key, nx_slice(changed, sealed.len), &back));
    }
}

static nx_err count(void *arg, nx_bytes bytes, nx_stream *next)
{
    *(size_t *)arg += bytes.len;
    return nx_stream_write(next, bytes);
}

NX_TEST("no byte of a chunk passes before the chunk is checked")
{
    nx_cipher_key key = nx_cipher_key_new(NX_AES_256_GCM);
    nx_bytes sealed = seal(&key, counted(3 * CHUNK)), back;
    char *changed = nx_copy(sealed);
    size_t passed = 0;
    changed[HEADER + SEALED + SEALED - 1] ^= 1; /* the end of the second */
    nx_expect_err(NX_EPROTO,
                  nx_pipe(nx_memory_reader(nx_slice(changed, sealed.len)), nx_opening(&key),
                          nx_transform(count, &passed), nx_memory_writer(&back, sealed.len)));
    nx_expect_contains(nx_error_last()->message, "chunk 2 was changed");
    nx_expect_eq(passed, CHUNK);
}

NX_TEST("key, cipher and context belong to it")
{
    nx_cipher_key key = nx_cipher_key_new(NX_AES_256_GCM),
                  other = nx_cipher_key_new(NX_AES_256_GCM);
    nx_cipher_key same = key;
    nx_bytes sealed = seal(&key, counted(10)), back;
    nx_expect_err(NX_EPROTO, unseal(&other, sealed, &back));
    nx_expect_contains(nx_error_last()->message, "the key or the context is another");
    same.cipher = NX_CHACHA20_POLY1305;
    nx_expect_err(NX_EPROTO, unseal(&same, sealed, &back));
    nx_expect_contains(nx_error_last()->message, "sealed with cipher number 1");
    nx_expect_err(NX_EPROTO, unseal(&key,
                                    nx_str("this is a text that somebody has sealed with "
                                           "something else"),
                                    &back));
    nx_expect_contains(nx_error_last()->message, "no sealed stream");
    nx_require_ok(nx_pipe(nx_memory_reader(nx_str("hello")),
                          nx_sealing(&key, .context = nx_str("backup 7")),
                          nx_memory_writer(&sealed, 200)));
    nx_expect_err(NX_EPROTO, unseal(&key, sealed, &back));
    nx_require_ok(nx_pipe(nx_memory_reader(sealed), nx_opening(&key, .context = nx_str("backup 7")),
                          nx_memory_writer(&back, 200)));
    nx_expect_eq(back, "hello");
}

NX_TEST("transforms that can't be made say so in the pipe")
{
    nx_cipher_key none = nx_cipher_key_new((nx_cipher)7), key = nx_cipher_key_new(NX_AES_256_GCM);
    nx_bytes out;
    nx_expect_err(NX_EINVAL, nx_pipe(nx_memory_reader(nx_str("a")), nx_sealing(&none),
                                     nx_memory_writer(&out, 99)));
    nx_expect_contains(nx_error_last()->message, "no cipher number 7");
    nx_expect_err(NX_EINVAL, unseal(&none, nx_str("a"), &out));
    nx_expect_err(NX_EINVAL, nx_pipe(nx_memory_reader(nx_str("a")),
                                     nx_sealing(&key, .nonce = nx_str("123456789012")),
                                     nx_memory_writer(&out, 99)));
    nx_expect_contains(nx_error_last()->message, "nonces of its own");
}

NX_TEST("the format is the one that is written down")
{
    /* Made in Python, after docs/crypto.md: key 00..1f, salt 64..83, one chunk. */
    static const char sealed_hex[] =
        "6e787365616c01026465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f80818283"
        "5a848088568d518a4c740642f8ffaa953deecb923b1dab7f05a31f16044a7f43be20fde7d81291de"
        "7792";
    nx_bytes sealed, back, raw;
    nx_cipher_key key;
    nx_require_ok(nx_hex_decode(
        nx_str("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"), &raw));
    nx_require_ok(nx_cipher_key_from(&key, NX_CHACHA20_POLY1305, raw));
    nx_require_ok(nx_hex_decode(nx_str(sealed_hex), &sealed));
    nx_require_ok(nx_pipe(nx_memory_reader(sealed), nx_opening(&key, .context = nx_str("context")),
                          nx_memory_writer(&back, 100)));
    nx_expect_eq(back, "written by another program");
}

NX_TEST("a stream has a last chunk, and a limit")
{
    static struct nx__chunks chunks;
    static uint8_t out[SEALED];
    nx_cipher_key key = nx_cipher_key_new(NX_AES_256_GCM);
    uint8_t header[HEADER];
    nx_require_ok(nx__chunks_seal_begin(&chunks, &key, nx_str(""), header));
    chunks.done = NX__CHUNKS_MOST;
    nx_expect_err(NX_ELIMIT, nx__chunks_seal(&chunks, nx_str("a"), true, out));
    chunks.done = NX__CHUNKS_MOST - 1;
    nx_require_ok(nx__chunks_seal(&chunks, nx_str("a"), true, out));
    nx_expect_err(NX_ESTATE, nx__chunks_seal(&chunks, nx_str("a"), true, out));
    nx__chunks_end(&chunks);
}
