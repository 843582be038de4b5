/* The threads with loops that the runtime keeps for nx_parallel, as many as there are cores. */
#ifndef NX__CREW_H
#define NX__CREW_H

#include "loop/loop.h"

enum { NX__CREW_MOST = 256 };

/* Sees to it that there are `*count` such threads, but no more than the process has cores, and sets
 * `*count` to how many there are of these. Their start is waited for, which blocks the thread for
 * some 100 us, once. NX_ENOMEM, NX_EAGAIN, NX_EMFILE and others, recorded, where there is none. */
NX_MUST_CHECK nx_err nx__crew_gather(uint32_t *count);

/* A number to begin with, another one at each call, so that all get their share of small jobs. Any
 * thread. */
uint32_t nx__crew_turn(void);

/* The loop of one of the threads; numbers go round. Any thread, once there are some. */
struct nx_loop *nx__crew_loop(uint32_t which);

#endif
