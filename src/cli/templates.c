/* The templates of `nexus init`. */
#include "cli/templates.h"

#include <stddef.h>

/* In embedded.S. */
extern const char nx__template_manifest[], nx__template_gitignore[], nx__template_http_app[],
    nx__template_http_readme[], nx__template_api_app[], nx__template_api_notes_h[],
    nx__template_api_notes_c[], nx__template_api_test[], nx__template_api_readme[],
    nx__template_cli_app[], nx__template_cli_test[], nx__template_cli_readme[],
    nx__template_lib_header[], nx__template_lib_source[], nx__template_lib_test[],
    nx__template_lib_example[], nx__template_lib_readme[];

/* In all of them. */
#define COMMON                                                                                     \
    {"nexus.toml", nx__template_manifest},                                                         \
    {                                                                                              \
        ".gitignore", nx__template_gitignore                                                       \
    }

const struct nx__template nx__templates[] = {
    {.name = "http",
     .summary = "a web server",
     .main = "app.c",
     .next = "  nexus dev app.c --allow-net=127.0.0.1:3000\n",
     .files = {{"app.c", nx__template_http_app}, COMMON, {"README.md", nx__template_http_readme}}},
    {.name = "api",
     .summary = "a JSON API, with tests",
     .main = "app.c",
     .next = "  nexus dev app.c --allow-net=127.0.0.1:3000\n  nexus test\n",
     .files = {{"app.c", nx__template_api_app},
               {"notes.h", nx__template_api_notes_h},
               {"notes.c", nx__template_api_notes_c},
               {"app_test.c", nx__template_api_test},
               COMMON,
               {"README.md", nx__template_api_readme}}},
    {.name = "cli",
     .summary = "a program for the command line, with tests",
     .main = "app.c",
     .next = "  nexus run app.c --allow-read=. -- --words README.md\n  nexus test\n",
     .files = {{"app.c", nx__template_cli_app},
               {"app_test.c", nx__template_cli_test},
               COMMON,
               {"README.md", nx__template_cli_readme}}},
    {.name = "lib",
     .summary = "a library for other programs, with an example and tests",
     .main = "{{name}}.c",
     .next = "  nexus run examples/slug.c \"Hello, world!\"\n  nexus test\n",
     .files = {{"{{name}}.h", nx__template_lib_header},
               {"{{name}}.c", nx__template_lib_source},
               {"{{name}}_test.c", nx__template_lib_test},
               {"examples/slug.c", nx__template_lib_example},
               COMMON,
               {"README.md", nx__template_lib_readme}}},
    {.name = NULL},
};
