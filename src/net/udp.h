/* Datagrams by the batch: what nx_udp and QUIC send and receive by. */
#ifndef NX__UDP_H
#define NX__UDP_H

#include "net/sockaddr.h"

enum {
    NX__UDP_BATCH = 32,         /* datagrams in one system call */
    NX__UDP_SEGMENTS_MAX = 64,  /* of one packet, as the kernel has it */
    NX__UDP_PACKET_MAX = 65507, /* bytes of one packet, all its segments together */
};

/* One datagram, or several of the same length that the kernel takes apart or has put together. */
struct nx__packet {
    char *data;              /* sending: what is sent; receiving: room for it */
    size_t len;              /* bytes; before receiving: of the room */
    size_t sent;             /* bytes that have gone; 0 to begin with */
    union nx__address peer;  /* sending: no family is the connected one */
    union nx__address local; /* ours, without a port; sending: no family lets the kernel choose */
    uint16_t segment; /* bytes of each datagram but the last, which may have fewer; 0: it is one */
    uint8_t ecn;      /* RFC 3168: 0 none, 1 ECT(1), 2 ECT(0), 3 congestion experienced */
    bool cut;         /* received: there was no room for all of it */
};

/* A UDP socket, IPv4 or IPv6; the descriptor is the caller's. */
struct nx__udp {
    int fd;
    bool v6;     /* also speaks IPv4, by mapped addresses: those of packets are IPv4 all the same */
    bool splits; /* the kernel takes packets apart (GSO); found out once, when it first refuses */
};

struct nx__udp_how {
    bool joins; /* it may put received datagrams together (GRO): room is for 64 KiB then */
    bool reuse; /* others may bind the same address (SO_REUSEPORT, SO_REUSEADDR) */
    bool broadcast;
    uint32_t receive_buffer, send_buffer;
};

/* Makes a socket, non-blocking and close-on-exec, that tells the local address and the ECN bits of
 * what it receives; bound to `at` unless that has no family. It checks no grant. 0 or the errno. */
int nx__udp_open(struct nx__udp *u, const union nx__address *at, const struct nx__udp_how *how);

/* Connects it: packets without a peer go there, and only the peer's are received. 0 or the errno.
 */
int nx__udp_connect(struct nx__udp *u, const union nx__address *peer);

/* Its own address, IPv4 where its peer is. 0 or the errno. */
int nx__udp_local(const struct nx__udp *u, union nx__address *out);

/* Sends packets in order, several in one system call. The number that have gone whole, at least
 * one; or -errno of the first: -EAGAIN where there is no room (its `sent` tells how much of it has
 * gone), -ECONNREFUSED and others for what a peer's machine has said of an earlier one. Does not
 * wait. */
int64_t nx__udp_send(struct nx__udp *u, struct nx__packet *packets, size_t count);

/* Receives up to `count` packets. Their number, at least one, or -errno. Does not wait. */
int64_t nx__udp_receive(struct nx__udp *u, struct nx__packet *packets, size_t count);

#endif
