/* Where names lead: looked up outside of the program that may not look them up itself, so that
 * whoever connects for it knows which addresses a granted name stands for. */
#ifndef NX__LEADS_H
#define NX__LEADS_H

#include "permission/network.h"
#include "permission/permission.h"
#include <sys/socket.h>
#include <sys/types.h>

/* What is told of one address, by a write that no other comes into the middle of. */
struct nx__lead {
    uint8_t address[16]; /* as that of an endpoint */
    char name[NX__HOST_NAME_MAX + 1];
};

/* What the program is told: so many addresses at most, of so many names at a time. */
enum { NX__RESOLVED_MOST = 32, NX__RESOLVERS_MAX = 32 };
struct nx__resolved {
    int32_t failed; /* as getaddrinfo says it, 0: it has not */
    uint32_t count;
    struct {
        uint32_t scope;
        uint8_t v6, address[16]; /* of IPv4 the first four */
    } items[NX__RESOLVED_MOST];
};

/* In a new process of the launcher's: looks up the name as the system does, tells `leads`, which
 * the keeper reads (-1: the program connects by itself), and then the program by `out`. Ends by
 * itself within NX__RESOLVE_MOST seconds, whoever does not answer or does not read, and with the
 * launcher. `family` as for getaddrinfo. */
enum { NX__RESOLVE_MOST = 30 };
_Noreturn void nx__resolve_run(const char *name, int family, int out, int leads, pid_t launcher);

/* ---- The keeper's side */

/* What names lead to, of late; the oldest make room for new ones. */
enum { NX__LEADS_MOST = 1024 };
struct nx__leads {
    size_t count, next;
    struct {
        struct nx__lead lead;
        nx_duration until;
    } items[NX__LEADS_MOST];
};

/* Takes what has been told so far; does not wait. False when nobody tells any more. */
bool nx__leads_read(struct nx__leads *leads, int fd);

/* Whether a name that has led to the address is granted for its port. */
bool nx__leads_grant(const struct nx__leads *leads, const struct nx__permissions *permissions,
                     const struct sockaddr *address);

#endif
