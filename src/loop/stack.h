/* Stacks for fibers: reserved, committed on touch, with a guard below. */
#ifndef NX__STACK_H
#define NX__STACK_H

#include <nexus/base.h>

enum { NX__STACK_GUARD = 64 * 1024 };

/* Reserves `size` usable bytes (a multiple of the page size) above a guard of NX__STACK_GUARD bytes
 * and stores the lowest usable byte. One or two system calls. NX_ENOMEM, recorded. */
NX_MUST_CHECK nx_err nx__stack_map(size_t size, char **out);

/* Gives the stack back to the system. */
void nx__stack_unmap(char *stack, size_t size);

/* Lets the system take the memory of a stack that nobody uses, below its topmost `keep` bytes. */
void nx__stack_trim(char *stack, size_t size, size_t keep);

#endif
