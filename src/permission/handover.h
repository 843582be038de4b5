/* Connections on their way from one generation of a program to the next: packets over a channel
 * that the launcher keeps beside each listening socket, so that nothing is lost while nobody
 * reads. */
#ifndef NX__HANDOVER_H
#define NX__HANDOVER_H

#include <nexus/base.h>

enum {
    NX__HAND_BATCH = 128,        /* connections in one packet; the kernel takes 253 */
    NX__HAND_QUEUE = 128 * 1024, /* bytes of packets on their way, as SO_SNDBUF counts them: at
                                    least 10,000 connections; more wait with who has them */
};

/* A connection that is idle: nothing of it is in anybody's memory. */
struct nx__handed {
    int fd;
    uint32_t requests; /* that it has had */
};

/* Makes a channel: what is sent into `*out` comes out of `*in`, in order. Both do not block. The
 * caller closes them. NX_EMFILE and others, recorded. */
NX_MUST_CHECK nx_err nx__hand_channel(int *in, int *out);

/* Sends 1 to NX__HAND_BATCH connections in one packet; the descriptors stay the caller's. 0, or
 * -errno: -EAGAIN (poll for writing), -ETOOMANYREFS (the user has too many descriptors under way:
 * a moment later), -EPIPE (nobody will ever read). Does not block; any thread. */
int nx__hand_send(int out, const struct nx__handed *connections, size_t count);

/* Receives one packet into `connections`, which has room for NX__HAND_BATCH: how many; -EAGAIN when
 * there is none, 0 when none will come. -EBADMSG: a packet that was none of ours, or of which no
 * connection was left. What is no connected stream socket is closed, as is what does not fit the
 * limit on descriptors. The caller closes the descriptors. Does not block; any thread. */
int nx__hand_receive(int in, struct nx__handed *connections);

#endif
