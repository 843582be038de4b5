/* SIGPIPE, for writes that have no flag against it. */
#include "base/sigpipe.h"

#include "base/compiler.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

static void nothing(int signo)
{
    (void)signo;
}

/* A handler, unlike an ignored signal, is not handed on to what the program starts. */
void nx__sigpipe_quiet(void)
{
    static atomic_bool done;
    struct sigaction now;
    if (nx__likely(atomic_load_explicit(&done, memory_order_relaxed))) return;
    atomic_store_explicit(&done, true, memory_order_relaxed);
    if (sigaction(SIGPIPE, NULL, &now) != 0 || now.sa_handler != SIG_DFL) return;
    now = (struct sigaction){.sa_handler = nothing, .sa_flags = SA_RESTART};
    (void)sigaction(SIGPIPE, &now, NULL);
}
