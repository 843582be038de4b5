/* HTTP/1.1 connections that go to another process, or come from one: idle ones, of which nothing is
 * in memory. */
#include "http/h1/conn.h"

#include "permission/handover.h"

/* In the list of those that are idle nearly all are; a handler that has just ended may still be
 * about to read on. What goes through TLS can't go without its keys. */
static bool is_free(const struct nx__h1_conn *conn)
{
    return !conn->req && !conn->posted && !conn->in.len && !conn->out.len && !conn->broken &&
           !conn->streaming && !conn->io.tls;
}

static struct nx__h1_conn *first_free(struct nx__list *list)
{
    for (struct nx__list *link = list->next; link != list; link = link->next) {
        struct nx__h1_conn *conn = nx__h1_of(nx__conn_of(link));
        if (is_free(conn)) return conn;
    }
    return NULL;
}

size_t nx__h1_idle(struct nx__list *list, struct nx__handed *out, size_t most)
{
    size_t count = 0;
    for (struct nx__list *link = list->next; link != list && count < most; link = link->next) {
        const struct nx__h1_conn *conn = nx__h1_of(nx__conn_of(link));
        if (is_free(conn))
            out[count++] = (struct nx__handed){.fd = conn->io.fd, .requests = conn->requests};
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
    if (!nx__h1_accept(server, (struct nx__http_io){.fd = connection->fd}, NULL)) {
        nx__count(&server->stats.connections, -1);
        return false;
    }
    struct nx__list *last = server->lists[NX__CONN_IDLE].prev;
    nx__h1_of(nx__conn_of(last))->requests = connection->requests;
    return true;
}
