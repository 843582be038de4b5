/* Hearing of a child's end. */
#ifndef NX__ENDING_H
#define NX__ENDING_H

#include "loop/loop.h"

struct nx__ending {
    struct nx__watch watch; /* of its pidfd */
    struct nx__timer timer; /* where the system has none (before Linux 5.3, some sandboxes): it is
                               looked for again and again */
    nx_duration pause;
    struct nx_loop *loop;
    void (*look)(struct nx__ending *ending); /* in the loop's context */
};

/* From now on `look` is called when the child may have ended, until nx__ending_stop. `pidfd` may be
 * -1, and is not owned. NX_ENOMEM, NX_ELIMIT (the system's). */
NX_MUST_CHECK nx_err nx__ending_begin(struct nx__ending *ending, struct nx_loop *loop, int pidfd,
                                      void (*look)(struct nx__ending *ending));

/* Harmless again, and on one that is all zero. */
void nx__ending_stop(struct nx__ending *ending);

#endif
