/* What a program does with a pattern: find, go through, split. */
#include "base/error.h"
#include "regex/regex.h"

nx_bytes nx_match_group(const nx_match *match, const char *name)
{
    int group = match->found ? nx__regex_group(match->regex, nx_str(name)) : -1;
    return group < 0 ? (nx_bytes){0} : match->groups[group];
}

nx_err nx_regex_find(const nx_regex *regex, nx_bytes text, nx_match *out)
{
    struct nx__regex_search search = {.regex = regex, .text = text};
    *out = (nx_match){0};
    nx_bytes *groups = nx_alloc(regex->groups * sizeof *groups);
    if (!groups) return NX_ENOMEM;
    NX_TRY(nx__regex_search_open(&search, false));
    nx_err err = nx__regex_search_next(&search, 0, false, groups, out);
    nx__regex_search_close(&search);
    return err;
}

nx_err nx_regex_test(const nx_regex *regex, nx_bytes text, bool *out)
{
    nx_match match;
    *out = false;
    NX_TRY(nx_regex_find(regex, text, &match));
    *out = match.found;
    return NX_OK;
}

nx_regex_each nx_regex_begin(const nx_regex *regex, nx_bytes text)
{
    return (nx_regex_each){.regex = regex, .subject = text.data ? text : nx_slice("", 0)};
}

bool nx_regex_next(nx_regex_each *each)
{
    struct nx__regex_search search = {.regex = each->regex,
                                      .text = each->subject,
                                      .spent = each->spent,
                                      .needed_at = each->needed_at};
    each->match = (nx_match){0};
    if (each->err || each->at > each->subject.len) return false;
    if (!each->groups) each->groups = nx_alloc(each->regex->groups * sizeof *each->groups);
    each->err = each->groups ? nx__regex_search_open(&search, each->begun) : NX_ENOMEM;
    if (each->err) return false;
    each->err =
        nx__regex_search_next(&search, each->at, each->after_empty, each->groups, &each->match);
    nx__regex_search_close(&search);
    each->begun = true;
    each->spent = search.spent;
    each->needed_at = search.needed_at;
    each->after_empty = each->match.found && each->match.start == each->match.end;
    each->at = each->match.found ? each->match.end : each->subject.len + 1;
    return each->match.found;
}

static nx_err add_piece(nx_bytes **pieces, size_t *count, size_t *capacity, nx_bytes piece)
{
    if (*count == *capacity) {
        size_t more = *capacity ? *capacity * 2 : 16;
        nx_bytes *items = nx_alloc(more * sizeof *items);
        if (!items) return NX_ENOMEM;
        if (*count) memcpy(items, *pieces, *count * sizeof *items);
        *pieces = items;
        *capacity = more;
    }
    (*pieces)[(*count)++] = piece;
    return NX_OK;
}

nx_err nx_regex_split(const nx_regex *regex, nx_bytes text, size_t most, nx_bytes **pieces,
                      size_t *count)
{
    size_t capacity = 0, from = 0;
    *pieces = NULL;
    *count = 0;
    nx_regex_each each = nx_regex_begin(regex, text);
    while ((!most || *count + 1 < most) && nx_regex_next(&each)) {
        bool empty = each.match.start == each.match.end;
        if (empty && (each.match.start == from || each.match.end == text.len)) continue;
        if (*count >= NX_REGEX_MAX_PIECES - 1)
            return nx__error_set(NX_ETOOBIG, "the text has more than %d pieces",
                                 NX_REGEX_MAX_PIECES);
        NX_TRY(add_piece(pieces, count, &capacity,
                         nx_slice(each.subject.data + from, each.match.start - from)));
        from = each.match.end;
    }
    NX_TRY(each.err);
    return add_piece(pieces, count, &capacity,
                     nx_slice(each.subject.data + from, each.subject.len - from));
}
