/* Bytes as text, in memory of the scope, and the errors of reading it. */
#include "encode/encode.h"

#include "base/error.h"

/* `stopped` is where the reader did, NULL if it read all. */
static nx_err result(const char *what, nx_bytes text, const char *stopped, uint64_t before)
{
    if (!stopped) return NX_OK;
    size_t at = (size_t)(stopped - text.data);
    if (at >= text.len) return nx__error_set(NX_EINVAL, "the %s ends too early", what);
    return nx__error_set(NX_EINVAL, "the %s is wrong at character %llu", what,
                         (unsigned long long)before + at + 1);
}

nx_err nx__base64_decode(void *out, size_t *len, nx_bytes text, uint64_t before,
                         const nx_base64_options *options)
{
    return result("base64", text, nx__base64_read(out, len, text, options), before);
}

nx_err nx__hex_decode(void *out, size_t *len, nx_bytes text, uint64_t before)
{
    return result("hexadecimal", text, nx__hex_read(out, len, text), before);
}

/* ---- Into memory of the scope */

nx_err nx_base64_encode_with(nx_bytes bytes, nx_bytes *out, const nx_base64_options *options)
{
    NX__OPTIONS(nx_base64_options, o, options);
    *out = (nx_bytes){0};
    if (bytes.len > SIZE_MAX / 4) return nx__error_set(NX_ETOOBIG, "too many bytes for base64");
    char *text = nx_alloc(NX__BASE64_SIZE(bytes.len));
    if (!text) return NX_ENOMEM;
    *out = nx_slice(text, nx__base64_encode(text, bytes, &o));
    return NX_OK;
}

nx_err nx_base64_decode_with(nx_bytes text, nx_bytes *out, const nx_base64_options *options)
{
    NX__OPTIONS(nx_base64_options, o, options);
    size_t len;
    *out = (nx_bytes){0};
    char *bytes = nx_alloc(text.len / 4 * 3 + 3 + 1);
    if (!bytes) return NX_ENOMEM;
    NX_TRY(nx__base64_decode(bytes, &len, text, 0, &o));
    bytes[len] = '\0';
    *out = nx_slice(bytes, len);
    return NX_OK;
}

nx_err nx_hex_encode(nx_bytes bytes, nx_bytes *out)
{
    *out = (nx_bytes){0};
    if (bytes.len > SIZE_MAX / 4)
        return nx__error_set(NX_ETOOBIG, "too many bytes for hexadecimal");
    char *text = nx_alloc(NX__HEX_SIZE(bytes.len));
    if (!text) return NX_ENOMEM;
    *out = nx_slice(text, nx__hex_encode(text, bytes));
    return NX_OK;
}

nx_err nx_hex_decode(nx_bytes text, nx_bytes *out)
{
    size_t len;
    *out = (nx_bytes){0};
    char *bytes = nx_alloc(text.len / 2 + 1);
    if (!bytes) return NX_ENOMEM;
    NX_TRY(nx__hex_decode(bytes, &len, text, 0));
    bytes[len] = '\0';
    *out = nx_slice(bytes, len);
    return NX_OK;
}
