/* The digits of base64 and hexadecimal, in a time that tells nothing of what is read or written. */
#ifndef NX__ENCODE_DIGITS_H
#define NX__ENCODE_DIGITS_H

/* Numbers are less than 2^24 here. Ranges are told apart by what a subtraction borrows, as a branch
 * or a table would show in the time and in the cache what the bytes are. */

/* All ones where n > most, else 0 (but for the upper 8 bits). */
static inline unsigned nx__past(unsigned most, unsigned n)
{
    return (most - n) >> 8;
}

/* The same where first <= c <= last. */
static inline unsigned nx__within(unsigned c, unsigned first, unsigned last)
{
    return ((first - 1 - c) & (c - last - 1)) >> 8;
}

/* The value of a digit, or something greater than 15. */
static inline unsigned nx__hex_value(unsigned char c)
{
    return ((nx__within(c, '0', '9') & (c - '0' + 1u)) |
            (nx__within(c, 'a', 'f') & (c - 'a' + 11u)) |
            (nx__within(c, 'A', 'F') & (c - 'A' + 11u))) -
           1;
}

static inline char nx__hex_digit(unsigned n)
{
    return (char)(n + '0' + (nx__past(9, n) & ('a' - '9' - 1)));
}

/* The value of a digit, or something greater than 63; `ends` are the alphabet's last two. */
static inline unsigned nx__base64_value(unsigned char c, const char ends[2])
{
    return ((nx__within(c, 'A', 'Z') & (c - 'A' + 1u)) |
            (nx__within(c, 'a', 'z') & (c - 'a' + 27u)) |
            (nx__within(c, '0', '9') & (c - '0' + 53u)) |
            (nx__within(c, (unsigned)ends[0], (unsigned)ends[0]) & 63) |
            (nx__within(c, (unsigned)ends[1], (unsigned)ends[1]) & 64)) -
           1;
}

/* The digit of n: one range of the alphabet behind another, by how far the next one is. */
static inline char nx__base64_digit(unsigned n, const char ends[2])
{
    unsigned c = n + 'A';
    c += nx__past(25, n) & ('a' - 'Z' - 1);
    c -= nx__past(51, n) & ('z' + 1 - '0');
    c -= nx__past(61, n) & (unsigned)('9' + 1 - ends[0]);
    c += nx__past(62, n) & (unsigned)(ends[1] - ends[0] - 1);
    return (char)c;
}

#endif
