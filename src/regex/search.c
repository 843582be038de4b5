/* The search for a match, so that no text and no pattern holds the loop up.
 *
 * PCRE2 backtracks. Its own limit counts steps from one beginning only, and not at all the
 * characters that one step runs over, so a search of n bytes may take n times the limit, or n * n.
 * Therefore the search for beginnings is done here, PCRE2 tries one or a few at a time, and between
 * them the time is looked at; in a text that isn't short also on the way, by callouts. */
#include "base/clock.h"
#include "base/error.h"
#include "base/utf8.h"
#include "regex/regex.h"

enum {
    FEW = 8,        /* beginnings between two looks at the time */
    SLOW = 1000000, /* nanoseconds: after a few that took as long, one is tried at a time */
    HEAP_LIMIT_KIB = NX_REGEX_MAX_MEMORY >> 10,
    PASSED = 16 << 20, /* bytes that steps and items between two looks at the time may run over */
    STEPS_LEAST = 64,  /* fewer are not worth a try */
    TICKS_MOST = 1 << 10, /* items of a pattern between two looks */
};

static nx_duration watch_read(struct nx__regex_watch *watch)
{
    if (watch->processor_from)
        return SLOW + nx__clock(CLOCK_THREAD_CPUTIME_ID) - watch->processor_from;
    nx_duration passed = nx__clock(CLOCK_MONOTONIC) - watch->from;
    if (passed <= SLOW) return passed;
    watch->processor_from = nx__clock(CLOCK_THREAD_CPUTIME_ID);
    return SLOW;
}

/* Before each item of a watched pattern. */
static int tick(pcre2_callout_block *block, void *arg)
{
    struct nx__regex_search *search = arg;
    /* The pattern's own callouts count too, and do nothing else. */
    (void)block;
    if (--search->ticks) return 0;
    search->ticks = search->ticks_each;
    return search->spent + watch_read(&search->watch) > search->regex->max_time
               ? PCRE2_ERROR_MATCHLIMIT
               : 0;
}

nx_err nx__regex_search_open(struct nx__regex_search *search, bool checked)
{
    const struct nx_regex *regex = search->regex;
    if (!search->text.data) search->text = nx_slice("", 0);
    const char *at = search->text.data, *end = at + search->text.len;
    for (size_t n; !checked && !regex->bytes && at < end; at += n)
        if (!(n = nx__utf8_sequence(at, end)))
            return nx__error_set(NX_EINVAL,
                                 "cannot search the text: it is not UTF-8 at byte %zu; a pattern "
                                 "compiled with .bytes takes any",
                                 (size_t)(at - search->text.data) + 1);
    search->data = pcre2_match_data_create(regex->groups, NULL);
    search->context = pcre2_match_context_create(NULL);
    if (!search->data || !search->context) {
        nx__regex_search_close(search);
        return nx__error_set(NX_ENOMEM, "cannot search the text: out of memory");
    }
    pcre2_set_heap_limit(search->context, HEAP_LIMIT_KIB);
    pcre2_set_callout(search->context, tick, search);
    size_t len = search->text.len ? search->text.len : 1, steps = PASSED / len;
    search->ticks_each = steps < 1 ? 1 : steps > TICKS_MOST ? TICKS_MOST : (uint32_t)steps;
    search->ticks = search->ticks_each;
    search->steps = regex->max_steps;
    if (regex->watched && steps < regex->max_steps)
        search->steps = steps < STEPS_LEAST ? 0 : (uint32_t)steps;
    return NX_OK;
}

void nx__regex_search_close(struct nx__regex_search *search)
{
    pcre2_match_data_free(search->data);
    pcre2_match_context_free(search->context);
    search->data = NULL;
    search->context = NULL;
}

/* The place of one of the bytes at or behind `at`; past the end where there is none. */
static size_t find_bytes(nx_bytes text, size_t at, const struct nx__regex_bytes *bytes)
{
    if (bytes->one) {
        const char *found =
            at < text.len ? memchr(text.data + at, bytes->byte, text.len - at) : NULL;
        return found ? (size_t)(found - text.data) : text.len + 1;
    }
    for (; at < text.len; at++) {
        unsigned char c = (unsigned char)text.data[at];
        if (bytes->set[c / 8] >> (c % 8) & 1) return at;
    }
    return text.len + 1;
}

/* The next place at or behind `at` where a match can begin; past the end where there is none. */
static size_t candidate(struct nx__regex_search *search, size_t at)
{
    const struct nx_regex *regex = search->regex;
    nx_bytes text = search->text;
    if (at > text.len) return at;
    switch (regex->first) {
    case NX__REGEX_ANYWHERE:
    case NX__REGEX_ONCE: break;
    case NX__REGEX_BYTES: at = find_bytes(text, at, &regex->beginnings); break;
    case NX__REGEX_LINE:
        if (!at || text.data[at - 1] == '\n') break;
        at = find_bytes(text, at, &(struct nx__regex_bytes){.one = true, .byte = '\n'});
        if (at < text.len) at++;
        break;
    }
    if (regex->needs && at <= text.len && search->needed_at <= at) {
        search->needed_at = find_bytes(text, at, &regex->needed);
        if (search->needed_at > text.len) return text.len + 1;
    }
    return at;
}

/* First by the code that is quick, for as many steps as take little in this text; what needs more
 * is begun again by the one that looks at the time on its way. */
static int try(const struct nx__regex_search *search, size_t at, uint32_t flags)
{
    const struct nx_regex *regex = search->regex;
    PCRE2_SPTR text = (PCRE2_SPTR)search->text.data;
    size_t len = search->text.len;
    int result = PCRE2_ERROR_MATCHLIMIT;
    pcre2_set_match_limit(search->context, search->steps);
    if (search->steps)
        result = pcre2_match(regex->code, text, len, at, flags, search->data, search->context);
    if (result != PCRE2_ERROR_MATCHLIMIT || search->steps == regex->max_steps) return result;
    pcre2_set_match_limit(search->context, regex->max_steps);
    return pcre2_match(regex->watched, text, len, at, flags, search->data, search->context);
}

/* Tries the beginnings from `at` on, as many as are left to be tried before the time is looked at;
 * `*few` is how many that were. */
static int try_few(struct nx__regex_search *search, size_t at, bool not_empty, size_t *few)
{
    uint32_t flags = PCRE2_NO_UTF_CHECK;
    size_t left = search->text.len - at;
    if (search->regex->first != NX__REGEX_ANYWHERE || *few == 1) {
        flags |= PCRE2_ANCHORED;
        *few = 1;
    } else if (*few > left) {
        *few = left + 1;
    }
    if (not_empty) flags |= PCRE2_NOTEMPTY_ATSTART;
    pcre2_set_offset_limit(search->context, at + *few - 1);
    return try(search, at, flags);
}

/* Returns what PCRE2 says: PCRE2_ERROR_NOMATCH, another error, or how many groups there are. */
static int search_from(struct nx__regex_search *search, size_t begin, bool not_empty)
{
    const struct nx_regex *regex = search->regex;
    nx_bytes text = search->text;
    nx_duration spent = 0;
    search->watch = (struct nx__regex_watch){.from = nx__clock(CLOCK_MONOTONIC)};
    size_t pace = FEW, tried = 0;
    int result = PCRE2_ERROR_NOMATCH;
    if (search->spent > regex->max_time) return PCRE2_ERROR_MATCHLIMIT;
    for (size_t at = begin; (at = candidate(search, at)) <= text.len;) {
        size_t few = pace;
        result = try_few(search, at, not_empty && at == begin, &few);
        if (result != PCRE2_ERROR_NOMATCH || regex->first == NX__REGEX_ONCE) break;
        at += few;
        while (!regex->bytes && at < text.len && ((unsigned char)text.data[at] & 0xc0) == 0x80)
            at++;
        tried += few;
        if (tried < pace) continue;
        tried = 0;
        nx_duration now = watch_read(&search->watch);
        if (search->spent + now > regex->max_time) return PCRE2_ERROR_MATCHLIMIT;
        pace = now - spent > SLOW ? 1 : FEW;
        spent = now;
    }
    search->spent += watch_read(&search->watch);
    return result;
}

nx_err nx__regex_search_next(struct nx__regex_search *search, size_t at, bool not_empty,
                             nx_bytes *groups, nx_match *match)
{
    *match = (nx_match){0};
    int result = search_from(search, at, not_empty);
    switch (result) {
    case PCRE2_ERROR_NOMATCH: return NX_OK;
    case PCRE2_ERROR_NOMEMORY: return nx__error_set(NX_ENOMEM, "cannot search: out of memory");
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
    case PCRE2_ERROR_HEAPLIMIT:
        return nx__error_set(NX_ELIMIT, "the pattern takes too many %s in this text",
                             result == PCRE2_ERROR_HEAPLIMIT ? "bytes of memory" : "steps");
    default: break;
    }
    if (result < 0) {
        char reason[120];
        pcre2_get_error_message(result, (PCRE2_UCHAR *)reason, sizeof reason);
        return nx__error_set(NX_EFAILED, "cannot search: %s", reason);
    }
    const size_t *places = pcre2_get_ovector_pointer(search->data);
    for (uint32_t i = 0; i < search->regex->groups; i++) {
        groups[i] = (nx_bytes){0};
        if (i < (uint32_t)result && places[2 * i] != PCRE2_UNSET)
            groups[i] =
                nx_slice(search->text.data + places[2 * i], places[2 * i + 1] - places[2 * i]);
    }
    *match = (nx_match){.found = true,
                        .text = groups[0],
                        .start = places[0],
                        .end = places[1],
                        .groups = groups,
                        .count = search->regex->groups,
                        .regex = search->regex};
    return NX_OK;
}
