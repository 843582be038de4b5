/* What the options say of a socket, told to the kernel. */
#ifndef NX__TUNE_H
#define NX__TUNE_H

#include <nexus/base.h>

struct nx__tune {
    nx_duration keep_alive; /* 0: the default, NX_FOREVER: never */
    bool delay;
    uint32_t receive_buffer, send_buffer; /* 0: as it is */
};

/* Of a socket that does not listen or connect yet; accepted ones inherit it. 0 or the errno. */
int nx__tune(int fd, int family, const struct nx__tune *tune);

#endif
