/* Names that are looked up outside of the process. */
#include "dns/outside.h"

#include "base/clock.h"
#include "dns/query.h"
#include "net/fd.h"
#include "permission/broker.h"
#include "permission/leads.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <nexus/timer.h>
#include <unistd.h>

static const char what[] = "the address";
/* It looks up NX__RESOLVERS_MAX at a time. */
static const nx_duration BUSY_PAUSE = NX_MS(20);

static ares_status_t status_of(int failed)
{
    switch (failed) {
    case 0: return ARES_SUCCESS;
    case EAI_NONAME: return ARES_ENOTFOUND;
    case EAI_AGAIN: return ARES_ETIMEOUT;
    case EAI_FAIL: return ARES_ESERVFAIL;
    case EAI_MEMORY: return ARES_ENOMEM;
#ifdef EAI_NODATA
    case EAI_NODATA: return ARES_ENODATA;
#endif
    default: return ARES_ECONNREFUSED;
    }
}

static void copy(const struct nx__resolved *found, uint16_t port, struct nx__addresses *out)
{
    for (uint32_t i = 0; i < found->count && i < NX__RESOLVED_MOST; i++) {
        if (out->count == NX__ADDRESSES_MAX) return;
        union nx__address *a = &out->items[out->count++];
        *a = (union nx__address){0};
        if (found->items[i].v6) {
            a->v6.sin6_family = AF_INET6;
            a->v6.sin6_port = htons(port);
            a->v6.sin6_scope_id = found->items[i].scope;
            memcpy(&a->v6.sin6_addr, found->items[i].address, 16);
        } else {
            a->v4.sin_family = AF_INET;
            a->v4.sin_port = htons(port);
            memcpy(&a->v4.sin_addr, found->items[i].address, 4);
        }
    }
}

/* All of it comes at once: less than what a pipe takes in one piece. `*busy`: nothing will come,
 * the launcher has enough to look up. */
static nx_err receive(struct nx__net_fd *in, struct nx__resolved *found, nx_duration deadline,
                      bool *busy)
{
    for (;;) {
        ssize_t n = read(in->fd, found, sizeof *found);
        *busy = n >= 0 && n != (ssize_t)sizeof *found;
        if (n >= 0) return NX_OK;
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return nx__error_system(errno, "cannot look up a name");
        NX_TRY(nx__net_fd_wait(in, NX__READABLE, deadline));
    }
}

static nx_err ask(const char *name, int family, struct nx__resolved *found, nx_duration deadline,
                  bool *busy)
{
    struct nx__net_fd in;
    int pair[2] = {-1, -1};
    *busy = false;
    if (pipe2(pair, O_CLOEXEC) != 0)
        return nx__error_system(errno, "cannot look up \"%.120s\"", name);
    (void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
    *busy = !nx__broker_resolve(name, family, pair[1]);
    (void)close(pair[1]);
    nx__net_fd_init(&in, pair[0]);
    nx_err err = *busy ? NX_OK : receive(&in, found, deadline, busy);
    nx__net_fd_close(&in);
    return err;
}

nx_err nx__dns_outside(struct nx__addresses *out, const char *name, uint16_t port, int family,
                       nx_duration deadline)
{
    struct nx__resolved found;
    bool busy;
    NX_TRY(ask(name, family, &found, deadline, &busy));
    while (busy) {
        if (nx__clock_monotonic() >= deadline)
            return nx__error_set(NX_ELIMIT,
                                 "cannot find %s of \"%.120s\": the launcher looks up other names",
                                 what, name);
        NX_TRY(nx_sleep(BUSY_PAUSE));
        NX_TRY(ask(name, family, &found, deadline, &busy));
    }
    ares_status_t status = status_of(found.failed);
    if (!status) copy(&found, port, out);
    if (!status && !out->count) status = ARES_ENODATA;
    return status ? nx__dns_failed(status, what, name) : NX_OK;
}

nx_err nx__dns_outside_refuse(const char *of, const char *name)
{
    return nx__error_set(
        NX_EPERM,
        "cannot find %s of \"%.120s\": with --permissions=strict only addresses of names are looked up, by the launcher and from the system's servers, unless all of the network is granted (--allow-net)",
        of, name);
}
