/* What the pages of `nexus dev` have in them, as it is in dev/. */
    .section .rodata
    .macro file name, path
    .global nx__dev_\name
    .hidden nx__dev_\name
    .type nx__dev_\name, %object
nx__dev_\name:
    .incbin "\path"
    .byte 0
    .size nx__dev_\name, . - nx__dev_\name
    .endm

    file css, "dev/page.css"
    file js, "dev/page.js"

    .section .note.GNU-stack, "", %progbits
