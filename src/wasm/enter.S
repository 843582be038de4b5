/* void nx__wasm_on_stack(void *top, void (*fn)(void *arg), void *arg): calls fn(arg) on the stack that ends at `top`, a multiple of 16,
 * and comes back. The frame pointer leads from there to here, for crash reports. */
    .text
    .globl nx__wasm_on_stack
    .hidden nx__wasm_on_stack
    .type nx__wasm_on_stack, %function
    .p2align 4
nx__wasm_on_stack:
#if defined(__x86_64__)
    pushq %rbp
    movq %rsp, %rbp
    movq %rdi, %rsp
    movq %rdx, %rdi
    callq *%rsi
    movq %rbp, %rsp
    popq %rbp
    retq
#elif defined(__aarch64__)
    stp x29, x30, [sp, #-16]!
    mov x29, sp
    mov sp, x0
    mov x0, x2
    blr x1
    mov sp, x29
    ldp x29, x30, [sp], #16
    ret
#elif defined(__riscv) && __riscv_xlen == 64
    addi sp, sp, -16
    sd ra, 8(sp)
    sd s0, 0(sp)
    addi s0, sp, 16
    mv sp, a0
    mv a0, a2
    jalr a1
    addi sp, s0, -16
    ld ra, 8(sp)
    ld s0, 0(sp)
    addi sp, sp, 16
    ret
#else
#error "no change of stacks for this architecture"
#endif
    .size nx__wasm_on_stack, .-nx__wasm_on_stack

    .section .note.GNU-stack, "", %progbits
