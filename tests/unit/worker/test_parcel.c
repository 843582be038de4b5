/* Parcels and shared regions. */
#include "../loop/loop_test.h"

#include <fcntl.h>
#include <nexus/worker.h>
#include <sys/mman.h>
#include <sys/resource.h>

#ifdef NX__ASAN
#include <sanitizer/asan_interface.h>
#endif

enum { LARGE = 1 << 20, ROUNDS = 200 };

/* ---- Parcels */

struct both {
    nx_channel *there, *back;
    uintptr_t seen;
};

/* Sends back what it gets, with every byte one more. */
static nx_err returns(void *arg)
{
    struct both *both = arg;
    for (;;) {
        NX_AUTO(nx_parcel) *parcel = NULL;
        nx_err err = nx_parcel_recv(both->there, &parcel);
        if (err == NX_ECLOSED) return NX_OK;
        if (err) return err;
        both->seen = (uintptr_t)parcel->data;
        for (size_t i = 0; i < parcel->len; i += 4096) parcel->data[i]++;
        NX_TRY(nx_parcel_send(both->back, &parcel));
    }
}

NX_TEST("a parcel goes there and back, and is the same memory", .deadline = NX_S(60))
{
    struct both both = {0};
    nx_parcel *parcel;
    nx_fiber *worker;
    nx_require_ok(nx_parcel_channel_new(&both.there, 1));
    nx_require_ok(nx_parcel_channel_new(&both.back, 1));
    nx_require_ok(nx_worker_start(&worker, returns, &both));
    nx_require_ok(nx_parcel_new(&parcel, LARGE));
    nx_expect_eq(parcel->len, LARGE);
    nx_expect_eq((uintptr_t)parcel->data % 16, 0);
    memset(parcel->data, 0, LARGE);
    uintptr_t data = (uintptr_t)parcel->data;
    for (int i = 1; i <= scaled(ROUNDS); i++) {
        nx_require_ok(nx_parcel_send(both.there, &parcel));
        nx_expect_eq(parcel, NULL);
        nx_require_ok(nx_parcel_recv(both.back, &parcel));
        nx_expect_eq((uintptr_t)parcel->data, data);
        nx_expect_eq(both.seen, data);
        nx_expect_eq(parcel->data[LARGE - 4096], (char)i);
    }
    nx_channel_close(both.there);
    nx_expect_ok(nx_join(worker));
    nx_parcel_free(parcel);
    nx_channel_free(both.there);
    nx_channel_free(both.back);
}

NX_TEST("what is not sent stays the sender's, what is not received is freed")
{
    nx_channel *channel;
    nx_parcel *first, *second, *none = NULL;
    nx_require_ok(nx_parcel_channel_new(&channel, 1));
    nx_require_ok(nx_parcel_new(&first, 100));
    nx_require_ok(nx_parcel_new(&second, 0));
    nx_expect_ok(nx_parcel_send(channel, &first));
    nx_channel_close(channel);
    nx_expect_err(NX_ECLOSED, nx_parcel_send(channel, &second));
    nx_require_ne(second, NULL);
    nx_expect_err(NX_EINVAL, nx_parcel_send(channel, &none));
    nx_parcel_free(second);
    nx_parcel_free(NULL);
    nx_channel_free(channel); /* with the first: leak checkers see to it */
}

NX_TEST("nothing comes out of a closed channel")
{
    nx_channel *channel;
    nx_parcel *parcel = (nx_parcel *)&channel;
    nx_require_ok(nx_parcel_channel_new(&channel, 1));
    nx_channel_close(channel);
    nx_expect_err(NX_ECLOSED, nx_parcel_recv(channel, &parcel));
    nx_expect_eq(parcel, NULL);
    nx_channel_free(channel);
}

NX_TEST("too large")
{
    nx_parcel *parcel;
    nx_expect_err(NX_ETOOBIG, nx_parcel_new(&parcel, SIZE_MAX));
    nx_expect_eq(parcel, NULL);
    nx_expect_err(NX_ETOOBIG, nx_parcel_new(&parcel, PTRDIFF_MAX));
}

#ifdef NX__ASAN
NX_TEST("memory under way is nobody's")
{
    nx_channel *channel;
    nx_parcel *parcel;
    nx_require_ok(nx_parcel_channel_new(&channel, 1));
    nx_require_ok(nx_parcel_new(&parcel, 64));
    char *kept = parcel->data;
    nx_expect_ok(nx_parcel_send(channel, &parcel));
    nx_expect(__asan_address_is_poisoned(kept));
    nx_expect(__asan_address_is_poisoned(kept + 63));
    nx_expect_ok(nx_parcel_recv(channel, &parcel));
    nx_expect(!__asan_address_is_poisoned(kept));
    nx_parcel_free(parcel);
    nx_channel_free(channel);
}
#endif

/* ---- Shared regions */

static nx_err counts(void *arg)
{
    nx_shared *shared = arg;
    _Atomic uint64_t *counter = nx_shared_data(shared);
    for (int i = 0; i < 1000; i++) atomic_fetch_add(counter, 1);
    nx_shared_free(shared);
    return NX_OK;
}

NX_TEST("a region is held by several")
{
    nx_shared *shared;
    nx_require_ok(nx_shared_new(&shared, 3 * 4096 + 5, "counter"));
    nx_expect_eq(nx_shared_size(shared), 3 * 4096 + 5);
    nx_expect_eq((uintptr_t)nx_shared_data(shared) % 4096, 0);
    nx_expect_eq(((char *)nx_shared_data(shared))[3 * 4096 + 4], 0);
    nx_scope *scope;
    nx_require_ok(nx_scope_open(&scope));
    for (int i = 0; i < 3; i++)
        nx_require_ok(nx_worker_start(NULL, counts, nx_shared_hold(shared)));
    nx_expect_ok(nx_scope_close(&scope));
    nx_expect_eq(*(uint64_t *)nx_shared_data(shared), 3000);
    nx_shared_free(shared);
    nx_shared_free(NULL);
}

NX_TEST("its descriptor is the same memory")
{
    nx_shared *shared;
    nx_require_ok(nx_shared_new(&shared, 4096, NULL));
    int fd = nx_shared_fd(shared);
    char *again = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    nx_require(again != MAP_FAILED);
    strcpy(again, "hello");
    nx_expect_eq((const char *)nx_shared_data(shared), "hello");
    nx_expect_eq(munmap(again, 4096), 0);
    nx_shared_free(shared);
    nx_expect_eq(fcntl(fd, F_GETFD), -1);
}

NX_TEST("regions that can't be")
{
    nx_shared *shared;
    nx_expect_err(NX_EINVAL, nx_shared_new(&shared, 0, NULL));
    nx_expect_err(NX_ETOOBIG, nx_shared_new(&shared, SIZE_MAX, NULL));
    nx_expect_eq(shared, NULL);
    nx_expect(nx_shared_new(&shared, (size_t)PTRDIFF_MAX, NULL) != NX_OK);
    struct rlimit before, none;
    nx_expect_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    nx_expect_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    nx_err err = nx_shared_new(&shared, 4096, NULL);
    nx_expect_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    nx_expect_err(NX_EMFILE, err);
    nx_expect_contains(last_message(),
                       "cannot make a shared region of 4096 bytes: too many open files");
}

NX_TEST("parcels go through their own channels alone")
{
    NX_AUTO(nx_channel) *numbers = NULL;
    NX_AUTO(nx_parcel) *parcel = NULL, *other = NULL;
    nx_require_ok(nx_channel_new_shared(&numbers, sizeof(int), 1));
    nx_require_ok(nx_parcel_new(&parcel, 1));
    nx_expect_err(NX_EINVAL, nx_parcel_send(numbers, &parcel));
    nx_expect(parcel != NULL);
    nx_expect_err(NX_EINVAL, nx_parcel_recv(numbers, &other));
    nx_expect_eq(other, NULL);
}
