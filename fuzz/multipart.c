/* Fuzzes the multipart parser: the first line is the content-type, the rest the body; in whatever
 * pieces it comes, the parts must be the same. */
#include "../tests/unit/http/parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *end = size ? memchr(text, '\n', size) : NULL;
    if (!end) return 0;
    size_t len = (size_t)(end - text), body_len = size - len - 1;
    char *type = malloc(len + 1);
    if (!type) return 0;
    memcpy(type, text, len);
    type[len] = '\0';
    struct parts whole, other;
    parts_take(&whole, type, end + 1, body_len, body_len, 0);
    for (size_t step = 0; step < 4; step++) {
        parts_take(&other, type, end + 1, body_len, body_len / 2, step);
        if (!parts_eq(&whole, &other)) {
            fprintf(stderr, "steps of %zu: \"%.*s\", whole: \"%.*s\"\n", step, (int)other.text.len,
                    other.text.data, (int)whole.text.len, whole.text.data);
            abort();
        }
        nx__buffer_free(&other.text);
    }
    nx__buffer_free(&whole.text);
    free(type);
    return 0;
}
