/* The loops of this process, listed for who looks in from outside. */
#include "loop/loops.h"

__attribute__((used)) struct nx__loops nx__loops = {
    .magic = "NXLOOPS", .layout = NX__LOOPS_LAYOUT, .version = NX_VERSION};

void nx__loops_add(struct nx_loop *loop)
{
    for (size_t i = 0; i < NX__LOOPS_MOST; i++) {
        struct nx_loop *none = NULL;
        if (atomic_compare_exchange_strong(&nx__loops.list[i], &none, loop)) return;
    }
}

void nx__loops_remove(struct nx_loop *loop)
{
    for (size_t i = 0; i < NX__LOOPS_MOST; i++) {
        struct nx_loop *own = loop;
        if (atomic_compare_exchange_strong(&nx__loops.list[i], &own, NULL)) return;
    }
}
