/* nexus run examples/slug.c "Hello, world!" */
#include "../{{name}}.h" /* {{name}}.c beside it comes in by itself */

#include <stdio.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *slug;
        nx_err err = {{ident}}_slug(nx_str(argv[i]), &slug);
        if (err) {
            fprintf(stderr, "slug: %s\n", nx_error_last()->message);
            return err;
        }
        printf("%s\n", slug);
    }
    return 0;
}
