/* Scanning a head for the next byte that matters. One file per instruction set says how; all give
 * the same answers, which tests and a fuzzer hold them to. None reads outside of the bytes that it
 * is given. */
#ifndef NX__H1_SCAN_H
#define NX__H1_SCAN_H

#include "base/compiler.h"
#include "http/h1/syntax.h"

/* What a backend offers, over the `len` bytes at `buf`:
 *
 * struct nx__scan, nx__scan_init(&scan, buf, len)
 *     a scan for controls, which goes forward only.
 * nx__scan_control(&scan, at)
 *     offset of the first byte, from `at` (at most `len`) on, that no field value may have: a
 * control other than tab; `len` if there is none. nx__scan_label(buf, at, len) offset of the first
 * byte, from `at` on, that is no NX__H1_LABEL; `len` if there is none. nx__scan_plain(buf, at, len)
 *     offset of the first byte, from `at` on, that is no NX__H1_PLAIN; `len` if there is none. */

#if !defined(NX__H1_SCALAR) && defined(__SSE2__)
#include "http/h1/scan_sse2.h"
#elif !defined(NX__H1_SCALAR) && defined(__aarch64__) && defined(__ARM_NEON) &&                    \
    !defined(__AARCH64EB__)
#include "http/h1/scan_neon.h"
#else
#include "http/h1/scan_scalar.h"
#endif

/* Is there something new behind the `resume` bytes that were not enough for a head? Nothing is
 * decided before a line ends, and no control but that end is good. */
static inline bool nx__scan_news(const char *buf, size_t len, size_t resume)
{
    if (resume > len) resume = len;
    if (resume && buf[resume - 1] == '\r') resume--;
    struct nx__scan scan;
    nx__scan_init(&scan, buf + resume, len - resume);
    size_t at = resume + nx__scan_control(&scan, 0);
    return at < len && !(buf[at] == '\r' && at + 1 == len);
}

#endif
