/* Clients: what handshakes are done with is kept for a while, with the sessions that servers have
 * offered, for all threads. */
#include "tls/client.h"

#include "base/clock.h"
#include "base/error.h"
#include "crypto/library.h"
#include "tls/context.h"
#include "tls/identity.h"
#include "tls/tls.h"
#include "tls/trust.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONTEXTS = 8, SESSIONS = 64 };
#define CONTEXT_LASTS NX_S(60) /* files are read again after */

/* For whom a session is: both the address and the name that was proved, since who takes it up again
 * does not show his certificate. */
struct kept_session {
    char *whose; /* NULL: none */
    uint64_t used;
    SSL_SESSION *session;
    struct nx__buffer note; /* what QUIC has to know besides */
};

/* A context, and the options that it was made by. */
struct client {
    SSL_CTX *ctx;
    nx_duration made;
    uint64_t used;
    nx_tls_connect_options options; /* strings of its own; deadlines do not count */
    struct kept_session sessions[SESSIONS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct client *clients[CONTEXTS];
static uint64_t clock_of_use;

static nx_err failed(void)
{
    ERR_clear_error();
    return nx__error_set(NX_ENOMEM, "cannot prepare TLS: out of memory");
}

/* ---- Sessions */

static void session_drop(struct kept_session *kept)
{
    SSL_SESSION_free(kept->session);
    nx__buffer_free(&kept->note);
    free(kept->whose);
    *kept = (struct kept_session){0};
}

static struct kept_session *session_find(struct client *client, const char *whose)
{
    for (int i = 0; i < SESSIONS; i++) {
        struct kept_session *kept = &client->sessions[i];
        if (kept->whose && strcmp(kept->whose, whose) == 0) return kept;
    }
    return NULL;
}

static struct client *client_of(SSL_CTX *ctx)
{
    for (int i = 0; i < CONTEXTS; i++)
        if (clients[i] && clients[i]->ctx == ctx) return clients[i];
    return NULL;
}

bool nx__tls_client_keep(SSL *ssl, const char *peer, SSL_SESSION *session, nx_bytes note)
{
    char *whose = SSL_SESSION_is_resumable(session) ? strdup(peer) : NULL;
    struct nx__buffer kept = {0};
    if (!whose || nx__buffer_append(&kept, note.data, note.len, NX__TLS_NOTE_MOST)) {
        free(whose);
        return false;
    }
    (void)pthread_mutex_lock(&lock);
    struct client *client = client_of(SSL_get_SSL_CTX(ssl));
    if (client) {
        struct kept_session *slot = session_find(client, whose);
        if (!slot) {
            slot = &client->sessions[0];
            for (int i = 1; i < SESSIONS; i++)
                if (client->sessions[i].used < slot->used) slot = &client->sessions[i];
        }
        session_drop(slot);
        *slot = (struct kept_session){whose, ++clock_of_use, session, kept};
    }
    (void)pthread_mutex_unlock(&lock);
    if (client) return true;
    free(whose);
    nx__buffer_free(&kept);
    return false;
}

static int session_new(SSL *ssl, SSL_SESSION *session)
{
    const struct nx__tls_outside *outside = SSL_get_app_data(ssl);
    if (outside) return outside->session && outside->session(ssl, session);
    const struct nx__tls *tls = nx__tls_of(ssl);
    return tls->whose && nx__tls_client_keep(ssl, tls->whose, session, (nx_bytes){0});
}

/* A ticket of TLS 1.3 is for one connection: shown twice, it would tell who looks at the wire that
 * both are the same client's (RFC 8446 C.4). */
static void session_use(struct client *client, SSL *ssl, const char *whose, struct nx__buffer *note)
{
    struct kept_session *kept = session_find(client, whose);
    if (!kept) return;
    (void)SSL_set_session(ssl, kept->session);
    if (note) {
        *note = kept->note;
        kept->note = (struct nx__buffer){0};
    }
    if (SSL_SESSION_should_be_single_use(kept->session)) session_drop(kept);
}

/* ---- Contexts */

static void secret_free(const char *text)
{
    char *own = (char *)(uintptr_t)text;
    if (own) nx_wipe(own, strlen(own));
    free(own);
}

static void client_free(struct client *client)
{
    if (!client) return;
    for (int i = 0; i < SESSIONS; i++) session_drop(&client->sessions[i]);
    SSL_CTX_free(client->ctx);
    free((char *)(uintptr_t)client->options.ca);
    secret_free(client->options.cert); /* the key may lie in it */
    secret_free(client->options.key);
    free((char *)(uintptr_t)client->options.protocols);
    free((char *)(uintptr_t)client->options.key_log);
    free(client);
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool fits(const struct client *client, const nx_tls_connect_options *o)
{
    const nx_tls_connect_options *own = &client->options;
    return same(own->ca, o->ca) && same(own->cert, o->cert) && same(own->key, o->key) &&
           same(own->protocols, o->protocols) && same(own->key_log, o->key_log) &&
           own->least == o->least && own->insecure == o->insecure;
}

static bool copy(const char **field, const char *text)
{
    *field = text ? strdup(text) : NULL;
    return *field || !text;
}

static nx_err show(SSL_CTX *ctx, const nx_tls_connect_options *o)
{
    struct nx__tls_identity identity;
    NX_TRY(nx__tls_identity_read(&identity, o->cert, o->key));
    bool good = SSL_CTX_set_chain_and_key(ctx, identity.chain, identity.count, identity.key, NULL);
    nx__tls_identity_free(&identity);
    return good ? NX_OK : failed();
}

static nx_err fill(struct client *client, const nx_tls_connect_options *o)
{
    SSL_CTX *ctx = client->ctx;
    NX_TRY(nx__tls_common(ctx, &(struct nx__tls_common){o->least, o->key_log}));
    if (!o->insecure) NX_TRY(nx__tls_trust_servers(ctx, o->ca));
    if (o->cert) NX_TRY(show(ctx, o));
    if (o->protocols) {
        uint8_t *wire;
        size_t len;
        NX_TRY(nx__tls_protocols(o->protocols, &wire, &len));
        int wrong = SSL_CTX_set_alpn_protos(ctx, wire, len);
        free(wire);
        if (wrong) return failed();
    }
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, session_new);
    return NX_OK;
}

/* The lock is held. */
static nx_err client_new(struct client **out, const nx_tls_connect_options *o)
{
    nx__crypto_ready();
    struct client *client = calloc(1, sizeof *client);
    if (client) client->ctx = SSL_CTX_new(TLS_method());
    if (!client || !client->ctx) {
        client_free(client);
        return failed();
    }
    nx_tls_connect_options *own = &client->options;
    own->least = o->least;
    own->insecure = o->insecure;
    nx_err err = copy(&own->ca, o->ca) && copy(&own->cert, o->cert) && copy(&own->key, o->key) &&
                         copy(&own->protocols, o->protocols) && copy(&own->key_log, o->key_log)
                     ? fill(client, o)
                     : failed();
    if (err) {
        client_free(client);
        return err;
    }
    client->made = nx__clock_monotonic();
    *out = client;
    return NX_OK;
}

/* The lock is held. */
static nx_err client_find(struct client **out, const nx_tls_connect_options *o)
{
    nx_duration now = nx__clock_monotonic();
    int oldest = 0;
    for (int i = 0; i < CONTEXTS; i++) {
        struct client *client = clients[i];
        if (client && now - client->made > CONTEXT_LASTS &&
            (client->options.ca || client->options.cert)) {
            client_free(client);
            client = clients[i] = NULL;
        }
        if (client && fits(client, o)) {
            client->used = ++clock_of_use;
            *out = client;
            return NX_OK;
        }
        if (clients[oldest] && (!client || client->used < clients[oldest]->used)) oldest = i;
    }
    struct client *client = NULL;
    NX_TRY(client_new(&client, o));
    client_free(clients[oldest]);
    clients[oldest] = client;
    client->used = ++clock_of_use;
    *out = client;
    return NX_OK;
}

nx_err nx__tls_client_ssl(SSL **out, struct nx__buffer *note, const char *name, const char *whose,
                          const nx_tls_connect_options *o)
{
    struct client *client = NULL;
    *out = NULL;
    (void)pthread_mutex_lock(&lock);
    nx_err err = client_find(&client, o);
    SSL *ssl = err ? NULL : SSL_new(client->ctx);
    if (!err && !ssl) err = failed();
    if (!err && !o->no_resumption) session_use(client, ssl, whose, note);
    (void)pthread_mutex_unlock(&lock);
    if (!err) err = nx__tls_trust_name(ssl, name);
    if (err) {
        SSL_free(ssl);
        if (note) nx__buffer_free(note);
        return err;
    }
    SSL_set_connect_state(ssl);
    SSL_set_shed_handshake_config(ssl, 1);
    *out = ssl;
    return NX_OK;
}

/* Takes `whose` over, but on failure. */
static nx_err begin(struct nx__tls **out, int fd, const char *name, char *whose,
                    const nx_tls_connect_options *o)
{
    SSL *ssl;
    NX_TRY(nx__tls_client_ssl(&ssl, NULL, name, whose, o));
    *out = nx__tls_new(ssl, fd);
    if (!*out) return NX_ENOMEM;
    (*out)->whose = whose;
    return NX_OK;
}

nx_err nx__tls_client_begin(struct nx__tls **out, int fd, const char *name, const char *peer,
                            const nx_tls_connect_options *o)
{
    size_t size = strlen(name) + strlen(peer) + 2;
    char *whose = malloc(size);
    *out = NULL;
    if (!whose) return failed();
    (void)snprintf(whose, size, "%s %s", name, peer);
    nx_err err = begin(out, fd, name, whose, o);
    if (err) free(whose);
    return err;
}

const char *nx__tls_client_why(const struct nx__tls *tls)
{
    const char *distrust =
        tls->reason == SSL_R_CERTIFICATE_VERIFY_FAILED ? nx__tls_distrust(tls->ssl) : NULL;
    return distrust ? distrust : nx__tls_why(tls);
}
