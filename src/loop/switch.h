/* The fiber switch: one assembly file per architecture. */
#ifndef NX__SWITCH_H
#define NX__SWITCH_H

/* void nx__switch(void **save, void *load): keeps the registers that a call preserves on the stack
 * and the stack pointer in `*save`, then continues where `load` was saved. On x86-64 the
 * floating-point control words are kept too. It leaves by a jump: a return would be mispredicted
 * each time. */
#if !defined(__x86_64__)
void nx__switch(void **save, void *load);
#endif

/* Where a new stack begins: calls the function that nx__switch_prepare has put there. In C only its
 * address is used. */
void nx__switch_entry(void);

#if defined(__x86_64__)
#include "switch_x86_64.h"
#elif defined(__aarch64__)
/* x19..x28, x29, x30, d8..d15. */
enum { NX__SWITCH_FRAME = 160, NX__SWITCH_FN = 0, NX__SWITCH_FP = 80, NX__SWITCH_RETURN = 88 };
#elif defined(__riscv) && __riscv_xlen == 64
/* ra, s0..s11, fs0..fs11, padding. */
enum { NX__SWITCH_FRAME = 208, NX__SWITCH_FN = 16, NX__SWITCH_FP = 8, NX__SWITCH_RETURN = 0 };
#else
#error "no fiber switch for this architecture"
#endif

/* Prepares a stack that ends at `top` (aligned to 16) so that the first switch to it calls fn(),
 * which must never return. Returns what to load. */
static inline void *nx__switch_prepare(void *top, void (*fn)(void))
{
    char *frame = (char *)top - 16 - NX__SWITCH_FRAME;
    void (*entry)(void) = nx__switch_entry;
    for (int i = 0; i < NX__SWITCH_FRAME + 16; i++) frame[i] = 0;
#if defined(__x86_64__)
    unsigned control[2];
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(control[0]), "=m"(control[1]));
    __builtin_memcpy(frame + NX__SWITCH_CONTROL, control, sizeof control);
#endif
    __builtin_memcpy(frame + NX__SWITCH_FN, &fn, sizeof fn);
    __builtin_memcpy(frame + NX__SWITCH_RETURN, &entry, sizeof entry);
    return frame;
}

#endif
