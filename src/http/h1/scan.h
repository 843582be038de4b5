/* Scanning for the first byte outside of a class: one file per instruction set. */
#ifndef NX__H1_SCAN_H
#define NX__H1_SCAN_H

#include <stddef.h>
#include <stdint.h>

/* The scalar twins; also the tails of the others. */

/* First byte that may not stand in a request target: controls, space, DEL, not ASCII. */
static inline const char *nx__scan_target_scalar(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p > 0x20 && (unsigned char)*p < 0x7f) p++;
    return p;
}

/* First byte that may not stand in a field value: controls but tab, DEL. */
static inline const char *nx__scan_value_scalar(const char *p, const char *end)
{
    while (p < end && (((unsigned char)*p >= 0x20 && *p != 0x7f) || *p == '\t')) p++;
    return p;
}

#if defined(NX__H1_SCALAR)
#define nx__scan_target nx__scan_target_scalar
#define nx__scan_value nx__scan_value_scalar
#elif defined(__SSE2__)
#include "http/h1/scan_sse2.h"
#elif defined(__ARM_NEON)
#include "http/h1/scan_neon.h"
#else
#define nx__scan_target nx__scan_target_scalar
#define nx__scan_value nx__scan_value_scalar
#endif

#endif
