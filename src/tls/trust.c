/* Checking chains of certificates by authorities. */
#include "tls/trust.h"

#include "base/error.h"
#include "crypto/library.h"
#include "permission/permission.h"
#include "tls/pem.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { RSA_LEAST = 2048, CURVE_LEAST = 224 };

static nx_err failed(void)
{
    ERR_clear_error();
    return nx__error_set(NX_ENOMEM, "cannot read the authorities: out of memory");
}

/* ---- Authorities */

struct filling {
    X509_STORE *store;
    SSL_CTX *ctx; /* is told their names; may be NULL */
    bool system;  /* the system's own */
};

static nx_err take(nx_bytes der, void *arg)
{
    const struct filling *filling = arg;
    const unsigned char *at = nx__crypto_data(der);
    X509 *certificate = d2i_X509(NULL, &at, (long)der.len);
    if (!certificate) {
        if (nx__crypto_starved()) return failed();
        /* A bundle of the system's may have what nobody can read. */
        return filling->system ? NX_OK
                               : nx__error_set(NX_EINVAL, "one of the authorities is damaged");
    }
    bool good = X509_STORE_add_cert(filling->store, certificate) &&
                (!filling->ctx || SSL_CTX_add_client_CA(filling->ctx, certificate));
    X509_free(certificate);
    ERR_clear_error();
    return good ? NX_OK : failed();
}

static nx_err fill(struct filling *filling, nx_bytes text, const char *shown)
{
    struct nx__arena arena = {0};
    size_t count = 0;
    nx_err err = nx__pem_certificates(&arena, text, shown, take, filling, &count);
    nx__arena_reset(&arena);
    if (err || count) return err;
    return nx__error_set(NX_EINVAL, "there is no certificate in %s", shown);
}

static nx_err store_make(X509_STORE **out, nx_bytes text, const char *shown, SSL_CTX *ctx,
                         bool system)
{
    struct filling filling = {X509_STORE_new(), ctx, system};
    *out = NULL;
    if (!filling.store) return failed();
    nx_err err = fill(&filling, text, shown);
    if (err)
        X509_STORE_free(filling.store);
    else
        *out = filling.store;
    return err;
}

static nx_err store_read(X509_STORE **out, const char *ca, bool system)
{
    struct nx__arena arena = {0};
    nx_bytes text;
    *out = NULL;
    nx_err err = system ? nx__pem_file(&arena, ca, NX__TLS_AUTHORITIES, &text)
                        : nx__pem_load(&arena, ca, NX__TLS_AUTHORITIES, &text);
    if (!err) err = store_make(out, text, nx__pem_shown(ca), NULL, system);
    nx__arena_reset(&arena);
    return err;
}

/* ---- The system's */

static pthread_mutex_t system_lock = PTHREAD_MUTEX_INITIALIZER;
static X509_STORE *system_store; /* for the process's whole life, once it was asked for */

static const char *system_file(void)
{
    static const char *const files[] = {
        "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
        "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora */
        "/etc/ssl/ca-bundle.pem",             /* SUSE */
        "/etc/ssl/cert.pem",                  /* Alpine, OpenBSD */
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (access(files[i], R_OK) == 0) return files[i];
    return NULL;
}

static nx_err system_read(void)
{
    if (system_store) return NX_OK;
    static const char variable[] = "SSL_CERT_FILE";
    const char *file = nx__permit(NX__PERMIT_ENV, variable) ? NULL : getenv(variable);
    if (file && *file) return store_read(&system_store, file, false);
    file = system_file();
    if (!file)
        return nx__error_set(NX_ENOENT,
                             "the system has no authorities to trust: install its package "
                             "ca-certificates, or name a file (.ca, or SSL_CERT_FILE)");
    return store_read(&system_store, file, true);
}

/* ---- Checking */

/* What chains are checked for beyond what libcrypto does: strength. */
static int strong(int good, X509_STORE_CTX *ctx)
{
    if (!good) return 0;
    X509 *certificate = X509_STORE_CTX_get_current_cert(ctx);
    const EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;
    if (!key) return good;
    int depth = X509_STORE_CTX_get_error_depth(ctx), kind = EVP_PKEY_id(key),
        bits = EVP_PKEY_bits(key);
    if ((kind == EVP_PKEY_RSA && bits < RSA_LEAST) || (kind == EVP_PKEY_EC && bits < CURVE_LEAST)) {
        X509_STORE_CTX_set_error(ctx,
                                 depth ? X509_V_ERR_CA_KEY_TOO_SMALL : X509_V_ERR_EE_KEY_TOO_SMALL);
        return 0;
    }
    /* Nobody looks at how an authority has signed itself. */
    bool own =
        X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0;
    int digest = NID_undef;
    if (!own && OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &digest, NULL) &&
        (digest == NID_md5 || digest == NID_sha1 || digest == NID_md4)) {
        X509_STORE_CTX_set_error(ctx, X509_V_ERR_CA_MD_TOO_WEAK);
        return 0;
    }
    return good;
}

nx_err nx__tls_trust_clients(SSL_CTX *ctx, nx_bytes client_ca, const char *shown, bool optional)
{
    X509_STORE *store;
    NX_TRY(store_make(&store, client_ca, shown, ctx, false));
    SSL_CTX_set_cert_store(ctx, store);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT),
                       strong);
    return NX_OK;
}

nx_err nx__tls_trust_servers(SSL_CTX *ctx, const char *ca)
{
    X509_STORE *store = NULL;
    if (ca) {
        NX_TRY(store_read(&store, ca, false));
    } else {
        (void)pthread_mutex_lock(&system_lock);
        nx_err err = system_read();
        store = system_store;
        (void)pthread_mutex_unlock(&system_lock);
        if (err) return err;
        (void)X509_STORE_up_ref(store);
    }
    SSL_CTX_set_cert_store(ctx, store);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, strong);
    return NX_OK;
}

nx_err nx__tls_trust_name(SSL *ssl, const char *name)
{
    struct in6_addr address;
    char host[INET6_ADDRSTRLEN];
    const char *zone = strchr(name, '%');
    /* Of which link an address is, is nobody's business but this machine's (RFC 4007 11.2). */
    if (zone && (size_t)(zone - name) < sizeof host) {
        (void)snprintf(host, sizeof host, "%.*s", (int)(zone - name), name);
        name = host;
    }
    bool numeric =
        inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    /* A common name is no host's (RFC 9525 2). */
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    size_t len = strlen(name);
    if (!len || len > TLSEXT_MAXLEN_host_name)
        return nx__error_set(NX_EINVAL, "\"%.100s\" is no name of a host", name);
    bool good = numeric ? X509_VERIFY_PARAM_set1_ip_asc(param, name)
                        : X509_VERIFY_PARAM_set1_host(param, name, len) &&
                              SSL_set_tlsext_host_name(ssl, name);
    return good ? NX_OK : nx__crypto_failed("begin TLS");
}

const char *nx__tls_distrust(const SSL *ssl)
{
    switch (SSL_get_verify_result(ssl)) {
    case X509_V_OK: return NULL;
    case X509_V_ERR_OUT_OF_MEM: return "memory is out";
    case X509_V_ERR_CERT_HAS_EXPIRED: return "it, or one that it comes from, has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID: return "it is not valid yet: is the clock right?";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return "it is self-signed: name it as an authority (.ca) if you know that it is the right one";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return "it comes from an authority that is not trusted (.ca names one)";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return "it comes from an authority that is not trusted (.ca names one), or the server does not "
               "send the certificates in between";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return "it is for another name";
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL: return "its key, or one that it comes from, is too weak";
    case X509_V_ERR_CA_MD_TOO_WEAK: return "it is signed with a hash that is too weak";
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: return "its signature is not that of its authority";
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_INVALID_NON_CA: return "one that it comes from is no authority's";
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
    case X509_V_ERR_CERT_CHAIN_TOO_LONG: return "its chain is longer than it may be";
    case X509_V_ERR_INVALID_PURPOSE: return "it is not for this purpose";
    case X509_V_ERR_CERT_REVOKED: return "it was revoked";
    default: return "it does not hold against the rules for certificates";
    }
}
