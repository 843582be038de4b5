/* Listening sockets that a service manager has made, by the protocol of sd_listen_fds(3). */
#ifndef NX__ACTIVATION_H
#define NX__ACTIVATION_H

#include <nexus/base.h>

enum { NX__ACTIVATED_MOST = 64 };

struct nx__activated {
    int fds[NX__ACTIVATED_MOST]; /* stream sockets that listen; non-blocking, close-on-exec */
    unsigned count;
    unsigned refused; /* others, which are closed */
};

/* Takes what LISTEN_FDS and LISTEN_PID say is this process's, and removes the variables. Once, in a
 * process with one thread. */
void nx__activation_take(struct nx__activated *out);

#endif
