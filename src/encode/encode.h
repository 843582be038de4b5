/* Base64 and hexadecimal into memory of the caller's, for those who have much of it. */
#ifndef NX__ENCODE_H
#define NX__ENCODE_H

#include <nexus/encode.h>

/* What `len` bytes take at most, the NUL counted in, where they are no more than SIZE_MAX / 4. */
#define NX__BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)
#define NX__HEX_SIZE(len)    ((len)*2 + 1)

/* The length of the text, which is put to `out`. */
size_t nx__base64_encode(char *out, nx_bytes bytes, const nx_base64_options *options);
size_t nx__hex_encode(char *out, nx_bytes bytes);

/* Reads text into `out`, which has room for text.len / 4 * 3 + 3 bytes, or text.len / 2. NULL if
 * all is well; else where it is wrong, which is its end where something lacks. Pure. */
const char *nx__base64_read(void *out, size_t *len, nx_bytes text,
                            const nx_base64_options *options);
const char *nx__hex_read(void *out, size_t *len, nx_bytes text);

/* The same with errors, as those of nx_base64_decode and nx_hex_decode; `before` characters stood
 * before these. */
NX_MUST_CHECK nx_err nx__base64_decode(void *out, size_t *len, nx_bytes text, uint64_t before,
                                       const nx_base64_options *options);
NX_MUST_CHECK nx_err nx__hex_decode(void *out, size_t *len, nx_bytes text, uint64_t before);

#endif
