/* The fiber switch for x86-64, System V: inline, so that the compiler keeps only what is in use,
 * and no return address stands on the processor's prediction stack that the other fiber would then
 * return to. */

/* Control words are loaded only where the other fiber's differ, since that costs more than to look.
 * The low six bits of mxcsr are status, which no call preserves.
 *
 * Low to high: control words, rbp, where to go on; for a new stack then the function to call. */
enum {
    NX__SWITCH_FRAME = 24,
    NX__SWITCH_CONTROL = 0,
    NX__SWITCH_FP = 8,
    NX__SWITCH_RETURN = 16,
    NX__SWITCH_FN = 24
};

static inline __attribute__((always_inline)) void nx__switch(void **save, void *load)
{
    /* The red zone below the stack pointer belongs to the function that this is part of. */
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "pushq %%rbp\n\t"
                     "subq $8, %%rsp\n\t"
                     "stmxcsr (%%rsp)\n\t"
                     "fnstcw 4(%%rsp)\n\t"
                     "movq %%rsp, (%0)\n\t"
                     "movl (%%rsp), %%eax\n\t"
                     "movzwl 4(%%rsp), %%ecx\n\t"
                     "movq %1, %%rsp\n\t"
                     "xorl (%%rsp), %%eax\n\t"
                     "testl $0xffc0, %%eax\n\t"
                     "jne 3f\n\t"
                     "cmpw %%cx, 4(%%rsp)\n\t"
                     "jne 3f\n"
                     "2:\n\t"
                     "addq $8, %%rsp\n\t"
                     "popq %%rbp\n\t"
                     "popq %%rcx\n\t"
                     "jmpq *%%rcx\n"
                     "3:\n\t"
                     "ldmxcsr (%%rsp)\n\t"
                     "fldcw 4(%%rsp)\n\t"
                     "jmp 2b\n"
                     "1:\n\t"
                     "leaq 128(%%rsp), %%rsp"
                     : "+D"(save), "+S"(load)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
                       "memory", "cc");
}
