/* Fuzzes cookies of answers: lines of the input are Set-Cookie fields of one host after the other.
 * What a jar gives is for its host, and a field that can be sent. */
#include "http/client/jar.h"
#include "http/h1/syntax.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good) abort();
}

static const struct nx__cookie_place places[] = {
    {.host = {"a.example", 9}, .path = {"/x/y", 4}, .secure = true},
    {.host = {"b.a.example", 11}, .path = {"/", 1}},
    {.host = {"shop.co.uk", 10}, .path = {"/x", 2}},
    {.host = {"127.0.0.1", 9}, .path = {"/", 1}, .is_address = true},
};
enum { PLACES = sizeof places / sizeof *places, NOW = 1700000000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nx_cookie_jar *jar;
    struct nx__arena arena = {0};
    if (nx_cookie_jar_new(&jar)) return 0;
    char *copy = malloc(size ? size : 1);
    if (!copy) abort();
    if (size) memcpy(copy, data, size);
    nx_bytes rest = nx_slice(copy, size);
    for (unsigned i = 0; rest.len; i++) {
        const char *end = memchr(rest.data, '\n', rest.len);
        nx_bytes line = nx_slice(rest.data, end ? (size_t)(end - rest.data) : rest.len);
        size_t taken = line.len + (end ? 1 : 0);
        struct nx__set_cookie set;
        if (!nx__set_cookie_parse(line, NOW, &set)) {
            check(set.name.len && set.name.data >= line.data);
            check(!set.path.len || *set.path.data == '/');
        }
        (void)nx__jar_set(jar, &places[i % PLACES], line, NOW);
        rest = nx_slice(rest.data + taken, rest.len - taken);
    }
    for (unsigned i = 0; i < PLACES; i++) {
        nx_bytes field = nx__jar_get(jar, &places[i], NOW, &arena);
        for (size_t k = 0; k < field.len; k++) check(nx__h1_is(field.data[k], NX__H1_VALUE));
    }
    free(copy);
    nx_cookie_jar_free(jar);
    nx__arena_reset(&arena);
    return 0;
}
