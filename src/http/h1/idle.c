/* HTTP/1.1 connections that go to another process, or come from one: idle ones, of which nothing is
 * in memory. */
#include "http/h1/conn.h"

#include "permission/handover.h"

/* In the list of those that are idle nearly all are free; a handler that has just ended may still be
 * about to read on. Those of other protocols are in the list too, and stay. NULL for all these. */
static struct nx__h1_conn *free_at(const struct nx__list *link)
{
    struct nx__phase *phase = nx__container_of(link, struct nx__phase, link);
    if (phase->type != &nx__h1_phase) return NULL;
    struct nx__h1_conn *conn = nx__container_of(phase, struct nx__h1_conn, phase);
    bool is_free = !conn->req && !conn->posted && !conn->in.len && !conn->out.len &&
                   !conn->broken && !conn->streaming;
    return is_free ? conn : NULL;
}

static struct nx__h1_conn *first_free(struct nx__list *list)
{
    for (struct nx__list *link = list->next; link != list; link = link->next) {
        struct nx__h1_conn *conn = free_at(link);
        if (conn) return conn;
    }
    return NULL;
}

size_t nx__h1_idle(struct nx__list *list, struct nx__handed *out, size_t most)
{
    size_t count = 0;
    for (struct nx__list *link = list->next; link != list && count < most; link = link->next) {
        const struct nx__h1_conn *conn = free_at(link);
        if (conn)
            out[count++] = (struct nx__handed){.fd = conn->watch.fd, .requests = conn->requests};
    }
    return count;
}

void nx__h1_let_go(struct nx__list *list, size_t count)
{
    while (count--) nx__h1_close(first_free(list));
}

bool nx__h1_take(nx_http_server *server, const struct nx__handed *connection)
{
    nx__count(&server->stats.connections, 1);
    if (!nx__h1_accept(server, connection->fd, NULL)) {
        nx__count(&server->stats.connections, -1);
        return false;
    }
    struct nx__list *last = server->lists[NX__CONN_IDLE].prev;
    nx__container_of(last, struct nx__h1_conn, phase.link)->requests = connection->requests;
    return true;
}
