/* Fibers: making, switching, ending, joining, cancelling. */
#include "loop/fiber.h"

#include "base/say.h"
#include "loop/loop.h"
#include "loop/pin.h"
#include "loop/stack.h"
#include "loop/switch.h"
#include <errno.h>

#ifdef NX__ASAN
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef NX__TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if defined(__has_include) && !defined(NX__ASAN) && !defined(NX__TSAN)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define NX__VALGRIND 1
#endif
#endif

enum {
    WARM_FIBERS = 64,      /* ended ones that keep their memory for the next */
    COLD_FIBERS = 4096,    /* and those that keep only their address space; more are unmapped */
    KEEP_BYTES = 8 * 1024, /* at the top of a trimmed stack: the fiber itself lies there */
};

/* ---- The switch, with what the tools want to know of it */

/* In place, as the switch itself: a return from here on another stack than the call came from is
 * mispredicted. */
static NX__INLINE void switch_to(nx_fiber *from, nx_fiber *to)
{
    struct nx_loop *loop = nx__loop_current;
    loop->running = to == &loop->context ? NULL : to;
    nx__context_current = &to->context;
    to->state = NX__FIBER_RUNNING;
    int saved = *loop->error_number;
#ifdef NX__ASAN
    __sanitizer_start_switch_fiber(&from->asan_stack, to->stack, to->stack_size);
#endif
#ifdef NX__TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
    nx__switch(&from->sp, to->sp);
#ifdef NX__ASAN
    __sanitizer_finish_switch_fiber(from->asan_stack, NULL, NULL);
#endif
    *loop->error_number = saved;
}

/* ---- Ready queue */

void nx__fiber_ready(nx_fiber *fiber)
{
    struct nx_loop *loop = nx__loop_current;
    fiber->state = NX__FIBER_READY;
    fiber->next = NULL;
    if (loop->ready_tail)
        loop->ready_tail->next = fiber;
    else
        loop->ready_head = fiber;
    loop->ready_tail = fiber;
}

static nx_fiber *ready_pop(struct nx_loop *loop)
{
    nx_fiber *fiber = loop->ready_head;
    if (fiber) {
        loop->ready_head = fiber->next;
        if (!fiber->next) loop->ready_tail = NULL;
    }
    return fiber;
}

/* Leaves the running fiber for the next ready one, or for the loop when descriptors are due to be
 * polled. */
static NX__INLINE void leave(struct nx_loop *loop, nx_fiber *fiber)
{
    nx_fiber *next = NULL;
    if (loop->budget) {
        next = ready_pop(loop);
        loop->budget--;
    }
    switch_to(fiber, next ? next : &loop->context);
}

NX__HOT void nx__fiber_suspend(void)
{
    struct nx_loop *loop = nx__loop_current;
    nx_fiber *fiber = loop->running;
    if (fiber->state == NX__FIBER_RUNNING) fiber->state = NX__FIBER_WAITING;
    if (fiber->state == NX__FIBER_READY && loop->ready_head == fiber && !fiber->next &&
        loop->budget) {
        /* Alone and ready: nothing to switch to. */
        loop->budget--;
        (void)ready_pop(loop);
        fiber->state = NX__FIBER_RUNNING;
        return;
    }
    leave(loop, fiber);
}

void nx__fiber_resume(nx_fiber *fiber)
{
    struct nx_loop *loop = nx__loop_current;
    unsigned budget = loop->budget;
    loop->budget = 0; /* come back here, not to another fiber */
    switch_to(&loop->context, fiber);
    loop->budget = budget;
}

unsigned nx__fibers_run(struct nx_loop *loop, unsigned budget)
{
    loop->budget = budget;
    while (loop->budget) {
        nx_fiber *fiber = ready_pop(loop);
        if (!fiber) break;
        loop->budget--;
        switch_to(&loop->context, fiber);
    }
    unsigned used = budget - loop->budget;
    loop->budget = 0;
    return used;
}

/* ---- Life */

/* Every fiber of a stack, one after another: an ended one stays in here, ready to be the next. */
static NX__HOT void fiber_main(void)
{
    struct nx_loop *loop = nx__loop_current;
    nx_fiber *fiber = loop->running;
#ifdef NX__ASAN
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
    for (;;) {
        fiber->result = fiber->fn(fiber->arg);
        nx__fiber_end(fiber);
        fiber->state = NX__FIBER_ENDED;
        leave(loop, fiber);
    }
}

static void name_copy(nx_fiber *fiber, const char *name)
{
    size_t len = strnlen(name, sizeof fiber->own_name - 1);
    memcpy(fiber->own_name, name, len);
    fiber->own_name[len] = '\0';
    fiber->name = fiber->own_name;
}

/* The loop's own context: made like a fiber, never counted as one. */
nx_err nx__fiber_context(nx_fiber *fiber, void (*fn)(void))
{
    NX_TRY(nx__stack_map(nx__limits.stack_size, &fiber->stack));
    fiber->stack_size = nx__limits.stack_size;
    fiber->sp = nx__switch_prepare(fiber->stack + fiber->stack_size, fn);
#ifdef NX__TSAN
    fiber->tsan = __tsan_create_fiber(0);
#endif
#ifdef NX__VALGRIND
    fiber->valgrind = VALGRIND_STACK_REGISTER(fiber->stack, fiber->stack + fiber->stack_size);
#endif
    return NX_OK;
}

void nx__fiber_context_entered(void)
{
#ifdef NX__ASAN
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
}

void nx__fiber_main_adopt(nx_fiber *fiber)
{
#ifdef NX__TSAN
    fiber->tsan = __tsan_get_current_fiber();
#endif
#ifdef NX__ASAN
    pthread_attr_t attributes;
    void *low = NULL;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        (void)pthread_attr_getstack(&attributes, &low, &fiber->stack_size);
        (void)pthread_attr_destroy(&attributes);
    }
    fiber->stack = low;
#endif
    nx__scope_init(&fiber->own, fiber);
    fiber->scope = &fiber->own;
    fiber->main = true;
    fiber->state = NX__FIBER_RUNNING;
    nx__list_init(&fiber->sibling);
    fiber->name = "main";
}

void nx__fiber_unmap(nx_fiber *fiber)
{
    char *stack = fiber->stack;
    size_t size = fiber->stack_size;
#ifdef NX__TSAN
    if (fiber->tsan) __tsan_destroy_fiber(fiber->tsan);
#endif
#ifdef NX__VALGRIND
    VALGRIND_STACK_DEREGISTER(fiber->valgrind);
#endif
#ifdef NX__ASAN
    __asan_unpoison_memory_region(stack, size);
#endif
    nx__arena_reset(&fiber->own.arena);
    nx__stack_unmap(stack, size);
}

static nx_fiber *list_take(nx_fiber **list)
{
    nx_fiber *fiber = *list;
    if (fiber) *list = fiber->next;
    return fiber;
}

static nx_fiber *fiber_take(struct nx_loop *loop)
{
    nx_fiber *fiber = list_take(&loop->warm);
    if (fiber) {
        loop->warm_count--;
    } else if (!(fiber = list_take(&loop->ended)) && (fiber = list_take(&loop->cold))) {
        loop->cold_count--;
    }
    if (fiber) {
        if (!fiber->clean) {
            enum { FROM = offsetof(nx_fiber, state), TO = offsetof(nx_fiber, locals) };
            struct nx__arena arena = fiber->own.arena;
            memset((char *)fiber + FROM, 0, TO - FROM);
            fiber->own.arena = arena;
        }
        fiber->clean = false;
        fiber->state = NX__FIBER_READY;
        fiber->context.error = (nx_error){0};
        return fiber;
    }
    char *stack;
    size_t size = nx__limits.stack_size;
    if (nx__stack_map(size, &stack)) return NULL;
    size_t room = (sizeof(nx_fiber) + 63) & ~(size_t)63;
    fiber = (nx_fiber *)(void *)(stack + size - room);
    *fiber = (nx_fiber){.stack = stack, .stack_size = size, .loop = loop};
#ifdef NX__VALGRIND
    fiber->valgrind = VALGRIND_STACK_REGISTER(stack, (char *)fiber);
#endif
#ifdef NX__TSAN
    fiber->tsan = __tsan_create_fiber(0);
#endif
    fiber->sp = nx__switch_prepare((void *)((uintptr_t)fiber & ~(uintptr_t)15), fiber_main);
    return fiber;
}

/* May run on the stack that it releases, so giving memory back is left to nx__fibers_trim. */
NX__HOT void nx__fiber_release(nx_fiber *fiber)
{
    struct nx_loop *loop = nx__loop_current;
    nx__list_remove(&fiber->all);
    loop->stats.fibers--;
#ifdef NX__ASAN
    if (fiber != loop->running)
        __asan_unpoison_memory_region(fiber->stack, (size_t)((char *)fiber - fiber->stack));
#endif
    nx_fiber **list = loop->warm_count < WARM_FIBERS ? &loop->warm : &loop->ended;
    if (list == &loop->warm) loop->warm_count++;
    fiber->next = *list;
    *list = fiber;
}

void nx__fibers_trim(struct nx_loop *loop, bool all)
{
    for (nx_fiber *fiber; (fiber = list_take(&loop->ended));) {
        if (all || loop->cold_count >= COLD_FIBERS) {
            nx__fiber_unmap(fiber);
            continue;
        }
        nx__arena_reset(&fiber->own.arena);
        nx__stack_trim(fiber->stack, fiber->stack_size, KEEP_BYTES);
        fiber->next = loop->cold;
        loop->cold = fiber;
        loop->cold_count++;
    }
    if (!all) return;
    for (nx_fiber *fiber; (fiber = list_take(&loop->warm));) nx__fiber_unmap(fiber);
    for (nx_fiber *fiber; (fiber = list_take(&loop->cold));) nx__fiber_unmap(fiber);
    loop->warm_count = loop->cold_count = 0;
}

NX__HOT nx_fiber *nx__fiber_new(nx_fiber_fn fn, void *arg, const char *name)
{
    struct nx_loop *loop = nx__loop();
    if (nx__unlikely(loop->stats.fibers >= nx__limits.max_fibers)) {
        (void)nx__error_set(NX_ELIMIT,
                            "cannot start fiber \"%s\": %llu are alive (see --max-fibers)", name,
                            (unsigned long long)loop->stats.fibers);
        return NULL;
    }
    nx_fiber *fiber = fiber_take(loop);
    if (!fiber) return NULL;
    fiber->fn = fn;
    fiber->arg = arg;
    fiber->name = name;
    nx__scope_init(&fiber->own, fiber);
    fiber->scope = &fiber->own;
    nx__list_init(&fiber->sibling);
    nx__list_insert(&loop->fibers, &fiber->all);
    loop->stats.fibers_started++;
    if (++loop->stats.fibers > loop->stats.fibers_peak)
        loop->stats.fibers_peak = loop->stats.fibers;
    return fiber;
}

static bool scope_canceled(const nx_scope *scope)
{
    for (; scope; scope = scope->parent)
        if (scope->canceled) return true;
    return false;
}

nx_err nx_spawn_with(nx_fiber **out, nx_fiber_fn fn, void *arg, const nx_spawn_options *options)
{
    struct nx_loop *loop = nx__loop();
    if (out) *out = NULL;
    if (!fn) return nx__error_set(NX_EINVAL, "cannot start a fiber: no function was given");
    nx_scope *scope = options->detached ? &loop->root
                      : options->scope  ? options->scope
                      : loop->running   ? loop->running->scope
                                        : &loop->root;
    if (nx__unlikely(scope->fiber && scope->fiber->loop != loop))
        return nx__error_set(NX_ESTATE,
                             "cannot start a fiber: the scope belongs to another thread");
    if (scope_canceled(scope) || (scope->fiber && scope->fiber->canceled))
        return nx__error_set(NX_ECANCELED, "cannot start a fiber: its scope is cancelled");
    nx_fiber *fiber = nx__fiber_new(fn, arg, options->name ? options->name : "fiber");
    if (!fiber) return nx__error_last()->code;
    if (options->name) name_copy(fiber, options->name);
    fiber->joinable = out != NULL;
    fiber->detached = scope == &loop->root;
    fiber->owner = scope;
    nx__list_insert(&scope->fibers, &fiber->sibling);
    scope->alive++;
    loop->pending++;
    nx__fiber_ready(fiber);
    if (out) *out = fiber;
    return NX_OK;
}

const char *nx__fiber_message(const nx_fiber *fiber, nx_err code)
{
    return fiber->context.error.code == code && fiber->context.error.message
               ? fiber->context.error.message
               : nx_err_text(code);
}

/* Has the fiber nothing to wait for, to call or to tell, but memory to release? */
static inline bool is_plain(const nx_fiber *fiber)
{
    const nx_scope *own = &fiber->own;
    return fiber->scope == own && !own->alive && !own->deferred && !own->error && !own->canceled &&
           nx__list_empty(&own->fibers);
}

/* Runs on the ending fiber: closes its scopes and tells whoever waits for it. */
void nx__fiber_end(nx_fiber *fiber)
{
    struct nx_loop *loop = nx__loop_current;
    bool plain = !fiber->result && is_plain(fiber);
    if (nx__likely(plain)) {
        /* What it worked on lies in that memory: a signal handler must not find it any more. */
        fiber->activity = (nx_bytes){0};
        atomic_signal_fence(memory_order_release);
        nx__arena_rewind(&fiber->own.arena);
    } else {
        fiber->result = nx__scopes_end(fiber, fiber->result);
        fiber->activity = (nx_bytes){0};
    }
    nx_scope *owner = fiber->owner;
    if (!owner) { /* a service's: nobody joins it */
        fiber->clean = plain && !fiber->canceled && !fiber->locals_used;
        nx__fiber_release(fiber);
        return;
    }
    nx__pending_drop(loop);
    nx__scope_leave(owner, fiber);
    if (!fiber->joinable) {
        nx__list_remove(&fiber->sibling);
        nx__fiber_release(fiber);
    } else if (fiber->joiner) {
        nx__op_complete(fiber->joiner, 0);
    }
}

static void join_cancel(struct nx__op *op)
{
    nx__op_complete(op, -ECANCELED);
}

nx_err nx_join(nx_fiber *fiber)
{
    nx_fiber *self = nx__fiber_running();
    if (fiber && fiber->loop != nx__loop_current)
        return nx__error_set(NX_ESTATE, "cannot join: the fiber belongs to another thread");
    if (!fiber || fiber == self || !fiber->joinable || fiber->joiner)
        return nx__error_set(NX_ESTATE, "cannot join: no such fiber, or somebody joins it already");
    if (fiber->state != NX__FIBER_ENDED) {
        struct nx__op op = {.cancel = join_cancel, .call = "in nx_join"};
        fiber->joiner = &op;
        int64_t result = nx__op_wait(&op);
        fiber->joiner = NULL;
        if (result < 0 && fiber->state != NX__FIBER_ENDED) {
            if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
            return nx__error_set(NX_ECANCELED, "cancelled while joining fiber \"%s\"", fiber->name);
        }
    }
    nx_err result = fiber->result;
    if (result) (void)nx__error_take(&fiber->context, result);
    nx__list_remove(&fiber->sibling);
    nx__fiber_release(fiber);
    return result;
}

bool nx__fiber_canceled(const nx_fiber *fiber)
{
    return fiber->canceled || scope_canceled(fiber->scope);
}

NX__COLD void nx__fiber_elsewhere(const char *call, const char *what)
{
    NX_IGNORE(nx__error_set(NX_ESTATE, "%s: the %s belongs to another thread; nothing was done",
                            call, what));
    nx__say(NX__SAY_ERROR, "%s", nx__error_last()->message);
}

void nx_cancel(nx_fiber *fiber)
{
    if (!fiber) return;
    if (nx__unlikely(fiber->loop != nx__loop_current)) {
        nx__fiber_elsewhere("nx_cancel", "fiber");
        return;
    }
    if (fiber->canceled || fiber->state == NX__FIBER_ENDED) return;
    fiber->canceled = true;
    nx__fiber_interrupt(fiber, &fiber->own);
}

/* Marks the scope's fibers as cancelled and puts those that were not yet on the list. */
static void mark(nx_scope *scope, nx_fiber **list)
{
    for (struct nx__list *link = scope->fibers.next; link != &scope->fibers; link = link->next) {
        nx_fiber *fiber = nx__container_of(link, nx_fiber, sibling);
        if (fiber->canceled || fiber->state == NX__FIBER_ENDED) continue;
        fiber->canceled = true;
        fiber->cancel_next = *list;
        *list = fiber;
    }
}

/* Cancels what the listed fibers wait for, and all below them. A list and no recursion: fibers nest
 * deeper than a stack. */
static void spread(nx_fiber *list)
{
    while (list) {
        nx_fiber *fiber = list;
        list = fiber->cancel_next;
        for (nx_scope *scope = fiber->scope; scope; scope = scope->parent) mark(scope, &list);
        struct nx__op *op = fiber->waiting;
        if (op && op->cancel && op->state == NX__OP_WAITING)
            op->cancel(op); /* the fiber ends later, never here */
    }
}

void nx__scope_cancel_fibers(nx_scope *scope)
{
    nx_fiber *list = NULL;
    mark(scope, &list);
    spread(list);
}

void nx__fiber_interrupt(nx_fiber *fiber, nx_scope *outermost)
{
    nx_fiber *list = NULL;
    for (nx_scope *scope = fiber->scope; scope; scope = scope == outermost ? NULL : scope->parent)
        mark(scope, &list);
    struct nx__op *op = fiber->waiting;
    if (op && op->cancel && op->state == NX__OP_WAITING) op->cancel(op);
    spread(list);
}

bool nx_canceled(void)
{
    nx_fiber *fiber = nx__fiber_running();
    if (!fiber) return false;
    /* Who computes does not let his loop hear what other threads ask. */
    for (const nx_fiber *f = fiber; f; f = f->owner ? f->owner->fiber : NULL)
        if (f->asked && atomic_load_explicit(f->asked, memory_order_relaxed)) return true;
    return nx__fiber_canceled(fiber);
}

/* Goes to the end of the queue and lets the first go on. */
static NX__INLINE void yield_to(struct nx_loop *loop, nx_fiber *fiber, nx_fiber *first)
{
    nx_fiber *second = first->next;
    fiber->state = NX__FIBER_READY;
    fiber->next = NULL;
    if (second)
        loop->ready_tail->next = fiber;
    else
        second = fiber;
    loop->ready_tail = fiber;
    loop->ready_head = second;
    loop->budget--;
    switch_to(fiber, first);
}

NX__HOT nx_err nx_yield(void)
{
    struct nx_loop *loop = nx__loop();
    nx_fiber *fiber = loop->running;
    if (!fiber) return nx__error_set(NX_EWOULDSUSPEND, "cannot yield outside of a fiber");
    if (nx__unlikely(nx__pins)) return nx__error_operations();
    nx_fiber *first = loop->ready_head;
    if (nx__likely(first && loop->budget)) {
        yield_to(loop, fiber, first);
    } else {
        nx__fiber_ready(fiber);
        nx__fiber_suspend();
    }
    if (nx__unlikely(nx__fiber_canceled(fiber))) return nx__error_set(NX_ECANCELED, "cancelled");
    return NX_OK;
}

nx_fiber *nx__fiber_running(void)
{
    return nx__loop_current ? nx__loop_current->running : NULL;
}

nx_fiber *nx_fiber_current(void)
{
    return nx__fiber_running();
}

const char *nx_fiber_name(const nx_fiber *fiber)
{
    return fiber ? fiber->name : "";
}

void nx_fiber_rename(const char *name)
{
    nx_fiber *fiber = nx__fiber_running();
    if (fiber && name) name_copy(fiber, name);
}

/* ---- Fiber-local values */

static _Atomic uint32_t locals_used;

void *nx_local_get(nx_local *key)
{
    nx_fiber *fiber = nx__fiber_running();
    return fiber && key->index_ && key->index_ <= fiber->locals_used
               ? fiber->locals[key->index_ - 1]
               : NULL;
}

nx_err nx_local_set(nx_local *key, void *value)
{
    nx_fiber *fiber = nx__fiber_running();
    if (!fiber)
        return nx__error_set(NX_ESTATE, "cannot set a fiber-local value outside of a fiber");
    if (!key->index_) {
        uint32_t index = atomic_fetch_add(&locals_used, 1);
        if (index >= NX_MAX_LOCALS) {
            atomic_store(&locals_used, NX_MAX_LOCALS);
            return nx__error_set(NX_ELIMIT, "cannot make one more fiber-local key: %d are in use",
                                 NX_MAX_LOCALS);
        }
        key->index_ = index + 1;
    }
    while (fiber->locals_used < key->index_) fiber->locals[fiber->locals_used++] = NULL;
    fiber->locals[key->index_ - 1] = value;
    return NX_OK;
}
