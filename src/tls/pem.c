/* Reading PEM: chains, keys, bundles of authorities. */
#include "tls/pem.h"

#include "base/error.h"
#include "crypto/library.h"
#include "encode/encode.h"
#include "permission/permission.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char begin[] = "-----BEGIN ", dashes[] = "-----";

/* ---- Blocks */

static const char *find(nx_bytes text, const char *word, size_t len)
{
    return text.len ? memmem(text.data, text.len, word, len) : NULL;
}

static nx_bytes after(nx_bytes text, const char *at)
{
    return nx_slice(at, (size_t)(text.data + text.len - at));
}

nx_err nx__pem_next(nx_bytes *text, struct nx__pem *out)
{
    enum { LABEL_MOST = 32 };
    char end[LABEL_MOST + 16];
    *out = (struct nx__pem){0};
    const char *at = find(*text, begin, sizeof begin - 1);
    if (!at) {
        text->len = 0;
        return NX_OK;
    }
    nx_bytes rest = after(*text, at + sizeof begin - 1);
    const char *stop = find(rest, dashes, sizeof dashes - 1);
    if (!stop || stop - rest.data > LABEL_MOST)
        return nx__error_set(NX_EINVAL, "a block of the PEM has no proper beginning");
    out->label = nx_slice(rest.data, (size_t)(stop - rest.data));
    rest = after(rest, stop + sizeof dashes - 1);
    int len = snprintf(end, sizeof end, "-----END %.*s-----", NX_FMT(out->label));
    stop = find(rest, end, (size_t)len);
    const char *other = find(rest, begin, sizeof begin - 1);
    if (!stop || (other && other < stop)) {
        char shown[NX__QUOTED];
        return nx__error_set(NX_EINVAL, "the PEM has no \"%s\"",
                             nx__quoted(shown, nx_slice(end, (size_t)len)));
    }
    out->body = nx_slice(rest.data, (size_t)(stop - rest.data));
    *text = after(rest, stop + len);
    return NX_OK;
}

nx_err nx__pem_bytes(struct nx__arena *arena, const struct nx__pem *block, nx_bytes *out)
{
    static const nx_base64_options spaced = {.size = sizeof spaced, .spaces = true};
    size_t len;
    char *bytes = nx__arena_alloc(arena, block->body.len / 4 * 3 + 3);
    if (!bytes) return nx__error_set(NX_ENOMEM, "cannot read the PEM: out of memory");
    if (nx__base64_read(bytes, &len, block->body, &spaced))
        return nx__error_set(NX_EINVAL, "the PEM is damaged: no base64");
    *out = nx_slice(bytes, len);
    return NX_OK;
}

/* ---- Keys */

static EVP_PKEY *wrap(EC_KEY *ec, RSA *rsa)
{
    EVP_PKEY *key = EVP_PKEY_new();
    if (key && ((ec && EVP_PKEY_assign_EC_KEY(key, ec)) || (rsa && EVP_PKEY_assign_RSA(key, rsa))))
        return key;
    EVP_PKEY_free(key);
    EC_KEY_free(ec);
    RSA_free(rsa);
    return NULL;
}

static EVP_PKEY *parse(nx_bytes label, nx_bytes der)
{
    CBS cbs;
    CBS_init(&cbs, nx__crypto_data(der), der.len);
    EVP_PKEY *key = NULL;
    if (nx_bytes_is(label, "PRIVATE KEY"))
        key = EVP_parse_private_key(&cbs);
    else if (nx_bytes_is(label, "EC PRIVATE KEY"))
        key = wrap(EC_KEY_parse_private_key(&cbs, NULL), NULL);
    else
        key = wrap(NULL, RSA_parse_private_key(&cbs));
    if (!key || !CBS_len(&cbs)) return key;
    EVP_PKEY_free(key);
    return NULL;
}

nx_err nx__pem_key(struct nx__arena *arena, nx_bytes text, const char *what, EVP_PKEY **out)
{
    struct nx__pem block;
    *out = NULL;
    do {
        nx_err err = nx__pem_next(&text, &block);
        if (err)
            return nx__error_set(err, "cannot read the key of %s: %s", what,
                                 nx__error_last()->message);
        if (nx_bytes_is(block.label, "ENCRYPTED PRIVATE KEY") ||
            find(block.body, "Proc-Type: 4,ENCRYPTED", 22))
            return nx__error_set(NX_ENOTSUP,
                                 "the key of %s is encrypted. Decrypt it with: openssl pkey -in %s",
                                 what, what);
        if (!nx_bytes_is(block.label, "PRIVATE KEY") &&
            !nx_bytes_is(block.label, "EC PRIVATE KEY") &&
            !nx_bytes_is(block.label, "RSA PRIVATE KEY"))
            continue;
        nx_bytes der;
        NX_TRY(nx__pem_bytes(arena, &block, &der));
        nx__crypto_ready();
        *out = parse(block.label, der);
        nx_wipe((char *)(uintptr_t)der.data, der.len);
        if (*out) return NX_OK;
        if (nx__crypto_starved()) return nx__crypto_failed("read a key");
        return nx__error_set(NX_EINVAL, "the key of %s is damaged, or of a kind that is not known",
                             what);
    } while (block.label.len);
    return nx__error_set(NX_ENOENT, "there is no private key in %s", what);
}

/* ---- Certificates */

nx_err nx__pem_certificates(struct nx__arena *arena, nx_bytes text, const char *what,
                            nx_err (*take)(nx_bytes der, void *arg), void *arg, size_t *count)
{
    struct nx__pem block;
    *count = 0;
    for (;;) {
        nx_bytes der;
        nx_err err = nx__pem_next(&text, &block);
        if (!err && !block.label.len) return NX_OK;
        if (!err && !nx_bytes_is(block.label, "CERTIFICATE") &&
            !nx_bytes_is(block.label, "X509 CERTIFICATE"))
            continue;
        if (!err) err = nx__pem_bytes(arena, &block, &der);
        if (err)
            return nx__error_set(err, "cannot read the certificates of %s: %s", what,
                                 nx__error_last()->message);
        ++*count;
        NX_TRY(take(der, arg));
    }
}

/* ---- Files */

bool nx__pem_is_text(const char *file_or_text)
{
    return strncmp(file_or_text, begin, sizeof begin - 1) == 0;
}

const char *nx__pem_shown(const char *file_or_text)
{
    return nx__pem_is_text(file_or_text) ? "the text" : file_or_text;
}

static nx_err read_all(struct nx__arena *arena, int fd, const char *path, const char *what,
                       nx_bytes *out)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0)
        return nx__error_system(errno, "cannot read the %s \"%s\"", what, path);
    if (facts.st_size > NX__TLS_PEM_MOST)
        return nx__error_set(NX_ETOOBIG, "the %s \"%s\" has more than %d bytes", what, path,
                             NX__TLS_PEM_MOST);
    size_t room = (facts.st_size > 0 ? (size_t)facts.st_size : 0) + 1, len = 0;
    char *data = nx__arena_alloc(arena, room);
    if (!data) return nx__error_set(NX_ENOMEM, "cannot read the %s: out of memory", what);
    while (len < room) {
        ssize_t n = read(fd, data + len, room - len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return nx__error_system(errno, "cannot read the %s \"%s\"", what, path);
        if (!n) break;
        len += (size_t)n;
    }
    *out = nx_slice(data, len);
    return NX_OK;
}

nx_err nx__pem_file(struct nx__arena *arena, const char *path, const char *what, nx_bytes *out)
{
    /* A pipe in its place would never let go. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return nx__error_system(errno, "cannot open the %s \"%s\"", what, path);
    nx_err err = read_all(arena, fd, path, what, out);
    (void)close(fd);
    return err;
}

nx_err nx__pem_load(struct nx__arena *arena, const char *file_or_text, const char *what,
                    nx_bytes *out)
{
    if (nx__pem_is_text(file_or_text)) {
        *out = nx_str(file_or_text);
        return NX_OK;
    }
    NX_TRY(nx__permit(NX__PERMIT_READ, file_or_text));
    return nx__pem_file(arena, file_or_text, what, out);
}
