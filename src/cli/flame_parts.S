/* Style and script of flame graphs, as they are in flame/. */
    .section .rodata
    .macro part name, file
    .global nx__flame_\name
    .hidden nx__flame_\name
    .type nx__flame_\name, %object
nx__flame_\name:
    .incbin "flame/\file"
    .byte 0
    .size nx__flame_\name, . - nx__flame_\name
    .endm

    part style, style.css
    part script, script.js

    .section .note.GNU-stack, "", %progbits
