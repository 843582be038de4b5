/* What the library needs of a C++ runtime, so that there is none: operator new and delete, and the
 * functions that throw. ada.syms gives these their C names. */
#include "url/library.h"
#include "base/compiler.h"
#include "base/error.h"
#include <stdlib.h>

static NX__THREAD_LOCAL struct nx__ada_call *call;

nx_err nx__ada_run(nx_err (*fn)(void *arg), void *arg)
{
    struct nx__ada_call own = {.before = call};
    nx_err err;
    call = &own;
    /* The frames that are left own only memory of the arena. */
    if (!_setjmp(own.out))
        err = fn(arg);
    else
        err = nx__error_set(NX_ENOMEM, "cannot read the URL: out of memory");
    call = own.before;
    nx__arena_reset(&own.arena);
    return err;
}

static void *allocate(size_t size)
{
    if (!call) {
        /* A constructor of the library's, at the start of the process: kept for good. */
        void *kept = malloc(size ? size : 1);
        if (!kept) abort();
        return kept;
    }
    void *memory = nx__arena_alloc(&call->arena, size ? size : 1);
    if (!memory) _longjmp(call->out, 1);
    return memory;
}

void *nx__ada_new(size_t size);
void *nx__ada_new_array(size_t size);
void *nx__ada_new_or_null(size_t size, const void *nothrow);
void *nx__ada_new_array_or_null(size_t size, const void *nothrow);
void nx__ada_delete(void *memory);
void nx__ada_delete_array(void *memory);
void nx__ada_delete_sized(void *memory, size_t size);
NX__NORETURN void nx__ada_bad_alloc(void);
NX__NORETURN void nx__ada_bad_array_new_length(void);
NX__NORETURN void nx__ada_length_error(const char *what);
NX__NORETURN void nx__ada_logic_error(const char *what);
NX__NORETURN void nx__ada_out_of_range(const char *format, ...);

extern const char nx__ada_nothrow;
const char nx__ada_nothrow = 0;

void *nx__ada_new(size_t size)
{
    return allocate(size);
}

void *nx__ada_new_array(size_t size)
{
    return allocate(size);
}

/* Room for a sort to be quicker in. */
void *nx__ada_new_or_null(size_t size, const void *nothrow)
{
    (void)nothrow;
    return nx__arena_alloc(&call->arena, size ? size : 1);
}

/* The one such allocation are the tables of IDNA, unpacked by the first name that is not ASCII and
 * kept for all threads: they must not fail once and for ever, and take no memory before. */
void *nx__ada_new_array_or_null(size_t size, const void *nothrow)
{
    static _Alignas(16) char tables[224 * 1024];
    (void)nothrow;
    return size <= sizeof tables ? tables : NULL;
}

void nx__ada_delete(void *memory)
{
    (void)memory;
}

void nx__ada_delete_array(void *memory)
{
    (void)memory;
}

void nx__ada_delete_sized(void *memory, size_t size)
{
    (void)memory;
    (void)size;
}

static _Noreturn void leave(void)
{
    if (!call) abort(); /* only what a call does can fail */
    _longjmp(call->out, 1);
}

/* A text too long for a string: there would be no memory for it. */
void nx__ada_bad_alloc(void)
{
    leave();
}

void nx__ada_bad_array_new_length(void)
{
    leave();
}

void nx__ada_length_error(const char *what)
{
    (void)what;
    leave();
}

/* These would be mistakes of the library's. */
void nx__ada_logic_error(const char *what)
{
    (void)what;
    abort();
}

void nx__ada_out_of_range(const char *format, ...)
{
    (void)format;
    abort();
}
