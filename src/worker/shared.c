/* Shared regions: memory that several threads, or processes, have at the same time. */
#include <nexus/worker.h>

#include "base/error.h"
#include "worker/port.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
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

/* Maps what is behind its descriptor: 0 or an errno. */
static int map(nx_shared *shared)
{
    shared->data = mmap(NULL, shared->size, PROT_READ | PROT_WRITE, MAP_SHARED, shared->fd, 0);
    return shared->data == MAP_FAILED ? errno : 0;
}

/* The memory and its descriptor. Its size is sealed: who shares it could else take away what
 * another reads. */
static nx_err make(nx_shared *shared, const char *name)
{
    shared->fd = memfd_create(name ? name : "nx_shared", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (shared->fd < 0) return failed(errno, shared->size);
    int error = ftruncate(shared->fd, (off_t)shared->size) != 0 ||
                        fcntl(shared->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
                    ? errno
                    : map(shared);
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
    nx_err err = make(shared, name);
    if (err)
        free(shared);
    else
        *out = shared;
    return err;
}

static bool is_sealed(int fd, uint64_t size)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && seals & F_SEAL_SHRINK && fstat(fd, &st) == 0 && size &&
           (uint64_t)st.st_size == size;
}

nx_err nx__shared_open(nx_shared **out, int fd, uint64_t size)
{
    nx_err err = NX_OK;
    nx_shared *shared = malloc(sizeof *shared);
    if (!shared) {
        err = failed(ENOMEM, (size_t)size);
    } else if (!is_sealed(fd, size)) {
        err = nx__error_set(NX_EPROTO, "what has come is no shared region: its size may change");
    } else {
        *shared = (nx_shared){.size = (size_t)size, .fd = fd, .holders = 1};
        int error = map(shared);
        if (error)
            err = nx__error_system(error, "cannot map a shared region of %zu bytes", shared->size);
    }
    if (err) {
        free(shared);
        (void)close(fd);
        return err;
    }
    *out = shared;
    return NX_OK;
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
