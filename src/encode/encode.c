/* Bytes as text, by libsodium. */
#include "base/error.h"
#include <nexus/encode.h>
#include <sodium/utils.h>

static int variant_of(const nx_base64_options *o)
{
    if (o->url)
        return o->no_padding ? sodium_base64_VARIANT_URLSAFE_NO_PADDING
                             : sodium_base64_VARIANT_URLSAFE;
    return o->no_padding ? sodium_base64_VARIANT_ORIGINAL_NO_PADDING
                         : sodium_base64_VARIANT_ORIGINAL;
}

static const unsigned char *plain(nx_bytes bytes)
{
    return (const unsigned char *)bytes.data;
}

/* `stopped` is where the decoder did. */
static nx_err wrong(const char *what, nx_bytes text, const char *stopped)
{
    size_t at = (size_t)(stopped - text.data);
    if (at >= text.len) return nx__error_set(NX_EINVAL, "the %s ends too early", what);
    return nx__error_set(NX_EINVAL, "the %s is wrong at character %zu", what, at + 1);
}

nx_err nx_base64_encode_with(nx_bytes bytes, nx_bytes *out, const nx_base64_options *options)
{
    NX__OPTIONS(nx_base64_options, o, options);
    *out = (nx_bytes){0};
    if (bytes.len > SIZE_MAX / 2) return nx__error_set(NX_ETOOBIG, "too many bytes for base64");
    size_t size = sodium_base64_encoded_len(bytes.len, variant_of(&o));
    char *text = nx_alloc(size);
    if (!text) return NX_ENOMEM;
    *out = nx_str(sodium_bin2base64(text, size, plain(bytes), bytes.len, variant_of(&o)));
    return NX_OK;
}

nx_err nx_base64_decode_with(nx_bytes text, nx_bytes *out, const nx_base64_options *options)
{
    NX__OPTIONS(nx_base64_options, o, options);
    *out = (nx_bytes){0};
    size_t most = text.len / 4 * 3 + 3, len = 0;
    unsigned char *bytes = nx_alloc(most + 1);
    const char *stopped = text.data;
    if (!bytes) return NX_ENOMEM;
    int bad = text.len
                  ? sodium_base642bin(bytes, most, text.data, text.len, o.spaces ? " \t\r\n" : NULL,
                                      &len, &stopped, variant_of(&o))
                  : 0;
    if (bad || stopped != text.data + text.len) return wrong("base64", text, stopped);
    bytes[len] = '\0';
    *out = nx_slice(bytes, len);
    return NX_OK;
}

nx_err nx_hex_encode(nx_bytes bytes, nx_bytes *out)
{
    *out = (nx_bytes){0};
    if (bytes.len > SIZE_MAX / 4)
        return nx__error_set(NX_ETOOBIG, "too many bytes for hexadecimal");
    size_t size = bytes.len * 2 + 1;
    char *text = nx_alloc(size);
    if (!text) return NX_ENOMEM;
    *out = nx_str(sodium_bin2hex(text, size, plain(bytes), bytes.len));
    return NX_OK;
}

nx_err nx_hex_decode(nx_bytes text, nx_bytes *out)
{
    *out = (nx_bytes){0};
    size_t len = 0;
    unsigned char *bytes = nx_alloc(text.len / 2 + 1);
    const char *stopped = text.data;
    if (!bytes) return NX_ENOMEM;
    int bad = text.len
                  ? sodium_hex2bin(bytes, text.len / 2, text.data, text.len, NULL, &len, &stopped)
                  : 0;
    if (bad || stopped != text.data + text.len) {
        size_t good = 0;
        while (good < text.len && strchr("0123456789abcdefABCDEF", text.data[good]) &&
               text.data[good])
            good++;
        return wrong("hexadecimal", text, text.data + good);
    }
    bytes[len] = '\0';
    *out = nx_slice(bytes, len);
    return NX_OK;
}
