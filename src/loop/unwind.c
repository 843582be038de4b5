/* Following frame pointers up a stack. */
#include "loop/unwind.h"

#include "base/compiler.h"
#include "loop/switch.h"
#include <string.h>
#include <ucontext.h>
#if defined(__has_include) && !defined(NX__ASAN) && !defined(NX__TSAN)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif

enum {
    LIBRARY_DEPTH = 16 * 1024, /* of stack that is searched for who called a library */
    WORD = sizeof(uintptr_t),
};

#if defined(__riscv)
enum { NEXT = -2, RETURN = -1 };
#else
enum { NEXT = 0, RETURN = 1 };
#endif

uint32_t nx__code_kind(const char *path, uint32_t module, bool alone)
{
    if (module == 0) return NX__CODE_FRAMES | (alone ? NX__CODE_PROGRAM : 0u);
    if (strncmp(path, "/lib", 4) == 0 || strncmp(path, "/usr/lib", 8) == 0 || path[0] == '[')
        return 0;
    return NX__CODE_FRAMES | NX__CODE_PROGRAM;
}

struct nx__machine nx__machine_interrupted(const void *ucontext)
{
    const ucontext_t *u = ucontext;
#if defined(__x86_64__)
    return (struct nx__machine){(uintptr_t)u->uc_mcontext.gregs[REG_RIP],
                                (uintptr_t)u->uc_mcontext.gregs[REG_RSP],
                                (uintptr_t)u->uc_mcontext.gregs[REG_RBP], false};
#elif defined(__aarch64__)
    return (struct nx__machine){u->uc_mcontext.pc, u->uc_mcontext.sp, u->uc_mcontext.regs[29],
                                false};
#else
    return (struct nx__machine){u->uc_mcontext.__gregs[0], u->uc_mcontext.__gregs[2],
                                u->uc_mcontext.__gregs[8], false};
#endif
}

struct nx__machine nx__machine_suspended(uintptr_t sp, const void *frame)
{
    struct nx__machine m = {.sp = sp + NX__SWITCH_FRAME, .is_return = true};
    memcpy(&m.pc, (const char *)frame + NX__SWITCH_RETURN, sizeof m.pc);
    memcpy(&m.fp, (const char *)frame + NX__SWITCH_FP, sizeof m.fp);
    return m;
}

const struct nx__code *nx__code_at(const struct nx__code *code, size_t count, uintptr_t pc)
{
    for (size_t i = 0; i < count; i++)
        if (pc >= code[i].from && pc < code[i].to) return &code[i];
    return NULL;
}

NX__READS_ANYTHING bool nx__unwind_read_own(void *arg, uintptr_t at, void *out, size_t len)
{
    (void)arg;
    /* Byte by byte: memcpy is the sanitizer's own. */
    const volatile unsigned char *from = (const volatile unsigned char *)at;
    for (size_t i = 0; i < len; i++) ((unsigned char *)out)[i] = from[i];
#ifdef VALGRIND_MAKE_MEM_DEFINED
    /* The caller of a library is looked for in words that nobody may have written. */
    (void)VALGRIND_MAKE_MEM_DEFINED(out, len);
#endif
    return true;
}

static const struct nx__code *code_at(const struct nx__unwind *u, uintptr_t pc)
{
    return nx__code_at(u->code, u->code_count, pc);
}

static bool keeps_frames(const struct nx__code *code)
{
    return code && (code->kind & NX__CODE_FRAMES);
}

/* Two words from `at` on are no further up than the stack, however high that is. */
static bool has_two(const struct nx__unwind *u, uintptr_t at)
{
    return u->high >= 2 * WORD && at <= u->high - 2 * WORD;
}

/* True when the instruction before is a call, as far as is known for the architecture: a stack is
 * full of old addresses that are none of a return. The range of a module holds its headers too. */
static bool follows_call(const struct nx__unwind *u, uintptr_t pc, const struct nx__code *code)
{
    enum { LONGEST = 7 };
    unsigned char before[LONGEST + 1]; /* the last of them at before[LONGEST - 1] */
    if (pc - LONGEST < code->from || !u->read(u->arg, pc - LONGEST, before, LONGEST)) return false;
#if defined(__x86_64__)
    const unsigned char *end = before + LONGEST;
    if (end[-5] == 0xe8) return true;        /* call relative */
    for (int len = 2; len <= LONGEST; len++) /* call through a register or memory: ff /2 */
        if (end[-len] == 0xff && (end[1 - len] & 0x38) == 0x10) return true;
    return false;
#elif defined(__aarch64__)
    uint32_t instruction;
    memcpy(&instruction, before + LONGEST - 4, sizeof instruction);
    return (instruction & 0xfc000000) == 0x94000000 || (instruction & 0xfffffc1f) == 0xd63f0000;
#else
    return true;
#endif
}

/* Stopped inside a library: looks up the stack for where it was called from, and returns the frame
 * to go on with, 0 if there is none. */
static uintptr_t leave_library(const struct nx__unwind *u, uintptr_t sp)
{
    bool called = false;
    for (uintptr_t at = sp; at >= u->low && has_two(u, at) && at - sp < LIBRARY_DEPTH; at += WORD) {
        uintptr_t word[2];
        if (!u->read(u->arg, at, word, sizeof word)) return 0;
        const struct nx__code *code = code_at(u, word[0]);
        /* The program's code: addresses in the runtime may be left over from deeper calls before.
         */
        if (!called && code && (code->kind & NX__CODE_PROGRAM) && follows_call(u, word[0], code)) {
            if (!u->frame(u->arg, word[0], code, true)) return 0;
            called = true;
        }
        if (called && word[0] > at && has_two(u, word[0]) && word[0] % WORD == 0 &&
            keeps_frames(code_at(u, word[1])))
            return at - (uintptr_t)(NEXT * WORD);
    }
    return 0;
}

void nx__unwind(const struct nx__unwind *u, struct nx__machine m)
{
    const struct nx__code *code = code_at(u, m.pc);
    if (!u->frame(u->arg, m.pc, code, m.is_return)) return;
    uintptr_t fp = m.fp;
    if (!keeps_frames(code) && m.sp % WORD == 0) fp = leave_library(u, m.sp);
    while (fp >= u->low + 2 * WORD && has_two(u, fp) && fp % WORD == 0) {
        uintptr_t next, pc;
        if (!u->read(u->arg, fp + (uintptr_t)(NEXT * WORD), &next, sizeof next) ||
            !u->read(u->arg, fp + (uintptr_t)(RETURN * WORD), &pc, sizeof pc))
            return;
        code = code_at(u, pc);
        /* No code: the chain is broken. */
        if (!code || !u->frame(u->arg, pc, code, true) || next <= fp) return;
        fp = next;
    }
}
