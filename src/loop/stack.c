/* Stacks for fibers. */
#include "loop/stack.h"

#include "base/error.h"
#include <errno.h>
#include <sys/mman.h>

/* Linux 6.13: a guard without a mapping of its own, so that max_map_count does not bound the
 * fibers. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

nx_err nx__stack_map(size_t size, char **out)
{
    char *low = mmap(NULL, size + NX__STACK_GUARD, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (low == MAP_FAILED)
        return nx__error_system(errno, "cannot reserve a stack of %zu KiB", size / 1024);
    if (madvise(low, NX__STACK_GUARD, MADV_GUARD_INSTALL) != 0 &&
        mprotect(low, NX__STACK_GUARD, PROT_NONE) != 0) {
        int error = errno;
        (void)munmap(low, size + NX__STACK_GUARD);
        return nx__error_system(
            error, "cannot guard a stack (vm.max_map_count bounds them on this kernel)");
    }
    *out = low + NX__STACK_GUARD;
    return NX_OK;
}

void nx__stack_unmap(char *stack, size_t size)
{
    (void)munmap(stack - NX__STACK_GUARD, size + NX__STACK_GUARD);
}

void nx__stack_trim(char *stack, size_t size, size_t keep)
{
    if (keep < size) (void)madvise(stack, size - keep, MADV_DONTNEED);
}
