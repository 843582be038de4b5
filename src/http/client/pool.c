/* Connections that are kept. */
#include "http/client/pool.h"

#include "base/clock.h"
#include "http/client/alternative.h"
#include "net/fd.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct waiter {
    struct nx__list link; /* in pool->waiters; a list of itself once it has been told */
    struct nx__timed_op wait;
    struct nx__origin *origin;
    struct nx__client_conn *conn; /* that it has got; NULL: there is room for one */
};

/* ---- Origins */

static void key_make(const struct nx__way *way, char *out, size_t size, size_t *len)
{
    int n = snprintf(out, size, "%c%d %llu|%.*s|%.*s:%u|%u|%.*s|%.*s:%u|%.*s", way->tls ? 's' : 'p',
                     (int)way->version, (unsigned long long)way->trust, NX_FMT(way->tls_name),
                     NX_FMT(way->host), way->port, way->h3_port, NX_FMT(way->unix_path),
                     NX_FMT(way->proxy_host), way->proxy_port, NX_FMT(way->proxy_authorization));
    *len = n < 0 ? 0 : (size_t)n;
}

static nx_err origin_find(struct nx__client_pool *pool, const struct nx__way *way,
                          struct nx__origin **out)
{
    enum { KEY_MOST = 2048 };
    char key[KEY_MOST];
    size_t len;
    key_make(way, key, sizeof key, &len);
    if (len >= sizeof key) return nx__error_set(NX_EINVAL, "its host or proxy is too long");
    for (struct nx__list *link = pool->origins.next; link != &pool->origins; link = link->next) {
        struct nx__origin *o = nx__container_of(link, struct nx__origin, link);
        if (o->key_len != len || memcmp(o->key, key, len) != 0) continue;
        nx__list_remove(link); /* those that are asked often are found at once */
        nx__list_insert(pool->origins.next, link);
        *out = o;
        return NX_OK;
    }
    /* Through a proxy, or over a Unix socket, the host is reached in no other way. */
    bool speaks = way->tls && !way->proxy_host.len && !way->unix_path.len;
    struct nx__origin *o = calloc(1, sizeof *o + len + 1 + way->host.len);
    if (!o) return nx__error_set(NX_ENOMEM, "out of memory");
    if (speaks) {
        memcpy(o->key + len + 1, way->host.data, way->host.len);
        o->host = nx_slice(o->key + len + 1, way->host.len);
        o->port = way->port;
    }
    nx__list_init(&o->free);
    o->key_len = len;
    memcpy(o->key, key, len + 1);
    o->pool = pool;
    nx__list_insert(pool->origins.next, &o->link);
    *out = o;
    return NX_OK;
}

static void origin_let(struct nx__origin *origin)
{
    if (origin->count || origin->users) return;
    nx__list_remove(&origin->link);
    free(origin);
}

/* ---- Who waits */

static void waiter_tell(struct nx__client_pool *pool, struct waiter *w,
                        struct nx__client_conn *conn)
{
    nx__list_remove(&w->link);
    pool->waiting--;
    w->conn = conn;
    nx__op_complete(&w->wait.op, 0);
}

/* Somewhere there is room for a connection: the first that may make one does. */
static void waiters_look(struct nx__client_pool *pool)
{
    for (struct nx__list *link = pool->waiters.next; link != &pool->waiters; link = link->next) {
        struct waiter *w = nx__container_of(link, struct waiter, link);
        if (pool->count >= pool->most && nx__list_empty(&pool->idle)) return;
        if (w->origin->count >= pool->per_origin) continue;
        waiter_tell(pool, w, NULL);
        return;
    }
}

/* ---- Connections */

/* Nobody is at it, and nobody will be. */
static bool unused(const struct nx__client_conn *conn)
{
    return !conn->exchanges && !conn->promised;
}

/* How many more it takes, past those to whom it is promised. */
static uint32_t room(const struct nx__client_conn *conn)
{
    uint32_t most = conn->driver->room(conn);
    return most > conn->promised ? most - conn->promised : 0;
}

/* As many as have room on it and wait get it; room that is left is there for who comes. */
static void room_share(struct nx__client_pool *pool, struct nx__client_conn *conn)
{
    struct nx__origin *origin = conn->origin;
    uint32_t left = room(conn);
    nx__list_remove(&conn->link);
    struct nx__list *link = origin->waiting ? pool->waiters.next : &pool->waiters;
    while (left && link != &pool->waiters) {
        struct waiter *w = nx__container_of(link, struct waiter, link);
        link = link->next;
        if (w->origin != origin) continue;
        conn->promised++;
        left--;
        waiter_tell(pool, w, conn);
    }
    if (left) nx__list_insert(origin->free.next, &conn->link);
}

static void conn_drop(struct nx__client_pool *pool, struct nx__client_conn *conn)
{
    struct nx__origin *origin = conn->origin;
    nx__list_remove(&conn->link);
    nx__list_remove(&conn->idle);
    conn->driver->close(conn);
    origin->count--;
    pool->count--;
    origin_let(origin);
}

static struct nx__client_conn *idle_first(struct nx__client_pool *pool)
{
    return nx__list_empty(&pool->idle)
               ? NULL
               : nx__container_of(pool->idle.next, struct nx__client_conn, idle);
}

static void timer_settle(struct nx__client_pool *pool)
{
    const struct nx__client_conn *first = idle_first(pool);
    if (!first || pool->idle_deadline == NX_FOREVER)
        nx__timer_clear(&pool->loop->timers, &pool->timer);
    else if (!pool->timer.place)
        /* Without memory for it, they are closed when they are looked at next. */
        NX_IGNORE(
            nx__timer_set(&pool->loop->timers, &pool->timer, first->since + pool->idle_deadline));
}

static void timer_fire(struct nx__timer *timer)
{
    struct nx__client_pool *pool = nx__container_of(timer, struct nx__client_pool, timer);
    struct nx__client_conn *conn;
    while ((conn = idle_first(pool)) && conn->since + pool->idle_deadline <= pool->loop->now)
        conn_drop(pool, conn);
    timer_settle(pool);
}

void nx__client_pool_settle(struct nx__client_conn *conn)
{
    struct nx__client_pool *pool = conn->origin->pool;
    bool is_idle = conn->idle.next != &conn->idle;
    if (!conn->broken || !is_idle) return;
    conn_drop(pool, conn);
    waiters_look(pool);
}

void nx__client_pool_told(const struct nx__client_conn *conn, nx_bytes origin, nx_bytes field)
{
    const struct nx__origin *own = conn->origin;
    if (!own || !own->pool->told || !own->host.len) return; /* or it is in no pool */
    if (!origin.len || nx__alternative_is_origin(origin, own->host, own->port))
        own->pool->told(own->pool, own->host, own->port, field);
}

void nx__client_pool_init(struct nx__client_pool *pool)
{
    pool->loop = nx__loop();
    nx__list_init(&pool->origins);
    nx__list_init(&pool->idle);
    nx__list_init(&pool->waiters);
    pool->timer = (struct nx__timer){.fire = timer_fire};
}

void nx__client_pool_close_idle(struct nx__client_pool *pool)
{
    struct nx__client_conn *conn;
    while ((conn = idle_first(pool))) conn_drop(pool, conn);
    if (!pool->no_loop) timer_settle(pool);
}

void nx__client_pool_end(struct nx__client_pool *pool)
{
    nx__client_pool_close_idle(pool);
    if (!pool->no_loop) nx__timer_clear(&pool->loop->timers, &pool->timer);
}

/* One that is there, and as far as can be seen still good. The origin is kept by its user. */
static struct nx__client_conn *free_take(struct nx__client_pool *pool, struct nx__origin *origin)
{
    nx_duration now = nx__clock_monotonic();
    while (!nx__list_empty(&origin->free)) {
        struct nx__client_conn *conn =
            nx__container_of(origin->free.next, struct nx__client_conn, link);
        bool idle = unused(conn);
        bool old =
            idle && pool->idle_deadline != NX_FOREVER && now - conn->since >= pool->idle_deadline;
        if (!conn->broken && !old && room(conn) && conn->driver->alive(conn)) return conn;
        if (idle)
            conn_drop(pool, conn);
        else
            nx__list_remove(&conn->link); /* it comes back when it has room */
    }
    return NULL;
}

static void taken(struct nx__client_conn *conn)
{
    nx__list_remove(&conn->idle);
    /* Its exchange is only counted when it begins. */
    if (room(conn) <= 1) nx__list_remove(&conn->link);
}

/* There is room for one more, now at the latest. */
static bool room_make(struct nx__client_pool *pool, const struct nx__origin *origin)
{
    if (origin->count >= pool->per_origin) return false;
    struct nx__client_conn *oldest = idle_first(pool);
    if (pool->count < pool->most) return true;
    if (!oldest) return false;
    conn_drop(pool, oldest);
    return true;
}

static nx_err wait(struct nx__client_pool *pool, struct nx__origin *origin, nx_duration deadline,
                   struct nx__client_conn **out)
{
    struct waiter w = {.origin = origin};
    if (pool->waiting >= NX__CLIENT_POOL_WAITERS_MOST)
        return nx__error_set(NX_ELIMIT, "%u others wait for a connection already", pool->waiting);
    nx__list_insert(&pool->waiters, &w.link);
    pool->waiting++;
    origin->waiting++;
    int64_t result = nx__net_wait(&w.wait, pool->loop, deadline);
    bool told = w.link.next == &w.link;
    if (!told) {
        nx__list_remove(&w.link);
        pool->waiting--;
    }
    origin->waiting--;
    if (w.conn) w.conn->promised--;
    *out = w.conn;
    if (result == 0) return NX_OK;
    /* What it was told of in the same turn is another's. */
    if (w.conn)
        nx__client_pool_give(pool, w.conn);
    else if (told)
        waiters_look(pool);
    if (result == -ETIMEDOUT)
        return nx__error_set(NX_ETIMEDOUT,
                             "no connection became free: there are as many as may be (max_per_host,"
                             " max_connections)");
    return nx__net_wait_error(result);
}

static nx_err make(struct nx__client_pool *pool, struct nx__origin *origin,
                   const struct nx__way *way, nx_duration deadline, struct nx__client_conn **out)
{
    origin->count++;
    pool->count++;
    nx_err err = nx__client_connect(out, way, deadline);
    if (err) {
        origin->count--;
        pool->count--;
        waiters_look(pool);
        return err;
    }
    struct nx__client_conn *conn = *out;
    conn->origin = origin;
    nx__list_init(&conn->link);
    nx__list_init(&conn->idle);
    conn->promised = 1; /* to who makes it */
    room_share(pool, conn);
    conn->promised--;
    return NX_OK;
}

static nx_err take(struct nx__client_pool *pool, struct nx__client_conn **out,
                   struct nx__origin *origin, const struct nx__way *way, bool fresh,
                   nx_duration connect_deadline, nx_duration deadline)
{
    for (bool told = false;; told = true) {
        *out = fresh && origin->count < pool->per_origin ? NULL : free_take(pool, origin);
        if (*out) {
            taken(*out);
            /* The room for a new one that it was told of is another's. */
            if (told) waiters_look(pool);
            return NX_OK;
        }
        if (room_make(pool, origin)) {
            nx_duration until =
                connect_deadline == NX_FOREVER ? NX_FOREVER : nx__deadline(connect_deadline);
            return make(pool, origin, way, until < deadline ? until : deadline, out);
        }
        NX_TRY(wait(pool, origin, deadline, out));
        if (*out && (*out)->driver->room(*out)) return NX_OK;
        if (*out) nx__client_pool_give(pool, *out); /* it has gone bad meanwhile */
    }
}

nx_err nx__client_pool_take(struct nx__client_pool *pool, struct nx__client_conn **out,
                            const struct nx__way *way, bool fresh, nx_duration connect_deadline,
                            nx_duration deadline, bool *reused)
{
    struct nx__origin *origin;
    *out = NULL;
    *reused = false;
    NX_TRY(origin_find(pool, way, &origin));
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): there is one */
    origin->users++;
    nx_err err = take(pool, out, origin, way, fresh, connect_deadline, deadline);
    origin->users--;
    if (err)
        origin_let(origin);
    else
        *reused = (*out)->answered > 0;
    return err;
}

void nx__client_pool_give(struct nx__client_pool *pool, struct nx__client_conn *conn)
{
    /* A peer may also have said that it takes no exchanges at all. */
    if (unused(conn) && !conn->driver->room(conn)) {
        conn_drop(pool, conn);
        waiters_look(pool);
        return;
    }
    room_share(pool, conn);
    if (!unused(conn)) return;
    conn->since = nx__clock_monotonic();
    nx__list_insert(&pool->idle, &conn->idle);
    timer_settle(pool);
    /* Another origin's request may take its place. */
    if (pool->waiting && pool->count >= pool->most) waiters_look(pool);
}
