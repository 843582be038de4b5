/* Making a listening socket. */
#include "permission/listen.h"

#include "base/error.h"
#include "base/ip6.h"
#include "permission/permission.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

nx_err nx__listen_address(const char *host, uint16_t port, char out[NX__LISTEN_ADDRESS_MAX])
{
    int n = strncmp(host, "unix:", 5) == 0 ? snprintf(out, NX__LISTEN_ADDRESS_MAX, "%s", host)
            : strchr(host, ':') && host[0] != '['
                ? snprintf(out, NX__LISTEN_ADDRESS_MAX, "[%s]:%u", host, (unsigned)port)
                : snprintf(out, NX__LISTEN_ADDRESS_MAX, "%s:%u", host, (unsigned)port);
    if (n < 0 || n >= NX__LISTEN_ADDRESS_MAX)
        return nx__error_set(NX_EINVAL, "cannot listen: the address is too long");
    return NX_OK;
}

/* Nobody answers at the socket file: what a program left behind that could not clean up. */
static bool is_stale(const struct sockaddr_un *local)
{
    struct stat st;
    if (lstat(local->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode)) return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    bool stale =
        connect(fd, (const struct sockaddr *)local, sizeof *local) != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return stale;
}

int nx__bind_unix(int fd, const struct sockaddr_un *local, unsigned len, unsigned mode)
{
    /* An abstract one has no file, and so no mode: every user of the machine may connect. */
    if (!local->sun_path[0]) return bind(fd, (const struct sockaddr *)local, len) == 0 ? 0 : errno;
    /* The file is born with the socket's own mode, less the umask, so it is never wider than asked
     * for. */
    if (fchmod(fd, mode) != 0) return errno;
    if (bind(fd, (const struct sockaddr *)local, sizeof *local) != 0) {
        int system = errno;
        if (system != EADDRINUSE || !is_stale(local)) return system;
        if (unlink(local->sun_path) != 0) return errno;
        if (bind(fd, (const struct sockaddr *)local, sizeof *local) != 0) return errno;
    }
    return chmod(local->sun_path, mode) == 0 ? 0 : errno;
}

static nx_err parse(const char *host, uint16_t port, union address *out, socklen_t *len)
{
    *out = (union address){0};
    if (strncmp(host, "unix:", 5) == 0) {
        const char *path = host + 5;
        size_t n = strlen(path);
        bool abstract = path[0] == '@';
        if (n == abstract || n >= sizeof out->local.sun_path)
            return nx__error_set(
                NX_EINVAL,
                "cannot listen on a Unix socket at \"%.120s\": the path, or the name behind @, has 1 to %zu bytes",
                path, sizeof out->local.sun_path - 1 - abstract);
        out->local.sun_family = AF_UNIX;
        memcpy(out->local.sun_path, path, n + 1);
        *len = sizeof out->local;
        if (abstract) {
            out->local.sun_path[0] = '\0';
            *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
        }
        return NX_OK;
    }
    if (strcmp(host, "localhost") == 0) host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        *len = sizeof out->v4;
        return NX_OK;
    }
    char v6[NX__IP6_MAX];
    size_t n = strlen(host);
    if (n >= 2 && host[0] == '[' && host[n - 1] == ']' && n - 2 < sizeof v6) {
        memcpy(v6, host + 1, n - 2);
        v6[n - 2] = '\0';
        host = v6;
    }
    if (nx__ip6_parse(host, out->v6.sin6_addr.s6_addr, &out->v6.sin6_scope_id)) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(port);
        *len = sizeof out->v6;
        return NX_OK;
    }
    char clean[128];
    return nx__error_set(
        NX_EINVAL, "cannot listen on \"%s\": use an IP address, \"localhost\", or \"unix:/path\"",
        nx__printable(clean, sizeof clean, host));
}

static NX__COLD nx_err failed(int system, const char *host, uint16_t port)
{
    char address[NX__LISTEN_ADDRESS_MAX] = "", clean[128];
    NX_IGNORE(nx__listen_address(host, port, address));
    nx__printable(clean, sizeof clean, address);
    nx_err code = nx__error_from_errno(system);
    if (system == EADDRINUSE && strncmp(host, "unix:", 5) == 0)
        NX_IGNORE(nx__error_set(
            code, "cannot listen on %s: address in use (a program listens there, or it is a file)",
            clean));
    else if (system == EADDRINUSE)
        NX_IGNORE(nx__error_set(
            code,
            "cannot listen on %s: address in use; stop the other program (ss -ltnp 'sport = :%u' shows it) or take another port",
            clean, (unsigned)port));
    else if (system == EACCES && port > 0 && port < 1024)
        NX_IGNORE(nx__error_set(
            code,
            "cannot listen on %s: access denied by the system; ports below 1024 need root or CAP_NET_BIND_SERVICE",
            clean));
    else
        return nx__error_system(system, "cannot listen on %s", clean);
    nx__context()->error.system = system;
    return code;
}

static int reuse(int fd, int option)
{
    int on = 1;
    return setsockopt(fd, SOL_SOCKET, option, &on, sizeof on) == 0 ? 0 : errno;
}

/* Returns 0 or the errno. Who is there already is found out by a bind that does not share. */
static int bind_inet(int fd, const struct sockaddr *address, socklen_t len,
                     enum nx__listen_share share)
{
    int on = 1, system = reuse(fd, SO_REUSEADDR);
    if (!system && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) system = errno;
    if (!system && share == NX__LISTEN_JOIN) system = reuse(fd, SO_REUSEPORT);
    if (!system && bind(fd, address, len) != 0) system = errno;
    if (!system && share == NX__LISTEN_SHARED) system = reuse(fd, SO_REUSEPORT);
    return system;
}

nx_err nx__listen(const char *host, uint16_t port, unsigned backlog, unsigned unix_mode,
                  enum nx__listen_share share, int *fd, uint16_t *bound_port)
{
    union address address;
    socklen_t len = 0;
    *fd = -1;
    *bound_port = 0;
    NX_TRY(parse(host, port, &address, &len));
    int family = address.any.sa_family;
    int s = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0) return failed(errno, host, port);
    int system = family == AF_UNIX ? nx__bind_unix(s, &address.local, len, unix_mode)
                                   : bind_inet(s, &address.any, len, share);
    if (!system && listen(s, backlog > INT32_MAX ? INT32_MAX : (int)backlog) != 0) system = errno;
    len = sizeof address;
    if (!system && family != AF_UNIX && getsockname(s, &address.any, &len) != 0) system = errno;
    if (system) {
        (void)close(s);
        return failed(system, host, port);
    }
    if (family != AF_UNIX)
        *bound_port = ntohs(family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
    *fd = s;
    return NX_OK;
}

nx_err nx__listen_beside(int fd, unsigned backlog, int *another)
{
    union address address = {0};
    socklen_t len = sizeof address;
    int on = 1;
    *another = -1;
    if (getsockname(fd, &address.any, &len) != 0)
        return nx__error_system(errno, "cannot listen once more");
    if (address.any.sa_family == AF_UNIX)
        return nx__error_set(NX_ENOTSUP, "a Unix socket has one listener");
    /* On the first one not before it listens, so that it has found out whether somebody else does.
     */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
        return nx__error_system(errno, "cannot share the port");
    int s = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0) return nx__error_system(errno, "cannot listen once more");
    if (setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0 ||
        setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        bind(s, &address.any, len) != 0 ||
        listen(s, backlog > INT32_MAX ? INT32_MAX : (int)backlog) != 0) {
        nx_err err = nx__error_system(errno, "cannot listen once more");
        (void)close(s);
        return err;
    }
    *another = s;
    return NX_OK;
}

void nx__listen_among(int fd, const uint32_t *places, size_t count)
{
    enum { PLACES_MOST = 256 };
    struct sock_filter code[2 * PLACES_MOST + 3];
    uint32_t hash = (uint32_t)(SKF_AD_OFF + SKF_AD_RXHASH);
    unsigned short n = 0;
    int none = 0;
    if (count > PLACES_MOST) return;
    if (!count) {
        (void)setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &none, sizeof none);
        return;
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, hash);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, (uint32_t)count);
    for (uint32_t i = 0; i < count; i++) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, i, 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, places[i]);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
    struct sock_fprog program;
    memset(&program, 0, sizeof program); /* its padding goes to the kernel as well */
    program.len = n;
    program.filter = code;
    (void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
}

/* ---- Sockets that somebody else has made */

static uint16_t port_of(const union address *address)
{
    return address->any.sa_family == AF_INET    ? ntohs(address->v4.sin_port)
           : address->any.sa_family == AF_INET6 ? ntohs(address->v6.sin6_port)
                                                : 0;
}

static bool takes_v4(int fd)
{
    int only = 1;
    socklen_t len = sizeof only;
    return getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len) == 0 && !only;
}

bool nx__listen_is_at(int fd, const char *host, uint16_t port, uint16_t *bound_port)
{
    union address wanted, own = {0};
    socklen_t wanted_len = 0, len = sizeof own;
    if (parse(host, port, &wanted, &wanted_len) || getsockname(fd, &own.any, &len) != 0)
        return false;
    *bound_port = port_of(&own);
    if (own.any.sa_family == AF_UNIX) {
        if (wanted.any.sa_family != AF_UNIX) return false;
        bool abstract = !own.local.sun_path[0]; /* its length is part of its name */
        return abstract ? len == wanted_len && memcmp(&own, &wanted, len) == 0
                        : strncmp(own.local.sun_path, wanted.local.sun_path,
                                  sizeof own.local.sun_path) == 0;
    }
    if (!port || *bound_port != port) return false;
    if (own.any.sa_family == AF_INET6 && wanted.any.sa_family == AF_INET)
        return wanted.v4.sin_addr.s_addr == htonl(INADDR_ANY) &&
               IN6_IS_ADDR_UNSPECIFIED(&own.v6.sin6_addr) && takes_v4(fd);
    if (own.any.sa_family != wanted.any.sa_family) return false;
    return own.any.sa_family == AF_INET
               ? own.v4.sin_addr.s_addr == wanted.v4.sin_addr.s_addr
               : memcmp(&own.v6.sin6_addr, &wanted.v6.sin6_addr, sizeof own.v6.sin6_addr) == 0 &&
                     own.v6.sin6_scope_id == wanted.v6.sin6_scope_id;
}

nx_err nx__listen_spell(int fd, char out[NX__LISTEN_ADDRESS_MAX], uint16_t *bound_port)
{
    union address own = {0};
    socklen_t len = sizeof own;
    char host[sizeof own.local.sun_path + 8] = "";
    if (getsockname(fd, &own.any, &len) != 0)
        return nx__error_system(errno, "cannot use a socket of LISTEN_FDS");
    *bound_port = port_of(&own);
    size_t name = len > offsetof(struct sockaddr_un, sun_path)
                      ? len - offsetof(struct sockaddr_un, sun_path)
                      : 0;
    if (own.any.sa_family == AF_UNIX && name > 1 && !own.local.sun_path[0] &&
        !memchr(own.local.sun_path + 1, 0, name - 1))
        (void)snprintf(host, sizeof host, "unix:@%.*s", (int)name - 1, own.local.sun_path + 1);
    else if (own.any.sa_family == AF_UNIX && own.local.sun_path[0])
        (void)snprintf(host, sizeof host, "unix:%.*s", (int)sizeof own.local.sun_path,
                       own.local.sun_path);
    else if (own.any.sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &own.v4.sin_addr, host, sizeof host);
    else if (own.any.sa_family == AF_INET6)
        nx__ip6_spell(own.v6.sin6_addr.s6_addr, own.v6.sin6_scope_id, host);
    if (!host[0])
        return nx__error_set(
            NX_ENOTSUP,
            "cannot use a socket of LISTEN_FDS: it is at neither an IP address nor a path or name");
    return nx__listen_address(host, *bound_port, out);
}
