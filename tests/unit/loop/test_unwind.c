/* Following frame pointers: whole stacks, and such that are broken in every way. */
#include <nexus/test.h>

#include "loop/switch.h"
#include "loop/unwind.h"
#include <string.h>

/* A made-up stack of words at BASE, and made-up code. */
enum { BASE = 0x100000, WORDS = 64, SIZE = WORDS * 8, CODE = 0x400000, LIBRARY = 0x700000 };

static struct {
    uint64_t words[WORDS];
    unsigned reads, beyond; /* reads outside of stack and code */
    uintptr_t frames[128];
    size_t count, most;
} made;

static const struct nx__code code[] = {
    {CODE, CODE + 0x1000, CODE, 1, NX__CODE_FRAMES | NX__CODE_PROGRAM},
    {LIBRARY, LIBRARY + 0x1000, LIBRARY, 2, 0},
};

static bool read_made(void *arg, uintptr_t at, void *out, size_t len)
{
    (void)arg;
    made.reads++;
    if (at >= BASE && at + len <= BASE + SIZE) {
        memcpy(out, (char *)made.words + (at - BASE), len);
        return true;
    }
    memset(out, 0xe8, len); /* as if it were behind a call */
    made.beyond += !(at >= CODE && at + len <= CODE + 0x1000);
    return true;
}

static bool frame_take(void *arg, uintptr_t pc, const struct nx__code *at, bool is_return)
{
    (void)arg;
    (void)at;
    (void)is_return;
    if (made.count == made.most) return false;
    made.frames[made.count++] = pc;
    return true;
}

static void unwind(uintptr_t pc, uintptr_t sp, uintptr_t fp)
{
    const struct nx__unwind u = {.code = code,
                                 .code_count = 2,
                                 .low = BASE,
                                 .high = BASE + SIZE,
                                 .read = read_made,
                                 .frame = frame_take};
    made.count = made.reads = made.beyond = 0;
    made.most = made.most ? made.most : 128;
    nx__unwind(&u, (struct nx__machine){pc, sp, fp, false});
}

#if defined(__riscv)
enum { NEXT = -2, RETURN = -1, FIRST = 2 };
#else
enum { NEXT = 0, RETURN = 1, FIRST = 0 };
#endif

/* A frame whose pointer is `word`. */
static void frame_make(int word, uintptr_t next, uintptr_t pc)
{
    made.words[word + NEXT] = next;
    made.words[word + RETURN] = pc;
}

static uintptr_t at(int word)
{
    return BASE + (uintptr_t)word * 8;
}

NX_TEST("a chain of frames is followed to its end")
{
    memset(&made, 0, sizeof made);
    frame_make(4, at(10), CODE + 0x20);
    frame_make(10, at(20), CODE + 0x30);
    frame_make(20, 0, CODE + 0x40);
    unwind(CODE + 0x10, at(2), at(4));
    nx_expect_eq(made.count, 4u);
    nx_expect_eq(made.frames[3], (uintptr_t)CODE + 0x40);
    nx_expect_eq(made.beyond, 0u);
}

NX_TEST("who takes no more frames gets none")
{
    memset(&made, 0, sizeof made);
    frame_make(4, at(10), CODE + 0x20);
    frame_make(10, at(20), CODE + 0x30);
    made.most = 2;
    unwind(CODE + 0x10, at(2), at(4));
    nx_expect_eq(made.count, 2u);
}

NX_TEST("broken chains end, inside of the stack")
{
    static const uintptr_t nexts[] = {0,
                                      4,
                                      BASE,
                                      BASE + 1,
                                      BASE + 33,
                                      BASE + SIZE - 8,
                                      BASE + SIZE,
                                      BASE + SIZE + 64,
                                      UINTPTR_MAX,
                                      UINTPTR_MAX - 7,
                                      (uintptr_t)1 << 63};
    for (size_t i = 0; i < sizeof nexts / sizeof *nexts; i++) {
        memset(&made, 0, sizeof made);
        frame_make(4, nexts[i], CODE + 0x20);
        unwind(CODE + 0x10, at(2), at(4)); /* the frame itself is good */
        nx_expect(made.count <= 3);
        nx_expect_eq(made.beyond, 0u);
        memset(&made, 0, sizeof made);
        unwind(CODE + 0x10, at(2), nexts[i]); /* and here it is the first that is not */
        nx_expect(made.count <= 2);
        nx_expect_eq(made.beyond, 0u);
    }
    memset(&made, 0, sizeof made);
    frame_make(4, at(4), CODE + 0x20); /* a loop */
    unwind(CODE + 0x10, at(2), at(4));
    nx_expect_eq(made.count, 2u);
    frame_make(4, at(10), 0x1234); /* a return into nowhere */
    unwind(CODE + 0x10, at(2), at(4));
    nx_expect_eq(made.count, 1u);
}

NX_TEST("stacks of garbage end, inside of the stack")
{
    uint64_t random = 88172645463325252u;
    for (int round = 0; round < 2000; round++) {
        memset(&made, 0, sizeof made);
        for (int i = 0; i < WORDS; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            made.words[i] = random % 3 == 0   ? BASE + random % (SIZE + 64)
                            : random % 3 == 1 ? CODE + random % 0x1100
                                              : random;
        }
        unwind(round % 2 ? CODE + 0x10 : LIBRARY + 0x10, BASE + random % SIZE,
               BASE + (random >> 9) % SIZE);
        nx_expect(made.count <= WORDS);
        nx_expect_eq(made.beyond, 0u);
    }
}

NX_TEST("out of a library the first call of the program is found")
{
    memset(&made, 0, sizeof made);
    made.words[3] = CODE + 0x50; /* behind a call */
    frame_make(8, at(20), CODE + 0x60);
    frame_make(20, 0, CODE + 0x70);
    unwind(LIBRARY + 0x10, at(1), 0xdead);
    nx_expect(made.count >= 3);
    nx_expect_eq(made.frames[0], (uintptr_t)LIBRARY + 0x10);
    nx_expect_eq(made.frames[1], (uintptr_t)CODE + 0x50);
}

NX_TEST("a stack that was just made begins at the entry")
{
    static _Alignas(16) char stack[4096];
    void *sp = nx__switch_prepare(stack + sizeof stack - 256, (void (*)(void))frame_take);
    struct nx__machine m = nx__machine_suspended((uintptr_t)sp, sp);
    void (*entry)(void) = nx__switch_entry;
    uintptr_t wanted;
    memcpy(&wanted, &entry, sizeof wanted);
    nx_expect_eq(m.pc, wanted);
    nx_expect_eq(m.fp, (uintptr_t)0);
    nx_expect(m.is_return);
}
