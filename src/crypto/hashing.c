/* The transform that hashes what passes. */
#include "crypto/library.h"

static nx_err hashing(void *state, nx_bytes bytes, nx_stream *next)
{
    nx_hash_update(state, bytes);
    return nx_stream_write(next, bytes);
}

nx_stream *nx_hashing(nx_hash *hash)
{
    static const nx_stream_type type = {
        .size = sizeof type, .name = "a hash", .transform = hashing};
    return nx_stream_new(&type, hash);
}
