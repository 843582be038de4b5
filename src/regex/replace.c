/* Replacing matches, by a template or by what a function makes of each. */
#include "base/buffer.h"
#include "base/error.h"
#include "regex/regex.h"

/* ---- Templates */

static nx_err refuse(nx_bytes text, const char *at, const char *reason)
{
    char shown[NX__QUOTED];
    return nx__error_set(NX_EINVAL, "cannot replace by \"%s\": %s at character %zu",
                         nx__quoted(shown, text), reason, (size_t)(at - text.data) + 1);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes the next part of the template: text (`*group` is -1) or a group's number. */
static nx_err next_part(const nx_regex *regex, nx_bytes whole, nx_bytes *rest, nx_bytes *text,
                        int *group)
{
    const char *s = rest->data, *end = s + rest->len;
    const char *dollar = memchr(s, '$', rest->len);
    *group = -1;
    if (dollar != s) {
        *text = nx_slice(s, dollar ? (size_t)(dollar - s) : rest->len);
        *rest = nx_slice(s + text->len, rest->len - text->len);
        return NX_OK;
    }
    const char *p = s + 1;
    if (p < end && *p == '$') {
        *text = nx_slice(p, 1);
        *rest = nx_slice(p + 1, (size_t)(end - p) - 1);
        return NX_OK;
    }
    bool braced = p < end && *p == '{';
    if (braced) p++;
    const char *name = p;
    while (p < end && (braced ? *p != '}' : is_digit(*p))) p++;
    if (p == name || (braced && p == end)) return refuse(whole, s, "\"$\" begins no group");
    if (is_digit(*name)) {
        int number = 0;
        for (const char *d = name; d < p; d++) {
            if (!is_digit(*d) || number > 100000) return refuse(whole, s, "there is no such group");
            number = number * 10 + (*d - '0');
        }
        *group = number < (int)regex->groups ? number : -1;
    } else {
        *group = nx__regex_group(regex, nx_slice(name, (size_t)(p - name)));
    }
    if (*group < 0) return refuse(whole, s, "there is no such group");
    if (braced) p++;
    *rest = nx_slice(p, (size_t)(end - p));
    return NX_OK;
}

static nx_err check(const nx_regex *regex, nx_bytes template)
{
    nx_bytes text;
    int group;
    for (nx_bytes rest = template; rest.len;)
        NX_TRY(next_part(regex, template, &rest, &text, &group));
    return NX_OK;
}

/* ---- Replacing */

static nx_err append(struct nx__buffer *out, nx_bytes text)
{
    if (!text.len) return NX_OK;
    nx_err err = nx__buffer_append(out, text.data, text.len, NX_REGEX_MAX_RESULT);
    if (err == NX_OK) return NX_OK;
    return out->len + text.len > NX_REGEX_MAX_RESULT
               ? nx__error_set(NX_ETOOBIG, "the result is longer than %zu bytes",
                               NX_REGEX_MAX_RESULT)
               : nx__error_set(NX_ENOMEM, "cannot replace: out of memory");
}

static nx_err append_template(struct nx__buffer *out, const nx_match *match, nx_bytes template)
{
    for (nx_bytes rest = template; rest.len;) {
        nx_bytes text;
        int group;
        NX_TRY(next_part(match->regex, template, &rest, &text, &group));
        NX_TRY(append(out, group < 0 ? text : match->groups[group]));
    }
    return NX_OK;
}

struct how {
    nx_bytes template;
    nx_regex_fn fn; /* NULL: the template */
    void *arg;
};

static nx_err build(struct nx__buffer *out, nx_regex_each *each, struct nx__regex_search *search,
                    const struct how *how)
{
    size_t from = 0;
    while (nx__regex_step(each, search)) {
        NX_TRY(append(out, nx_slice(each->subject.data + from, each->match.start - from)));
        if (how->fn) {
            nx_bytes text = {0};
            NX_TRY(how->fn(how->arg, &each->match, &text));
            NX_TRY(append(out, text));
        } else {
            NX_TRY(append_template(out, &each->match, how->template));
        }
        from = each->match.end;
    }
    NX_TRY(each->err);
    return append(out, nx_slice(each->subject.data + from, each->subject.len - from));
}

static nx_err replace(const nx_regex *regex, nx_bytes text, const struct how *how, nx_bytes *out)
{
    struct nx__buffer made = {0};
    struct nx__regex_search search;
    nx_regex_each each = nx_regex_begin(regex, text);
    *out = (nx_bytes){0};
    NX_TRY(nx__regex_walk(&each, &search));
    nx_err err = build(&made, &each, &search, how);
    nx__regex_search_close(&search);
    if (!err) {
        size_t len = made.len;
        char *copy = nx_copy(nx_slice(len ? made.data : "", len));
        if (copy)
            *out = nx_slice(copy, len);
        else
            err = NX_ENOMEM;
    }
    nx__buffer_free(&made);
    return err;
}

nx_err nx_regex_replace(const nx_regex *regex, nx_bytes text, nx_bytes replacement, nx_bytes *out)
{
    NX_TRY(check(regex, replacement));
    return replace(regex, text, &(struct how){.template = replacement}, out);
}

nx_err nx_regex_replace_by(const nx_regex *regex, nx_bytes text, nx_regex_fn fn, void *arg,
                           nx_bytes *out)
{
    return replace(regex, text, &(struct how){.fn = fn, .arg = arg}, out);
}
