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

    embed nx__template_guest_header, "../../include/nexus-guest.h"
    embed nx__template_wasm_c_app, "templates/wasm-c/app.c"
    embed nx__template_wasm_c_makefile, "templates/wasm-c/Makefile"
    embed nx__template_wasm_c_readme, "templates/wasm-c/README.md"
    embed nx__template_wasm_go_app, "templates/wasm-go/app.go"
    embed nx__template_wasm_go_module, "templates/wasm-go/go.mod"
    embed nx__template_wasm_go_makefile, "templates/wasm-go/Makefile"
    embed nx__template_wasm_go_readme, "templates/wasm-go/README.md"
    embed nx__template_wasm_js_app, "templates/wasm-js/app.js"
    embed nx__template_wasm_wit, "templates/app.wit"
    embed nx__template_wasm_js_serve, "templates/wasm-js/serve.js"
    embed nx__template_wasm_js_build, "templates/wasm-js/build.mjs"
    embed nx__template_wasm_js_package, "templates/wasm-js/package.json"
    embed nx__template_wasm_js_readme, "templates/wasm-js/README.md"
    embed nx__template_wasm_python_app, "templates/wasm-python/app.py"
    embed nx__template_wasm_python_greeting, "templates/wasm-python/greeting.py"
    embed nx__template_wasm_python_serve, "templates/wasm-python/serve.py"
    embed nx__template_wasm_python_makefile, "templates/wasm-python/Makefile"
    embed nx__template_wasm_python_readme, "templates/wasm-python/README.md"

    .section .note.GNU-stack, "", %progbits
