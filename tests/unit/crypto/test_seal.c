/* Sealing and opening at once. */
#include "vectors.h"
#include <nexus/crypto.h>

static const nx_cipher ciphers[] = {NX_AES_256_GCM, NX_CHACHA20_POLY1305, NX_XCHACHA20_POLY1305};
enum { CIPHERS = sizeof ciphers / sizeof *ciphers };

NX_TEST("what is sealed is opened, and another each time")
{
    for (size_t i = 0; i < CIPHERS; i++) {
        NX_AUTO(nx_cipher_key) key = nx_cipher_key_new(ciphers[i]);
        nx_bytes a, b, plain;
        nx_require_ok(nx_seal(&key, nx_str("hello"), &a, .context = nx_str("user 17")));
        nx_require_ok(nx_seal(&key, nx_str("hello"), &b, .context = nx_str("user 17")));
        nx_expect(!nx_bytes_eq(a, b));
        nx_expect_eq(a.len, (ciphers[i] == NX_XCHACHA20_POLY1305 ? 24u : 12u) + 5 + 16);
        nx_require_ok(nx_open(&key, a, &plain, .context = nx_str("user 17")));
        nx_expect_eq(plain, "hello");
        nx_expect_eq(plain.data[5], '\0');
        nx_require_ok(nx_seal(&key, (nx_bytes){0}, &a));
        nx_require_ok(nx_open(&key, a, &plain));
        nx_expect_eq(plain.len, 0);
    }
}

NX_TEST("a bit that differs, another key, another context: nothing is opened")
{
    for (size_t i = 0; i < CIPHERS; i++) {
        nx_cipher_key key = nx_cipher_key_new(ciphers[i]), other = nx_cipher_key_new(ciphers[i]);
        nx_bytes sealed, plain;
        nx_require_ok(nx_seal(&key, nx_str("hello"), &sealed, .context = nx_str("a")));
        for (size_t bit = 0; bit < sealed.len * 8; bit++) {
            char *changed = nx_copy(sealed);
            changed[bit / 8] = (char)(changed[bit / 8] ^ 1 << bit % 8);
            nx_require_err(NX_EPROTO, nx_open(&key, nx_slice(changed, sealed.len), &plain,
                                              .context = nx_str("a")));
            nx_require_eq(plain.len, 0);
        }
        for (size_t len = 0; len < sealed.len; len++)
            nx_require_err(NX_EPROTO, nx_open(&key, nx_slice(sealed.data, len), &plain,
                                              .context = nx_str("a")));
        nx_expect_err(NX_EPROTO, nx_open(&other, sealed, &plain, .context = nx_str("a")));
        nx_expect_contains(nx_error_last()->message, "the key or the context is another");
        nx_expect_err(NX_EPROTO, nx_open(&key, sealed, &plain, .context = nx_str("b")));
        nx_expect_err(NX_EPROTO, nx_open(&key, sealed, &plain));
    }
}

NX_TEST("what is big goes through the pool")
{
    nx_cipher_key key = nx_cipher_key_new(NX_AES_256_GCM);
    size_t len = NX_CRYPTO_BIG + 1;
    char *bytes = nx_alloc_zero(len, 1);
    nx_bytes sealed, plain;
    nx_require_ok(nx_seal(&key, nx_slice(bytes, len), &sealed));
    nx_require_ok(nx_open(&key, sealed, &plain));
    nx_expect(nx_bytes_eq(plain, nx_slice(bytes, len)));
    ((char *)(uintptr_t)sealed.data)[len / 2] ^= 1;
    nx_expect_err(NX_EPROTO, nx_open(&key, sealed, &plain));
}

NX_TEST("wrong use is told")
{
    nx_cipher_key key;
    nx_bytes out;
    nx_expect_err(NX_EINVAL, nx_cipher_key_from(&key, NX_AES_256_GCM, nx_str("short")));
    nx_expect_contains(nx_error_last()->message, "32 bytes, not 5");
    nx_expect_err(NX_EINVAL, nx_cipher_key_from(&key, (nx_cipher)9, nx_str("short")));
    key = nx_cipher_key_new((nx_cipher)0);
    nx_expect_err(NX_EINVAL, nx_seal(&key, nx_str(""), &out));
    nx_expect_contains(nx_error_last()->message, "no cipher number 0");
    nx_expect_err(NX_EINVAL, nx_open(&key, nx_str(""), &out));
    key = nx_cipher_key_new(NX_XCHACHA20_POLY1305);
    nx_expect_err(NX_EINVAL, nx_seal(&key, nx_str(""), &out, .nonce = nx_str("123456789012")));
    nx_expect_contains(nx_error_last()->message, "has 24 bytes, not 12");
    nx_expect_err(NX_EINVAL, nx_open(&key, nx_str(""), &out, .nonce = nx_str("")));
    key = nx_cipher_key_new(NX_AES_256_GCM);
    nx_expect_err(NX_ETOOBIG, nx_seal(&key, nx_slice("", (size_t)1 << 36), &out));
}

/* ---- Wycheproof */

static nx_cipher vector_cipher;
static unsigned vectors_used;

/* With the nonce given, and with it in front, as it is when it was random. */
static void aead_vector(const struct vector *v)
{
    nx_bytes iv = vector_bytes(v->test, "iv"), aad = vector_bytes(v->test, "aad");
    nx_bytes plain = vector_bytes(v->test, "msg"), ct = vector_bytes(v->test, "ct");
    nx_bytes tag = vector_bytes(v->test, "tag"), raw = vector_bytes(v->test, "key"), out;
    nx_cipher_key key;
    if (raw.len != 32) return;
    nx_require_ok(nx_cipher_key_from(&key, vector_cipher, raw));
    char *joined = nx_alloc(iv.len + ct.len + tag.len + 1);
    memcpy(joined, iv.data, iv.len);
    memcpy(joined + iv.len, ct.data, ct.len);
    memcpy(joined + iv.len + ct.len, tag.data, tag.len);
    nx_bytes body = nx_slice(joined + iv.len, ct.len + tag.len);
    if (iv.len != (vector_cipher == NX_XCHACHA20_POLY1305 ? 24 : 12)) {
        vector_expect(v, nx_open(&key, body, &out, .nonce = iv, .context = aad) == NX_EINVAL);
        return;
    }
    vectors_used++;
    nx_err err = nx_open(&key, body, &out, .nonce = iv, .context = aad);
    vector_expect(v, err == (v->valid ? NX_OK : NX_EPROTO));
    if (!v->valid) return;
    vector_expect(v, nx_bytes_eq(out, plain));
    vector_expect(v, !nx_open(&key, nx_slice(joined, iv.len + body.len), &out, .context = aad) &&
                         nx_bytes_eq(out, plain));
    vector_expect(v, !nx_seal(&key, plain, &out, .nonce = iv, .context = aad) &&
                         nx_bytes_eq(out, body));
}

NX_TEST("vectors of AES-256-GCM")
{
    vector_cipher = NX_AES_256_GCM;
    nx_expect_gt(vectors_each("aes_gcm", aead_vector), 300);
    nx_expect_gt(vectors_used, 60);
}

NX_TEST("vectors of ChaCha20-Poly1305")
{
    vector_cipher = NX_CHACHA20_POLY1305;
    nx_expect_gt(vectors_each("chacha20_poly1305", aead_vector), 300);
    nx_expect_gt(vectors_used, 250);
}

NX_TEST("vectors of XChaCha20-Poly1305")
{
    vector_cipher = NX_XCHACHA20_POLY1305;
    nx_expect_gt(vectors_each("xchacha20_poly1305", aead_vector), 200);
    nx_expect_gt(vectors_used, 200);
}
