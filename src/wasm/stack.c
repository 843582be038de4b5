/* The stack that guest code runs on: the thread's own where it is large enough, else one of the
 * thread's for that. */
#include "wasm/internal.h"

#include "loop/loop.h"
#include "loop/stack.h"
#include <stdlib.h>

#ifdef NX__ASAN
#include <sanitizer/common_interface_defs.h>
#endif

void nx__wasm_on_stack(void *top, void (*fn)(void *arg), void *arg);

enum {
    HOST_ROOM = 128 << 10, /* for the engine, and for host functions behind the guest's frames */
    NEEDED = NX__ENGINE_STACK + HOST_ROOM,
    SIZE = NEEDED + (16 << 10), /* bytes of a stack: what gets there has used some already */
    KEPT = 4,                   /* stacks of a thread that wait for use */
};

struct stack {
    struct stack *outer; /* that was used when this one was entered; of those that wait, the next */
    char *low;
};

static NX__THREAD_LOCAL struct {
    struct stack *current, *waiting;
    unsigned waiting_count;
    uintptr_t thread_room, thread_high; /* of the thread's own stack: down to where there is room
                                           for a guest, and its end; 0: not asked yet */
} stacks;

/* Frees what waits when a thread ends. */
static pthread_key_t end_key;
static pthread_once_t end_once = PTHREAD_ONCE_INIT;

static void thread_end(void *unused)
{
    (void)unused;
    for (struct stack *s; (s = stacks.waiting);) {
        stacks.waiting = s->outer;
        nx__stack_unmap(s->low, SIZE);
        free(s);
    }
    stacks.waiting_count = 0;
}

static void end_key_make(void)
{
    (void)pthread_key_create(&end_key, thread_end);
}

/* Finds out where the thread's own stack is; false: that can't be said. */
static bool thread_ask(void)
{
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size = 0;
    if (stacks.thread_high) return true;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return false;
    (void)pthread_attr_getstack(&attributes, &low, &size);
    (void)pthread_attr_destroy(&attributes);
    stacks.thread_room = (uintptr_t)low + NEEDED;
    stacks.thread_high = low ? (uintptr_t)low + size : 0;
    return low != NULL;
}

/* Whether enough is left of the thread's own stack where it is used down to there. */
static bool thread_suffices(const char *here)
{
    return (uintptr_t)here >= stacks.thread_room && (uintptr_t)here < stacks.thread_high;
}

/* The one of ours that is being used, NULL: it is the thread's or a fiber's. */
static const struct stack *own_stack(const char *here)
{
    const struct stack *s = stacks.current;
    return s && here >= s->low && here < s->low + SIZE ? s : NULL;
}

NX__HOT bool nx__wasm_stack_suffices(void)
{
    const char *here = __builtin_frame_address(0);
    if (nx__likely(thread_suffices(here))) return true;
    const struct stack *own = own_stack(here);
    const nx_fiber *fiber = own ? NULL : nx__fiber_running();
    if (own) return here - own->low >= NEEDED;
    if (fiber && !fiber->main) return here - fiber->stack >= NEEDED;
    return thread_ask() && thread_suffices(here);
}

bool nx__wasm_stack_has(const void *address)
{
    const char *at = address, *here = __builtin_frame_address(0);
    const struct stack *own = own_stack(here);
    const nx_fiber *fiber = own ? NULL : nx__fiber_running();
    if (own) return at >= own->low && at < own->low + SIZE;
    if (fiber && !fiber->main) return at >= fiber->stack && at < fiber->stack + fiber->stack_size;
    return thread_ask() && (uintptr_t)at >= stacks.thread_room - NEEDED &&
           (uintptr_t)at < stacks.thread_high;
}

static struct stack *take(void)
{
    struct stack *s = stacks.waiting;
    if (s) {
        stacks.waiting = s->outer;
        stacks.waiting_count--;
        return s;
    }
    (void)pthread_once(&end_once, end_key_make);
    (void)pthread_setspecific(end_key, &stacks);
    s = malloc(sizeof *s);
    if (s && nx__stack_map(SIZE, &s->low) == NX_OK) return s;
    free(s);
    return NULL;
}

static void give(struct stack *s)
{
    if (stacks.waiting_count == KEPT) {
        nx__stack_unmap(s->low, SIZE);
        free(s);
        return;
    }
    s->outer = stacks.waiting;
    stacks.waiting = s;
    stacks.waiting_count++;
}

struct entry {
    void (*fn)(void *arg);
    void *arg;
#ifdef NX__ASAN
    const void *from;
    size_t from_size;
    void *fake;
#endif
};

static void entered(void *arg)
{
    struct entry *e = arg;
#ifdef NX__ASAN
    __sanitizer_finish_switch_fiber(NULL, &e->from, &e->from_size);
#endif
    e->fn(e->arg);
#ifdef NX__ASAN
    __sanitizer_start_switch_fiber(NULL, e->from, e->from_size);
#endif
}

nx_err nx__wasm_enter(void (*fn)(void *arg), void *arg)
{
    if (nx__wasm_stack_suffices()) {
        fn(arg);
        return NX_OK;
    }
    struct stack *s = take();
    if (!s) return nx__error_set(NX_ENOMEM, "cannot call WebAssembly: no memory for its stack");
    struct entry e = {.fn = fn, .arg = arg};
    s->outer = stacks.current;
    stacks.current = s;
#ifdef NX__ASAN
    __sanitizer_start_switch_fiber(&e.fake, s->low, SIZE);
#endif
    nx__wasm_on_stack(s->low + SIZE, entered, &e);
#ifdef NX__ASAN
    __sanitizer_finish_switch_fiber(e.fake, NULL, NULL);
#endif
    stacks.current = s->outer;
    give(s);
    return NX_OK;
}
