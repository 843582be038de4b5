/* The keeper's parts. */
#ifndef NX__KEEPER_NAMES_H
#define NX__KEEPER_NAMES_H

#include "permission/permission.h"
#include <sys/types.h>

struct pollfd;

enum {
    NX__KEEPER_LOOKUPS = 32, /* at a time; who asks for more is told to come again */
    NX__KEEPER_ANSWERED = 1, /* somebody else answers */
};

/* A name that is being looked up by a process of its own. */
struct nx__keeper_lookup {
    uint64_t id, at; /* who asks, and the address of its struct nx__keeper_names */
    pid_t caller;
    int answer; /* a pipe */
};

struct nx__keeper {
    int listener;
    struct nx__permissions *permissions;
    struct nx__keeper_lookup lookups[NX__KEEPER_LOOKUPS];
    size_t lookup_count;
};

/* As much of its memory as there is up to `most`; below `least`: -EFAULT. */
int nx__keeper_read(pid_t caller, uint64_t at, void *out, size_t least, size_t most);

/* While the caller waits its number is its own. */
bool nx__keeper_is_waited_for(const struct nx__keeper *keeper, uint64_t id);
void nx__keeper_answer(const struct nx__keeper *keeper, uint64_t id, int error, int value);

/* ---- keeper_names.c */

/* Begins to look up the name at this address of the caller's memory. NX__KEEPER_ANSWERED, or
 * -errno.
 */
int nx__keeper_names_ask(struct nx__keeper *keeper, uint64_t id, pid_t caller, uint64_t at);

/* What to poll for the answers, at most NX__KEEPER_LOOKUPS, and what has come of it. */
size_t nx__keeper_names_poll(const struct nx__keeper *keeper, struct pollfd *fds);
void nx__keeper_names_turn(struct nx__keeper *keeper, const struct pollfd *fds, size_t count);

#endif
