/* Hashes and MACs: libcrypto's, and BLAKE3. */
#include "crypto/library.h"

#include <blake3.h>
#include <nexus/fiber.h>
#include <openssl/hmac.h>

struct nx_hash {
    nx_hash_kind kind;
    bool keyed, finished;
    union {
        EVP_MD_CTX md;
        HMAC_CTX hmac;
        blake3_hasher blake3;
    } as;
};

/* Gives back what libcrypto holds, and leaves nothing of a key in memory. */
static void end(nx_hash *hash)
{
    if (hash->kind != NX_BLAKE3) {
        if (hash->keyed)
            HMAC_CTX_cleanup(&hash->as.hmac);
        else
            (void)EVP_MD_CTX_cleanup(&hash->as.md);
    }
    nx_wipe(&hash->as, sizeof hash->as);
    hash->finished = true;
}

static nx_err begin_blake3(nx_hash *hash, const nx_hash_options *o)
{
    if (hash->keyed && o->key.len != BLAKE3_KEY_LEN)
        return nx__error_set(NX_EINVAL, "a key for BLAKE3 has 32 bytes, not %zu", o->key.len);
    if (hash->keyed && o->purpose)
        return nx__error_set(NX_EINVAL, "BLAKE3 takes a key or a purpose, not both");
    if (hash->keyed)
        blake3_hasher_init_keyed(&hash->as.blake3, nx__crypto_data(o->key));
    else if (o->purpose)
        blake3_hasher_init_derive_key(&hash->as.blake3, o->purpose);
    else
        blake3_hasher_init(&hash->as.blake3);
    return NX_OK;
}

static nx_err begin(nx_hash *hash, nx_hash_kind kind, const nx_hash_options *o)
{
    hash->kind = kind;
    hash->keyed = o->key.data != NULL;
    hash->finished = false;
    if (kind == NX_BLAKE3) return begin_blake3(hash, o);
    const EVP_MD *md = nx__crypto_md(kind);
    if (!md) return nx__error_set(NX_EINVAL, "there is no hash number %d", (int)kind);
    if (o->purpose) return nx__error_set(NX_EINVAL, "only BLAKE3 takes a purpose");
    bool good;
    if (hash->keyed) {
        HMAC_CTX_init(&hash->as.hmac);
        good = HMAC_Init_ex(&hash->as.hmac, o->key.data, o->key.len, md, NULL);
    } else {
        EVP_MD_CTX_init(&hash->as.md);
        good = EVP_DigestInit_ex(&hash->as.md, md, NULL);
    }
    if (good) return NX_OK;
    end(hash);
    return nx__crypto_failed("begin a hash");
}

static void add(nx_hash *hash, nx_bytes bytes)
{
    if (!bytes.len) return;
    /* These two fail only before they are begun. */
    if (hash->kind == NX_BLAKE3)
        blake3_hasher_update(&hash->as.blake3, bytes.data, bytes.len);
    else if (hash->keyed)
        (void)HMAC_Update(&hash->as.hmac, nx__crypto_data(bytes), bytes.len);
    else
        (void)EVP_DigestUpdate(&hash->as.md, bytes.data, bytes.len);
}

static nx_err finish(nx_hash *hash, nx_digest *out)
{
    unsigned len = BLAKE3_OUT_LEN;
    bool good = true;
    *out = (nx_digest){0};
    if (hash->kind == NX_BLAKE3)
        blake3_hasher_finalize(&hash->as.blake3, out->bytes, len);
    else if (hash->keyed)
        good = HMAC_Final(&hash->as.hmac, out->bytes, &len);
    else
        good = EVP_DigestFinal_ex(&hash->as.md, out->bytes, &len);
    end(hash);
    if (!good) return nx__crypto_failed("finish a hash");
    out->len = len;
    return NX_OK;
}

/* ---- At once */

struct whole {
    nx_hash_kind kind;
    nx_hash_options options;
    nx_bytes bytes;
    nx_digest *out;
};

/* Its state would take half a page of whoever hashes by another. */
static NX__NOINLINE nx_err whole_blake3(const struct whole *w)
{
    nx_hash hash;
    NX_TRY(begin(&hash, w->kind, &w->options));
    add(&hash, w->bytes);
    return finish(&hash, w->out);
}

static nx_err whole(void *arg)
{
    const struct whole *w = arg;
    nx_bytes key = w->options.key;
    unsigned len = 0;
    if (w->kind == NX_BLAKE3) return whole_blake3(w);
    const EVP_MD *md = nx__crypto_md(w->kind);
    if (!md) return nx__error_set(NX_EINVAL, "there is no hash number %d", (int)w->kind);
    const uint8_t *data = nx__crypto_data(w->bytes);
    bool good = key.data ? HMAC(md, nx__crypto_data(key), key.len, data, w->bytes.len,
                                w->out->bytes, &len) != NULL
                         : EVP_Digest(data, w->bytes.len, w->out->bytes, &len, md, NULL);
    if (!good) return nx__crypto_failed("make a hash");
    w->out->len = len;
    return NX_OK;
}

nx_err nx_hash_of(nx_hash_kind kind, nx_bytes bytes, nx_digest *out)
{
    *out = (nx_digest){0};
    return nx__crypto_run(bytes.len, whole,
                          &(struct whole){.kind = kind, .bytes = bytes, .out = out});
}

nx_err nx_mac_of(nx_hash_kind kind, nx_bytes key, nx_bytes bytes, nx_digest *out)
{
    *out = (nx_digest){0};
    if (!key.data) key = nx_str("");
    return nx__crypto_run(
        bytes.len, whole,
        &(struct whole){.kind = kind, .options = {.key = key}, .bytes = bytes, .out = out});
}

/* ---- On the way */

/* Of a hash that nobody has finished when its scope ends. */
static void abandon(void *arg)
{
    nx_hash *hash = arg;
    if (!hash->finished) end(hash);
}

nx_err nx_hash_new_with(nx_hash **out, nx_hash_kind kind, const nx_hash_options *options)
{
    NX__OPTIONS(nx_hash_options, o, options);
    *out = NULL;
    nx_hash *hash = nx_alloc(sizeof *hash);
    if (!hash) return NX_ENOMEM;
    NX_TRY(begin(hash, kind, &o));
    nx_err err = nx_defer(abandon, hash);
    if (err) {
        end(hash);
        return err;
    }
    *out = hash;
    return NX_OK;
}

void nx_hash_update(nx_hash *hash, nx_bytes bytes)
{
    if (!hash->finished) add(hash, bytes);
}

nx_err nx_hash_finish(nx_hash *hash, nx_digest *out)
{
    *out = (nx_digest){0};
    if (hash->finished) return nx__error_set(NX_ESTATE, "the hash is finished already");
    return finish(hash, out);
}

nx_err nx_hash_stretch(nx_hash *hash, void *out, size_t len)
{
    if (hash->kind != NX_BLAKE3)
        return nx__error_set(NX_EINVAL, "only BLAKE3 gives as many bytes as one likes");
    if (len > NX_HASH_STRETCH_MOST)
        return nx__error_set(NX_EINVAL, "a hash is stretched to 1 MiB at most, not to %zu bytes",
                             len);
    if (hash->finished) return nx__error_set(NX_ESTATE, "the hash is finished already");
    blake3_hasher_finalize(&hash->as.blake3, out, len);
    end(hash);
    return NX_OK;
}
