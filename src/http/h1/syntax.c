/* Classes of bytes, as a table that the grammar below makes. */
#include "http/h1/syntax.h"

#define IN(c, first, last)     ((c) >= (first) && (c) <= (last))
#define ANY2(c, a, b)          ((c) == (a) || (c) == (b))
#define ANY5(c, a, b, d, e, f) (ANY2(c, a, b) || ANY2(c, d, e) || (c) == (f))

#define DIGIT(c) IN(c, '0', '9')
#define ALNUM(c) (DIGIT(c) || IN(c, 'A', 'Z') || IN(c, 'a', 'z'))
#define HEX(c)   (DIGIT(c) || IN(c, 'A', 'F') || IN(c, 'a', 'f'))
#define LABEL(c) (ALNUM(c) || ANY2(c, '-', '.'))
#define TOKEN(c)                                                                                   \
    (LABEL(c) || ANY5(c, '!', '#', '$', '%', '&') || ANY5(c, '\'', '*', '+', '^', '_') ||          \
     ANY2(c, '`', '|') || (c) == '~')
#define TARGET(c) (IN(c, 0x21, 0x7e) && (c) != '#')
#define PLAIN(c)  (TARGET(c) && !ANY2(c, '?', '\\'))
#define VALUE(c)  ((c) == '\t' || ((c) >= 0x20 && (c) != 0x7f))
/* RFC 3986 3.2.2: unreserved and sub-delims. */
#define HOST(c)                                                                                    \
    (LABEL(c) || ANY5(c, '_', '~', '!', '$', '&') || ANY5(c, '\'', '(', ')', '*', '+') ||          \
     ANY2(c, ';', '='))
#define BLANK(c) ANY2(c, ' ', '\t')

#define CLASSES(c)                                                                                 \
    (TOKEN(c) * NX__H1_TOKEN | LABEL(c) * NX__H1_LABEL | TARGET(c) * NX__H1_TARGET |               \
     PLAIN(c) * NX__H1_PLAIN | VALUE(c) * NX__H1_VALUE | HOST(c) * NX__H1_HOST |                   \
     HEX(c) * NX__H1_HEX | BLANK(c) * NX__H1_BLANK)
#define ROW4(c)  CLASSES(c), CLASSES((c) + 1), CLASSES((c) + 2), CLASSES((c) + 3)
#define ROW16(c) ROW4(c), ROW4((c) + 4), ROW4((c) + 8), ROW4((c) + 12)
#define ROW64(c) ROW16(c), ROW16((c) + 16), ROW16((c) + 32), ROW16((c) + 48)

const uint8_t nx__h1_classes[256] = {ROW64(0), ROW64(64), ROW64(128), ROW64(192)};
