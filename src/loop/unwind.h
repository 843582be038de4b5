/* Following frame pointers up a stack: of this process in a signal handler, or of another from
 * outside. */
#ifndef NX__UNWIND_H
#define NX__UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is known of executable memory. */
enum {
    NX__CODE_FRAMES =
        1, /* keeps frame pointers: the program and the runtime, not libraries of the system */
    NX__CODE_PROGRAM = 2, /* may be the program's own, and not the runtime's alone */
};

struct nx__code {
    uintptr_t from, to;
    uintptr_t base; /* what to take from an address for that in the module's file */
    uint32_t module, kind;
};

/* The kind of what the file at `path` holds; `alone` is true where the program is linked with the
 * runtime, which is the file of module 0. */
uint32_t nx__code_kind(const char *path, uint32_t module, bool alone);

/* The registers to begin with. */
struct nx__machine {
    uintptr_t pc, sp, fp;
    bool is_return; /* pc is where a call comes back to */
};

/* Of a signal handler's context. */
struct nx__machine nx__machine_interrupted(const void *ucontext);

/* Of a suspended fiber, whose saved stack pointer is `sp`: `frame` is what lies there,
 * NX__UNWIND_SAVED bytes. */
struct nx__machine nx__machine_suspended(uintptr_t sp, const void *frame);
enum { NX__UNWIND_SAVED = 96 };

struct nx__unwind {
    const struct nx__code *code;
    size_t code_count;
    uintptr_t low, high; /* the stack */
    /* Copies what lies at `at`, of the stack or of code; false where there is nothing. */
    bool (*read)(void *arg, uintptr_t at, void *out, size_t len);
    /* Takes a frame, innermost first; `code` is NULL for one in no known code. False: enough. */
    bool (*frame)(void *arg, uintptr_t pc, const struct nx__code *code, bool is_return);
    void *arg;
};

/* Hands every frame to u->frame. Reads only inside the stack and, before return addresses, code;
 * each frame is above the one before, so it ends. Neither allocates nor locks. */
void nx__unwind(const struct nx__unwind *u, struct nx__machine from);

/* u->read for the process's own memory, which is there wherever nx__unwind reads. */
bool nx__unwind_read_own(void *arg, uintptr_t at, void *out, size_t len);

/* The code at `pc`, NULL where there is none. */
const struct nx__code *nx__code_at(const struct nx__code *code, size_t count, uintptr_t pc);

#endif
