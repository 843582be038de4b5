/* The parser once more, without vector instructions: what tests and the fuzzer compare it with. No
 * part of the runtime. */
#define NX__H1_SCALAR 1
#define nx__h1_parse  nx__h1_parse_scalar
#include "http/h1/parser.c"
