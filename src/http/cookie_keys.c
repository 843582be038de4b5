/* The cryptography of cookies: libsodium's, with the cookie's name and end bound in. */
#include "http/data.h"

#include "base/arena.h"
#include <sodium.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    KEY = 32,
    MAC_TEXT =
        sodium_base64_ENCODED_LEN(crypto_auth_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING) - 1,
    SECRET_LEAST = 32,
    DIGITS = 20 /* of a number of 64 bits */
};

_Static_assert(crypto_auth_KEYBYTES == 32, "a key for signing");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == 32, "a key for encrypting");

/* libsodium calls this where it is used against its contract. Its own stands beside sodium_init,
 * which would bring 150 KB of what is not used here: randomness is the kernel's, and for cookies
 * the portable implementations are quick enough. Weak: it is there, so that the linker looks for no
 * other, and gives way where something else brings sodium_init and libsodium's own with it. */
NX__WEAK void sodium_misuse(void)
{
    __builtin_trap();
}

struct pair {
    unsigned char sign[KEY], encrypt[KEY];
};

struct nx__cookie_keys {
    size_t count;
    struct pair pairs[]; /* the newest first */
};

/* ---- Keys */

static void derive(unsigned char out[KEY], const char *purpose, const unsigned char master[KEY])
{
    (void)crypto_generichash(out, KEY, (const unsigned char *)purpose, strlen(purpose), master,
                             KEY);
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
        if (!secrets[i]) continue;
        struct pair *pair = &keys->pairs[keys->count++];
        unsigned char master[KEY];
        (void)crypto_generichash(master, KEY, (const unsigned char *)secrets[i], strlen(secrets[i]),
                                 NULL, 0);
        derive(pair->sign, "nexus cookie signature 1", master);
        derive(pair->encrypt, "nexus cookie encryption 1", master);
        sodium_memzero(master, sizeof master);
    }
    return keys;
}

void nx__cookie_keys_free(struct nx__cookie_keys *keys)
{
    if (!keys) return;
    sodium_memzero(keys, sizeof *keys + keys->count * sizeof *keys->pairs);
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

/* Over the end, the name with its NUL, and the value: no two cookies have the same. */
static void sign(unsigned char mac[crypto_auth_BYTES], const struct pair *pair, const char *name,
                 nx_bytes value, uint64_t expires)
{
    unsigned char end[8];
    put64(end, expires);
    crypto_auth_hmacsha512256_state state;
    (void)crypto_auth_hmacsha512256_init(&state, pair->sign, KEY);
    (void)crypto_auth_hmacsha512256_update(&state, end, sizeof end);
    (void)crypto_auth_hmacsha512256_update(&state, (const unsigned char *)name, strlen(name) + 1);
    (void)crypto_auth_hmacsha512256_update(&state, (const unsigned char *)value.data, value.len);
    (void)crypto_auth_hmacsha512256_final(&state, mac);
    sodium_memzero(&state, sizeof state);
}

char *nx__cookie_sign(const struct nx__cookie_keys *keys, const char *name, nx_bytes value,
                      uint64_t expires, struct nx__arena *arena)
{
    unsigned char mac[crypto_auth_BYTES];
    sign(mac, &keys->pairs[0], name, value, expires);
    char *encoded = nx__cookie_encode(value, arena);
    size_t len = encoded ? strlen(encoded) : 0;
    char *out = encoded ? nx__arena_alloc(arena, len + DIGITS + MAC_TEXT + 3) : NULL;
    if (!out) return NULL;
    memcpy(out, encoded, len);
    char digits[DIGITS];
    size_t n = 0;
    do digits[n++] = (char)('0' + expires % 10);
    while (expires /= 10);
    out[len++] = '.';
    while (n) out[len++] = digits[--n];
    out[len++] = '.';
    (void)sodium_bin2base64(out + len, MAC_TEXT + 1, mac, sizeof mac,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
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
    unsigned char mac[crypto_auth_BYTES], wanted[crypto_auth_BYTES];
    size_t mac_len, len;
    if (!cut_last(&text, &mac_text) || !cut_last(&text, &end) ||
        sodium_base642bin(mac, sizeof mac, mac_text.data, mac_text.len, NULL, &mac_len, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        mac_len != sizeof mac || !end.len || end.len > 19)
        return (nx_bytes){0};
    uint64_t expires = 0;
    for (size_t i = 0; i < end.len; i++) {
        if (end.data[i] < '0' || end.data[i] > '9') return (nx_bytes){0};
        expires = expires * 10 + (uint64_t)(end.data[i] - '0');
    }
    char *value = nx__arena_alloc(arena, text.len + 1);
    if (!value || !nx__text_decode(text, false, value, &len)) return (nx_bytes){0};
    value[len] = '\0';
    int good = 0;
    for (size_t i = 0; i < keys->count; i++) {
        sign(wanted, &keys->pairs[i], name, nx_slice(value, len), expires);
        good |= sodium_memcmp(mac, wanted, sizeof mac) == 0;
    }
    return good && now < expires ? nx_slice(value, len) : (nx_bytes){0};
}

/* ---- Encrypted: nonce, then end and value sealed with the name; base64url */

enum {
    NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    END = 8
};

char *nx__cookie_encrypt(const struct nx__cookie_keys *keys, const char *name, nx_bytes value,
                         uint64_t expires, struct nx__arena *arena)
{
    if (value.len > NX_HTTP_MAX_COOKIE) value.len = NX_HTTP_MAX_COOKIE; /* refused later */
    size_t len = NONCE + END + value.len + TAG;
    size_t text_size = sodium_base64_encoded_len(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    unsigned char *sealed = nx__arena_alloc(arena, len);
    char *text = nx__arena_alloc(arena, text_size);
    if (!sealed || !text) return NULL;
    unsigned char *plain = sealed + NONCE;
    if (getrandom(sealed, NONCE, 0) != NONCE) return NULL;
    put64(plain, expires);
    if (value.len) memcpy(plain + END, value.data, value.len);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(plain, NULL, plain, END + value.len,
                                                     (const unsigned char *)name, strlen(name),
                                                     NULL, sealed, keys->pairs[0].encrypt);
    return sodium_bin2base64(text, text_size, sealed, len,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

nx_bytes nx__cookie_decrypt(const struct nx__cookie_keys *keys, const char *name, nx_bytes text,
                            uint64_t now, struct nx__arena *arena)
{
    size_t len;
    unsigned char *sealed = nx__arena_alloc(arena, text.len + 1),
                  *plain = nx__arena_alloc(arena, text.len + 1);
    if (!sealed || !plain ||
        sodium_base642bin(sealed, text.len, text.data, text.len, NULL, &len, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        len < NONCE + END + TAG)
        return (nx_bytes){0};
    for (size_t i = 0; i < keys->count; i++) {
        unsigned long long got;
        if (crypto_aead_xchacha20poly1305_ietf_decrypt(
                plain, &got, NULL, sealed + NONCE, len - NONCE, (const unsigned char *)name,
                strlen(name), sealed, keys->pairs[i].encrypt) != 0)
            continue;
        if (now >= get64(plain)) return (nx_bytes){0};
        plain[got] = '\0';
        return nx_slice(plain + END, (size_t)got - END);
    }
    return (nx_bytes){0};
}
