/* Base64, strictly: each run of bytes has one spelling. */
#include "encode/digits.h"
#include "encode/encode.h"

static const char *ends_of(const nx_base64_options *options)
{
    return options->url ? "-_" : "+/";
}

size_t nx__base64_encode(char *out, nx_bytes bytes, const nx_base64_options *options)
{
    const unsigned char *in = (const unsigned char *)bytes.data;
    const char *ends = ends_of(options);
    char *at = out;
    for (size_t left = bytes.len; left; left -= left < 3 ? left : 3, in += 3) {
        unsigned group = (unsigned)in[0] << 16;
        if (left > 1) group |= (unsigned)in[1] << 8;
        if (left > 2) group |= in[2];
        *at++ = nx__base64_digit(group >> 18, ends);
        *at++ = nx__base64_digit(group >> 12 & 63, ends);
        if (left > 1) *at++ = nx__base64_digit(group >> 6 & 63, ends);
        if (left > 2) *at++ = nx__base64_digit(group & 63, ends);
    }
    if (!options->no_padding)
        while ((at - out) % 4) *at++ = '=';
    *at = '\0';
    return (size_t)(at - out);
}

static bool passed_over(char c, const nx_base64_options *options)
{
    return options->spaces && (c == ' ' || c == '\t' || c == '\r' || c == '\n');
}

const char *nx__base64_read(void *out, size_t *len, nx_bytes text, const nx_base64_options *options)
{
    const char *ends = ends_of(options);
    unsigned char *to = out;
    unsigned group = 0, count = 0;
    size_t i = 0, last = 0;
    for (; i < text.len; i++) {
        unsigned value = nx__base64_value((unsigned char)text.data[i], ends);
        if (value > 63) {
            if (passed_over(text.data[i], options)) continue;
            break;
        }
        last = i;
        group = group << 6 | value;
        if (++count < 4) continue;
        *to++ = (unsigned char)(group >> 16);
        *to++ = (unsigned char)(group >> 8);
        *to++ = (unsigned char)group;
        group = count = 0;
    }
    if (count == 1) return text.data + i;
    if (count == 2) *to++ = (unsigned char)(group >> 4);
    if (count == 3) {
        *to++ = (unsigned char)(group >> 10);
        *to++ = (unsigned char)(group >> 2);
    }
    unsigned padding = count && !options->no_padding ? 4 - count : 0;
    for (; i < text.len; i++) {
        if (passed_over(text.data[i], options)) continue;
        if (!padding || text.data[i] != '=') return text.data + i;
        padding--;
    }
    if (padding) return text.data + i;
    /* Of a last group of two digits four bits are left over, of one of three two. */
    if (count && group & (count == 2 ? 15 : 3)) return text.data + last;
    *len = (size_t)(to - (unsigned char *)out);
    return NULL;
}
