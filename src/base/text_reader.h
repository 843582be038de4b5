/* Reading text from the left, until something is wrong. */
#ifndef NX__TEXT_READER_H
#define NX__TEXT_READER_H

#include "base/error.h"
#include <ctype.h>
#include <string.h>

/* After the first error it does nothing any more, so that errors are looked at once, at the end. */
struct nx__text_reader {
    const char *begin, *at, *end;
    const char *wrong; /* what was wanted at `at`, or what is wrong there; NULL: nothing */
};

static inline struct nx__text_reader nx__text_reader(nx_bytes text)
{
    return (struct nx__text_reader){text.data, text.data, text.data + text.len, NULL};
}

static inline void nx__text_wrong(struct nx__text_reader *r, const char *at, const char *what)
{
    if (r->wrong) return;
    r->at = at;
    r->wrong = what;
}

/* The next byte, '\0' at the end. */
static inline char nx__text_peek(const struct nx__text_reader *r)
{
    return !r->wrong && r->at < r->end ? *r->at : '\0';
}

static inline bool nx__text_take(struct nx__text_reader *r, char c)
{
    if (r->wrong || r->at == r->end || *r->at != c) return false;
    r->at++;
    return true;
}

static inline void nx__text_want(struct nx__text_reader *r, const char *text, const char *what)
{
    size_t len = strlen(text);
    if (r->wrong) return;
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, text, len) != 0)
        nx__text_wrong(r, r->at, what);
    else
        r->at += len;
}

static inline bool nx__text_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A number of `least` to `most` (at most 9) digits. */
static inline int nx__text_digits(struct nx__text_reader *r, int least, int most, const char *what)
{
    int n = 0, count = 0;
    const char *begin = r->at;
    for (; count < most && nx__text_is_digit(nx__text_peek(r)); count++)
        n = n * 10 + (*r->at++ - '0');
    if (count < least) nx__text_wrong(r, begin, what);
    return n;
}

/* Which of `count` names, by their first three letters; 0 is also what stands for a mistake. */
static inline int nx__text_name(struct nx__text_reader *r, const char *const *names, int count,
                                bool any_case, const char *what)
{
    int (*compare)(const char *, const char *, size_t) = any_case ? strncasecmp : strncmp;
    for (int i = 0; i < count && !r->wrong && r->end - r->at >= 3; i++) {
        if (compare(r->at, names[i], 3) == 0) {
            r->at += 3;
            return i;
        }
    }
    nx__text_wrong(r, r->at, what);
    return 0;
}

/* What is wrong as an error: `kind` is "date". */
static inline nx_err nx__text_error(const struct nx__text_reader *r, const char *kind)
{
    char quoted[NX__QUOTED];
    nx_bytes text = nx_slice(r->begin, (size_t)(r->end - r->begin));
    return nx__error_set(NX_EINVAL, "the %s \"%s\" is wrong at character %zu: %s", kind,
                         nx__quoted(quoted, text), (size_t)(r->at - r->begin) + 1, r->wrong);
}

#endif
