/* UTF-8, and the scan for what JSON escapes against its scalar twin. */
#include "base/utf8.h"

#include <nexus/test.h>
#include <stdio.h>
#include <stdlib.h>

/* The rules once more, by decoding: RFC 3629. */
static size_t sequence_by_decoding(const unsigned char *u, size_t have)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = u[0] < 0x80       ? 1
                 : u[0] >> 5 == 6  ? 2
                 : u[0] >> 4 == 14 ? 3
                 : u[0] >> 3 == 30 ? 4
                                   : 0;
    if (!len || len > have) return 0;
    uint32_t code = len == 1 ? u[0] : u[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (u[i] >> 6 != 2) return 0;
        code = code << 6 | (u[i] & 0x3f);
    }
    if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return 0;
    return len;
}

NX_TEST("utf8 agrees with decoding", .deadline = NX_S(120))
{
    static const unsigned char edges[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90,
                                          0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xff};
    enum { EDGES = sizeof edges };
    for (int first = 0; first < 256; first++)
        for (int second = 0; second < 256; second++)
            for (int third = 0; third < EDGES; third++)
                for (int fourth = 0; fourth < EDGES; fourth++) {
                    unsigned char u[4] = {(unsigned char)first, (unsigned char)second, edges[third],
                                          edges[fourth]};
                    for (size_t have = 1; have <= 4; have++)
                        if (nx__utf8_sequence((char *)u, (char *)u + have) !=
                            sequence_by_decoding(u, have)) {
                            printf("%02x %02x %02x %02x of %zu\n", u[0], u[1], u[2], u[3], have);
                            nx_expect(false);
                            return;
                        }
                }
}

NX_TEST("utf8 valid")
{
    nx_expect(nx__utf8_valid("", 0));
    nx_expect(nx__utf8_valid("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", 11));
    nx_expect(!nx__utf8_valid("\xc3", 1));
    nx_expect(!nx__utf8_valid("ok \xed\xa0\x80", 6));
    nx_expect(!nx__utf8_valid("\x80", 1));
}

/* Every byte at every place in every short length; the buffers are exact, so that a sanitizer sees
 * an access past them. */
NX_TEST("json copy plain agrees with scalar", .deadline = NX_S(120))
{
    enum { LONGEST = 40 };
    for (size_t len = 0; len <= LONGEST; len++) {
        char *in = malloc(len + 1), *out = malloc(len + 1);
        if (!in || !out) abort();
        for (size_t at = 0; at <= len; at++)
            for (int byte = 0; byte < 256; byte++) {
                memset(in, 'a', len);
                memset(out, '#', len + 1);
                if (at < len) in[at] = (char)byte;
                if (at + 3 < len) in[at + 3] = '"';
                size_t wanted = nx__json_plain_scalar(in, len);
                size_t n = nx__json_copy_plain(out, in, len);
                bool good = n == wanted && memcmp(in, out, n) == 0 && out[len] == '#';
                if (good && len >= 16)
                    good = nx__json_plain_16(in) == nx__json_plain_scalar(in, 16);
                if (!good) {
                    printf("length %zu, byte %d at %zu: %zu, expected %zu\n", len, byte, at, n,
                           wanted);
                    nx_expect(false);
                    free(in);
                    free(out);
                    return;
                }
            }
        free(in);
        free(out);
    }
}
