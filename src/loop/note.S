/* The ELF note by which nx__loops is found in a process from outside, stripped or not: see loops.h. */
#if defined(__riscv) || defined(__aarch64__) || defined(__x86_64__)
    .section .note.nexus, "a"
    .balign 4
    .4byte 6  /* of "Nexus" and its NUL */
    .4byte 8  /* of what follows it */
    .4byte 1  /* NX__LOOPS_NOTE */
    .asciz "Nexus"
    .balign 4
    .hidden nx__loops
0:  .8byte nx__loops - 0b
    .section .note.GNU-stack, "", %progbits
#endif
