/* Cryptography: random bytes and identifiers, hashes, authenticated encryption. */
#ifndef NEXUS_CRYPTO_H
#define NEXUS_CRYPTO_H

#include <nexus/base.h>
#include <nexus/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What works on at least this many bytes at once is done on a thread of the pool and suspends the
 * calling fiber, so that no hash holds up the loop: with 1 MiB it takes 0.3 to 3 ms, and the way to
 * the pool and back some 30 us. What is smaller neither suspends nor needs a loop. */
#define NX_CRYPTO_BIG ((size_t)1 << 20)

/* ---- Secrets in memory. Any thread; none suspends. */

/* Whether the two are equal, in a time that tells of `given` its length and of `secret` nothing. */
NX_API bool nx_secret_eq(nx_bytes given, nx_bytes secret);

/* Writes zeros, which no compiler leaves out. */
NX_API void nx_wipe(void *data, size_t len);

/* ---- Randomness: for keys, tokens, nonces. Any thread; none suspends or fails (a system without
 * randomness ends the program). */

NX_API void nx_random(void *out, size_t len);
NX_API uint64_t nx_random_u64(void);
/* From 0 to limit - 1, each as likely as any other. 0 for a limit of 0. */
NX_API uint64_t nx_random_below(uint64_t limit);

/* ---- UUIDs (RFC 9562). Any thread; none suspends. */

typedef struct nx_uuid {
    uint8_t bytes[16];
} nx_uuid;

/* 122 random bits. */
NX_API nx_uuid nx_uuid_v4(void);
/* The time in milliseconds, a counter, and 62 random bits. Each that a process makes sorts behind
 * the one before, by bytes and as text: where a millisecond has more than the counter takes (2048
 * at least), or the clock goes back, they run ahead of it. */
NX_API nx_uuid nx_uuid_v7(void);

#define NX_UUID_TEXT ((size_t)37)
/* Writes 36 characters, in small letters, and a NUL; returns `out`. */
NX_API char *nx_uuid_format(nx_uuid uuid, char out[NX_UUID_TEXT]);
/* The same form, in letters of any size, of any version. NX_EINVAL. */
NX_API NX_MUST_CHECK nx_err nx_uuid_parse(nx_bytes text, nx_uuid *out);

/* ---- Hashes */

typedef enum nx_hash_kind {
    NX_SHA256 = 1,     /* FIPS 180-4: what others want */
    NX_SHA384,         /* FIPS 180-4 */
    NX_SHA512,         /* FIPS 180-4 */
    NX_SHA3_256,       /* FIPS 202 */
    NX_SHA3_512,       /* FIPS 202 */
    NX_BLAKE3,         /* the quickest by far */
    NX_SHA1_FOR_LEGACY /* broken where somebody chooses what is hashed: only for protocols that
                          prescribe it */
} nx_hash_kind;

#define NX_DIGEST_MOST 64

typedef struct nx_digest {
    uint8_t bytes[NX_DIGEST_MOST];
    size_t len; /* by the kind: 20, 32, 48, 64 */
} nx_digest;

/* The bytes, which stay where the digest is: nx_hex_encode(nx_digest_bytes(&digest), &text). */
static inline nx_bytes nx_digest_bytes(const nx_digest *digest)
{
    return nx_slice(digest->bytes, digest->len);
}

/* The hash of bytes. Suspends for NX_CRYPTO_BIG. NX_EINVAL (no such kind); with big ones also what
 * nx_blocking says. */
NX_API NX_MUST_CHECK nx_err nx_hash_of(nx_hash_kind kind, nx_bytes bytes, nx_digest *out);

/* The same with a secret key, so that only who has it can make or check it: HMAC (RFC 2104), or for
 * NX_BLAKE3 its own keyed mode, whose key has 32 bytes. NX_EINVAL for another length. */
NX_API NX_MUST_CHECK nx_err nx_mac_of(nx_hash_kind kind, nx_bytes key, nx_bytes bytes,
                                      nx_digest *out);

/* A hash on the way. Belongs to one fiber at a time. */
typedef struct nx_hash nx_hash;

typedef struct nx_hash_options {
    size_t size;
    nx_bytes key;        /* makes it a MAC, as nx_mac_of; where `data` is not NULL */
    const char *purpose; /* NX_BLAKE3: derives keys, each for a text that is written into the
                            program: "example.com 2026-11-30 session tokens 1" */
} nx_hash_options;

/* Makes one, in memory of the current scope. NX_EINVAL (no such kind, a key of a wrong length, a
 * purpose for another kind or with a key), NX_ENOMEM. Does not suspend. */
NX_API NX_MUST_CHECK nx_err nx_hash_new_with(nx_hash **out, nx_hash_kind kind,
                                             const nx_hash_options *options);
#define nx_hash_new(out, kind, ...)                                                                \
    nx_hash_new_with((out), (kind),                                                                \
                     &(nx_hash_options){.size = sizeof(nx_hash_options), __VA_ARGS__})

/* Adds bytes. Never suspends: it is for the caller to add no more than some 1 MiB in a turn.
 * Nothing, once it is finished. */
NX_API void nx_hash_update(nx_hash *hash, nx_bytes bytes);

/* Ends it, and wipes what it has in memory. NX_ESTATE the second time. */
NX_API NX_MUST_CHECK nx_err nx_hash_finish(nx_hash *hash, nx_digest *out);
/* The same with as many bytes as one likes, at most NX_HASH_STRETCH_MOST: NX_BLAKE3 alone,
 * NX_EINVAL else. */
NX_API NX_MUST_CHECK nx_err nx_hash_stretch(nx_hash *hash, void *out, size_t len);
#define NX_HASH_STRETCH_MOST ((size_t)1 << 20)

/* A transform that lets bytes through and adds them to the hash, which is finished afterwards:
 * NX_TRY(nx_pipe(nx_fs_reader("a"), nx_hashing(hash), nx_fs_writer("b"))). */
NX_API nx_stream *nx_hashing(nx_hash *hash);

/* ---- Authenticated encryption: what is opened is what was sealed, or an error */

typedef enum nx_cipher {
    NX_AES_256_GCM = 1,   /* the quickest where the processor has AES */
    NX_CHACHA20_POLY1305, /* RFC 8439; quick everywhere */
    NX_XCHACHA20_POLY1305 /* the same with a nonce of 24 bytes, of which any number may be random */
} nx_cipher;

/* A secret key, which knows what it is for. NX_AUTO(nx_cipher_key) key = ... wipes itself. */
typedef struct nx_cipher_key {
    nx_cipher cipher;
    uint8_t bytes[32];
} nx_cipher_key;

static inline void nx_cipher_key_auto(nx_cipher_key *key)
{
    nx_wipe(key, sizeof *key);
}

/* A random key. Does not suspend. */
NX_API nx_cipher_key nx_cipher_key_new(nx_cipher cipher);
/* One of 32 bytes, such as another call has derived. NX_EINVAL (another length, no such cipher). */
NX_API NX_MUST_CHECK nx_err nx_cipher_key_from(nx_cipher_key *out, nx_cipher cipher,
                                               nx_bytes bytes);

typedef struct nx_seal_options {
    size_t size;
    nx_bytes context; /* not in the result, but opening takes the same: whose it is, what for */
    nx_bytes nonce;   /* where a protocol says what it is: 12 bytes (24 for XChaCha20). Never twice
                         with a key. Opening takes the same then */
} nx_seal_options;

/* Encrypts bytes into memory of the current scope: a random nonce, the bytes encrypted, 16 bytes
 * that authenticate them; with `nonce` without the first. With random nonces, a key of the ciphers
 * whose nonce has 12 bytes seals 2^32 messages at most. NX_EINVAL (no such cipher, a nonce of
 * another length), NX_ETOOBIG (64 GiB), NX_ENOMEM. Suspends for NX_CRYPTO_BIG.
 * nx_seal(&key, plain, &sealed, .context = nx_str("user 17")) */
NX_API NX_MUST_CHECK nx_err nx_seal_with(const nx_cipher_key *key, nx_bytes plain, nx_bytes *out,
                                         const nx_seal_options *options);
#define nx_seal(key, plain, out, ...)                                                              \
    nx_seal_with((key), (plain), (out),                                                            \
                 &(nx_seal_options){.size = sizeof(nx_seal_options), __VA_ARGS__})

/* Decrypts it, into memory of the current scope, with a NUL behind. NX_EPROTO where that is not
 * what was sealed with this key and context: `out` is empty then. Else as nx_seal. */
NX_API NX_MUST_CHECK nx_err nx_open_with(const nx_cipher_key *key, nx_bytes sealed, nx_bytes *out,
                                         const nx_seal_options *options);
#define nx_open(key, sealed, out, ...)                                                             \
    nx_open_with((key), (sealed), (out),                                                           \
                 &(nx_seal_options){.size = sizeof(nx_seal_options), __VA_ARGS__})

/* Transforms that seal and open what is larger than memory, in chunks of 64 KiB, each of which
 * knows its place and whether it is the last: opening lets no byte through that is not
 * authenticated, and fails with NX_EPROTO where one was changed, is missing, or is elsewhere, at
 * the end too. What came before has been let through then: a sink is not to be trusted until the
 * pipe has ended well. docs/crypto.md has the format. The key may go once they are made. `nonce` is
 * not taken (NX_EINVAL); NX_ELIMIT past 256 TiB. nx_pipe(nx_fs_reader("a"), nx_sealing(&key),
 * nx_fs_writer("a.sealed")) */
NX_API nx_stream *nx_sealing_with(const nx_cipher_key *key, const nx_seal_options *options);
#define nx_sealing(key, ...)                                                                       \
    nx_sealing_with((key), &(nx_seal_options){.size = sizeof(nx_seal_options), __VA_ARGS__})
NX_API nx_stream *nx_opening_with(const nx_cipher_key *key, const nx_seal_options *options);
#define nx_opening(key, ...)                                                                       \
    nx_opening_with((key), &(nx_seal_options){.size = sizeof(nx_seal_options), __VA_ARGS__})

/* ---- Deriving keys */

typedef struct nx_hkdf_options {
    size_t size;
    nx_bytes salt; /* random or none; need not be secret */
    nx_bytes info; /* what the key is for: another key for each */
} nx_hkdf_options;

/* HKDF (RFC 5869): `len` bytes out of a secret that is long and random, or agreed on, but no
 * password. NX_EINVAL (NX_BLAKE3 or no hash; more than 255 digests' bytes), NX_ENOMEM. Does not
 * suspend. nx_hkdf(NX_SHA256, secret, key, sizeof key, .info = nx_str("example.com mail 1")) */
NX_API NX_MUST_CHECK nx_err nx_hkdf_with(nx_hash_kind kind, nx_bytes secret, void *out, size_t len,
                                         const nx_hkdf_options *options);
#define nx_hkdf(kind, secret, out, len, ...)                                                       \
    nx_hkdf_with((kind), (secret), (out), (len),                                                   \
                 &(nx_hkdf_options){.size = sizeof(nx_hkdf_options), __VA_ARGS__})

/* The three below make a key of a password, slowly and, but for the first, with much memory, so
 * that guessing costs. They work on a thread of the pool and suspend the caller, who may be
 * cancelled while there is no free one: NX_ECANCELED, NX_ELIMIT, NX_ENOMEM. What they read and
 * write has to last as long. The salt is random, of 16 bytes or more, and kept. */

/* Argon2id (RFC 9106), version 1.3: take this one. Zero means the default. */
typedef struct nx_argon2id_options {
    size_t size;
    uint32_t memory_kib; /* 19,456 (19 MiB); 8 for each lane at least */
    uint32_t passes;     /* 2 */
    uint32_t lanes;      /* 1; they are worked on one after another */
    nx_bytes secret;     /* a key that is kept elsewhere than the result: "pepper" */
    nx_bytes context;
} nx_argon2id_options;

/* NX_EINVAL: a salt of less than 8 bytes, a result of less than 4, costs past the caps:
 * NX_KDF_MEMORY_MOST_KIB, and NX_KDF_COST_MOST for memory times passes; 255 lanes. */
NX_API NX_MUST_CHECK nx_err nx_argon2id_with(nx_bytes password, nx_bytes salt, void *out,
                                             size_t len, const nx_argon2id_options *options);
#define nx_argon2id(password, salt, out, len, ...)                                                 \
    nx_argon2id_with((password), (salt), (out), (len),                                             \
                     &(nx_argon2id_options){.size = sizeof(nx_argon2id_options), __VA_ARGS__})

#define NX_KDF_MEMORY_MOST_KIB ((uint32_t)1 << 20) /* 1 GiB */
#define NX_KDF_COST_MOST       ((uint64_t)1 << 22) /* KiB times passes: a few seconds */

/* scrypt (RFC 7914), for what others have made with it. Zero means the default. */
typedef struct nx_scrypt_options {
    size_t size;
    uint32_t log_n; /* 17: 2^17 blocks of */
    uint32_t r;     /* 8 times 128 bytes, */
    uint32_t p;     /* 1 times */
} nx_scrypt_options;

/* NX_EINVAL: costs past the caps that nx_argon2id has, with p for the passes. */
NX_API NX_MUST_CHECK nx_err nx_scrypt_with(nx_bytes password, nx_bytes salt, void *out, size_t len,
                                           const nx_scrypt_options *options);
#define nx_scrypt(password, salt, out, len, ...)                                                   \
    nx_scrypt_with((password), (salt), (out), (len),                                               \
                   &(nx_scrypt_options){.size = sizeof(nx_scrypt_options), __VA_ARGS__})

/* PBKDF2 (RFC 8018) with HMAC, for what others have made with it. NX_EINVAL: NX_BLAKE3 or no hash,
 * no iteration or more than NX_PBKDF2_MOST, no byte of result or more than NX_PBKDF2_LEN_MOST. */
NX_API NX_MUST_CHECK nx_err nx_pbkdf2(nx_hash_kind kind, nx_bytes password, nx_bytes salt,
                                      uint32_t iterations, void *out, size_t len);
#define NX_PBKDF2_MOST     10000000
#define NX_PBKDF2_LEN_MOST ((size_t)1024)

/* ---- Passwords that are checked */

/* Zero means the default. */
typedef struct nx_password_options {
    size_t size;
    uint32_t memory_kib, passes, lanes; /* of nx_argon2id */
} nx_password_options;

/* The text to keep of a password, with a random salt and the costs in it, in memory of the current
 * scope: "$argon2id$v=19$m=19456,t=2,p=1$...$..." (the PHC string format). NX_ETOOBIG (over
 * NX_PASSWORD_MOST), else as nx_argon2id. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_password_hash_with(nx_bytes password, nx_bytes *out,
                                                  const nx_password_options *options);
#define nx_password_hash(password, out, ...)                                                       \
    nx_password_hash_with(                                                                         \
        (password), (out),                                                                         \
        &(nx_password_options){.size = sizeof(nx_password_options), __VA_ARGS__})
#define NX_PASSWORD_MOST ((size_t)4096)

/* Whether it is the password of that text; `*matches` is false with every error. Takes Argon2id of
 * version 1.3, whoever made it. NX_EINVAL (no such text, costs past the caps of nx_argon2id),
 * NX_ETOOBIG, else as nx_argon2id. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_password_verify(nx_bytes password, nx_bytes text, bool *matches);

/* Whether nx_password_hash with these options would make a text of other costs or another kind:
 * then the password is hashed again once it has been verified. Does not suspend. */
NX_API bool nx_password_needs_rehash_with(nx_bytes text, const nx_password_options *options);
#define nx_password_needs_rehash(text, ...)                                                        \
    nx_password_needs_rehash_with(                                                                 \
        (text), &(nx_password_options){.size = sizeof(nx_password_options), __VA_ARGS__})

#ifdef __cplusplus
}
#endif

#endif
