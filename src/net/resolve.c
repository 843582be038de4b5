/* Names into addresses. */
#include "net/resolve.h"

#include "base/error.h"
#include <netdb.h>
#include <nexus/runtime.h>
#include <stdio.h>

struct lookup {
    struct nx__addresses *out;
    const char *name;
    uint16_t port;
    int failed; /* an EAI_… */
    int system;
};

static nx_err lookup_run(void *arg)
{
    struct lookup *l = arg;
    char port[8];
    struct addrinfo *found = NULL, hints = {.ai_family = AF_UNSPEC,
                                            .ai_socktype = SOCK_STREAM,
                                            .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
    (void)snprintf(port, sizeof port, "%u", (unsigned)l->port);
    l->failed = getaddrinfo(l->name, port, &hints, &found);
    for (const struct addrinfo *a = found; a && l->out->count < NX__ADDRESSES_MAX; a = a->ai_next)
        if (a->ai_family == AF_INET || a->ai_family == AF_INET6)
            memcpy(&l->out->items[l->out->count++], a->ai_addr, a->ai_addrlen);
    if (found) freeaddrinfo(found);
    return NX_OK;
}

static nx_err failed(const struct lookup *l)
{
    nx_err code = l->failed == EAI_MEMORY   ? NX_ENOMEM
                  : l->failed == EAI_AGAIN  ? NX_EAGAIN
                  : l->failed == EAI_SYSTEM ? NX_EFAILED
                                            : NX_ENONAME;
    const char *why = code == NX_ENOMEM    ? "out of memory"
                      : code == NX_EAGAIN  ? "no name server answers"
                      : code == NX_ENONAME ? "no such name"
                                           : "the system's resolver fails";
    return nx__error_set(code, "cannot find the address of \"%s\": %s", l->name, why);
}

nx_err nx__find_addresses(struct nx__addresses *out, const char *name, uint16_t port,
                          nx_duration deadline)
{
    (void)deadline;
    out->count = 0;
    if (strcmp(name, "localhost") == 0) {
        (void)nx__address_parse("127.0.0.1", port, &out->items[out->count++]);
        (void)nx__address_parse("::1", port, &out->items[out->count++]);
        return NX_OK;
    }
    struct lookup l = {.out = out, .name = name, .port = port};
    NX_TRY(nx_blocking(lookup_run, &l));
    return l.failed || !out->count ? failed(&l) : NX_OK;
}
