/* Where a new fiber begins on x86-64; the switch itself is in switch_x86_64.h. */
    .text
    .globl nx__switch_entry
    .hidden nx__switch_entry
    .type nx__switch_entry, @function
    .p2align 4
nx__switch_entry:
    .cfi_startproc
    .cfi_undefined %rip
    xorl %ebp, %ebp
    callq *(%rsp)
    ud2
    .cfi_endproc
    .size nx__switch_entry, .-nx__switch_entry

    .section .note.GNU-stack, "", @progbits
