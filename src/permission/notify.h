/* What a service manager is told, by the protocol of sd_notify(3): datagrams to a Unix socket. */
#ifndef NX__NOTIFY_H
#define NX__NOTIFY_H

#include <nexus/base.h>

enum nx__notify {
    NX__NOTIFY_READY,     /* it serves */
    NX__NOTIFY_STATUS,    /* what it does, in a line: the text */
    NX__NOTIFY_ALIVE,     /* the loop turns */
    NX__NOTIFY_RELOADING, /* it starts anew; READY follows */
    NX__NOTIFY_STOPPING,
};
enum { NX__NOTIFY_TEXT_MOST = 512 }; /* bytes of a status; more are cut */

/* Tells it, from the process that the manager has started: false where nobody wants to know
 * (NOTIFY_SOCKET is not set), or it can't be sent. The text may be NULL. Never blocks. */
bool nx__notify_send(enum nx__notify what, const char *text);

/* The same from the program: through the launcher where there is one, since the manager listens to
 * the process that it knows. Of what concerns the start and the end the launcher knows by itself.
 */
void nx__notify(enum nx__notify what, const char *text);

/* Reads from the environment how often the manager wants to hear that the loop turns: in a process
 * that it has started, before others are forked. */
void nx__notify_prepare(void);

/* How often it is told, which is twice as often as it wants; 0: never. */
nx_duration nx__notify_interval(void);

#endif
