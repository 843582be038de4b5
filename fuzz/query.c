/* Fuzzes queries: what is decoded is text, and says the same when it is encoded again. */
#include "base/arena.h"
#include "base/buffer.h"
#include "base/utf8.h"
#include "http/data.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good) abort();
}

static void encode(struct nx__buffer *out, nx_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        check(!nx__buffer_printf(out, SIZE_MAX, "%%%02x", (unsigned char)text.data[i]));
}

static void check_text(nx_bytes text)
{
    check(text.data && text.data[text.len] == '\0' && !memchr(text.data, '\0', text.len));
    check(nx__utf8_valid(text.data, text.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MOST = 100 };
    struct nx__arena arena = {0};
    struct nx__params params, again;
    const char *reason = NULL;
    /* Exactly this memory, so that a sanitizer sees what is read behind it. */
    char *copy = malloc(size ? size : 1);
    if (!copy) return 0;
    if (size) memcpy(copy, data, size);
    nx_err err = nx__params_parse(&params, nx_slice(copy, size), MOST, &arena, &reason);
    check(!err == !reason && params.count <= MOST);
    struct nx__buffer text = {0};
    for (size_t i = 0; i < params.count; i++) {
        check_text(params.items[i].name);
        check_text(params.items[i].value);
        if (i) check(!nx__buffer_append(&text, "&", 1, SIZE_MAX));
        encode(&text, params.items[i].name);
        check(!nx__buffer_append(&text, "=", 1, SIZE_MAX));
        encode(&text, params.items[i].value);
        (void)nx__params_int(&params, params.items[i].name.data, 0);
        (void)nx__params_double(&params, params.items[i].name.data, 0);
        (void)nx__params_bool(&params, params.items[i].name.data, false);
    }
    check(!nx__params_parse(&again, nx_slice(text.data, text.len), MOST, &arena, &reason));
    check(again.count == params.count);
    for (size_t i = 0; i < again.count; i++)
        check(nx_bytes_eq(again.items[i].name, params.items[i].name) &&
              nx_bytes_eq(again.items[i].value, params.items[i].value));
    nx__buffer_free(&text);
    free(copy);
    nx__arena_reset(&arena);
    return 0;
}
