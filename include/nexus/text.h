/* Text: UTF-8, looking for things, taking it apart and putting it together, numbers. */
#ifndef NEXUS_TEXT_H
#define NEXUS_TEXT_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* None of these suspends, and all may be called by several threads. Those without an nx_err never
 * fail and copy nothing: what they return lies in what they were given. The others' results are
 * memory of the current scope, with a NUL behind the last byte. Blank is a space, tab, LF, CR, FF
 * or VT; letters are ASCII's wherever case matters, and all other bytes are as good as any. How
 * many columns text takes on a terminal is nx_text_width in <nexus/console.h>. */

/* Where nothing is found. */
#define NX_TEXT_NONE SIZE_MAX

/* ---- UTF-8 (RFC 3629) */

/* Whether all of it is; and of how many bytes in front it is. */
NX_API bool nx_text_valid(nx_bytes text);
NX_API size_t nx_text_valid_len(nx_bytes text);

/* Takes the first code point off: while (rest.len) c = nx_text_next(&rest). What is no UTF-8 is
 * U+FFFD, one for each longest beginning of a sequence, as the WHATWG's decoder has it. 0 where
 * nothing is left. */
NX_API uint32_t nx_text_next(nx_bytes *rest);

/* Writes a code point, and returns how many bytes it took; 0 for what is none (a surrogate, past
 * U+10FFFF). */
NX_API size_t nx_text_encode(uint32_t code_point, char out[4]);

/* How many code points, as nx_text_next has them. */
NX_API size_t nx_text_count(nx_bytes text);

/* As much of the beginning as fits into `most` bytes, without a part of a sequence at its end. */
NX_API nx_bytes nx_text_fit(nx_bytes text, size_t most);

/* The text itself where it is UTF-8, without a copy; else one with U+FFFD instead of what isn't.
 * NX_ETOOBIG, NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_text_repair(nx_bytes text, nx_bytes *out);

/* ---- Looking for things */

NX_API bool nx_text_starts(nx_bytes text, nx_bytes with);
NX_API bool nx_text_ends(nx_bytes text, nx_bytes with);
NX_API bool nx_text_contains(nx_bytes text, nx_bytes part);
/* Where it is first, or last; NX_TEXT_NONE. Nothing is at 0, or at the end. */
NX_API size_t nx_text_find(nx_bytes text, nx_bytes part);
NX_API size_t nx_text_find_last(nx_bytes text, nx_bytes part);
/* Equal but for the case of letters. */
NX_API bool nx_text_same(nx_bytes a, nx_bytes b);

/* ---- Taking it apart */

/* Without the blanks around it, before it, behind it. */
NX_API nx_bytes nx_text_trim(nx_bytes text);
NX_API nx_bytes nx_text_trim_start(nx_bytes text);
NX_API nx_bytes nx_text_trim_end(nx_bytes text);

/* Where the separator is first: what is before it, and what is behind. Where it isn't: false, all
 * of it and nothing. */
NX_API bool nx_text_cut(nx_bytes text, nx_bytes separator, nx_bytes *before, nx_bytes *after);

/* Takes the next piece off, one more than there are separators; false when there are no more:
 *   nx_bytes rest = line, piece;
 *   while (nx_text_split(&rest, nx_str(","), &piece)) …
 * Without a separator the pieces are bytes. `rest` has no data once the last piece is off. */
NX_API bool nx_text_split(nx_bytes *rest, nx_bytes separator, nx_bytes *piece);

/* The same of lines, which LF or CRLF end; the last one need not be ended, and is none if it is
 * empty. */
NX_API bool nx_text_line(nx_bytes *rest, nx_bytes *line);

/* The same of words, between which blanks are. */
NX_API bool nx_text_word(nx_bytes *rest, nx_bytes *word);

/* ---- Putting it together. NX_ETOOBIG (past the end of memory), NX_ENOMEM. */

NX_API NX_MUST_CHECK nx_err nx_text_lower(nx_bytes text, nx_bytes *out);
NX_API NX_MUST_CHECK nx_err nx_text_upper(nx_bytes text, nx_bytes *out);
/* Each `part`, from the left, becomes `with`; NX_EINVAL where `part` is nothing. */
NX_API NX_MUST_CHECK nx_err nx_text_replace(nx_bytes text, nx_bytes part, nx_bytes with,
                                            nx_bytes *out);
NX_API NX_MUST_CHECK nx_err nx_text_join(const nx_bytes *pieces, size_t count, nx_bytes separator,
                                         nx_bytes *out);
NX_API NX_MUST_CHECK nx_err nx_text_repeat(nx_bytes text, size_t times, nx_bytes *out);
/* So many `fill` (of ASCII) before or behind it that it has `width` code points at least. */
NX_API NX_MUST_CHECK nx_err nx_text_pad_start(nx_bytes text, size_t width, char fill,
                                              nx_bytes *out);
NX_API NX_MUST_CHECK nx_err nx_text_pad_end(nx_bytes text, size_t width, char fill, nx_bytes *out);

/* ---- Numbers */

/* A whole decimal number that is `least` to `most`, and nothing around it: digits, with - in front
 * where it may be below 0; zeros in front are taken. NX_EINVAL, with the place; NX_ELIMIT (it isn't
 * within the two, which the message tells). `*out` is 0 on an error. */
NX_API NX_MUST_CHECK nx_err nx_parse_int(nx_bytes text, int64_t least, int64_t most, int64_t *out);
NX_API NX_MUST_CHECK nx_err nx_parse_uint(nx_bytes text, uint64_t least, uint64_t most,
                                          uint64_t *out);

/* A decimal number as JSON has it, but with zeros in front if it likes: "-1.5e-3". The double that
 * is nearest, whatever the locale. NX_EINVAL, with the place; NX_ELIMIT (too large, or over 1000
 * characters), NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_parse_double(nx_bytes text, double *out);

/* The shortest of the usual ways to write a double that reads back as the same: "0.1", "1e+30",
 * "inf", "nan". NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_text_double(double number, nx_bytes *out);

/* With a separator after each three digits: 1234567, "," -> "1,234,567". NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_text_grouped(int64_t number, const char *separator, nx_bytes *out);

#ifdef __cplusplus
}
#endif

#endif
