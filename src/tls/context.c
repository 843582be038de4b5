/* Certificates by name, and what a server's handshakes are done with. */
#include "tls/context.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/say.h"
#include "crypto/library.h"
#include "tls/identity.h"
#include "tls/tickets.h"
#include "tls/tls.h"
#include "tls/trust.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { IDENTITIES_MOST = 4096, NAMES_MOST = 65536 };
#define COMPLAINT NX_S(60) /* between two that are the same */

/* A file as it was when it was read. */
struct stamp {
    struct timespec time;
    off_t size;
    ino_t inode;
};

/* Where a certificate comes from. */
struct source {
    char *cert, *key; /* files, or PEM itself */
    struct stamp stamps[2];
};

struct name {
    const char *text;
    const struct nx__tls_identity *identity;
};

/* All that was read at once; it lasts as long as the SSL_CTX that has it, and so as long as the
 * last connection. */
struct set {
    struct nx__tls_identity *identities;
    size_t count;
    struct name *names; /* sorted */
    size_t name_count;
    uint8_t *protocols;
    size_t protocols_len;
};

struct nx_tls_server {
    pthread_mutex_t lock;
    nx_tls_server_options options; /* with strings of its own */
    char *client_ca, *protocols, *key_log;
    struct stamp client_ca_stamp;
    struct source *sources;
    size_t count;
    SSL_CTX *ctx;
    nx_duration looked; /* at the files (monotonic) */
    nx_duration said;   /* when it was last said that they can't be read, and why */
    char *complaint;
};

/* ---- The set */

static void set_free(struct set *set)
{
    if (!set) return;
    for (size_t i = 0; i < set->count; i++) nx__tls_identity_free(&set->identities[i]);
    free(set->identities);
    free(set->names);
    free(set->protocols);
    free(set);
}

static void set_gone(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long number,
                     void *pointer)
{
    (void)parent, (void)all, (void)index, (void)number, (void)pointer;
    set_free(data);
}

static pthread_once_t index_once = PTHREAD_ONCE_INIT;
static int set_index = -1, protocol_index = -1;

static void index_make(void)
{
    set_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, set_gone);
    protocol_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static struct set *set_of(const SSL *ssl)
{
    return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), set_index);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

/* The first certificate that has a name has it. */
static nx_err set_names(struct set *set)
{
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++) {
        const struct nx__buffer *names = &set->identities[i].names;
        for (size_t at = 0; at < names->len; at++) count += !names->data[at];
    }
    if (count > NAMES_MOST)
        return nx__error_set(NX_ETOOBIG, "the certificates have %zu names, more than %d", count,
                             NAMES_MOST);
    set->names = calloc(count ? count : 1, sizeof *set->names);
    if (!set->names) return nx__error_set(NX_ENOMEM, "cannot read the certificates: out of memory");
    for (size_t i = set->count; i--;) {
        const struct nx__buffer *names = &set->identities[i].names;
        for (size_t at = 0; at < names->len; at += strlen(names->data + at) + 1)
            set->names[set->name_count++] = (struct name){names->data + at, &set->identities[i]};
    }
    qsort(set->names, set->name_count, sizeof *set->names, by_name);
    /* Of equal ones the certificate that was added first stays: it lies lowest in memory. */
    size_t kept = 0;
    for (size_t i = 0; i < set->name_count; i++) {
        if (!kept || strcmp(set->names[kept - 1].text, set->names[i].text) != 0)
            set->names[kept++] = set->names[i];
        else if (set->names[i].identity < set->names[kept - 1].identity)
            set->names[kept - 1] = set->names[i];
    }
    set->name_count = kept;
    return NX_OK;
}

static const struct nx__tls_identity *find(const struct set *set, const char *text)
{
    const struct name wanted = {.text = text}, *name = NULL;
    if (set->name_count)
        name = bsearch(&wanted, set->names, set->name_count, sizeof wanted, by_name);
    return name ? name->identity : NULL;
}

static const struct nx__tls_identity *pick(const struct set *set, const char *asked)
{
    char text[256];
    size_t len = asked ? strlen(asked) : 0;
    if (!len || len >= sizeof text) return &set->identities[0];
    for (size_t i = 0; i <= len; i++)
        text[i] = (char)(asked[i] >= 'A' && asked[i] <= 'Z' ? asked[i] | 0x20 : asked[i]);
    if (text[len - 1] == '.') text[len - 1] = '\0';
    const struct nx__tls_identity *identity = find(set, text);
    char *dot = strchr(text, '.');
    if (!identity && dot && dot != text) {
        dot[-1] = '*';
        identity = find(set, dot - 1);
    }
    return identity ? identity : &set->identities[0];
}

/* ---- What libssl asks */

static enum ssl_select_cert_result_t select_certificate(const SSL_CLIENT_HELLO *hello)
{
    SSL *ssl = hello->ssl;
    const struct nx__tls_identity *identity =
        pick(set_of(ssl), SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    /* The first is what the context has already. */
    if (identity != &set_of(ssl)->identities[0] &&
        !SSL_set_chain_and_key(ssl, identity->chain, identity->count, identity->key, NULL))
        return ssl_select_cert_error;
    return ssl_select_cert_success;
}

/* The protocol, where the client speaks it. */
static int select_only(const char *protocol, const uint8_t **out, uint8_t *out_len,
                       const uint8_t *in, unsigned in_len)
{
    size_t len = strlen(protocol);
    for (unsigned at = 0; at < in_len; at += 1u + in[at]) {
        if (in[at] != len || memcmp(in + at + 1, protocol, len) != 0) continue;
        *out = in + at + 1;
        *out_len = (uint8_t)len;
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

const uint8_t *nx__tls_secret(const SSL *ssl)
{
    return pick(set_of(ssl), SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name))->secret;
}

static int select_protocol(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                           unsigned in_len, void *arg)
{
    const struct set *set = arg;
    const char *only = SSL_get_ex_data(ssl, protocol_index);
    uint8_t *chosen = NULL;
    if (only) return select_only(only, out, out_len, in, in_len);
    if (SSL_select_next_proto(&chosen, out_len, set->protocols, (unsigned)set->protocols_len, in,
                              in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2 */
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

nx_err nx__tls_protocols(const char *list, uint8_t **out, size_t *len)
{
    size_t size = strlen(list), start = 0;
    uint8_t *wire = malloc(size + 2);
    *out = wire;
    *len = 0;
    if (!wire) return nx__error_set(NX_ENOMEM, "cannot read the protocols: out of memory");
    for (size_t i = 0; i <= size; i++) {
        if (i < size && list[i] != ',') {
            wire[i + 1] = (uint8_t)list[i];
            continue;
        }
        if (i == start || i - start > 255) {
            free(wire);
            *out = NULL;
            return nx__error_set(
                NX_EINVAL, "\"%.60s\" is no list of protocols, such as \"h2,http/1.1\"", list);
        }
        wire[start] = (uint8_t)(i - start);
        start = i + 1;
    }
    *len = size + 1;
    return NX_OK;
}

/* ---- Making it */

static nx_err failed(void)
{
    ERR_clear_error();
    return nx__error_set(NX_ENOMEM, "cannot prepare TLS: out of memory");
}

static bool look(const char *file, struct stamp *out)
{
    struct stat facts;
    *out = (struct stamp){0};
    if (!file || nx__pem_is_text(file) || stat(file, &facts) != 0) return false;
    *out = (struct stamp){facts.st_mtim, facts.st_size, facts.st_ino};
    return true;
}

static bool same(const struct stamp *a, const struct stamp *b)
{
    return a->time.tv_sec == b->time.tv_sec && a->time.tv_nsec == b->time.tv_nsec &&
           a->size == b->size && a->inode == b->inode;
}

static void stamp_all(struct nx_tls_server *server)
{
    for (size_t i = 0; i < server->count; i++) {
        struct source *source = &server->sources[i];
        (void)look(source->cert, &source->stamps[0]);
        (void)look(source->key, &source->stamps[1]);
    }
    (void)look(server->client_ca, &server->client_ca_stamp);
}

/* What could not be read is tried again, though no file changes: the reason may be another. */
static void stamps_clear(struct nx_tls_server *server)
{
    for (size_t i = 0; i < server->count; i++)
        memset(server->sources[i].stamps, 0, sizeof server->sources[i].stamps);
    server->client_ca_stamp = (struct stamp){0};
}

/* A file that is gone is not taken for a change: it is about to be replaced. */
static bool changed(const struct nx_tls_server *server)
{
    struct stamp now;
    if (look(server->client_ca, &now) && !same(&now, &server->client_ca_stamp)) return true;
    for (size_t i = 0; i < server->count; i++) {
        const struct source *source = &server->sources[i];
        if (look(source->cert, &now) && !same(&now, &source->stamps[0])) return true;
        if (look(source->key, &now) && !same(&now, &source->stamps[1])) return true;
    }
    return false;
}

static nx_err set_read(const nx_tls_server *server, struct set *set)
{
    set->identities = calloc(server->count, sizeof *set->identities);
    if (!set->identities) return failed();
    for (size_t i = 0; i < server->count; i++) {
        NX_TRY(nx__tls_identity_read(&set->identities[i], server->sources[i].cert,
                                     server->sources[i].key));
        set->count++;
    }
    NX_TRY(set_names(set));
    if (server->protocols)
        NX_TRY(nx__tls_protocols(server->protocols, &set->protocols, &set->protocols_len));
    return NX_OK;
}

/* Whom clients have to come from is read once, for tickets go with what was read. */
static nx_err clients_fill(const nx_tls_server *server, SSL_CTX *ctx)
{
    const char *client_ca = server->client_ca;
    bool optional = server->options.client_optional;
    struct nx__arena arena = {0};
    nx_bytes text = {0};
    nx_err err = NX_OK;
    if (client_ca) err = nx__pem_load(&arena, client_ca, NX__TLS_AUTHORITIES, &text);
    if (!err && client_ca)
        err = nx__tls_trust_clients(ctx, text, nx__pem_shown(client_ca), optional);
    if (!err) err = nx__tls_tickets_make(ctx, text, optional);
    nx__arena_reset(&arena);
    return err;
}

static nx_err context_fill(const nx_tls_server *server, SSL_CTX *ctx, struct set *set)
{
    const nx_tls_server_options *o = &server->options;
    NX_TRY(nx__tls_common(ctx, &(struct nx__tls_common){o->least, server->key_log}));
    const struct nx__tls_identity *first = &set->identities[0];
    if (!SSL_CTX_set_chain_and_key(ctx, first->chain, first->count, first->key, NULL))
        return failed();
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_select_certificate_cb(ctx, select_certificate);
    if (set->protocols) SSL_CTX_set_alpn_select_cb(ctx, select_protocol, set);
    return clients_fill(server, ctx);
}

/* Reads all and makes a context of it, which replaces the one before if nothing is wrong. The lock
 * is held. */
static nx_err make(nx_tls_server *server)
{
    (void)pthread_once(&index_once, index_make);
    struct set *set = calloc(1, sizeof *set);
    SSL_CTX *ctx = set ? SSL_CTX_new(TLS_method()) : NULL;
    if (!ctx || set_index < 0 || !SSL_CTX_set_ex_data(ctx, set_index, set)) {
        set_free(set);
        SSL_CTX_free(ctx);
        return failed();
    }
    stamp_all(server); /* before they are read: what changes meanwhile is read again */
    nx_err err = set_read(server, set);
    if (!err) err = context_fill(server, ctx, set);
    if (err) {
        stamps_clear(server);
        SSL_CTX_free(ctx);
        return err;
    }
    free(server->complaint);
    server->complaint = NULL;
    SSL_CTX_free(server->ctx);
    server->ctx = ctx;
    return NX_OK;
}

/* ---- The server's life */

/* The text may be a key. */
static void text_free(char *text)
{
    if (text) nx_wipe(text, strlen(text));
    free(text);
}

static void source_free(struct source *source)
{
    text_free(source->cert);
    text_free(source->key);
}

void nx_tls_server_free(nx_tls_server *server)
{
    if (!server) return;
    for (size_t i = 0; i < server->count; i++) source_free(&server->sources[i]);
    free(server->sources);
    free(server->client_ca);
    free(server->protocols);
    free(server->key_log);
    free(server->complaint);
    SSL_CTX_free(server->ctx);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}

static bool copy(char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return *out || !text;
}

/* Adds where a certificate comes from, without reading it. */
static nx_err add(nx_tls_server *server, const char *cert, const char *key)
{
    if (!cert) return nx__error_set(NX_EINVAL, "TLS needs a certificate (.cert)");
    if (server->count == IDENTITIES_MOST)
        return nx__error_set(NX_ETOOBIG, "a server has %d certificates at most", IDENTITIES_MOST);
    struct source *sources = realloc(server->sources, (server->count + 1) * sizeof *sources);
    if (!sources) return failed();
    server->sources = sources;
    struct source *source = &sources[server->count];
    *source = (struct source){0};
    if (!copy(&source->cert, cert) || !copy(&source->key, key)) {
        source_free(source);
        return failed();
    }
    server->count++;
    return NX_OK;
}

nx_err nx_tls_server_new_with(nx_tls_server **out, const nx_tls_server_options *options)
{
    NX__OPTIONS(nx_tls_server_options, o, options);
    *out = NULL;
    nx_tls_server *server = calloc(1, sizeof *server);
    if (!server) return failed();
    (void)pthread_mutex_init(&server->lock, NULL);
    server->options = o;
    nx_err err = NX_OK;
    if (!copy(&server->client_ca, o.client_ca) || !copy(&server->protocols, o.protocols) ||
        !copy(&server->key_log, o.key_log))
        err = failed();
    if (!err) err = add(server, o.cert, o.key);
    if (!err) err = make(server);
    if (err) {
        nx_tls_server_free(server);
        return err;
    }
    server->looked = nx__clock_monotonic();
    *out = server;
    return NX_OK;
}

nx_err nx_tls_server_add(nx_tls_server *server, const char *cert, const char *key)
{
    (void)pthread_mutex_lock(&server->lock);
    size_t before = server->count;
    nx_err err = add(server, cert, key);
    if (!err) err = make(server);
    if (err && server->count > before) source_free(&server->sources[--server->count]);
    (void)pthread_mutex_unlock(&server->lock);
    return err;
}

nx_err nx_tls_server_reload(nx_tls_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    nx_err err = make(server);
    (void)pthread_mutex_unlock(&server->lock);
    return err;
}

/* ---- A handshake */

/* The lock is held. True where it is to be said; the same again only after a while. */
static bool complain(struct nx_tls_server *server, const char *message)
{
    bool again = server->complaint && strcmp(server->complaint, message) == 0;
    if (again && server->looked - server->said < COMPLAINT) return false;
    free(server->complaint);
    server->complaint = strdup(message);
    server->said = server->looked;
    return true;
}

bool nx__tls_speaks(SSL *ssl, const char *protocol)
{
    return SSL_set_ex_data(ssl, protocol_index, (void *)(uintptr_t)protocol);
}

SSL_CTX *nx__tls_server_context(nx_tls_server *server)
{
    nx_duration now = nx__clock_monotonic();
    nx_err err = NX_OK;
    (void)pthread_mutex_lock(&server->lock);
    if (!server->options.keep && now - server->looked > NX_TLS_RELOAD) {
        server->looked = now;
        if (changed(server)) err = make(server);
        if (err && !complain(server, nx__error_last()->message)) err = NX_OK;
    }
    SSL_CTX *ctx = server->ctx;
    (void)SSL_CTX_up_ref(ctx);
    (void)pthread_mutex_unlock(&server->lock);
    if (err)
        nx__say(NX__SAY_ERROR, "TLS goes on with the certificates as they were: %s",
                nx__error_last()->message);
    return ctx;
}

struct nx__tls *nx__tls_server_begin(nx_tls_server *server, int fd)
{
    SSL_CTX *ctx = nx__tls_server_context(server);
    SSL *ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    if (!ssl) {
        (void)failed();
        return NULL;
    }
    SSL_set_accept_state(ssl);
    SSL_set_shed_handshake_config(ssl, 1);
    return nx__tls_new(ssl, fd);
}
