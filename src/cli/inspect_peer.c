/* Who has connected over the loopback interface: a debugger's port is as good as a shell, and other
 * users of the machine can reach it too. */
#include "cli/inspect_bridge.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

enum { SPELLED = 64 };

/* As /proc/net/tcp and tcp6 spell it: the words of the address, each as the machine has it, and the
 * port. An IPv4 address of a socket that is of IPv6 (`mapped`) stands behind a prefix. */
static void spell(const union address *address, bool mapped, char out[SPELLED])
{
    uint32_t words[4] = {0, 0, htonl(0xffff), 0};
    if (address->any.sa_family == AF_INET)
        memcpy(&words[3], &address->v4.sin_addr, 4);
    else
        memcpy(words, &address->v6.sin6_addr, 16);
    unsigned port =
        ntohs(address->any.sa_family == AF_INET ? address->v4.sin_port : address->v6.sin6_port);
    if (address->any.sa_family == AF_INET && !mapped)
        (void)snprintf(out, SPELLED, "%08X:%04X", words[3], port);
    else
        (void)snprintf(out, SPELLED, "%08X%08X%08X%08X:%04X", words[0], words[1], words[2],
                       words[3], port);
}

enum owner { OWNER_UNKNOWN, OWNER_NONE, OWNER_SELF, OWNER_OTHER };

/* Who has the socket at the other end, in the system's list of connections. */
static enum owner owner_find(const union address *own, const union address *peer, bool mapped)
{
    bool v4 = peer->any.sa_family == AF_INET && !mapped;
    char line[512], from[SPELLED], to[SPELLED], local[SPELLED], remote[SPELLED];
    spell(peer, mapped, from);
    spell(own, mapped, to);
    FILE *file = fopen(v4 ? "/proc/net/tcp" : "/proc/net/tcp6", "re");
    if (!file) return OWNER_UNKNOWN;
    enum owner owner = OWNER_NONE;
    while (owner == OWNER_NONE && fgets(line, sizeof line, file)) {
        unsigned uid;
        unsigned long inode;
        if (sscanf(line, " %*u: %63s %63s %*x %*s %*s %*x %u %*u %lu", local, remote, &uid,
                   &inode) != 4 ||
            strcmp(local, from) != 0 || strcmp(remote, to) != 0)
            continue;
        /* One that is closed already has no inode, and looks like root's. */
        owner = inode && (uid == 0 || uid == geteuid()) ? OWNER_SELF : OWNER_OTHER;
    }
    (void)fclose(file);
    return owner;
}

bool nx__peer_is_own(int fd)
{
    union address own, peer;
    socklen_t own_len = sizeof own, peer_len = sizeof peer;
    if (getsockname(fd, &own.any, &own_len) != 0 || getpeername(fd, &peer.any, &peer_len) != 0)
        return false;
    enum owner owner = owner_find(&own, &peer, false);
    if (owner == OWNER_NONE && peer.any.sa_family == AF_INET) owner = owner_find(&own, &peer, true);
    return owner == OWNER_SELF || owner == OWNER_UNKNOWN;
}
