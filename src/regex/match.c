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

nx_err nx__regex_walk(nx_regex_each *each, struct nx__regex_search *search)
{
    *search = (struct nx__regex_search){.regex = each->regex,
                                        .text = each->subject,
                                        .spent = each->spent,
                                        .needed_at = each->needed_at};
    if (!each->groups) each->groups = nx_alloc(each->regex->groups * sizeof *each->groups);
    each->err = each->groups ? nx__regex_search_open(search, each->begun) : NX_ENOMEM;
    each->begun = true;
    return each->err;
}

bool nx__regex_step(nx_regex_each *each, struct nx__regex_search *search)
{
    each->match = (nx_match){0};
    if (each->err || each->at > each->subject.len) return false;
    each->err =
        nx__regex_search_next(search, each->at, each->after_empty, each->groups, &each->match);
    each->spent = search->spent;
    each->needed_at = search->needed_at;
    each->after_empty = each->match.found && each->match.start == each->match.end;
    each->at = each->match.found ? each->match.end : each->subject.len + 1;
    return each->match.found;
}

bool nx_regex_next(nx_regex_each *each)
{
    struct nx__regex_search search;
    each->match = (nx_match){0};
    if (each->err || each->at > each->subject.len || nx__regex_walk(each, &search)) return false;
    bool found = nx__regex_step(each, &search);
    nx__regex_search_close(&search);
    return found;
}

struct pieces {
    nx_bytes *items;
    size_t count, capacity, most;
};

static nx_err add_piece(struct pieces *out, nx_bytes piece)
{
    if (out->count == out->capacity) {
        size_t capacity = out->capacity ? out->capacity * 2 : 16;
        nx_bytes *items = nx_alloc(capacity * sizeof *items);
        if (!items) return NX_ENOMEM;
        if (out->count) memcpy(items, out->items, out->count * sizeof *items);
        out->items = items;
        out->capacity = capacity;
    }
    out->items[out->count++] = piece;
    return NX_OK;
}

static nx_err cut(nx_regex_each *each, struct nx__regex_search *search, struct pieces *out)
{
    nx_bytes text = each->subject;
    size_t from = 0;
    while ((!out->most || out->count + 1 < out->most) && nx__regex_step(each, search)) {
        bool empty = each->match.start == each->match.end;
        if (empty && (each->match.start == from || each->match.end == text.len)) continue;
        if (out->count >= NX_REGEX_MAX_PIECES - 1)
            return nx__error_set(NX_ETOOBIG, "the text has more than %d pieces",
                                 NX_REGEX_MAX_PIECES);
        NX_TRY(add_piece(out, nx_slice(text.data + from, each->match.start - from)));
        from = each->match.end;
    }
    NX_TRY(each->err);
    return add_piece(out, nx_slice(text.data + from, text.len - from));
}

nx_err nx_regex_split(const nx_regex *regex, nx_bytes text, size_t most, nx_bytes **pieces,
                      size_t *count)
{
    struct pieces out = {.most = most};
    struct nx__regex_search search;
    nx_regex_each each = nx_regex_begin(regex, text);
    *pieces = NULL;
    *count = 0;
    NX_TRY(nx__regex_walk(&each, &search));
    nx_err err = cut(&each, &search, &out);
    nx__regex_search_close(&search);
    if (err) return err;
    *pieces = out.items;
    *count = out.count;
    return NX_OK;
}
