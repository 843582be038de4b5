/* Memory that is released as a whole: chunks with a bump pointer. */
#ifndef NX__ARENA_H
#define NX__ARENA_H

#include <nexus/base.h>

struct nx__arena_chunk;

/* All zero is an empty arena. */
struct nx__arena {
    char *next, *end;
    struct nx__arena_chunk *chunks;
};

/* `size` bytes aligned to 16; NULL when memory is out. The first chunk is 4 KiB, from a pool of the
 * thread's. */
void *nx__arena_alloc(struct nx__arena *arena, size_t size);

/* Grows the latest allocation in place where it can, else allocates anew and copies. */
void *nx__arena_grow(struct nx__arena *arena, void *old, size_t old_size, size_t size);

/* Releases everything. */
void nx__arena_reset(struct nx__arena *arena);

/* Gives the calling thread's pooled chunks back to the system. */
void nx__arena_pool_free(void);

#endif
