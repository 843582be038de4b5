/* The files that `nexus` has in it, each a string, as they are beside this one. */
    .section .rodata
    .macro embed name, path
    .global \name
    .hidden \name
    .type \name, %object
\name:
    .incbin "\path"
    .byte 0
    .size \name, . - \name
    .endm

    embed nx__completions_bash, "completions/nexus.bash"
    embed nx__completions_zsh, "completions/nexus.zsh"
    embed nx__completions_fish, "completions/nexus.fish"

    embed nx__dev_css, "dev/page.css"
    embed nx__dev_js, "dev/page.js"

    embed nx__flame_style, "flame/style.css"
    embed nx__flame_script, "flame/script.js"

    embed nx__inspect_fibers, "debugger/nexus_fibers.py"

    embed nx__template_manifest, "templates/nexus.toml"
    embed nx__template_gitignore, "templates/gitignore"
    embed nx__template_http_app, "templates/http/app.c"
    embed nx__template_http_readme, "templates/http/README.md"
    embed nx__template_api_app, "templates/api/app.c"
    embed nx__template_api_notes_h, "templates/api/notes.h"
    embed nx__template_api_notes_c, "templates/api/notes.c"
    embed nx__template_api_test, "templates/api/app_test.c"
    embed nx__template_api_readme, "templates/api/README.md"
    embed nx__template_cli_app, "templates/cli/app.c"
    embed nx__template_cli_test, "templates/cli/app_test.c"
    embed nx__template_cli_readme, "templates/cli/README.md"
    embed nx__template_lib_header, "templates/lib/lib.h"
    embed nx__template_lib_source, "templates/lib/lib.c"
    embed nx__template_lib_test, "templates/lib/lib_test.c"
    embed nx__template_lib_example, "templates/lib/example.c"
    embed nx__template_lib_readme, "templates/lib/README.md"

    .section .note.GNU-stack, "", %progbits
