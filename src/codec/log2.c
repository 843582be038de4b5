/* The one function of libm that libbrotli's encoder wants, so that programs need not load libm.
 * Exact for powers of two, else to six digits: it only weighs costs against each other. */
#include <stdint.h>
#include <string.h>

double log2(double x);

double log2(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    bits = (bits & ~((uint64_t)0x7ff << 52)) | (uint64_t)1023 << 52;
    double m; /* from 1 to 2 */
    memcpy(&m, &bits, sizeof m);
    /* The series of artanh. */
    double t = (m - 1) / (m + 1), u = t * t;
    double series = 1 + u * (1.0 / 3 + u * (1.0 / 5 + u * (1.0 / 7 + u * (1.0 / 9 + u / 11))));
    return exponent + 2.8853900817779268 * t * series;
}
