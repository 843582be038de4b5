/* From grants to what Landlock refuses. */
#include "permission/hold.h"

#include "base/error.h"
#include "permission/landlock.h"
#include "permission/rules.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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

static const struct nx__rule *first_of(const struct nx__rules *rules)
{
    return atomic_load_explicit(&rules->first, memory_order_acquire);
}

static bool grants_any(const struct nx__rules *rules)
{
    return rules->any || first_of(rules);
}

/* ---- Files */

/* Denied as a whole: of what is denied in part, the API keeps out what Landlock can't. */
static bool denied(const struct nx__rules *deny, const char *path)
{
    if (deny->any) return true;
    for (const struct nx__rule *rule = first_of(deny); rule; rule = rule->next)
        if (nx__path_beneath(path, rule->text)) return true;
    return false;
}

/* A file may be there later, or be put in the place of the one that is there now (a certificate, a
 * configuration), and Landlock knows files and not names: its directory is what can be allowed. */
static void allow_entry(const struct nx__landlock *l, const char *path, uint64_t files)
{
    char directory[NX__PATH_MAX];
    size_t len = strlen(path);
    memcpy(directory, path, len + 1);
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    /* Up to the one that is there. */
    while (fd < 0 && len > 1) {
        while (len > 1 && directory[len - 1] != '/') len--;
        while (len > 1 && directory[len - 1] == '/') len--;
        directory[len] = '\0';
        fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0) return;
    nx__landlock_allow_open(l, fd, files);
    (void)close(fd);
}

static void allow_files(const struct nx__landlock *l, const struct nx__permissions *p,
                        enum nx__permit_kind kind, uint64_t files)
{
    const struct nx__rules *deny = &p->deny[kind];
    if (p->allow[kind].any && !deny->any) nx__landlock_allow(l, "/", files);
    for (const struct nx__rule *rule = first_of(&p->allow[kind]); rule; rule = rule->next)
        if (!denied(deny, rule->text)) allow_entry(l, rule->text, files);
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

static void allow_base(const struct nx__landlock *l, const struct nx__hold_own *own)
{
    for (size_t i = 0; i < sizeof base_reads / sizeof *base_reads; i++)
        nx__landlock_allow(l, base_reads[i], NX__FILES_READ);
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        nx__landlock_allow(l, devices[i], NX__FILES_READ | NX__FILES_WRITE);
    /* /dev/stdin and the like open again what these are. */
    for (int fd = 0; fd < 3; fd++) nx__landlock_allow_open(l, fd, NX__FILES_READ | NX__FILES_WRITE);
    const char *authorities = getenv("SSL_CERT_FILE");
    if (authorities) nx__landlock_allow(l, authorities, NX__FILES_READ);
    /* It stays open: another look-up would find another directory of this name, which no rule
     * is for. */
    static int process = -1;
    if (process < 0) process = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (process >= 0) nx__landlock_allow_open(l, process, NX__FILES_READ | 1 << 1);
    allow_own(l, own);
}

/* ---- The network */

static bool names_abstract(const struct nx__rules *rules)
{
    for (const struct nx__rule *rule = first_of(rules); rule; rule = rule->next)
        if (rule->host == NX__HOST_UNIX && rule->text[0] == '@') return true;
    return false;
}

/* Landlock knows TCP ports, and not hosts. */
static bool ports_are_named(const struct nx__rules *rules)
{
    for (const struct nx__rule *rule = first_of(rules); rule; rule = rule->next)
        if (rule->host != NX__HOST_UNIX && rule->port < 0) return false;
    return true;
}

static void allow_ports(const struct nx__landlock *l, const struct nx__rules *rules)
{
    bool names = false, any = false;
    for (const struct nx__rule *rule = first_of(rules); rule; rule = rule->next) {
        if (rule->host == NX__HOST_UNIX) continue;
        any = true;
        names |= rule->host != NX__HOST_ADDRESS;
        nx__landlock_allow_port(l, (uint16_t)rule->port, NX__PORTS_BIND | NX__PORTS_CONNECT);
    }
    if (any) nx__landlock_allow_port(l, 0, NX__PORTS_BIND);
    if (names) nx__landlock_allow_port(l, DNS_PORT, NX__PORTS_CONNECT);
}

nx_err nx__hold(const struct nx__permissions *p, const struct nx__hold_own *own)
{
    const struct nx__rules *net = &p->allow[NX__PERMIT_NET];
    /* What it starts would be held too, and is to do what it is for. */
    if (p->all || grants_any(&p->allow[NX__PERMIT_RUN]) || !nx__landlock_version()) return NX_OK;
    struct nx__landlock l = {.files = NX__FILES_ALL, .scopes = NX__SCOPE_SIGNALS};
    bool open = net->any || own->asks;
    if (!open && ports_are_named(net)) l.ports = NX__PORTS_BIND | NX__PORTS_CONNECT;
    if (!open && !names_abstract(net)) l.scopes |= NX__SCOPE_ABSTRACT;
    if (!nx__landlock_begin(&l)) return nx__error_system(errno, "cannot seal the program");
    allow_base(&l, own);
    allow_files(&l, p, NX__PERMIT_READ, NX__FILES_READ);
    allow_files(&l, p, NX__PERMIT_FFI, NX__FILES_READ);
    allow_files(&l, p, NX__PERMIT_WRITE, NX__FILES_WRITE);
    allow_ports(&l, net);
    if (!nx__landlock_hold(&l)) return nx__error_system(errno, "cannot seal the program");
    return NX_OK;
}
