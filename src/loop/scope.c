/* Scopes: what was spawned, deferred and allocated together ends together. */
#include "base/say.h"
#include "loop/fiber.h"
#include <nexus/json.h>
#include <nexus/timer.h>

#include <errno.h>
#include <stdio.h>

void nx__scope_init(nx_scope *scope, nx_fiber *fiber)
{
    scope->fiber = fiber;
    nx__list_init(&scope->fibers);
}

void nx_scope_cancel(nx_scope *scope)
{
    if (!scope) return;
    if (nx__unlikely(scope->fiber && scope->fiber->loop != nx__loop_current)) {
        nx__fiber_elsewhere("nx_scope_cancel", "scope");
        return;
    }
    if (scope->canceled) return;
    scope->canceled = true;
    if (scope->fiber)
        nx__fiber_interrupt(scope->fiber, scope);
    else
        nx__scope_cancel_fibers(scope);
}

static void deadline_fire(struct nx__timer *timer)
{
    nx_scope *scope = nx__container_of(timer, nx_scope, deadline);
    if (!scope->error) {
        scope->error = NX_ETIMEDOUT;
        scope->message = "the scope's deadline has passed";
    }
    nx_scope_cancel(scope);
}

nx_err nx_scope_open_with(nx_scope **out, const nx_scope_options *options)
{
    *out = NULL;
    struct nx_loop *loop = nx__loop();
    if (!loop->running) return nx__error_set(NX_ESTATE, "cannot open a scope outside of a fiber");
    struct nx__arena arena = {0};
    nx_scope *scope = nx__arena_alloc(&arena, sizeof *scope);
    if (!scope) return nx__error_set(NX_ENOMEM, "cannot open a scope: out of memory");
    *scope = (nx_scope){.arena = arena, .parent = loop->running->scope};
    nx__scope_init(scope, loop->running);
    if (options->deadline && options->deadline != NX_FOREVER) {
        scope->deadline.fire = deadline_fire;
        nx_err err =
            nx__timer_set(&loop->timers, &scope->deadline, nx__deadline(options->deadline));
        if (err) {
            nx__arena_reset(&arena);
            return err;
        }
    }
    loop->running->scope = scope;
    *out = scope;
    return NX_OK;
}

static void fibers_wait(nx_scope *scope)
{
    if (nx__fiber_canceled(scope->fiber)) nx__scope_cancel_fibers(scope);
    struct nx__op op = {.call = "at the end of its scope"};
    scope->closing = &op;
    (void)nx__op_wait_uncanceled(&op);
    scope->closing = NULL;
}

static void error_keep(nx_scope *scope, nx_err code, const char *message)
{
    scope->error = code;
    size_t size = strlen(message) + 1;
    char *copy = nx__arena_alloc(&scope->arena, size);
    if (copy) memcpy(copy, message, size);
    scope->message = copy;
}

nx_err nx__scope_end(nx_scope *scope)
{
    /* What was deferred may itself wait, spawn and defer. */
    while (scope->alive || scope->deferred) {
        if (scope->alive) {
            fibers_wait(scope);
            continue;
        }
        struct nx__deferred *deferred = scope->deferred;
        scope->deferred = deferred->next;
        deferred->fn(deferred->arg);
    }
    nx__timer_clear(&nx__loop_current->timers, &scope->deadline);
    /* Ended and never joined: nobody can any more, but for one that is about to. */
    for (struct nx__list *link; (link = nx__list_pop(&scope->fibers));) {
        nx_fiber *fiber = nx__container_of(link, nx_fiber, sibling);
        if (fiber->joiner) continue;
        if (fiber->result && fiber->result != NX_ECANCELED && !scope->error)
            error_keep(scope, fiber->result, nx__fiber_message(fiber, fiber->result));
        nx__fiber_release(fiber);
    }
    nx_err err = scope->error ? scope->error : scope->canceled ? NX_ECANCELED : NX_OK;
    if (err) (void)nx__error_set(err, "%s", scope->message ? scope->message : nx_err_text(err));
    struct nx__arena arena = scope->arena; /* the scope itself may lie in it */
    if (arena.chunks) {
        scope->arena = (struct nx__arena){0};
        scope->message = NULL;
        nx__arena_reset(&arena);
    }
    return err;
}

nx_err nx_scope_close(nx_scope **scope_ptr)
{
    nx_scope *scope = *scope_ptr;
    if (!scope) return NX_OK;
    nx_fiber *fiber = nx__fiber_running();
    if (!fiber || fiber->scope != scope)
        return nx__error_set(NX_ESTATE, "cannot close a scope that is not the fiber's innermost");
    nx_scope *parent = scope->parent;
    *scope_ptr = NULL;
    nx_err err = nx__scope_end(scope);
    fiber->scope = parent;
    return err;
}

void nx_scope_auto(nx_scope **scope_ptr)
{
    nx_scope *scope = *scope_ptr;
    if (!scope) return;
    nx_fiber *fiber = scope->fiber;
    nx_scope *parent = scope->parent;
    struct nx__context kept = fiber->context;
    nx_scope_cancel(scope);
    nx_err err = nx_scope_close(scope_ptr);
    if (kept.error.code == NX_ECANCELED && err && err != NX_ECANCELED && !parent->error)
        error_keep(parent, err, nx__fiber_message(fiber, err));
    else
        fiber->context = kept;
}

nx_err nx__scopes_end(nx_fiber *fiber, nx_err result)
{
    struct nx__context kept = fiber->context; /* cleaning up may fail too, and is not reported */
    while (fiber->scope != &fiber->own) {
        nx_scope *left = fiber->scope;
        nx_scope_auto(&left);
    }
    nx_err closed = nx__scope_end(&fiber->own);
    if (closed && (!result || result == NX_ECANCELED)) return closed;
    if (result) fiber->context = kept;
    return result;
}

void nx__scope_leave(nx_scope *scope, nx_fiber *fiber)
{
    if (fiber->result && !fiber->joinable) {
        const char *message = nx__fiber_message(fiber, fiber->result);
        if (fiber->detached) {
            if (fiber->result != NX_ECANCELED)
                nx__say(NX__SAY_ERROR, "fiber \"%s\" failed: %s", fiber->name, message);
        } else if (!scope->error) {
            error_keep(scope, fiber->result, message);
            nx_scope_cancel(scope);
        }
    }
    if (--scope->alive == 0 && scope->closing) nx__op_complete(scope->closing, 0);
}

nx_err nx_defer(void (*fn)(void *arg), void *arg)
{
    nx_fiber *fiber = nx__fiber_running();
    if (!fiber) return nx__error_set(NX_ESTATE, "cannot defer a call outside of a fiber");
    struct nx__deferred *deferred = nx__arena_alloc(&fiber->scope->arena, sizeof *deferred);
    if (!deferred) return nx__error_set(NX_ENOMEM, "cannot defer a call: out of memory");
    *deferred = (struct nx__deferred){.next = fiber->scope->deferred, .fn = fn, .arg = arg};
    fiber->scope->deferred = deferred;
    return NX_OK;
}

/* ---- Memory of the current scope */

struct nx__arena *nx__scope_arena(void)
{
    return &nx__loop()->running->scope->arena;
}

void *nx_alloc(size_t size)
{
    struct nx_loop *loop = nx__loop();
    nx_scope *scope = loop->running ? loop->running->scope : &loop->root;
    void *result =
        nx__arena_alloc(&scope->arena, size ? size : 1); /* NULL means that memory is out */
    if (nx__unlikely(!result))
        (void)nx__error_set(NX_ENOMEM, "cannot allocate %zu bytes: out of memory", size);
    return result;
}

void *nx_alloc_zero(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        (void)nx__error_set(NX_ENOMEM, "cannot allocate %zu times %zu bytes: out of memory", count,
                            size);
        return NULL;
    }
    void *result = nx_alloc(total);
    if (result) memset(result, 0, total);
    return result;
}

char *nx_copy(nx_bytes bytes)
{
    if (bytes.len == SIZE_MAX) return NULL;
    char *copy = nx_alloc(bytes.len + 1);
    if (!copy) return NULL;
    if (bytes.len) memcpy(copy, bytes.data, bytes.len);
    copy[bytes.len] = '\0';
    return copy;
}

char *nx_format(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : nx_alloc((size_t)n + 1);
    if (!text) return NULL;
    va_start(args, format);
    (void)vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}

nx_value nx_value_copy(nx_value_kind kind, const nx_value *items, size_t count)
{
    struct nx_loop *loop = nx__loop();
    nx_scope *scope = loop->running ? loop->running->scope : &loop->root;
    size_t size;
    nx_value *copy = nx__unlikely(__builtin_mul_overflow(count, sizeof *copy, &size))
                         ? NULL
                         : nx__arena_alloc(&scope->arena, size);
    if (nx__unlikely(!copy)) return (nx_value){.kind = NX_VALUE_NONE};
    for (size_t i = 0; i < count; i++) copy[i] = items[i];
    return (nx_value){.kind = kind, .as.list = {copy, count}};
}
