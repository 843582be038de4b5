/* Hexadecimal. */
#include "encode/digits.h"
#include "encode/encode.h"

size_t nx__hex_encode(char *out, nx_bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned byte = (unsigned char)bytes.data[i];
        out[2 * i] = nx__hex_digit(byte >> 4);
        out[2 * i + 1] = nx__hex_digit(byte & 15);
    }
    out[2 * bytes.len] = '\0';
    return 2 * bytes.len;
}

const char *nx__hex_read(void *out, size_t *len, nx_bytes text)
{
    unsigned char *to = out;
    unsigned byte = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned value = nx__hex_value((unsigned char)text.data[i]);
        if (value > 15) return text.data + i;
        byte = (byte & 15) << 4 | value;
        if (i % 2) *to++ = (unsigned char)byte;
    }
    if (text.len % 2) return text.data + text.len;
    *len = text.len / 2;
    return NULL;
}
