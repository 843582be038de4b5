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

enum { NX__ARENA_ALIGNMENT = 16 };

/* nx__arena_alloc where the bump pointer has no room, or `size` (not rounded) is 0. */
void *nx__arena_alloc_slow(struct nx__arena *arena, size_t size);

/* `size` bytes aligned to 16; NULL when memory is out. The first chunk is 4 KiB, from a pool of the
 * thread's. */
static inline void *nx__arena_alloc(struct nx__arena *arena, size_t size)
{
    /* The room is a multiple of 16, so `size` fits rounded up if it fits. */
    if (size - 1 >= (size_t)(arena->end - arena->next)) return nx__arena_alloc_slow(arena, size);
    void *result = arena->next;
    arena->next += (size + NX__ARENA_ALIGNMENT - 1) & ~(size_t)(NX__ARENA_ALIGNMENT - 1);
    return result;
}

/* Grows the latest allocation in place where it can, else allocates anew and copies. */
void *nx__arena_grow(struct nx__arena *arena, void *old, size_t old_size, size_t size);

/* Releases everything. */
void nx__arena_reset(struct nx__arena *arena);

/* The same, but keeps the memory of a small arena for what it serves next. */
void nx__arena_rewind(struct nx__arena *arena);

/* Gives the calling thread's pooled chunks back to the system. */
void nx__arena_pool_free(void);

#endif
