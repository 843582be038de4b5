/* Where names lead. */
#include "permission/leads.h"

#include "base/clock.h"
#include "permission/capabilities.h"
#include "permission/connect.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A pool reconnects, and a client goes through its addresses one after the other; an address that
 * has gone to somebody else is not the name's for longer than this. */
static const nx_duration LEADS_FOR = NX_S(600);

/* ---- Looking up */

static bool told(int fd, const void *what, size_t size)
{
    ssize_t n;
    do n = write(fd, what, size);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)size;
}

static void resolved_add(struct nx__resolved *out, const struct addrinfo *found)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)found->ai_addr;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)found->ai_addr;
    bool is_v6 = found->ai_family == AF_INET6;
    if (out->count == NX__RESOLVED_MOST || (!is_v6 && found->ai_family != AF_INET)) return;
    out->items[out->count].v6 = is_v6;
    out->items[out->count].scope = is_v6 ? v6->sin6_scope_id : 0;
    memcpy(out->items[out->count++].address,
           is_v6 ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr, is_v6 ? 16 : 4);
}

/* Of what the launcher has open it needs none: sockets of its would stay open as long as this. */
static bool alone(int *out, int *leads)
{
    enum { OUT = 3, LEADS };
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int own_out = fcntl(*out, F_DUPFD_CLOEXEC, LEADS + 1);
    int own_leads = *leads < 0 ? null : fcntl(*leads, F_DUPFD_CLOEXEC, LEADS + 1);
    *out = OUT;
    if (*leads >= 0) *leads = LEADS;
    return null >= 0 && own_out >= 0 && own_leads >= 0 && dup2(null, 0) >= 0 &&
           dup2(null, 1) >= 0 && dup2(null, 2) >= 0 && dup3(own_out, OUT, O_CLOEXEC) >= 0 &&
           dup3(own_leads, LEADS, O_CLOEXEC) >= 0 &&
           syscall(SYS_close_range, LEADS + 1, ~0u, 0) == 0;
}

_Noreturn void nx__resolve_run(const char *name, int family, int out, int leads, pid_t launcher)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    const struct addrinfo wanted = {.ai_family = family, .ai_socktype = SOCK_STREAM};
    struct nx__resolved resolved = {0};
    struct addrinfo *found = NULL;
    sigset_t none;
    (void)prctl(PR_SET_NAME, "nexus resolver");
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) (void)signal(ignored[i], SIG_IGN);
    (void)signal(SIGALRM, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)alarm(NX__RESOLVE_MOST);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != launcher || !alone(&out, &leads) ||
        !nx__capabilities_drop())
        _exit(1);
    resolved.failed = getaddrinfo(name, NULL, &wanted, &found);
    for (const struct addrinfo *next = found; next; next = next->ai_next) {
        struct nx__endpoint endpoint;
        struct nx__lead lead = {0};
        if (!nx__endpoint_of(next->ai_addr, &endpoint)) continue;
        memcpy(lead.address, endpoint.address, sizeof lead.address);
        (void)snprintf(lead.name, sizeof lead.name, "%s", name);
        if (leads >= 0 && !told(leads, &lead, sizeof lead)) _exit(1);
        resolved_add(&resolved, next);
    }
    /* The program connects when it has this, and then the keeper has to know. */
    _exit(told(out, &resolved, sizeof resolved) ? 0 : 1);
}

/* ---- The keeper's side */

static void leads_add(struct nx__leads *leads, const struct nx__lead *lead)
{
    size_t at = 0;
    while (at < leads->count && memcmp(&leads->items[at].lead, lead, sizeof *lead) != 0) at++;
    if (at == leads->count) {
        at = leads->next;
        leads->next = (leads->next + 1) % NX__LEADS_MOST;
        if (leads->count < NX__LEADS_MOST) leads->count++;
        leads->items[at].lead = *lead;
    }
    leads->items[at].until = nx__clock_monotonic() + LEADS_FOR;
}

bool nx__leads_read(struct nx__leads *leads, int fd)
{
    for (;;) {
        struct nx__lead lead;
        ssize_t n = read(fd, &lead, sizeof lead);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return true;
        if (n != (ssize_t)sizeof lead) return false;
        lead.name[sizeof lead.name - 1] = '\0';
        leads_add(leads, &lead);
    }
}

bool nx__leads_grant(const struct nx__leads *leads, const struct nx__permissions *permissions,
                     const struct sockaddr *address)
{
    static struct nx__endpoint to, named; /* large */
    if (!nx__endpoint_of(address, &to)) return false;
    nx_duration now = nx__clock_monotonic();
    for (size_t i = 0; i < leads->count; i++) {
        const struct nx__lead *lead = &leads->items[i].lead;
        if (leads->items[i].until < now || memcmp(lead->address, to.address, 16) != 0) continue;
        if (nx__endpoint_parse(lead->name, strlen(lead->name), &named) != NX_OK) continue;
        named.port = to.port;
        if (nx__permissions_endpoint_verdict(permissions, NX__USE_CONNECT, &named) == NX__GRANTED)
            return true;
    }
    return false;
}
