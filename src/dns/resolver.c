/* Who is asked: c-ares, driven by the loop. */
#include "dns/resolver.h"

#include "base/clock.h"
#include <ares.h>
#include <errno.h>
#include <nexus/dns.h>
#include <nexus/runtime.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#define LOOK_AGAIN NX_S(1) /* between two looks at resolv.conf */

/* What tells one version of a file from the next. */
struct stamp {
    struct timespec changed;
    off_t size;
    ino_t inode;
};

struct nx__resolver {
    struct nx__resolver *next; /* of the thread's, latest made first */
    ares_channel_t *channel;
    struct nx_loop *loop;
    struct socket *sockets;
    struct nx__timer timer;
    unsigned users;     /* fibers and queries */
    bool retired;       /* another has taken its place */
    bool processing;    /* c-ares is at it: not the time to end */
    bool ending;        /* the loop may be gone */
    struct stamp stamp; /* of resolv.conf */
    char *server;       /* NULL: the system's */
};

/* One that c-ares has open. */
struct socket {
    struct nx__watch watch;
    struct nx__resolver *resolver;
    struct socket *next;
};

static NX__THREAD_LOCAL struct nx__resolver *resolvers;
static NX__THREAD_LOCAL nx_duration looked_at; /* resolv.conf, by this thread; 0: never */
static const char *resolv_conf = "/etc/resolv.conf", *hosts = "/etc/hosts";

void nx__resolver_files(const char *resolv_conf_path, const char *hosts_path)
{
    resolv_conf = resolv_conf_path;
    hosts = hosts_path;
}

/* ---- The end */

static void resolver_free(struct nx__resolver *r)
{
    if (r->channel) ares_destroy(r->channel); /* closes its sockets, which leave the loop */
    if (!r->ending) nx__timer_clear(&r->loop->timers, &r->timer);
    free(r->server);
    free(r);
}

static void resolver_end_if(struct nx__resolver *r)
{
    if (r->retired && !r->users && !r->processing) resolver_free(r);
}

static void retire(struct nx__resolver *r)
{
    struct nx__resolver **link = &resolvers;
    while (*link != r) link = &(*link)->next;
    *link = r->next;
    r->retired = true;
    resolver_end_if(r);
}

void nx__resolver_release(struct nx__resolver *resolver)
{
    resolver->users--;
    resolver_end_if(resolver);
}

void nx__resolver_forget(void)
{
    for (struct nx__resolver *r = resolvers, *next; r; r = next) {
        next = r->next;
        if (!r->users) retire(r);
    }
    looked_at = 0;
}

/* A thread that ends has no loop any more. What it has not waited for ends here. */
static void thread_ends(void *any)
{
    (void)any;
    while (resolvers) {
        struct nx__resolver *r = resolvers;
        resolvers = r->next;
        r->ending = true; /* c-ares tells each query of the end, and that releases it */
        resolver_free(r);
    }
}

static pthread_key_t at_thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool has_key;

static void library_begin(void)
{
    has_key = pthread_key_create(&at_thread_end, thread_ends) == 0;
    (void)ares_library_init(ARES_LIB_INIT_ALL); /* has nothing to do here that could fail */
}

/* ---- Sockets and time: what c-ares wants to hear of */

static void timer_settle(struct nx__resolver *r)
{
    struct timeval left;
    if (ares_timeout(r->channel, NULL, &left)) {
        nx_duration span = NX_S(left.tv_sec) + NX_US(left.tv_usec);
        /* Without memory for it, what happens next on a socket comes back here. */
        NX_IGNORE(nx__timer_set(&r->loop->timers, &r->timer, nx__deadline(span)));
    } else {
        nx__timer_clear(&r->loop->timers, &r->timer);
    }
}

static void settle(struct nx__resolver *r)
{
    timer_settle(r);
    resolver_end_if(r);
}

static void process(struct nx__resolver *r, ares_socket_t readable, ares_socket_t writable)
{
    r->processing = true;
    ares_process_fd(r->channel, readable, writable);
    r->processing = false;
    /* It may have left something there, and an edge is told once. */
    for (struct socket *s = r->sockets; s; s = s->next)
        if (s->watch.fd >= 0 && (s->watch.fd == readable || s->watch.fd == writable))
            NX_IGNORE(nx__poller_change(&r->loop->poller, &s->watch, s->watch.events));
    settle(r);
}

static void timer_fire(struct nx__timer *timer)
{
    process(nx__container_of(timer, struct nx__resolver, timer), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void socket_ready(struct nx__watch *watch, uint32_t events)
{
    struct socket *s = nx__container_of(watch, struct socket, watch);
    bool over = events & NX__HANGUP;
    process(s->resolver, over || events & NX__READABLE ? watch->fd : ARES_SOCKET_BAD,
            over || events & NX__WRITABLE ? watch->fd : ARES_SOCKET_BAD);
}

static void socket_forget(struct nx__resolver *r, struct socket **link)
{
    struct socket *s = *link;
    *link = s->next;
    if (!r->ending) nx__poller_remove(&r->loop->poller, &s->watch);
    free(s);
}

/* Where there is no memory to watch a socket, its query runs into its time. */
static void socket_changed(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct nx__resolver *r = arg;
    uint32_t events = (readable ? NX__READABLE : 0u) | (writable ? NX__WRITABLE : 0u);
    struct socket **link = &r->sockets;
    while (*link && (*link)->watch.fd != fd) link = &(*link)->next;
    if (*link && !events) {
        socket_forget(r, link);
    } else if (*link) {
        NX_IGNORE(nx__poller_change(&r->loop->poller, &(*link)->watch, events));
    } else if (events) {
        struct socket *s = calloc(1, sizeof *s);
        if (!s) return;
        *s = (struct socket){.watch = {.ready = socket_ready, .fd = -1}, .resolver = r};
        if (nx__poller_add(&r->loop->poller, &s->watch, fd, events)) {
            free(s);
            return;
        }
        s->next = r->sockets;
        r->sockets = s;
    }
}

ares_channel_t *nx__resolver_channel(struct nx__resolver *resolver)
{
    return resolver->channel;
}

void nx__resolver_started(struct nx__resolver *resolver)
{
    resolver->users++; /* the caller's fiber may have released it in a callback just now */
    timer_settle(resolver);
    nx__resolver_release(resolver);
}

/* ---- Making one */

struct making {
    struct nx__resolver *resolver; /* NULL: what there is is up to date */
    const struct stamp *known;     /* of it; NULL: there is none */
    const char *server;
    ares_status_t status;
};

static struct stamp stamp_of(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) return (struct stamp){.size = -1};
    return (struct stamp){st.st_mtim, st.st_size, st.st_ino};
}

static bool same(const struct stamp *a, const struct stamp *b)
{
    return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
           a->size == b->size && a->inode == b->inode;
}

static nx_err make(struct making *m, struct stamp stamp)
{
    struct nx__resolver *r = calloc(1, sizeof *r);
    char lookups[] = "fb";
    m->status = ARES_ENOMEM;
    if (!r) return NX_ENOMEM;
    struct ares_options options = {.sock_state_cb = socket_changed,
                                   .sock_state_cb_data = r,
                                   .resolvconf_path = strdup(resolv_conf),
                                   .hosts_path = strdup(hosts),
                                   .lookups = lookups};
    if (m->server) r->server = strdup(m->server);
    if (options.resolvconf_path && options.hosts_path && (!m->server || r->server))
        m->status = (ares_status_t)ares_init_options(&r->channel, &options,
                                                     ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF |
                                                         ARES_OPT_HOSTS_FILE | ARES_OPT_LOOKUPS);
    if (!m->status && m->server)
        m->status = (ares_status_t)ares_set_servers_ports_csv(r->channel, m->server);
    free(options.resolvconf_path);
    free(options.hosts_path);
    r->timer.fire = timer_fire;
    r->stamp = stamp;
    if (!m->status) {
        m->resolver = r;
        return NX_OK;
    }
    r->ending = true; /* nobody has seen it */
    resolver_free(r);
    return NX_EFAILED;
}

/* On a thread of the pool: it reads files. */
static nx_err make_if_changed(void *arg)
{
    struct making *m = arg;
    struct stamp stamp = stamp_of(resolv_conf);
    if (m->known && same(m->known, &stamp)) return NX_OK;
    return make(m, stamp);
}

static nx_err making_failed(const struct making *m)
{
    if (m->status == ARES_EBADSTR)
        return nx__error_set(NX_EINVAL, "\"%s\" is no name server's address", m->server);
    return nx__error_set(
        m->status == ARES_ENOMEM ? NX_ENOMEM : NX_EFAILED, "cannot begin to look up names: %s",
        m->status == ARES_ENOMEM ? "out of memory" : ares_strerror((int)m->status));
}

static struct nx__resolver *find(const char *server)
{
    struct nx__resolver *r = resolvers;
    while (r && (server ? !r->server || strcmp(r->server, server) != 0 : r->server != NULL))
        r = r->next;
    return r;
}

/* Makes room where there are as many as may be: the oldest that nobody uses goes. */
static nx_err server_room(void)
{
    struct nx__resolver *idle = NULL;
    unsigned count = 0;
    for (struct nx__resolver *r = resolvers; r; r = r->next) {
        count += r->server != NULL;
        if (r->server && !r->users) idle = r;
    }
    if (count < NX_DNS_MAX_SERVERS) return NX_OK;
    if (!idle)
        return nx__error_set(NX_ELIMIT, "more than %d name servers are asked at once",
                             NX_DNS_MAX_SERVERS);
    retire(idle);
    return NX_OK;
}

static void install(struct nx__resolver *r)
{
    r->loop = nx__loop();
    r->next = resolvers;
    resolvers = r;
    if (has_key && r->loop->first)
        (void)pthread_setspecific(at_thread_end, r); /* any value has it called */
}

static nx_err renew(const char *server, struct nx__resolver *present)
{
    struct stamp known = present ? present->stamp : (struct stamp){0};
    struct making m = {.server = server, .known = present ? &known : NULL};
    (void)pthread_once(&once, library_begin);
    if (present) present->users++;
    nx_err err = nx_blocking(make_if_changed, &m);
    if (present) nx__resolver_release(present);
    if (err) return m.status ? making_failed(&m) : err;
    if (!server) looked_at = nx__clock_monotonic();
    if (!m.resolver) return NX_OK;
    /* Another fiber may have been as quick. */
    present = find(server);
    if (present) retire(present);
    if (server) err = server_room();
    if (err) {
        m.resolver->ending = true;
        resolver_free(m.resolver);
        return err;
    }
    install(m.resolver);
    return NX_OK;
}

nx_err nx__resolver_take(struct nx__resolver **out, const char *server)
{
    struct nx__resolver *r = find(server);
    bool fresh = r && (server || nx__clock_monotonic() < looked_at + LOOK_AGAIN);
    if (!fresh) {
        NX_TRY(renew(server, r));
        r = find(server);
    }
    if (!r) return nx__error_set(NX_ESTATE, "cannot look up a name: it was begun anew meanwhile");
    r->users++;
    *out = r;
    return NX_OK;
}
