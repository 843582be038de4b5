/* Parcels: memory that changes hands. */
#include <nexus/worker.h>

#include "loop/channel.h"
#include <stdlib.h>

#ifdef NX__ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size)   ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

enum { ALIGNMENT = 16 };

struct parcel {
    nx_parcel parcel;
    size_t size;
    _Alignas(ALIGNMENT) char bytes[];
};

static struct parcel *parcel_of(nx_parcel *parcel)
{
    return nx__container_of(parcel, struct parcel, parcel);
}

/* While it is under way nobody may touch it. */
static void seal(nx_parcel *parcel)
{
    ASAN_POISON_MEMORY_REGION(parcel_of(parcel)->bytes, parcel_of(parcel)->size);
}

static void unseal(nx_parcel *parcel)
{
    ASAN_UNPOISON_MEMORY_REGION(parcel_of(parcel)->bytes, parcel_of(parcel)->size);
}

nx_err nx_parcel_new(nx_parcel **out, size_t len)
{
    *out = NULL;
    if (len > PTRDIFF_MAX - sizeof(struct parcel))
        return nx__error_set(NX_ETOOBIG, "cannot make a parcel of %zu bytes", len);
    struct parcel *parcel = malloc(sizeof *parcel + len);
    if (!parcel)
        return nx__error_set(NX_ENOMEM, "cannot make a parcel of %zu bytes: out of memory", len);
    parcel->parcel = (nx_parcel){.data = parcel->bytes, .len = len};
    parcel->size = len;
    *out = &parcel->parcel;
    return NX_OK;
}

void nx_parcel_free(nx_parcel *parcel)
{
    if (parcel) free(parcel_of(parcel));
}

static void drop(void *value)
{
    nx_parcel *parcel = *(nx_parcel **)value;
    unseal(parcel);
    nx_parcel_free(parcel);
}

nx_err nx_parcel_channel_new(nx_channel **out, size_t capacity)
{
    return nx_channel_new_shared(out, sizeof(nx_parcel *), capacity, .drop = drop);
}

static nx_err check(const nx_channel *channel)
{
    return channel->drop == drop ? NX_OK
                                 : nx__error_set(NX_EINVAL, "the channel is none of parcels: "
                                                            "nx_parcel_channel_new makes those");
}

nx_err nx_parcel_send(nx_channel *channel, nx_parcel **parcel)
{
    nx_parcel *sent = *parcel;
    NX_TRY(check(channel));
    if (!sent) return nx__error_set(NX_EINVAL, "cannot send a parcel: it is NULL, or sent already");
    seal(sent);
    nx_err err = nx_send(channel, &sent);
    if (err)
        unseal(sent);
    else
        *parcel = NULL;
    return err;
}

nx_err nx_parcel_recv(nx_channel *channel, nx_parcel **out)
{
    *out = NULL;
    NX_TRY(check(channel));
    NX_TRY(nx_recv(channel, out));
    unseal(*out);
    return NX_OK;
}
