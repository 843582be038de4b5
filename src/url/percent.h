/* Percent-encoding, a byte at a time: what queries, paths, cookies and forms have in common. */
#ifndef NX__PERCENT_H
#define NX__PERCENT_H

#include <nexus/base.h>

static inline int nx__percent_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    char l = (char)(c | 0x20);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/* Reads the byte at `*at`, which is before the end, and moves behind it. False where a "%" stands
 * without two digits: it is passed over as the byte that it is. */
static inline bool nx__percent_byte(nx_bytes in, size_t *at, bool plus, char *out)
{
    char c = in.data[(*at)++];
    *out = c == '+' && plus ? ' ' : c;
    if (c != '%') return true;
    int high = in.len - *at < 2 ? -1 : nx__percent_digit(in.data[*at]);
    int low = high < 0 ? -1 : nx__percent_digit(in.data[*at + 1]);
    if (low < 0) return false;
    *out = (char)(high << 4 | low);
    *at += 2;
    return true;
}

#endif
