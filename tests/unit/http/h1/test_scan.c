/* The scanners: this processor's vectors against the table of classes. */
#include "http/h1/scan.h"
#include <nexus/test.h>
#include <stdlib.h>

static size_t run(const char *buf, size_t at, size_t len, enum nx__h1_class class)
{
    while (at < len && nx__h1_is(buf[at], class)) at++;
    return at;
}

/* Everything in memory of exactly `len` bytes, from each offset; and all controls one after
 * another. */
static int differences(const char *text, size_t len)
{
    int wrong = 0;
    char *buf = malloc(len ? len : 1);
    if (!buf) return 1;
    memcpy(buf, text, len);
    struct nx__scan scan;
    for (size_t at = 0; at <= len; at++) {
        wrong += nx__scan_label(buf, at, len) != run(buf, at, len, NX__H1_LABEL);
        wrong += nx__scan_plain(buf, at, len) != run(buf, at, len, NX__H1_PLAIN);
        nx__scan_init(&scan, buf, len);
        wrong += nx__scan_control(&scan, at) != run(buf, at, len, NX__H1_VALUE);
    }
    nx__scan_init(&scan, buf, len);
    for (size_t at = 0; at < len; at++) {
        size_t next = nx__scan_control(&scan, at);
        wrong += next != run(buf, at, len, NX__H1_VALUE);
        at = next;
    }
    free(buf);
    return wrong;
}

/* A byte of each value, at each place of a vector and at its edges, in texts of every length. */
NX_TEST("one byte among letters")
{
    char text[150];
    for (int c = 0; c < 256; c++) {
        int wrong = 0;
        for (size_t len = 0; len <= 70; len += len < 18 ? 1 : 23) {
            for (size_t at = 0; at < len; at++) {
                memset(text, 'x', sizeof text);
                text[at] = (char)c;
                wrong += differences(text, len);
            }
        }
        if (wrong) nx_test_fail("byte %02x: %d differences", (unsigned)c, wrong);
    }
}

NX_TEST("random bytes")
{
    static const char bytes[] = "azAZ09-._:/?#\\ \t\r\n\x7f\x80\xff";
    uint32_t seed = 1;
    char text[300];
    for (size_t len = 0; len <= sizeof text; len++) {
        int wrong = 0;
        for (int round = 0; round < 10; round++) {
            for (size_t i = 0; i < len; i++) {
                seed = seed * 1664525 + 1013904223;
                text[i] = seed >> 28 ? 'x' : bytes[(seed >> 16) % (sizeof bytes - 1)];
            }
            wrong += differences(text, len);
        }
        if (wrong) nx_test_fail("%zu bytes: %d differences", len, wrong);
    }
}
