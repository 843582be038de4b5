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

    template manifest, "templates/nexus.toml"
    template gitignore, "templates/gitignore"
    template http_app, "templates/http/app.c"
    template http_readme, "templates/http/README.md"
    template api_app, "templates/api/app.c"
    template api_notes_h, "templates/api/notes.h"
    template api_notes_c, "templates/api/notes.c"
    template api_test, "templates/api/app_test.c"
    template api_readme, "templates/api/README.md"
    template cli_app, "templates/cli/app.c"
    template cli_test, "templates/cli/app_test.c"
    template cli_readme, "templates/cli/README.md"
    template lib_header, "templates/lib/lib.h"
    template lib_source, "templates/lib/lib.c"
    template lib_test, "templates/lib/lib_test.c"
    template lib_example, "templates/lib/example.c"
    template lib_readme, "templates/lib/README.md"

    .section .note.GNU-stack, "", %progbits
