/* Bytes as text: base64 and hexadecimal. */
#ifndef NEXUS_ENCODE_H
#define NEXUS_ENCODE_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* None of these suspends; all may be called by several threads. Results are memory of the current
 * scope, with a NUL behind the last byte. They take the same time whatever the bytes are, so
 * secrets may pass through. */

typedef struct nx_base64_options {
    size_t size;
    bool url;        /* the alphabet for URLs and file names, with - and _ (RFC 4648, section 5) */
    bool no_padding; /* without = at the end: written so, and wanted so */
    bool spaces;     /* reading: spaces and ends of lines are passed over */
} nx_base64_options;

/* RFC 4648, section 4. NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_base64_encode_with(nx_bytes bytes, nx_bytes *out,
                                                  const nx_base64_options *options);
#define nx_base64_encode(bytes, out, ...)                                                          \
    nx_base64_encode_with((bytes), (out),                                                          \
                          &(nx_base64_options){.size = sizeof(nx_base64_options), __VA_ARGS__})

/* Strict: another alphabet, padding that is missing or too much, and bits that say nothing but are
 * set are NX_EINVAL, which tells the place. NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_base64_decode_with(nx_bytes text, nx_bytes *out,
                                                  const nx_base64_options *options);
#define nx_base64_decode(text, out, ...)                                                           \
    nx_base64_decode_with((text), (out),                                                           \
                          &(nx_base64_options){.size = sizeof(nx_base64_options), __VA_ARGS__})

/* Two digits a byte, small letters; reading takes both. NX_EINVAL (no digit, and where; an odd
 * number of them), NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_hex_encode(nx_bytes bytes, nx_bytes *out);
NX_API NX_MUST_CHECK nx_err nx_hex_decode(nx_bytes text, nx_bytes *out);

#ifdef __cplusplus
}
#endif

#endif
