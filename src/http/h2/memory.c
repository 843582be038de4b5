/* Memory of HTTP/2 sessions: what is given back is kept for the next that asks, and no connection
 * has more than its share. */
#include "http/h2/conn.h"

#include <stdlib.h>

enum {
    GRAIN = 64,
    CLASSES = sizeof((struct nx__h2_shared *)0)->pool / sizeof(void *), /* of 64 to 1,024 bytes */
    POOLED_MOST = 512 * 1024, /* bytes that are kept on a loop */
};

struct block {
    union {
        struct block *next; /* in the pool */
        size_t size;        /* in use: as it was asked for */
    };
    max_align_t data[];
};

/* The pool's list for the size; 0 for what is too large for one. */
static size_t class_of(size_t size)
{
    size_t class = (size + GRAIN - 1) / GRAIN;
    return class < CLASSES ? class : 0;
}

static size_t room_of(size_t size)
{
    size_t class = class_of(size);
    return sizeof(struct block) + (class ? class * GRAIN : size);
}

void *nx__h2_alloc(struct nx__h2_conn *conn, size_t size)
{
    struct nx__h2_shared *shared = nx__h2_shared;
    size_t class = class_of(size);
    if (size > NX__H2_MEMORY_MOST - conn->memory) return NULL;
    struct block *block = class ? shared->pool[class] : NULL;
    if (nx__likely(block != NULL)) {
        shared->pool[class] = block->next;
        shared->pooled -= room_of(size);
    } else {
        block = malloc(room_of(size));
        if (!block) return NULL;
    }
    block->size = size;
    conn->memory += (uint32_t)size;
    return block->data;
}

static struct block *block_of(void *memory)
{
    return (struct block *)(void *)((char *)memory - offsetof(struct block, data));
}

void nx__h2_free(struct nx__h2_conn *conn, void *memory)
{
    struct nx__h2_shared *shared = nx__h2_shared;
    if (!memory) return;
    struct block *block = block_of(memory);
    size_t size = block->size, class = class_of(size), room = room_of(size);
    conn->memory -= (uint32_t)size;
    if (!class || shared->pooled + room > POOLED_MOST) {
        free(block);
        return;
    }
    block->next = shared->pool[class];
    shared->pool[class] = block;
    shared->pooled += room;
}

void nx__h2_pool_clear(struct nx__h2_shared *shared)
{
    for (size_t i = 0; i < CLASSES; i++) {
        while (shared->pool[i]) {
            struct block *block = shared->pool[i];
            shared->pool[i] = block->next;
            free(block);
        }
    }
    shared->pooled = 0;
}

/* ---- For nghttp2 */

static void *session_malloc(size_t size, void *conn)
{
    return nx__h2_alloc(conn, size);
}

static void session_free(void *memory, void *conn)
{
    nx__h2_free(conn, memory);
}

static void *session_calloc(size_t count, size_t size, void *conn)
{
    size_t all;
    if (__builtin_mul_overflow(count, size, &all)) return NULL;
    void *memory = nx__h2_alloc(conn, all);
    return memory ? memset(memory, 0, all) : NULL;
}

static void *session_realloc(void *memory, size_t size, void *conn)
{
    void *grown = nx__h2_alloc(conn, size);
    if (!grown || !memory) return grown;
    size_t had = block_of(memory)->size;
    memcpy(grown, memory, had < size ? had : size);
    nx__h2_free(conn, memory);
    return grown;
}

nghttp2_mem nx__h2_memory(struct nx__h2_conn *conn)
{
    return (nghttp2_mem){conn, session_malloc, session_free, session_calloc, session_realloc};
}
