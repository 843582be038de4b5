/* The files that `nexus init` writes, as they are in templates/. */
    .section .rodata
    .macro template name, file
    .global nx__template_\name
    .hidden nx__template_\name
    .type nx__template_\name, %object
nx__template_\name:
    .incbin "\file"
    .byte 0
    .size nx__template_\name, . - nx__template_\name
    .endm

    template app, "templates/app.c"
    template manifest, "templates/nexus.toml"
    template gitignore, "templates/gitignore"
    template readme, "templates/README.md"

    .section .note.GNU-stack, "", %progbits
