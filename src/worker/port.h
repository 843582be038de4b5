/* Ports: what goes between a process worker and who has started it, and the frames that it is in.
 */
#ifndef NX__PORT_H
#define NX__PORT_H

#include "base/compiler.h"
#include <nexus/worker.h>

enum { NX__PORT_MAGIC = 0x4e58504f };

enum nx__frame_kind {
    NX__FRAME_BYTES = 1, /* `len` bytes follow */
    NX__FRAME_SHARED,    /* a region of `len` bytes, whose descriptor comes with the frame */
};

/* In the machine's byte order: both ends are the same program. */
struct nx__frame {
    uint32_t magic, kind;
    uint64_t len;
};

/* A port on one end of a pair of stream sockets, which it takes over: closed on failure too.
 * Memory of the calling fiber's innermost scope, whose end closes it. `peer` is for messages and
 * copied. NX_ENOMEM, NX_ELIMIT (the system's). */
NX_MUST_CHECK nx_err nx__port_new(nx_port **out, int fd, size_t most, const char *peer);

/* ---- shared.c */

/* A region that another process has made. The descriptor is taken over. NX_EPROTO where it is none
 * of `size` bytes that stay, NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__shared_open(nx_shared **out, int fd, uint64_t size);

#endif
