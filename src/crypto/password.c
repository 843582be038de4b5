/* Passwords that are checked: Argon2id in the PHC string format. */
#include "crypto/kdf.h"

#include <nexus/encode.h>

enum { SALT = 16, HASH = 32, SALT_MOST = 64, HASH_LEAST = 16, HASH_MOST = 64, TEXT_MOST = 512 };

static nx_err check_length(nx_bytes password)
{
    return password.len > NX_PASSWORD_MOST
               ? nx__error_set(NX_ETOOBIG, "a password has %zu bytes at most, not %zu",
                               NX_PASSWORD_MOST, password.len)
               : NX_OK;
}

static nx_argon2id_options costs_of(const nx_password_options *o)
{
    return (nx_argon2id_options){.size = sizeof(nx_argon2id_options),
                                 .memory_kib = o->memory_kib,
                                 .passes = o->passes,
                                 .lanes = o->lanes};
}

nx_err nx_password_hash_with(nx_bytes password, nx_bytes *out, const nx_password_options *options)
{
    NX__OPTIONS(nx_password_options, o, options);
    nx_argon2id_options costs = costs_of(&o);
    uint8_t salt[SALT], hash[HASH];
    nx_bytes salt_text, hash_text;
    *out = (nx_bytes){0};
    NX_TRY(check_length(password));
    NX_TRY(nx__argon2id_costs(&costs));
    nx_random(salt, sizeof salt);
    NX_TRY(nx_argon2id_with(password, nx_slice(salt, SALT), hash, HASH, &costs));
    NX_TRY(nx_base64_encode(nx_slice(salt, SALT), &salt_text, .no_padding = true));
    NX_TRY(nx_base64_encode(nx_slice(hash, HASH), &hash_text, .no_padding = true));
    char *text = nx_format("$argon2id$v=19$m=%u,t=%u,p=%u$%s$%s", costs.memory_kib, costs.passes,
                           costs.lanes, salt_text.data, hash_text.data);
    if (!text) return NX_ENOMEM;
    *out = nx_str(text);
    return NX_OK;
}

/* ---- Reading */

struct phc {
    nx_argon2id_options costs;
    nx_bytes salt, hash;
};

/* Takes the word off the front of the text. */
static bool take(nx_bytes *text, const char *word)
{
    size_t len = strlen(word);
    if (text->len < len || memcmp(text->data, word, len) != 0) return false;
    *text = nx_slice(text->data + len, text->len - len);
    return true;
}

/* A number from 1 on, without zeros in front. */
static bool take_number(nx_bytes *text, uint32_t *out)
{
    size_t at = 0;
    uint64_t n = 0;
    while (at < text->len && at < 10 && text->data[at] >= '0' && text->data[at] <= '9')
        n = n * 10 + (uint64_t)(text->data[at++] - '0');
    if (!n || n > UINT32_MAX || text->data[0] == '0') return false;
    *text = nx_slice(text->data + at, text->len - at);
    *out = (uint32_t)n;
    return true;
}

static bool take_base64(nx_bytes text, size_t least, size_t most, nx_bytes *out, nx_err *err)
{
    *err = nx_base64_decode(text, out, .no_padding = true);
    return !*err && out->len >= least && out->len <= most;
}

static nx_err phc_read(nx_bytes text, struct phc *phc)
{
    nx_err err = NX_OK;
    nx_argon2id_options *costs = &phc->costs;
    *costs = (nx_argon2id_options){.size = sizeof *costs};
    if (!take(&text, "$argon2id$v=19$"))
        return nx__error_set(NX_EINVAL, "the text that was kept of a password is none: it begins "
                                        "with \"$argon2id$v=19$\"");
    const char *dollar = NULL;
    bool good = text.len <= TEXT_MOST && take(&text, "m=") &&
                take_number(&text, &costs->memory_kib) && take(&text, ",t=") &&
                take_number(&text, &costs->passes) && take(&text, ",p=") &&
                take_number(&text, &costs->lanes) && take(&text, "$") &&
                (dollar = memchr(text.data, '$', text.len)) != NULL;
    if (good) {
        size_t len = (size_t)(dollar - text.data);
        good = take_base64(nx_slice(text.data, len), NX__ARGON2_SALT_LEAST, SALT_MOST, &phc->salt,
                           &err) &&
               take_base64(nx_slice(dollar + 1, text.len - len - 1), HASH_LEAST, HASH_MOST,
                           &phc->hash, &err);
    }
    if (err == NX_ENOMEM) return err;
    if (!good)
        return nx__error_set(NX_EINVAL, "the text that was kept of a password is damaged behind "
                                        "\"$argon2id$v=19$\"");
    return nx__argon2id_costs(costs);
}

nx_err nx_password_verify(nx_bytes password, nx_bytes text, bool *matches)
{
    struct phc phc;
    uint8_t hash[HASH_MOST];
    *matches = false;
    NX_TRY(check_length(password));
    NX_TRY(phc_read(text, &phc));
    NX_TRY(nx_argon2id_with(password, phc.salt, hash, phc.hash.len, &phc.costs));
    *matches = nx_secret_eq(nx_slice(hash, phc.hash.len), phc.hash);
    nx_wipe(hash, sizeof hash);
    return NX_OK;
}

bool nx_password_needs_rehash_with(nx_bytes text, const nx_password_options *options)
{
    NX__OPTIONS(nx_password_options, o, options);
    nx_argon2id_options wanted = costs_of(&o);
    struct phc phc;
    if (nx__argon2id_costs(&wanted) || phc_read(text, &phc)) return true;
    return phc.costs.memory_kib != wanted.memory_kib || phc.costs.passes != wanted.passes ||
           phc.costs.lanes != wanted.lanes || phc.salt.len < SALT || phc.hash.len < HASH;
}
