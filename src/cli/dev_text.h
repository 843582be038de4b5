/* Text that is put together from what nobody vouches for: a compiler's words, a request's target,
 * lines of a file. */
#ifndef NX__DEV_TEXT_H
#define NX__DEV_TEXT_H

#include "base/buffer.h"
#include "base/compiler.h"

/* All zero is empty. The first mistake stays: memory is out, or it has become too long. */
struct nx__dev_text {
    struct nx__buffer buffer;
    nx_err err;
};

/* As it is. */
void nx__text_put(struct nx__dev_text *out, const char *text);
void nx__text_bytes(struct nx__dev_text *out, nx_bytes text);
void nx__text_printf(struct nx__dev_text *out, const char *format, ...) NX_PRINTF(2, 3);

/* What follows is made harmless: what is not UTF-8, controls but tab and newline, and what would
 * change the direction of text become U+FFFD. */
enum nx__text_for {
    NX__TEXT_PLAIN,
    NX__TEXT_HTML, /* content, or an attribute in double quotes */
    NX__TEXT_JSON, /* between the quotes of a string */
    NX__TEXT_URL,  /* a path in a URL */
};
void nx__text_escaped(struct nx__dev_text *out, nx_bytes text, enum nx__text_for how);

#endif
