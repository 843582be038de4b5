/* Clients, and the one that each thread has. */
#include "http/client/client.h"

#include <nexus/env.h>
#include <pthread.h>
#include <stdlib.h>

#define KEEP_ALIVE NX_S(30)

enum { PROXIED_PER_HOST = 1024, PROXIED_MOST = 8192 }; /* connections of proxies, in a thread */

/* ---- Proxies of the environment */

/* The value of either name, as far as it is granted; a proxy that can't be used is none. */
static const char *variable(const char *small, const char *capital)
{
    struct nx__context kept;
    memcpy(&kept, nx__context(), sizeof kept);
    const char *value = nx_env(small);
    if (!value || !*value) value = nx_env(capital);
    memcpy(nx__context(), &kept, sizeof kept);
    return value && *value ? value : NULL;
}

/* What the environment has for others is no mistake of the program's. */
static const char *proxy_read(struct nx__proxy *out, const char *text, bool own)
{
    const char *reason = text && *text ? nx__proxy_parse(out, text) : NULL;
    return own || (reason && strcmp(reason, "out of memory") == 0) ? reason : NULL;
}

static const char *proxies_read(nx_client *client, const nx_client_options *o)
{
    const char *http = o->proxy, *https = o->proxy, *no_proxy = o->no_proxy, *reason;
    if (!o->proxy) {
        /* A CGI program's HTTP_PROXY is what a request's Proxy field says (CVE-2016-5385). */
        http = variable("http_proxy", getenv("REQUEST_METHOD") ? "http_proxy" : "HTTP_PROXY");
        https = variable("https_proxy", "HTTPS_PROXY");
    }
    if (!no_proxy) no_proxy = variable("no_proxy", "NO_PROXY");
    reason = proxy_read(&client->http, http, o->proxy != NULL);
    if (!reason) reason = proxy_read(&client->https, https, o->proxy != NULL);
    if (!reason && no_proxy && (client->http.host || client->https.host)) {
        client->no_proxy = strdup(no_proxy);
        if (!client->no_proxy) reason = "out of memory";
    }
    return reason;
}

/* ---- TLS */

static bool text_keep(const char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return *out || !text;
}

static const char *tls_keep(nx_client *client, const nx_client_options *o)
{
    client->tls.size = sizeof client->tls;
    client->tls.insecure = o->insecure;
    bool kept = text_keep(&client->tls.ca, o->ca) && text_keep(&client->tls.cert, o->cert) &&
                text_keep(&client->tls.key, o->key);
    return kept ? NULL : "out of memory";
}

static void text_free(const char *text)
{
    free((void *)(uintptr_t)text);
}

/* ---- Clients */

nx_err nx_client_new_with(nx_client **out, const nx_client_options *options)
{
    NX__OPTIONS(nx_client_options, o, options);
    nx_client *client = calloc(1, sizeof *client);
    *out = NULL;
    if (!client) return nx__error_set(NX_ENOMEM, "cannot make a client: out of memory");
    nx__client_pool_init(&client->pool);
    nx__alternatives_init(&client->alternatives);
    client->pool.told = nx__way_told_beside;
    client->pool.per_origin = o.max_per_host ? o.max_per_host : NX__CLIENT_POOL_PER_ORIGIN;
    client->pool.most = o.max_connections ? o.max_connections : NX__CLIENT_POOL_MOST;
    client->pool.idle_deadline = o.keep_alive ? o.keep_alive : KEEP_ALIVE;
    client->jar = o.cookies;
    const char *agent = o.user_agent ? o.user_agent : "nexus/" NX_VERSION, *reason = NULL;
    if (*agent) {
        reason = nx__fetch_field_check(nx_str("user-agent"), nx_str(agent));
        client->user_agent = reason ? NULL : strdup(agent);
        if (!reason && !client->user_agent) reason = "out of memory";
    }
    if (!reason) reason = proxies_read(client, &o);
    if (!reason) reason = tls_keep(client, &o);
    if (reason) {
        nx_client_free(client);
        return nx__error_set(strcmp(reason, "out of memory") == 0 ? NX_ENOMEM : NX_EINVAL,
                             "cannot make a client: %s", reason);
    }
    *out = client;
    return NX_OK;
}

void nx_client_free(nx_client *client)
{
    if (!client) return;
    nx__client_pool_end(&client->pool);
    nx__alternatives_free(&client->alternatives);
    nx__proxy_free(&client->http);
    nx__proxy_free(&client->https);
    free(client->no_proxy);
    free(client->user_agent);
    text_free(client->tls.ca);
    text_free(client->tls.cert);
    text_free(client->tls.key);
    free(client);
}

void nx_client_close_idle(nx_client *client)
{
    if (!client) client = nx__client_own();
    if (client) nx__client_pool_close_idle(&client->pool);
}

/* ---- The thread's own */

enum { FOR_FETCH, FOR_PROXIES, KINDS };

static NX__THREAD_LOCAL nx_client *own[KINDS];
static pthread_key_t at_thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool has_key;

/* A thread that ends has no loop any more. */
static void thread_ends(void *any)
{
    (void)any;
    for (int i = 0; i < KINDS; i++) {
        if (own[i]) own[i]->pool.no_loop = true;
        nx_client_free(own[i]);
        own[i] = NULL;
    }
}

static void begin(void)
{
    has_key = pthread_key_create(&at_thread_end, thread_ends) == 0;
}

static NX__COLD nx_client *own_make(int kind, const nx_client_options *options)
{
    (void)pthread_once(&once, begin);
    if (nx_client_new_with(&own[kind], options)) return NULL;
    if (kind == FOR_PROXIES) own[kind]->pool.told = NULL; /* who names upstreams knows them */
    if (has_key && pthread_setspecific(at_thread_end, own) != 0) {
        nx_client_free(own[kind]);
        own[kind] = NULL;
        NX_IGNORE(nx__error_set(NX_ENOMEM, "cannot make a client: out of memory"));
    }
    return own[kind];
}

nx_client *nx__client_own(void)
{
    static const nx_client_options options = {.size = sizeof options};
    return nx__likely(own[FOR_FETCH] != NULL) ? own[FOR_FETCH] : own_make(FOR_FETCH, &options);
}

nx_client *nx__client_proxying(void)
{
    static const nx_client_options options = {.size = sizeof options,
                                              .proxy = "",
                                              .max_per_host = PROXIED_PER_HOST,
                                              .max_connections = PROXIED_MOST};
    return nx__likely(own[FOR_PROXIES] != NULL) ? own[FOR_PROXIES]
                                                : own_make(FOR_PROXIES, &options);
}
