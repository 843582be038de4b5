/* Who is asked: c-ares, one for each thread and set of servers, driven by the thread's loop. */
#ifndef NX__RESOLVER_H
#define NX__RESOLVER_H

#include "loop/loop.h"

struct nx__resolver;
struct ares_channeldata; /* c-ares's ares_channel_t */

/* Finds the thread's resolver for a server ("192.0.2.53:53"; NULL: those of the system), or makes
 * it; one that resolv.conf has changed under is made anew. It stays until it is released.
 * NX_ENOMEM, NX_EINVAL (the server), NX_ELIMIT (NX_DNS_MAX_SERVERS are in use), NX_ECANCELED and
 * others, recorded. May suspend. */
NX_MUST_CHECK nx_err nx__resolver_take(struct nx__resolver **out, const char *server);

/* From the fiber that has it, or from a callback of c-ares. */
void nx__resolver_release(struct nx__resolver *resolver);

/* For starting queries, in the loop's thread; nx__resolver_started is due after each. */
struct ares_channeldata *nx__resolver_channel(struct nx__resolver *resolver);
void nx__resolver_started(struct nx__resolver *resolver);

/* The files that are read instead, for tests: before the first lookup of the thread. */
void nx__resolver_files(const char *resolv_conf, const char *hosts);

/* Closes those of the thread that nobody uses. */
void nx__resolver_forget(void);

#endif
