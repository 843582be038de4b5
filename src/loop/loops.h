/* The loops of this process, for who looks in from outside (cli/dump.c): found by an ELF note, so
 * without symbols. */
#ifndef NX__LOOPS_H
#define NX__LOOPS_H

#include "loop/loop.h"

enum {
    NX__LOOPS_MOST = 256, /* that are listed; others run as well, and are not seen */
    NX__LOOPS_NOTE =
        1, /* the note's type; its name is "Nexus", its content the distance to nx__loops */
};

/* How the structures lie that who looks in reads: another number is another version of them. */
#define NX__LOOPS_LAYOUT                                                                           \
    ((uint32_t)(sizeof(struct nx_loop) * 31 + sizeof(nx_fiber) * 17 + sizeof(nx_scope) * 7 +       \
                offsetof(nx_fiber, own_name) + sizeof(struct nx__op)))

struct nx__loops {
    char magic[8];
    uint32_t layout;
    char version[20];
    struct nx_loop *_Atomic list[NX__LOOPS_MOST]; /* NULL: free */
};

extern struct nx__loops nx__loops;

/* Any thread, for the thread's own loop. */
void nx__loops_add(struct nx_loop *loop);
void nx__loops_remove(struct nx_loop *loop);

#endif
