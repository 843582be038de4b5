/* Regular expressions with the syntax of Perl (PCRE2's, its manual's page "pcre2pattern"). */
#ifndef NEXUS_REGEX_H
#define NEXUS_REGEX_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Nothing here suspends, and all of it may be called by several threads, with one pattern too. A
 * pattern belongs to the scope in which it was compiled: compile before nx_http_listen what
 * handlers use. Results are memory of the current scope or, where nothing had to be made, slices of
 * the text. */
typedef struct nx_regex nx_regex;

/* Zero means the default. */
typedef struct nx_regex_options {
    size_t size;
    bool ignore_case;     /* (?i) */
    bool multiline;       /* (?m): ^ and $ match at every line */
    bool dot_all;         /* (?s): . matches the end of a line too */
    bool extended;        /* (?x): spaces and #comments in the pattern are for people */
    bool anchored;        /* matches only where the search begins, or the match before ended */
    bool unicode;         /* \d, \w, \s and \b know all scripts, not ASCII alone */
    bool bytes;           /* the pattern and texts are bytes, not UTF-8 */
    uint32_t max_steps;   /* of backtracking from one beginning, NX_REGEX_MAX_STEPS */
    nx_duration max_time; /* of one call, in time of the processor; NX_REGEX_MAX_TIME */
} nx_regex_options;

/* Caps. A pattern of more bytes, or one that compiles to more than 64 KiB, is refused; so are
 * groups in each other past the depth. Backtracking may keep NX_REGEX_MAX_MEMORY. */
#define NX_REGEX_MAX_PATTERN ((size_t)16 << 10)
#define NX_REGEX_MAX_DEPTH   100
#define NX_REGEX_MAX_STEPS   1000000
#define NX_REGEX_MAX_TIME    NX_MS(100)
#define NX_REGEX_MAX_MEMORY  ((size_t)16 << 20)
/* Bytes that nx_regex_replace makes, and pieces that nx_regex_split does. */
#define NX_REGEX_MAX_RESULT ((size_t)64 << 20)
#define NX_REGEX_MAX_PIECES 100000

/* Compiles: nx_regex_compile(&re, "^(?<key>\\w+)=(.*)$", .multiline = true). "$" is the end of the
 * text, not a place before its last newline as in Perl; \G and \C are refused. NX_EINVAL, with the
 * place and a mark below it in nx_error_last(); NX_ETOOBIG, NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_regex_compile_with(nx_regex **out, nx_bytes pattern,
                                                  const nx_regex_options *options);
#define nx_regex_compile(out, pattern, ...)                                                        \
    nx_regex_compile_with((out), nx_str(pattern),                                                  \
                          &(nx_regex_options){.size = sizeof(nx_regex_options), __VA_ARGS__})

/* Where a pattern matched. The groups are slices of the text: the whole match first, then those in
 * parentheses; `data` is NULL for one that had no part in it. */
typedef struct nx_match {
    bool found; /* else all is zero */
    nx_bytes text;
    size_t start, end; /* of the match, in bytes from the beginning of the text */
    const nx_bytes *groups;
    size_t count;
    const nx_regex *regex;
} nx_match;

/* The group of that name, `data` is NULL if it had no part or the pattern has none such. */
NX_API nx_bytes nx_match_group(const nx_match *match, const char *name);

/* Searches the text for the first match; that there is none is no error. All calls that search:
 * NX_EINVAL for a text that is not UTF-8 (unless .bytes), NX_ELIMIT where it takes more steps, time
 * or memory than the caps, NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_regex_find(const nx_regex *regex, nx_bytes text, nx_match *out);
/* Whether there is a match. */
NX_API NX_MUST_CHECK nx_err nx_regex_test(const nx_regex *regex, nx_bytes text, bool *out);

/* All matches, one behind another:
 *
 *     nx_regex_each each = nx_regex_begin(re, text);
 *     while (nx_regex_next(&each)) use(each.match.text);
 *     NX_TRY(each.err);
 *
 * A match lasts until the next call; the caps hold for all of them together. */
typedef struct nx_regex_each {
    nx_match match;
    nx_err err; /* behind the last: why it was the last */
    nx_bytes subject;
    const nx_regex *regex;
    size_t at, needed_at;
    bool begun, after_empty;
    nx_duration spent;
    nx_bytes *groups;
} nx_regex_each;

NX_API nx_regex_each nx_regex_begin(const nx_regex *regex, nx_bytes text);
NX_API NX_MUST_CHECK bool nx_regex_next(nx_regex_each *each);

/* Every match replaced by the template, in which $1 and ${1} are a group, ${name} one by its name,
 * $0 the match, and $$ a "$". NX_EINVAL also for a template that names no group of the pattern;
 * NX_ETOOBIG past NX_REGEX_MAX_RESULT. */
NX_API NX_MUST_CHECK nx_err nx_regex_replace(const nx_regex *regex, nx_bytes text,
                                             nx_bytes replacement, nx_bytes *out);
/* The same with what `fn` makes of each match. The error that it returns ends the call. It may
 * suspend if nothing else uses its scope meanwhile. */
typedef nx_err (*nx_regex_fn)(void *arg, const nx_match *match, nx_bytes *replacement);
NX_API NX_MUST_CHECK nx_err nx_regex_replace_by(const nx_regex *regex, nx_bytes text,
                                                nx_regex_fn fn, void *arg, nx_bytes *out);

/* The pieces between the matches, slices of the text, at least one. A match of nothing cuts between
 * two characters, not at the beginning or end. With `most` pieces (0: NX_REGEX_MAX_PIECES, past
 * which NX_ETOOBIG) the last is the rest of the text. */
NX_API NX_MUST_CHECK nx_err nx_regex_split(const nx_regex *regex, nx_bytes text, size_t most,
                                           nx_bytes **pieces, size_t *count);

/* The text as a pattern that matches just it. NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_regex_escape(nx_bytes text, nx_bytes *out);

#ifdef __cplusplus
}
#endif

#endif
