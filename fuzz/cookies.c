/* Fuzzes cookies: the field, and what claims to be signed or encrypted. Nothing that the server did
 * not make opens; and it fuzzes the lists of content negotiation, which are taken apart by the same
 * means. */
#include "base/arena.h"
#include "http/data.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct nx__cookie_keys *keys;
    static const char *const secrets[] = {"a secret of 32 bytes or of more..",
                                          "and an older one of that length.."};
    const char *reason;
    if (!keys) keys = nx__cookie_keys_new(secrets, 2, &reason);
    if (!keys) return 0;
    struct nx__arena arena = {0};
    char *copy = malloc(size ? size : 1);
    if (!copy) return 0;
    if (size) memcpy(copy, data, size);
    nx_bytes text = nx_slice(copy, size), rest = text, name, value;
    while (nx__cookie_next(&rest, &name, &value)) {
        check(name.len && name.data >= copy && name.data + name.len <= copy + size);
        check(value.data >= copy && value.data + value.len <= copy + size);
        check(!nx__cookie_verify(keys, "sid", value, 0, &arena).data);
        check(!nx__cookie_decrypt(keys, "sid", value, 0, &arena).data);
    }
    check(!nx__cookie_verify(keys, "sid", text, 0, &arena).data);
    check(!nx__cookie_decrypt(keys, "sid", text, 0, &arena).data);
    /* What it makes opens, whatever the value. */
    if (size <= 512) {
        const char *sealed = nx__cookie_encrypt(keys, "sid", text, 2, &arena);
        check(sealed &&
              nx_bytes_eq(nx__cookie_decrypt(keys, "sid", nx_str(sealed), 1, &arena), text));
        char *encoded = nx__cookie_encode(text, &arena), *again = malloc(size + 1);
        size_t len;
        if (again && encoded && nx__text_decode(nx_str(encoded), false, again, &len)) {
            check(nx_bytes_eq(nx_slice(again, len), text));
            const char *sign = nx__cookie_sign(keys, "sid", text, 2, &arena);
            check(sign &&
                  nx_bytes_eq(nx__cookie_verify(keys, "sid", nx_str(sign), 1, &arena), text));
        }
        free(again);
    }
    static const char *const offers[] = {"text/html;level=1", "de-AT", "gzip"};
    for (int kind = NX__ACCEPT_TYPE; kind <= NX__ACCEPT_CODING; kind++) {
        int specific = -1,
            quality = nx__accept_quality((enum nx__accept)kind, text, offers[kind], &specific, -1);
        check(quality >= -1 && quality <= 1000 && (quality < 0) == (specific < 0));
    }
    free(copy);
    nx__arena_reset(&arena);
    return 0;
}
