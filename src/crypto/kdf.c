/* Keys out of secrets and passwords. */
#include "crypto/kdf.h"

#include <argon2.h>
#include <nexus/runtime.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hkdf.h>

/* The hash, which HMAC takes; NULL is recorded. */
static const EVP_MD *md_for(const char *what, nx_hash_kind kind)
{
    const EVP_MD *md = nx__crypto_md(kind);
    if (!md) NX_IGNORE(nx__error_set(NX_EINVAL, "%s takes no hash number %d", what, (int)kind));
    return md;
}

nx_err nx_hkdf_with(nx_hash_kind kind, nx_bytes secret, void *out, size_t len,
                    const nx_hkdf_options *options)
{
    NX__OPTIONS(nx_hkdf_options, o, options);
    const EVP_MD *md = md_for("HKDF", kind);
    if (!md) return NX_EINVAL;
    if (!len || len > 255 * EVP_MD_size(md))
        return nx__error_set(NX_EINVAL, "HKDF with this hash gives 1 to %zu bytes, not %zu",
                             255 * EVP_MD_size(md), len);
    return HKDF(out, len, md, nx__crypto_data(secret), secret.len, nx__crypto_data(o.salt),
                o.salt.len, nx__crypto_data(o.info), o.info.len)
               ? NX_OK
               : nx__crypto_failed("derive a key");
}

/* ---- PBKDF2 */

struct pbkdf2 {
    const EVP_MD *md;
    nx_bytes password, salt;
    uint32_t iterations;
    void *out;
    size_t len;
};

static nx_err pbkdf2(void *arg)
{
    const struct pbkdf2 *p = arg;
    return PKCS5_PBKDF2_HMAC(p->password.data, p->password.len, nx__crypto_data(p->salt),
                             p->salt.len, p->iterations, p->md, p->len, p->out)
               ? NX_OK
               : nx__crypto_failed("derive a key");
}

nx_err nx_pbkdf2(nx_hash_kind kind, nx_bytes password, nx_bytes salt, uint32_t iterations,
                 void *out, size_t len)
{
    struct pbkdf2 p = {md_for("PBKDF2", kind), password, salt, iterations, out, len};
    if (!p.md) return NX_EINVAL;
    if (!iterations || iterations > NX_PBKDF2_MOST)
        return nx__error_set(NX_EINVAL, "PBKDF2 takes 1 to %d iterations, not %u", NX_PBKDF2_MOST,
                             iterations);
    if (!len || len > NX_PBKDF2_LEN_MOST)
        return nx__error_set(NX_EINVAL, "PBKDF2 gives 1 to %zu bytes, not %zu", NX_PBKDF2_LEN_MOST,
                             len);
    return nx_blocking(pbkdf2, &p);
}

/* ---- scrypt */

struct scrypt {
    nx_bytes password, salt;
    nx_scrypt_options o;
    void *out;
    size_t len;
};

static nx_err scrypt(void *arg)
{
    const struct scrypt *s = arg;
    /* Its own limit is above ours: with what it needs beside the blocks. */
    return EVP_PBE_scrypt(s->password.data, s->password.len, nx__crypto_data(s->salt), s->salt.len,
                          (uint64_t)1 << s->o.log_n, s->o.r, s->o.p,
                          ((size_t)NX_KDF_MEMORY_MOST_KIB << 10) * 2, s->out, s->len)
               ? NX_OK
               : nx__crypto_failed("derive a key");
}

nx_err nx_scrypt_with(nx_bytes password, nx_bytes salt, void *out, size_t len,
                      const nx_scrypt_options *options)
{
    NX__OPTIONS(nx_scrypt_options, o, options);
    if (!o.log_n) o.log_n = 17;
    if (!o.r) o.r = 8;
    if (!o.p) o.p = 1;
    /* RFC 7914, section 2: N is less than 2^(128 r / 8). */
    if (o.log_n > 24 || o.r > 1024 || o.p > 1024 || o.log_n >= 16 * o.r)
        return nx__error_set(NX_EINVAL, "scrypt takes no costs of log_n %u, r %u, p %u", o.log_n,
                             o.r, o.p);
    uint64_t kib = ((uint64_t)o.r << o.log_n) / 8;
    if (kib > NX_KDF_MEMORY_MOST_KIB || kib * o.p > NX_KDF_COST_MOST)
        return nx__error_set(NX_EINVAL,
                             "scrypt with log_n %u, r %u, p %u costs more than is allowed", o.log_n,
                             o.r, o.p);
    if (!len) return nx__error_set(NX_EINVAL, "scrypt gives a byte at least");
    nx__crypto_ready();
    return nx_blocking(scrypt, &(struct scrypt){password, salt, o, out, len});
}

/* ---- Argon2id */

nx_err nx__argon2id_costs(nx_argon2id_options *o)
{
    if (!o->memory_kib) o->memory_kib = NX__ARGON2_MEMORY_KIB;
    if (!o->passes) o->passes = NX__ARGON2_PASSES;
    if (!o->lanes) o->lanes = NX__ARGON2_LANES;
    if (o->lanes > NX__ARGON2_LANES_MOST)
        return nx__error_set(NX_EINVAL, "Argon2id takes 1 to %d lanes, not %u",
                             NX__ARGON2_LANES_MOST, o->lanes);
    if (o->memory_kib < 8 * o->lanes)
        return nx__error_set(NX_EINVAL, "Argon2id needs 8 KiB for each of %u lanes, not %u",
                             o->lanes, o->memory_kib);
    if (o->memory_kib > NX_KDF_MEMORY_MOST_KIB)
        return nx__error_set(NX_EINVAL, "Argon2id takes 1 GiB at most, not %u KiB", o->memory_kib);
    if ((uint64_t)o->memory_kib * o->passes > NX_KDF_COST_MOST)
        return nx__error_set(NX_EINVAL,
                             "%u passes over %u KiB cost more than Argon2id is allowed here",
                             o->passes, o->memory_kib);
    return NX_OK;
}

static nx_err argon2id(void *arg)
{
    int result = argon2id_ctx(arg);
    if (result == ARGON2_OK) return NX_OK;
    if (result == ARGON2_MEMORY_ALLOCATION_ERROR)
        return nx__error_set(NX_ENOMEM, "cannot derive a key: out of memory");
    return nx__error_set(NX_EINVAL, "cannot derive a key: %s", argon2_error_message(result));
}

/* The library takes what it only reads as if it wrote it. */
static uint8_t *unsafe(nx_bytes bytes)
{
    return (uint8_t *)(uintptr_t)bytes.data;
}

nx_err nx_argon2id_with(nx_bytes password, nx_bytes salt, void *out, size_t len,
                        const nx_argon2id_options *options)
{
    NX__OPTIONS(nx_argon2id_options, o, options);
    NX_TRY(nx__argon2id_costs(&o));
    if (salt.len < NX__ARGON2_SALT_LEAST)
        return nx__error_set(NX_EINVAL, "a salt has 8 bytes or more, not %zu", salt.len);
    if (len < ARGON2_MIN_OUTLEN)
        return nx__error_set(NX_EINVAL, "Argon2id gives 4 bytes or more, not %zu", len);
    if ((password.len | salt.len | len | o.secret.len | o.context.len) > UINT32_MAX)
        return nx__error_set(NX_ETOOBIG, "what Argon2id takes and gives has less than 4 GiB");
    argon2_context context = {.out = out,
                              .outlen = (uint32_t)len,
                              .pwd = unsafe(password),
                              .pwdlen = (uint32_t)password.len,
                              .salt = unsafe(salt),
                              .saltlen = (uint32_t)salt.len,
                              .secret = unsafe(o.secret),
                              .secretlen = (uint32_t)o.secret.len,
                              .ad = unsafe(o.context),
                              .adlen = (uint32_t)o.context.len,
                              .t_cost = o.passes,
                              .m_cost = o.memory_kib,
                              .lanes = o.lanes,
                              .threads = 1,
                              .version = ARGON2_VERSION_13,
                              .flags = ARGON2_DEFAULT_FLAGS};
    return nx_blocking(argon2id, &context);
}
