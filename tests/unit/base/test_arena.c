/* Memory that is released as a whole. */
#include "base/arena.h"

#include "faults.h"
#include <nexus/test.h>

static bool aligned(const void *p)
{
    return (uintptr_t)p % 16 == 0;
}

NX_TEST("arena aligns and does not overlap")
{
    struct nx__arena arena = {0};
    enum { COUNT = 500 };
    unsigned char *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = nx__arena_alloc(&arena, i + 1);
        nx_expect(blocks[i] && aligned(blocks[i]));
        if (blocks[i]) memset(blocks[i], (int)(i & 0xff), i + 1);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j <= i; j++)
            if (blocks[i][j] != (i & 0xff)) {
                nx_expect_eq(blocks[i][j], i & 0xff);
                break;
            }
    nx__arena_reset(&arena);
    nx__arena_pool_free();
}

NX_TEST("arena gives a block for no bytes too")
{
    struct nx__arena arena = {0};
    nx_expect(nx__arena_alloc(&arena, 0) != NULL);
    nx__arena_reset(&arena);
    nx__arena_pool_free();
}

NX_TEST("arena goes on in its chunk after a large block")
{
    struct nx__arena arena = {0};
    char *first = nx__arena_alloc(&arena, 16);
    char *large = nx__arena_alloc(&arena, 1 << 20);
    char *second = nx__arena_alloc(&arena, 16);
    nx_expect(large && aligned(large));
    memset(large, 1, 1 << 20);
    nx_expect(second == first + 16);
    nx__arena_reset(&arena);
    nx__arena_pool_free();
}

NX_TEST("arena grows in place where it can")
{
    struct nx__arena arena = {0};
    char *a = nx__arena_alloc(&arena, 10);
    memcpy(a, "0123456789", 10);
    char *b = nx__arena_grow(&arena, a, 10, 100);
    nx_expect(b == a);
    char *other = nx__arena_alloc(&arena, 1);
    nx_expect(other >= b + 100);
    char *c = nx__arena_grow(&arena, b, 100, 200);
    nx_expect(c && c != b && memcmp(c, "0123456789", 10) == 0);
    char *d = nx__arena_grow(&arena, c, 200, 100000);
    nx_expect(d && d != c && memcmp(d, "0123456789", 10) == 0);
    nx_expect(nx__arena_grow(&arena, NULL, 0, 10) != NULL);
    char *small = nx__arena_grow(&arena, d, 100000, 4);
    nx_expect(small && memcmp(small, "0123", 4) == 0);
    nx__arena_reset(&arena);
    nx__arena_pool_free();
}

NX_TEST("arena takes chunks from the pool")
{
    struct nx__arena arena = {0};
    nx_expect(nx__arena_alloc(&arena, 100) != NULL);
    nx__arena_reset(&arena);
    nx_expect(!arena.chunks && !arena.next && !arena.end);
    faults_begin(FAULTS_NO_MEMORY, 1); /* the pool needs no malloc */
    nx_expect(nx__arena_alloc(&arena, 100) != NULL);
    faults_stop();
    nx__arena_reset(&arena);
    nx__arena_pool_free();
    nx__arena_pool_free();
}

NX_TEST("arena says when memory is out")
{
    struct nx__arena arena = {0};
    nx_expect(!nx__arena_alloc(&arena, SIZE_MAX));
    nx_expect(!nx__arena_alloc(&arena, SIZE_MAX - 8));
    char *a = nx__arena_alloc(&arena, 8);
    memcpy(a, "1234567", 8);
    faults_begin(FAULTS_NO_MEMORY, 1);
    nx_expect(!nx__arena_alloc(&arena, 100000));
    nx_expect(!nx__arena_grow(&arena, a, 8, 100000));
    nx_expect(!nx__arena_grow(&arena, a, 8, SIZE_MAX));
    faults_stop();
    nx_expect_eq(a, "1234567");
    nx_expect(nx__arena_alloc(&arena, 8) != NULL);
    nx__arena_reset(&arena);
    nx__arena_pool_free();
}
