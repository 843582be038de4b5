/* Bytes as text, by libsodium. */
#include "encode/encode.h"

#include "base/error.h"
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

/* The first byte that is not ASCII, or the end: libsodium takes some of them for digits. */
static size_t ascii(nx_bytes text)
{
    unsigned char all = 0;
    size_t at = 0;
    for (size_t i = 0; i < text.len; i++) all |= (unsigned char)text.data[i];
    if (all < 0x80) return text.len;
    while ((unsigned char)text.data[at] < 0x80) at++;
    return at;
}

/* `stopped` is where the decoder did. */
static nx_err wrong(const char *what, nx_bytes text, const char *stopped, uint64_t before)
{
    size_t at = (size_t)(stopped - text.data);
    if (at >= text.len) return nx__error_set(NX_EINVAL, "the %s ends too early", what);
    return nx__error_set(NX_EINVAL, "the %s is wrong at character %llu", what,
                         (unsigned long long)before + at + 1);
}

/* ---- Into the caller's memory */

size_t nx__base64_encode(char *out, nx_bytes bytes, const nx_base64_options *options)
{
    size_t size = sodium_base64_encoded_len(bytes.len, variant_of(options));
    return strlen(sodium_bin2base64(out, size, plain(bytes), bytes.len, variant_of(options)));
}

size_t nx__hex_encode(char *out, nx_bytes bytes)
{
    sodium_bin2hex(out, NX__HEX_SIZE(bytes.len), plain(bytes), bytes.len);
    return bytes.len * 2;
}

nx_err nx__base64_decode(void *out, size_t *len, nx_bytes text, uint64_t before,
                         const nx_base64_options *options)
{
    const char *stopped = text.data;
    *len = 0;
    if (!text.len) return NX_OK;
    size_t good = ascii(text);
    if (good < text.len) return wrong("base64", text, text.data + good, before);
    int bad =
        sodium_base642bin(out, text.len / 4 * 3 + 3, text.data, text.len,
                          options->spaces ? " \t\r\n" : NULL, len, &stopped, variant_of(options));
    return bad || stopped != text.data + text.len ? wrong("base64", text, stopped, before) : NX_OK;
}

nx_err nx__hex_decode(void *out, size_t *len, nx_bytes text, uint64_t before)
{
    const char *stopped = text.data;
    *len = 0;
    if (!text.len) return NX_OK;
    int bad = sodium_hex2bin(out, text.len / 2, text.data, text.len, NULL, len, &stopped);
    if (!bad && stopped == text.data + text.len) return NX_OK;
    size_t good = 0;
    while (good < text.len && text.data[good] && strchr("0123456789abcdefABCDEF", text.data[good]))
        good++;
    return wrong("hexadecimal", text, text.data + good, before);
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
