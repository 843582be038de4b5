/* Memory that is released as a whole: chunks with a bump pointer. */
#include "base/arena.h"

#include "base/compiler.h"
#include <stdlib.h>

enum {
    ALIGNMENT = NX__ARENA_ALIGNMENT,
    CHUNK_SIZE = 4096,
    POOL_CHUNKS = 64, /* kept by a thread, so that a busy server does not call malloc */
};

struct nx__arena_chunk {
    struct nx__arena_chunk *next;
    size_t size; /* of the whole chunk */
};

enum { HEADER = (sizeof(struct nx__arena_chunk) + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1) };

static NX__THREAD_LOCAL struct nx__arena_chunk *pool;
static NX__THREAD_LOCAL unsigned pool_count;

static struct nx__arena_chunk *chunk_take(size_t size)
{
    if (size == CHUNK_SIZE && pool) {
        struct nx__arena_chunk *chunk = pool;
        pool = chunk->next;
        pool_count--;
        return chunk;
    }
    struct nx__arena_chunk *chunk = malloc(size);
    if (chunk) chunk->size = size;
    return chunk;
}

void *nx__arena_alloc_slow(struct nx__arena *arena, size_t size)
{
    if (nx__unlikely(size > SIZE_MAX / 2)) return NULL;
    if (nx__unlikely(!size)) return nx__arena_alloc(arena, 1); /* NULL would mean: memory is out */
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    size_t chunk_size = size + HEADER <= CHUNK_SIZE ? CHUNK_SIZE : size + HEADER;
    struct nx__arena_chunk *chunk = chunk_take(chunk_size);
    if (!chunk) return NULL;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    char *result = (char *)chunk + HEADER;
    /* A chunk made for one large block leaves the bump pointer where more is left. */
    if (chunk_size == CHUNK_SIZE || arena->end == arena->next) {
        arena->next = result + size;
        arena->end = (char *)chunk + chunk_size;
    }
    return result;
}

void *nx__arena_grow(struct nx__arena *arena, void *old, size_t old_size, size_t size)
{
    size_t rounded = (old_size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (old && (char *)old + rounded == arena->next && size >= old_size &&
        size - old_size <= (size_t)(arena->end - arena->next)) {
        size_t rounded_new = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
        if (rounded_new <= (size_t)(arena->end - (char *)old)) {
            arena->next = (char *)old + rounded_new;
            return old;
        }
    }
    void *result = nx__arena_alloc(arena, size);
    if (result && old) memcpy(result, old, old_size < size ? old_size : size);
    return result;
}

void nx__arena_reset(struct nx__arena *arena)
{
    while (arena->chunks) {
        struct nx__arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        if (chunk->size == CHUNK_SIZE && pool_count < POOL_CHUNKS) {
            chunk->next = pool;
            pool = chunk;
            pool_count++;
        } else {
            free(chunk);
        }
    }
    arena->next = arena->end = NULL;
}

void nx__arena_rewind(struct nx__arena *arena)
{
    struct nx__arena_chunk *chunk = arena->chunks;
    if (nx__likely(chunk && !chunk->next && chunk->size == CHUNK_SIZE))
        arena->next = (char *)chunk + HEADER;
    else
        nx__arena_reset(arena);
}

void nx__arena_pool_free(void)
{
    while (pool) {
        struct nx__arena_chunk *chunk = pool;
        pool = chunk->next;
        free(chunk);
    }
    pool_count = 0;
}
