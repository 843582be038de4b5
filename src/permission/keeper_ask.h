/* What a program asks its keeper by a call that programs have no use for, quotactl(2): its first
 * argument is an enum nx__keeper_ask, its second the address of what goes with it. So it is asked
 * of nobody but the keeper, by whoever runs, and the answer is there when the call returns. */
#ifndef NX__KEEPER_ASK_H
#define NX__KEEPER_ASK_H

#include "permission/network.h"
#include "permission/permission.h"
#include <sys/socket.h>

enum nx__keeper_ask {
    NX__KEEPER_REVOKE = 0x4e584b01, /* a struct nx__keeper_revoked */
    NX__KEEPER_RESOLVE,             /* a struct nx__keeper_names, into which the answer goes */
};

struct nx__keeper_revoked {
    uint32_t kind, use;      /* an enum nx__permit_kind, an enum nx__use */
    char text[NX__PATH_MAX]; /* an entry of a denial, as nx__permissions_add has it; "": all */
};

enum { NX__KEEPER_ADDRESSES = 32 };
struct nx__keeper_names {
    char name[NX__HOST_NAME_MAX + 2];
    int32_t family; /* AF_UNSPEC, AF_INET, AF_INET6 */
    uint32_t count; /* of the addresses that came */
    union {
        struct sockaddr any;
        unsigned char bytes[28]; /* of a struct sockaddr_in6 */
    } addresses[NX__KEEPER_ADDRESSES];
};

/* ---- The program's side */

/* Whether there is a keeper, and whether it is the one who looks names up, since the program may
 * connect to nothing else than what they lead to. Set before any thread is started. */
extern bool nx__keeper_is, nx__keeper_resolves;

/* Has it keep to this denial too, from now on. Any thread; returns at once. */
void nx__keeper_revoke(const struct nx__permission_key *key, const char *text);

/* Has it look the name up, and let the program connect to what it leads to, at the ports that the
 * grants of the name have. 0, or what getaddrinfo(3) returns; EAI_SYSTEM with errno: EPERM where no
 * grant names it. Blocks. Any thread. */
int nx__keeper_resolve(struct nx__keeper_names *names);

#endif
