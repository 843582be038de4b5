/* What a compiled pattern is, and how it is searched for. */
#ifndef NX__REGEX_H
#define NX__REGEX_H

#include <nexus/regex.h>
#include <pcre2.h>

/* Where a match can begin, so that the search for it is ours: see search.c. */
enum nx__regex_first {
    NX__REGEX_ANYWHERE,
    NX__REGEX_BYTES, /* at one of these */
    NX__REGEX_LINE,  /* at the beginning of a line */
    NX__REGEX_ONCE   /* where the search begins, only */
};

/* Bytes that are looked for in a text: one, or any of a set. */
struct nx__regex_bytes {
    bool one;
    unsigned char byte;
    uint8_t set[32]; /* 256 bits */
};

struct nx_regex {
    pcre2_code *code;
    pcre2_code *watched; /* the same, which looks at the time on the way; NULL: it were too large */
    enum nx__regex_first first;
    struct nx__regex_bytes beginnings;
    bool needs; /* every match holds one of `needed` behind its beginning */
    struct nx__regex_bytes needed;
    bool bytes;
    uint32_t groups; /* with the whole match */
    uint32_t max_steps;
    nx_duration max_time;
};

/* How long one search takes: by the clock while that is next to nothing, since it is read in
 * passing; then in time of the processor, since a busy machine is not the text's fault. */
struct nx__regex_watch {
    nx_duration from, processor_from;
};

/* What one call may use, over all its matches. */
struct nx__regex_search {
    const struct nx_regex *regex;
    nx_bytes text;
    nx_duration spent; /* in searches before */
    size_t needed_at;  /* the first needed byte from the last beginning on */
    uint32_t steps;    /* of a first try from one beginning, by the code that looks at no time */
    struct nx__regex_watch watch; /* of the match at hand */
    uint32_t ticks, ticks_each;   /* items of the pattern between two looks at it */
    pcre2_match_data *data;
    pcre2_match_context *context;
};

/* NX_EINVAL (no UTF-8), NX_ENOMEM. The text is only looked at if `checked` is false. */
nx_err nx__regex_search_open(struct nx__regex_search *search, bool checked);
void nx__regex_search_close(struct nx__regex_search *search);

/* The first match from `at` on; with `not_empty` no empty one at `at` itself. `groups` holds
 * regex->groups slices, which `*match` then refers to. NX_ELIMIT, NX_ENOMEM. */
nx_err nx__regex_search_next(struct nx__regex_search *search, size_t at, bool not_empty,
                             nx_bytes *groups, nx_match *match);

/* nx_regex_next in three: opens the search, which is to be closed; goes on to the next match. */
nx_err nx__regex_walk(nx_regex_each *each, struct nx__regex_search *search);
bool nx__regex_step(nx_regex_each *each, struct nx__regex_search *search);

/* The number of a group by its name, or -1. */
int nx__regex_group(const struct nx_regex *regex, nx_bytes name);

#endif
