/* The library behind URLs, ada, which is C++, as a C library that can run out of memory: what it
 * allocates is part of the call. */
#ifndef NX__URL_LIBRARY_H
#define NX__URL_LIBRARY_H

#include "base/arena.h"
#include <ada_c.h>
#include <nexus/base.h>
#include <setjmp.h>

struct nx__ada_call {
    struct nx__arena arena;
    jmp_buf out; /* taken where memory runs out */
    struct nx__ada_call *before;
};

/* Runs `fn`, which may call the library; all that the library has allocated is gone behind it.
 * NX_ENOMEM, or what `fn` returns. `fn` must own nothing itself, and not suspend. */
nx_err nx__ada_run(nx_err (*fn)(void *arg), void *arg);

#endif
