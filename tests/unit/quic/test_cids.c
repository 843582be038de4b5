/* Connection ids: whose they are, and which connection they lead to. */
#include "quic/internal.h"
#include <nexus/crypto.h>
#include <nexus/test.h>
#include <stdlib.h>

static struct nx__quic_group *group_of(uint32_t workers)
{
    const struct nx__quic_how how = {.workers = workers, .qlog = -1};
    struct nx__quic_group *group = nx__quic_group_new(&how);
    nx_require(group != NULL);
    return group;
}

NX_TEST("an id leads to the worker that made it, and to no other")
{
    struct nx__quic_group *group = group_of(256), *other = group_of(256);
    int same = 0;
    for (uint32_t i = 0; i < 2560; i++) {
        ngtcp2_cid id;
        nx__quic_cid_make(group, i % 256, &id);
        nx_require_eq(id.datalen, NX__QUIC_CID);
        nx_require_eq(nx__quic_cid_worker(group, id.data, id.datalen), i % 256);
        same += nx__quic_cid_worker(other, id.data, id.datalen) == i % 256;
        nx_require_eq(nx__quic_cid_worker(group, id.data, id.datalen - 1), UINT32_MAX);
    }
    nx_expect(same < 100); /* whoever has not the key learns nothing */
    nx__quic_group_free(group);
    nx__quic_group_free(other);
}

NX_TEST("connections are found by each of their ids, as long as they have them")
{
    enum { CONNS = 300, IDS = 5 };
    struct nx__quic_endpoint endpoint = {0};
    struct nx__quic_conn *conns = calloc(CONNS, sizeof *conns);
    static ngtcp2_cid ids[CONNS][IDS];
    nx_random(endpoint.cid_key, sizeof endpoint.cid_key);
    nx_expect(!nx__quic_cid_find(&endpoint, (const uint8_t *)"none", 4));
    for (int i = 0; i < CONNS; i++) {
        conns[i].endpoint = &endpoint;
        for (int k = 0; k < IDS; k++) {
            ids[i][k].datalen = (size_t)(8 + k);
            nx_random(ids[i][k].data, ids[i][k].datalen);
            nx_require(nx__quic_cid_add(&conns[i], &ids[i][k]));
        }
    }
    nx_expect_eq(endpoint.cid_count, (size_t)CONNS * IDS);
    for (int i = 0; i < CONNS; i++)
        for (int k = 0; k < IDS; k++)
            nx_require(nx__quic_cid_find(&endpoint, ids[i][k].data, ids[i][k].datalen) ==
                       &conns[i]);
    for (int i = 0; i < CONNS; i++) nx__quic_cid_remove(&conns[i], &ids[i][2]);
    for (int i = 0; i < CONNS; i += 2) nx__quic_cids_remove(&conns[i]);
    for (int i = 0; i < CONNS; i++) {
        for (int k = 0; k < IDS; k++) {
            const struct nx__quic_conn *wanted = k == 2 || i % 2 == 0 ? NULL : &conns[i];
            nx_require(nx__quic_cid_find(&endpoint, ids[i][k].data, ids[i][k].datalen) == wanted);
        }
    }
    for (int i = 0; i < CONNS; i++) nx__quic_cids_remove(&conns[i]);
    nx_expect_eq(endpoint.cid_count, 0u);
    free(endpoint.cids);
    free(conns);
}
