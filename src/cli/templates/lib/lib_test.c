/* nexus test */
#include "./{{name}}.h"

#include <nexus/test.h>

NX_TEST("slugs")
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"Hello, world!", "hello-world"},
        {"already-one", "already-one"},
        {"  2 spaces  ", "2-spaces"},
        {"x", "x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].text) {
            const char *slug;
            nx_require_ok({{ident}}_slug(nx_str(rows[i].text), &slug));
            nx_expect_eq(slug, rows[i].wanted);
        }
}

NX_TEST("a text without letters and digits has none")
{
    const char *slug;
    nx_expect_err(NX_EINVAL, {{ident}}_slug(nx_str(" ?! "), &slug));
    nx_expect_err(NX_EINVAL, {{ident}}_slug(nx_str(""), &slug));
}
