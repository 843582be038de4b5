/* The cryptography of cookies, with the cookie's name and end bound in: HMAC-SHA-256, and
 * XChaCha20-Poly1305, whose nonces may be random for as many cookies as one likes. */
#include "http/data.h"

#include "base/arena.h"
#include "crypto/seal.h"
#include "encode/encode.h"
#include <openssl/err.h>
#include <stdlib.h>

enum {
    KEY = 32,
    MAC = 32,
    MAC_TEXT = 43, /* in base64 */
    NONCE = 24,
    END = 8,     /* a number of 64 bits */
    DIGITS = 20, /* such a number's */
    SECRET_LEAST = 32
};

static const nx_base64_options base64url = {
    .size = sizeof base64url, .url = true, .no_padding = true};

struct pair {
    unsigned char sign[KEY];
    EVP_AEAD_CTX encrypt; /* threads may share it */
};

struct nx__cookie_keys {
    size_t count;
    struct pair pairs[]; /* the newest first */
};

/* ---- Keys */

static nx_err derive(unsigned char out[KEY], const char *purpose, const char *secret)
{
    return nx_hkdf(NX_SHA256, nx_str(secret), out, KEY, .info = nx_str(purpose));
}

static bool pair_make(struct pair *pair, const char *secret)
{
    unsigned char key[KEY];
    bool good =
        !derive(pair->sign, "nexus cookie signature 1", secret) &&
        !derive(key, "nexus cookie encryption 1", secret) &&
        EVP_AEAD_CTX_init(&pair->encrypt, nx__aead(NX_XCHACHA20_POLY1305), key, KEY, NX__TAG, NULL);
    nx_wipe(key, sizeof key);
    return good;
}

struct nx__cookie_keys *nx__cookie_keys_new(const char *const *secrets, size_t count,
                                            const char **reason)
{
    *reason = NULL;
    size_t given = 0;
    for (size_t i = 0; i < count; i++) {
        /* An old key that is gone from the environment is no mistake; the newest has to be there.
         */
        if (!secrets[i] && i) continue;
        given++;
        if (!secrets[i] || strlen(secrets[i]) < SECRET_LEAST)
            *reason = "a key has at least 32 bytes that nobody can guess: openssl rand -hex 32";
    }
    if (!given) *reason = "there is none";
    if (given > NX_HTTP_MAX_COOKIE_KEYS) *reason = "there are more than 8";
    if (*reason) return NULL;
    struct nx__cookie_keys *keys = calloc(1, sizeof *keys + given * sizeof *keys->pairs);
    if (!keys) {
        *reason = "out of memory";
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (!secrets[i] || pair_make(&keys->pairs[keys->count++], secrets[i])) continue;
        *reason = "out of memory";
        nx__cookie_keys_free(keys);
        return NULL;
    }
    return keys;
}

void nx__cookie_keys_free(struct nx__cookie_keys *keys)
{
    if (!keys) return;
    for (size_t i = 0; i < keys->count; i++) EVP_AEAD_CTX_cleanup(&keys->pairs[i].encrypt);
    nx_wipe(keys, sizeof *keys + keys->count * sizeof *keys->pairs);
    free(keys);
}

/* ---- Signed: value, percent-encoded "." end in seconds "." signature, base64url */

static void put64(unsigned char out[8], uint64_t n)
{
    for (int i = 7; i >= 0; i--, n >>= 8) out[i] = (unsigned char)n;
}

static uint64_t get64(const unsigned char in[8])
{
    uint64_t n = 0;
    for (int i = 0; i < 8; i++) n = n << 8 | in[i];
    return n;
}

/* What is signed: the end, the name with its NUL, and the value. No two cookies have the same.
 * `data` is NULL when memory is out. */
static nx_bytes message(const char *name, nx_bytes value, uint64_t expires, struct nx__arena *arena)
{
    size_t name_size = strlen(name) + 1, len = END + name_size + value.len;
    unsigned char *text = nx__arena_alloc(arena, len);
    if (!text) return (nx_bytes){0};
    put64(text, expires);
    memcpy(text + END, name, name_size);
    if (value.len) memcpy(text + END + name_size, value.data, value.len);
    return nx_slice(text, len);
}

static bool sign(nx_digest *mac, const struct pair *pair, nx_bytes text)
{
    return !nx_mac_of(NX_SHA256, nx_slice(pair->sign, KEY), text, mac);
}

/* Of what is longer than any cookie a part will do, which is refused as well. */
static nx_bytes bounded(nx_bytes value)
{
    return nx_slice(value.data, value.len < NX_HTTP_MAX_COOKIE ? value.len : NX_HTTP_MAX_COOKIE);
}

char *nx__cookie_sign(const struct nx__cookie_keys *keys, const char *name, nx_bytes value,
                      uint64_t expires, struct nx__arena *arena)
{
    value = bounded(value);
    nx_digest mac;
    nx_bytes text = message(name, value, expires, arena);
    char *encoded = nx__cookie_encode(value, arena);
    size_t len = encoded ? strlen(encoded) : 0;
    char *out = encoded ? nx__arena_alloc(arena, len + DIGITS + MAC_TEXT + 3) : NULL;
    if (!text.data || !out || !sign(&mac, &keys->pairs[0], text)) return NULL;
    memcpy(out, encoded, len);
    char digits[DIGITS];
    size_t n = 0;
    do digits[n++] = (char)('0' + expires % 10);
    while (expires /= 10);
    out[len++] = '.';
    while (n) out[len++] = digits[--n];
    out[len++] = '.';
    (void)nx__base64_encode(out + len, nx_digest_bytes(&mac), &base64url);
    return out;
}

/* Cuts what is behind the last "." off. False if there is none. */
static bool cut_last(nx_bytes *text, nx_bytes *tail)
{
    const char *dot = text->len ? memrchr(text->data, '.', text->len) : NULL;
    if (!dot) return false;
    *tail = nx_slice(dot + 1, (size_t)(text->data + text->len - dot - 1));
    text->len = (size_t)(dot - text->data);
    return true;
}

nx_bytes nx__cookie_verify(const struct nx__cookie_keys *keys, const char *name, nx_bytes text,
                           uint64_t now, struct nx__arena *arena)
{
    nx_bytes mac_text, end;
    unsigned char mac[MAC];
    size_t len;
    if (!cut_last(&text, &mac_text) || !cut_last(&text, &end) || mac_text.len != MAC_TEXT ||
        nx__base64_read(mac, &len, mac_text, &base64url) || !end.len || end.len > 19)
        return (nx_bytes){0};
    uint64_t expires = 0;
    for (size_t i = 0; i < end.len; i++) {
        if (end.data[i] < '0' || end.data[i] > '9') return (nx_bytes){0};
        expires = expires * 10 + (uint64_t)(end.data[i] - '0');
    }
    char *value = nx__arena_alloc(arena, text.len + 1);
    if (!value || !nx__text_decode(text, false, value, &len)) return (nx_bytes){0};
    value[len] = '\0';
    nx_bytes signed_text = message(name, nx_slice(value, len), expires, arena);
    if (!signed_text.data) return (nx_bytes){0};
    unsigned good = 0;
    for (size_t i = 0; i < keys->count; i++) {
        nx_digest wanted;
        good |= (unsigned)sign(&wanted, &keys->pairs[i], signed_text) &
                (unsigned)nx_secret_eq(nx_slice(mac, MAC), nx_digest_bytes(&wanted));
    }
    return good && now < expires ? nx_slice(value, len) : (nx_bytes){0};
}

/* ---- Encrypted: nonce, then end and value sealed with the name; base64url */

char *nx__cookie_encrypt(const struct nx__cookie_keys *keys, const char *name, nx_bytes value,
                         uint64_t expires, struct nx__arena *arena)
{
    value = bounded(value);
    size_t len, room = END + value.len + NX__TAG;
    unsigned char *sealed = nx__arena_alloc(arena, NONCE + room);
    char *text = nx__arena_alloc(arena, NX__BASE64_SIZE(NONCE + room));
    if (!sealed || !text) return NULL;
    unsigned char *plain = sealed + NONCE;
    nx_random(sealed, NONCE);
    put64(plain, expires);
    if (value.len) memcpy(plain + END, value.data, value.len);
    if (!EVP_AEAD_CTX_seal(&keys->pairs[0].encrypt, plain, &len, room, sealed, NONCE, plain,
                           END + value.len, (const uint8_t *)name, strlen(name))) {
        ERR_clear_error();
        return NULL;
    }
    (void)nx__base64_encode(text, nx_slice(sealed, NONCE + len), &base64url);
    return text;
}

nx_bytes nx__cookie_decrypt(const struct nx__cookie_keys *keys, const char *name, nx_bytes text,
                            uint64_t now, struct nx__arena *arena)
{
    size_t len;
    unsigned char *sealed = nx__arena_alloc(arena, text.len + 3),
                  *plain = nx__arena_alloc(arena, text.len + 3);
    if (!sealed || !plain || nx__base64_read(sealed, &len, text, &base64url) ||
        len < NONCE + END + NX__TAG)
        return (nx_bytes){0};
    for (size_t i = 0; i < keys->count; i++) {
        size_t got;
        if (!EVP_AEAD_CTX_open(&keys->pairs[i].encrypt, plain, &got, len - NONCE, sealed, NONCE,
                               sealed + NONCE, len - NONCE, (const uint8_t *)name, strlen(name))) {
            ERR_clear_error();
            continue;
        }
        if (now >= get64(plain)) return (nx_bytes){0};
        plain[got] = '\0';
        return nx_slice(plain + END, got - END);
    }
    return (nx_bytes){0};
}
