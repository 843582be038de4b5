/* Shared regions: memory that several threads, or processes, have at the same time. */
#include <nexus/worker.h>

#include "base/error.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct nx_shared {
    void *data;
    size_t size;
    int fd;
    _Atomic size_t holders;
};

static nx_err failed(int error, size_t size)
{
    return nx__error_system(error, "cannot make a shared region of %zu bytes", size);
}

/* The memory and its descriptor. */
static nx_err map(nx_shared *shared, const char *name)
{
    shared->fd = memfd_create(name ? name : "nx_shared", MFD_CLOEXEC);
    if (shared->fd < 0) return failed(errno, shared->size);
    int error = ftruncate(shared->fd, (off_t)shared->size) != 0 ? errno : 0;
    if (!error) {
        shared->data = mmap(NULL, shared->size, PROT_READ | PROT_WRITE, MAP_SHARED, shared->fd, 0);
        if (shared->data == MAP_FAILED) error = errno;
    }
    if (!error) return NX_OK;
    (void)close(shared->fd);
    return failed(error, shared->size);
}

nx_err nx_shared_new(nx_shared **out, size_t size, const char *name)
{
    *out = NULL;
    if (!size) return nx__error_set(NX_EINVAL, "cannot make a shared region of 0 bytes");
    if (size > PTRDIFF_MAX)
        return nx__error_set(NX_ETOOBIG, "cannot make a shared region of %zu bytes", size);
    nx_shared *shared = malloc(sizeof *shared);
    if (!shared) return failed(ENOMEM, size);
    *shared = (nx_shared){.size = size, .holders = 1};
    nx_err err = map(shared, name);
    if (err)
        free(shared);
    else
        *out = shared;
    return err;
}

void *nx_shared_data(const nx_shared *shared)
{
    return shared->data;
}

size_t nx_shared_size(const nx_shared *shared)
{
    return shared->size;
}

int nx_shared_fd(const nx_shared *shared)
{
    return shared->fd;
}

nx_shared *nx_shared_hold(nx_shared *shared)
{
    (void)atomic_fetch_add_explicit(&shared->holders, 1, memory_order_relaxed);
    return shared;
}

void nx_shared_free(nx_shared *shared)
{
    if (!shared || atomic_fetch_sub_explicit(&shared->holders, 1, memory_order_acq_rel) > 1) return;
    (void)munmap(shared->data, shared->size);
    (void)close(shared->fd);
    free(shared);
}
