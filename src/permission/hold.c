/* From grants to what the kernel refuses. */
#include "permission/hold.h"

#include "base/compiler.h"
#include "base/error.h"
#include "permission/broker.h"
#include "permission/capabilities.h"
#include "permission/keeper_ask.h"
#include "permission/landlock.h"
#include "permission/rules.h"
#include "permission/seccomp.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DNS_PORT = 53 };

/* What every program reads: libraries, facts on the machine, names, time zones, authorities. */
static const char *const base_reads[] = {
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libx32",
    "/usr/local/lib",
    "/nix/store",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/usr/share/zoneinfo",
    "/usr/share/locale",
    "/usr/share/i18n",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/etc/ca-certificates",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/locale.alias",
    "/etc/os-release",
    "/etc/hostname",
    "/etc/passwd",
    "/etc/group",
    "/proc/cpuinfo",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/version",
    "/proc/filesystems",
    "/proc/sys",
    "/proc/pressure",
    "/sys/fs/cgroup",
    "/sys/devices/system",
    "/sys/kernel/mm",
};
static const char *const devices[] = {"/dev/null", "/dev/zero",   "/dev/full",
                                      "/dev/tty",  "/dev/random", "/dev/urandom"};

static bool grants_any(const struct nx__rules *rules)
{
    return rules->any || nx__rules_first(rules);
}

/* ---- Files */

/* Denied as a whole: of what is denied in part, the API keeps out what Landlock can't. */
static bool denied(const struct nx__rules *deny, const char *path)
{
    if (deny->any) return true;
    for (const struct nx__rule *rule = nx__rules_first(deny); rule; rule = rule->next)
        if (nx__path_beneath(path, rule->text)) return true;
    return false;
}

/* A file may be there later, or be put in the place of the one that is there now (a certificate, a
 * configuration), and Landlock knows files and not names: its directory is what can be allowed. No
 * other above it, or one that is mistyped would open all. `exact`: the file that is there, alone.
 */
static void allow_entry(const struct nx__landlock *l, const char *path, uint64_t files, bool exact)
{
    char directory[NX__PATH_MAX];
    const char *name = strrchr(path, '/');
    size_t len = (size_t)(name - path);
    int fd = open(path, O_PATH | O_CLOEXEC | (exact ? 0 : O_DIRECTORY));
    if (fd < 0 && !exact) {
        memcpy(directory, path, len);
        memcpy(directory + len, len ? "" : "/", len ? 1 : 2);
        fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0) return;
    nx__landlock_allow_open(l, fd, files);
    (void)close(fd);
}

static void allow_files(const struct nx__landlock *l, const struct nx__permissions *p,
                        enum nx__permit_kind kind, uint64_t files, bool exact)
{
    const struct nx__rules *deny = &p->deny[kind];
    if (p->allow[kind].any && !deny->any) nx__landlock_allow(l, "/", files);
    for (const struct nx__rule *rule = nx__rules_first(&p->allow[kind]); rule; rule = rule->next)
        if (!denied(deny, rule->text)) allow_entry(l, rule->text, files, exact);
}

/* Of this program itself: its libraries lie beside it. */
static void allow_own(const struct nx__landlock *l, const struct nx__hold_own *own)
{
    char path[NX__PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - sizeof "/../lib");
    if (len > 0) {
        path[len] = '\0';
        nx__landlock_allow(l, path, NX__FILES_READ);
        while (len > 1 && path[len - 1] != '/') len--;
        memcpy(path + len, "../lib", sizeof "../lib");
        nx__landlock_allow(l, path, NX__FILES_READ);
    }
    if (own->program >= 0) nx__landlock_allow_open(l, own->program, NX__FILES_READ);
    if (own->cache) nx__landlock_allow(l, own->cache, NX__FILES_READ);
}

/* /dev/stdin and the like open again what these are, for what they are open for. */
static void allow_standard(const struct nx__landlock *l, int fd)
{
    static const uint64_t files[] = {[O_RDONLY] = NX__FILES_READ,
                                     [O_WRONLY] = NX__FILES_WRITE,
                                     [O_RDWR] = NX__FILES_READ | NX__FILES_WRITE};
    struct stat st;
    int mode = fcntl(fd, F_GETFL);
    if (mode < 0 || (mode & O_ACCMODE) > O_RDWR || fstat(fd, &st) != 0 || S_ISDIR(st.st_mode))
        return;
    nx__landlock_allow_open(l, fd, files[mode & O_ACCMODE]);
}

static void allow_base(const struct nx__landlock *l, const struct nx__hold_own *own)
{
    for (size_t i = 0; i < sizeof base_reads / sizeof *base_reads; i++)
        nx__landlock_allow(l, base_reads[i], NX__FILES_READ);
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        nx__landlock_allow(l, devices[i], NX__FILES_READ | NX__FILES_WRITE);
    for (int fd = 0; fd < 3; fd++) allow_standard(l, fd);
    const char *authorities = getenv("SSL_CERT_FILE");
    if (authorities) nx__landlock_allow(l, authorities, NX__FILES_READ);
    /* It stays open: another look-up would find another directory of this name, which no rule
     * is for. */
    static int process = -1;
    if (process < 0) process = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (process >= 0) nx__landlock_allow_open(l, process, NX__FILES_READ | NX__FILES_WRITE);
    allow_own(l, own);
}

/* ---- The network */

static bool names_abstract(const struct nx__rules *rules)
{
    for (const struct nx__rule *rule = nx__rules_first(rules); rule; rule = rule->next)
        if (rule->host == NX__HOST_UNIX && rule->text[0] == '@') return true;
    return false;
}

/* Landlock knows TCP ports, and not hosts: may it be held to those that are named for this use? */
static bool ports_are_named(const struct nx__permissions *p, enum nx__use use)
{
    const struct nx__rules *rules = &p->allow[NX__PERMIT_NET];
    if (p->deny[NX__PERMIT_NET].any & use) return true; /* none are */
    if (rules->any & use) return false;
    for (const struct nx__rule *rule = nx__rules_first(rules); rule; rule = rule->next)
        if (rule->host != NX__HOST_UNIX && (rule->use & use) && rule->port < 0) return false;
    return true;
}

static void allow_ports(const struct nx__landlock *l, const struct nx__permissions *p,
                        const struct nx__hold_own *own)
{
    const struct nx__rules *rules = &p->allow[NX__PERMIT_NET];
    unsigned denied = p->deny[NX__PERMIT_NET].any;
    bool names = false, listens = false;
    for (const struct nx__rule *rule = nx__rules_first(rules); rule; rule = rule->next) {
        uint64_t ports = 0;
        unsigned use = rule->use & ~denied;
        if (rule->host == NX__HOST_UNIX || rule->port < 0) continue;
        if (use & NX__USE_LISTEN) ports |= NX__PORTS_BIND;
        if (use & NX__USE_CONNECT) ports |= NX__PORTS_CONNECT;
        nx__landlock_allow_port(l, (uint16_t)rule->port, ports);
    }
    for (const struct nx__rule *rule = nx__rules_first(rules); rule; rule = rule->next) {
        if (rule->host == NX__HOST_UNIX) continue;
        unsigned use = rule->use & ~denied;
        listens |= (use & NX__USE_LISTEN) != 0;
        names |= rule->host != NX__HOST_ADDRESS && (use & NX__USE_CONNECT);
    }
    if (listens) nx__landlock_allow_port(l, 0, NX__PORTS_BIND);
    if (names && !own->strict) nx__landlock_allow_port(l, DNS_PORT, NX__PORTS_CONNECT);
}

static bool names_unix(const struct nx__rules *rules, unsigned use)
{
    for (const struct nx__rule *rule = nx__rules_first(rules); rule; rule = rule->next)
        if (rule->host == NX__HOST_UNIX && (rule->use & use)) return true;
    return false;
}

static bool names_hosts(const struct nx__rules *rules, unsigned use)
{
    for (const struct nx__rule *rule = nx__rules_first(rules); rule; rule = rule->next)
        if (rule->host != NX__HOST_UNIX && (rule->use & use)) return true;
    return false;
}

/* ---- Both parts */

bool nx__hold_binds(const struct nx__permissions *p)
{
    return !p->all && !grants_any(&p->allow[NX__PERMIT_RUN]);
}

bool nx__hold_filters(const struct nx__permissions *p, bool *files)
{
    *files = grants_any(&p->allow[NX__PERMIT_READ]) || grants_any(&p->allow[NX__PERMIT_WRITE]);
    return nx__hold_binds(p) && nx__seccomp_known();
}

/* Files, programs, ports, scopes. */
static bool hold_landlock(const struct nx__permissions *p, const struct nx__hold_own *own)
{
    const struct nx__rules *net = &p->allow[NX__PERMIT_NET];
    struct nx__landlock l = {.files = NX__FILES_ALL, .scopes = NX__SCOPE_SIGNALS};
    bool open = net->any || own->asks;
    if (!own->asks && ports_are_named(p, NX__USE_LISTEN)) l.ports |= NX__PORTS_BIND;
    if (!own->asks && ports_are_named(p, NX__USE_CONNECT)) l.ports |= NX__PORTS_CONNECT;
    if (!open && !names_abstract(net)) l.scopes |= NX__SCOPE_ABSTRACT;
    if (!nx__landlock_begin(&l)) return false;
    allow_base(&l, own);
    allow_files(&l, p, NX__PERMIT_READ, NX__FILES_READ, own->strict);
    allow_files(&l, p, NX__PERMIT_FFI, NX__FILES_READ, own->strict);
    allow_files(&l, p, NX__PERMIT_WRITE, NX__FILES_WRITE, own->strict);
    allow_ports(&l, p, own);
    return nx__landlock_hold(&l);
}

/* Sockets, of enum nx__calls. Where all has to be held, the launcher makes those that listen. */
static unsigned sockets(const struct nx__permissions *p, const struct nx__hold_own *own)
{
    const struct nx__rules *net = &p->allow[NX__PERMIT_NET];
    unsigned denied = p->deny[NX__PERMIT_NET].any;
    unsigned use = (own->strict ? NX__USE_CONNECT : NX__USE_ANY) & ~denied;
    bool open = own->asks || (net->any & use);
    bool hosts = names_hosts(net, use);
    unsigned calls = 0;
    if (open || names_unix(net, use)) calls |= NX__CALLS_UNIX;
    if (open || hosts) calls |= NX__CALLS_TCP;
    if (open || (hosts && !own->strict)) calls |= NX__CALLS_UDP;
    if (net->any == NX__USE_ANY && !denied) calls |= NX__CALLS_IP;
    if (calls && (!own->strict || (net->any & NX__USE_LISTEN))) calls |= NX__CALLS_BIND;
    if (calls & NX__CALLS_TCP) calls |= NX__CALLS_ROUTES;
    /* Elsewhere the price is not worth it. */
    if (own->strict && !open && hosts) calls |= NX__CALLS_ASK_CONNECT;
    return calls;
}

enum extent { NONE, SOME, ALL };

static enum extent extent_of(const struct nx__permissions *p, enum nx__permit_kind kind)
{
    const struct nx__rules *allow = &p->allow[kind], *deny = &p->deny[kind];
    if (deny->any || !grants_any(allow)) return NONE;
    return allow->any && !nx__rules_first(deny) ? ALL : SOME;
}

/* What the program may call beside what every program may, of enum nx__calls. */
static unsigned calls(const struct nx__permissions *p, const struct nx__hold_own *own)
{
    unsigned calls = sockets(p, own);
    enum extent reads = extent_of(p, NX__PERMIT_READ), writes = extent_of(p, NX__PERMIT_WRITE);
    if (reads == ALL || (reads == SOME && !own->strict)) calls |= NX__CALLS_READ;
    if (writes == ALL) calls |= NX__CALLS_WRITE;
    if (writes == SOME) calls |= NX__CALLS_ASK;
    if (grants_any(&p->allow[NX__PERMIT_SYS])) calls |= NX__CALLS_ROUTES;
#if defined(NX__ASAN)
    calls |= NX__CALLS_DEBUG; /* the search for leaks */
#endif
    return calls;
}

/* Where nobody can be asked (a kernel before 5.0, a container whose calls are told to somebody
 * already, a service manager's own filter) it is left to the API, or the program does not run where
 * all has to be held. */
static bool hold_filter(unsigned calls, bool strict)
{
    int listener;
    bool asks = calls & NX__CALLS_ASK, held = nx__seccomp_hold(calls, &listener);
    if (!held && asks && !strict)
        held = nx__seccomp_hold((calls & ~(unsigned)NX__CALLS_ASK) | NX__CALLS_WRITE, &listener);
    if (listener < 0) return held;
    held = nx__broker_keep(listener);
    (void)close(listener);
    nx__keeper_is = held;
    nx__keeper_resolves = held && (calls & NX__CALLS_ASK_CONNECT);
    return held;
}

nx_err nx__hold(const struct nx__permissions *p, const struct nx__hold_own *own)
{
    if (!nx__hold_binds(p)) return NX_OK;
    if (nx__landlock_version() && !hold_landlock(p, own))
        return nx__error_system(errno, "cannot seal the program");
    if (!nx__capabilities_drop()) return nx__error_system(errno, "cannot seal the program");
    if (nx__seccomp_known() && !hold_filter(calls(p, own), own->strict))
        return nx__error_system(
            errno, own->strict ? "cannot hold the program as --permissions=strict has it (seccomp)"
                               : "cannot hold the program to its grants (seccomp)");
    return NX_OK;
}
