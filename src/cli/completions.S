/* The scripts that `nexus completions` prints, as they are in completions/. */
    .section .rodata
    .macro script shell
    .global nx__completions_\shell
    .hidden nx__completions_\shell
    .type nx__completions_\shell, %object
nx__completions_\shell:
    .incbin "completions/nexus.\shell"
    .byte 0
    .size nx__completions_\shell, . - nx__completions_\shell
    .endm

    script bash
    script zsh
    script fish

    .section .note.GNU-stack, "", %progbits
