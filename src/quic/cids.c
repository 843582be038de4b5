/* Connection ids: which are ours, whose they are, and which connection each leads to. */
#include "quic/internal.h"

#include "base/siphash.h"
#include <nexus/crypto.h>
#include <stdlib.h>

enum { TABLE_LEAST = 64 };

/* ---- Ids that lead to a worker: the first byte is its number, hidden by the others, so that
 * nobody else can tell which ids belong together (RFC 9000 5.1). */

static uint8_t mask(const struct nx__quic_group *group, const uint8_t *id)
{
    return (uint8_t)nx__siphash(group->steer_key, id + 1, NX__QUIC_CID - 1);
}

void nx__quic_cid_make(const struct nx__quic_group *group, uint32_t worker, ngtcp2_cid *id)
{
    id->datalen = NX__QUIC_CID;
    nx_random(id->data, NX__QUIC_CID);
    id->data[0] = (uint8_t)worker ^ mask(group, id->data);
}

uint32_t nx__quic_cid_worker(const struct nx__quic_group *group, const uint8_t *id, size_t len)
{
    return len == NX__QUIC_CID ? (uint8_t)(id[0] ^ mask(group, id)) : UINT32_MAX;
}

/* ---- The table; its key is secret, since peers choose ids too */

static struct nx__quic_cid **bucket(const struct nx__quic_endpoint *endpoint, const uint8_t *id,
                                    size_t len)
{
    return &endpoint->cids[nx__siphash(endpoint->cid_key, id, len) & (endpoint->cid_capacity - 1)];
}

static bool is(const struct nx__quic_cid *cid, const uint8_t *id, size_t len)
{
    return cid->id.datalen == len && memcmp(cid->id.data, id, len) == 0;
}

struct nx__quic_conn *nx__quic_cid_find(const struct nx__quic_endpoint *endpoint, const uint8_t *id,
                                        size_t len)
{
    if (!endpoint->cid_count) return NULL;
    for (const struct nx__quic_cid *c = *bucket(endpoint, id, len); c; c = c->next)
        if (is(c, id, len)) return c->conn;
    return NULL;
}

static bool grow(struct nx__quic_endpoint *endpoint)
{
    size_t before = endpoint->cid_capacity, capacity = before ? before * 2 : TABLE_LEAST;
    struct nx__quic_cid **old = endpoint->cids, **table = calloc(capacity, sizeof *table);
    if (!table) return before != 0; /* a fuller table is slower, no more */
    endpoint->cids = table;
    endpoint->cid_capacity = capacity;
    for (size_t i = 0; i < before; i++) {
        for (struct nx__quic_cid *c = old[i], *next; c; c = next) {
            struct nx__quic_cid **place = bucket(endpoint, c->id.data, c->id.datalen);
            next = c->next;
            c->next = *place;
            *place = c;
        }
    }
    free(old);
    return true;
}

bool nx__quic_cid_add(struct nx__quic_conn *conn, const ngtcp2_cid *id)
{
    struct nx__quic_endpoint *endpoint = conn->endpoint;
    if (endpoint->cid_count >= endpoint->cid_capacity && !grow(endpoint)) return false;
    struct nx__quic_cid *cid = malloc(sizeof *cid);
    if (!cid) return false;
    struct nx__quic_cid **place = bucket(endpoint, id->data, id->datalen);
    *cid = (struct nx__quic_cid){*place, conn->cids, conn, *id};
    *place = cid;
    conn->cids = cid;
    endpoint->cid_count++;
    return true;
}

static void drop(struct nx__quic_endpoint *endpoint, struct nx__quic_cid *cid)
{
    struct nx__quic_cid **at = bucket(endpoint, cid->id.data, cid->id.datalen);
    while (*at != cid) at = &(*at)->next;
    *at = cid->next;
    endpoint->cid_count--;
    free(cid);
}

void nx__quic_cid_remove(struct nx__quic_conn *conn, const ngtcp2_cid *id)
{
    for (struct nx__quic_cid **at = &conn->cids; *at; at = &(*at)->of_conn) {
        struct nx__quic_cid *cid = *at;
        if (!is(cid, id->data, id->datalen)) continue;
        *at = cid->of_conn;
        drop(conn->endpoint, cid);
        return;
    }
}

void nx__quic_cids_remove(struct nx__quic_conn *conn)
{
    for (struct nx__quic_cid *cid = conn->cids, *next; cid; cid = next) {
        next = cid->of_conn;
        drop(conn->endpoint, cid);
    }
    conn->cids = NULL;
}
