/* JSON as events (RFC 8259). Strict: what the tree refuses is refused here. */
#include "json/events.h"

#include "base/compiler.h"
#include "base/utf8.h"

struct input {
    const char *at, *end;
    bool last;
};

static enum nx__json_progress refuse(struct nx__json_events *e, nx_err err, const char *reason)
{
    e->err = err;
    e->reason = reason;
    return NX__JSON_ERROR;
}

static enum nx__json_progress wrong(struct nx__json_events *e, const char *reason)
{
    return refuse(e, NX_EPROTO, reason);
}

static enum nx__json_progress ends_early(struct nx__json_events *e)
{
    return wrong(e, e->seen ? "the text ends too early" : "there is no value");
}

static bool in_object(const struct nx__json_events *e)
{
    uint32_t level = e->depth - 1;
    return e->depth && e->objects[level / 8] & 1u << level % 8;
}

/* ---- Events */

static enum nx__json_progress event(struct nx__json_events *e, nx_json_event_kind kind)
{
    e->kind = kind;
    e->event_depth = e->depth;
    e->event_name = e->named ? e->name : (nx_bytes){0};
    e->named = false;
    return NX__JSON_EVENT;
}

static void value_done(struct nx__json_events *e)
{
    e->state = e->depth  ? NX__JSON_WANT_COMMA_OR_END
               : e->many ? NX__JSON_WANT_VALUE
                         : NX__JSON_DONE;
}

static enum nx__json_progress scalar_done(struct nx__json_events *e)
{
    e->lex = NX__JSON_LEX_NONE;
    value_done(e);
    return event(e, NX_JSON_VALUE);
}

static enum nx__json_progress begin(struct nx__json_events *e, bool object)
{
    if (e->depth == e->max_depth) return refuse(e, NX_ETOOBIG, "it is nested too deep");
    enum nx__json_progress progress = event(e, object ? NX_JSON_OBJECT_BEGIN : NX_JSON_ARRAY_BEGIN);
    uint8_t bit = (uint8_t)(1u << e->depth % 8), *bits = &e->objects[e->depth / 8];
    *bits = (uint8_t)(object ? *bits | bit : *bits & ~bit);
    e->depth++;
    e->state = object ? NX__JSON_WANT_NAME_OR_END : NX__JSON_WANT_ITEM_OR_END;
    return progress;
}

static enum nx__json_progress end(struct nx__json_events *e, bool object)
{
    e->depth--;
    value_done(e);
    return event(e, object ? NX_JSON_OBJECT_END : NX_JSON_ARRAY_END);
}

/* ---- Tokens */

static bool keep(struct nx__json_events *e, const char *data, size_t len)
{
    nx_err err = len > e->max_token - e->token.len
                     ? NX_ETOOBIG
                     : nx__buffer_append(&e->token, data, len, SIZE_MAX);
    if (!err) return true;
    (void)refuse(e, err,
                 err == NX_ENOMEM ? "out of memory" : "a string, name or number is too long");
    return false;
}

static enum nx__json_progress string_done(struct nx__json_events *e, nx_bytes text, bool borrowed)
{
    if (e->raw && !nx__utf8_valid(text.data, text.len))
        return wrong(e, "this string is not valid UTF-8");
    e->lex = NX__JSON_LEX_NONE;
    if (!e->is_name) {
        (void)yyjson_set_strn(&e->scalar, text.data, text.len);
        return scalar_done(e);
    }
    if (!borrowed) { /* the token's memory is for what comes next */
        struct nx__buffer kept = e->name_kept;
        e->name_kept = e->token;
        e->token = kept;
    }
    e->name = text;
    e->borrowed = borrowed;
    e->named = true;
    e->state = NX__JSON_WANT_COLON;
    return NX__JSON_MORE;
}

static inline bool plain(char c)
{
    return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

static enum nx__json_progress lex_string(struct nx__json_events *e, struct input *in)
{
    const char *from = in->at, *at = from;
    for (; in->end - at >= 16; at += 16) {
        size_t n = nx__json_plain_16(at);
        if (n == 16) continue;
        at += n;
        if (plain(*at)) e->raw = true;
        break;
    }
    for (; at < in->end && plain(*at); at++) e->raw |= (unsigned char)*at >= 0x80;
    in->at = at;
    size_t len = (size_t)(at - from);
    bool whole = at < in->end && *at == '"';
    if (e->high && (len || whole)) return wrong(e, "a high surrogate wants a low one behind it");
    if (whole && !e->token.len) {
        if (len > e->max_token)
            return refuse(e, NX_ETOOBIG, "a string, name or number is too long");
        in->at++;
        return string_done(e, nx_slice(from, len), true);
    }
    if (!keep(e, from, len)) return NX__JSON_ERROR;
    if (at == in->end) return in->last ? ends_early(e) : NX__JSON_MORE;
    if (whole) {
        in->at++;
        return string_done(e, nx_slice(e->token.data, e->token.len), false);
    }
    if (*at != '\\') return wrong(e, "a control character in a string has to be escaped");
    in->at++;
    e->lex = NX__JSON_LEX_ESCAPE;
    return NX__JSON_MORE;
}

static enum nx__json_progress lex_escape(struct nx__json_events *e, struct input *in)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = *in->at;
    if (c == 'u') {
        in->at++;
        e->lex = NX__JSON_LEX_UNICODE;
        e->digits = 0;
        e->unit = 0;
        return NX__JSON_MORE;
    }
    if (e->high) return wrong(e, "a high surrogate wants a low one behind it");
    const char *found = memchr(from, c, sizeof from - 1);
    if (!found) return wrong(e, "there is no such escape");
    in->at++;
    e->lex = NX__JSON_LEX_STRING;
    return keep(e, &to[found - from], 1) ? NX__JSON_MORE : NX__JSON_ERROR;
}

static size_t utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[len] | c);
    return len;
}

static enum nx__json_progress lex_unicode(struct nx__json_events *e, struct input *in)
{
    for (; e->digits < 4 && in->at < in->end; in->at++, e->digits++) {
        char c = *in->at, l = (char)(c | 0x20);
        int digit = c >= '0' && c <= '9' ? c - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
        if (digit < 0) return wrong(e, "\\u wants four hexadecimal digits");
        e->unit = (uint16_t)(e->unit << 4 | digit);
    }
    if (e->digits < 4) return in->last ? ends_early(e) : NX__JSON_MORE;
    e->lex = NX__JSON_LEX_STRING;
    bool low = e->unit >= 0xdc00 && e->unit < 0xe000;
    if (low != (e->high != 0))
        return wrong(e, low ? "a low surrogate wants a high one before it"
                            : "a high surrogate wants a low one behind it");
    if (e->unit >= 0xd800 && e->unit < 0xdc00) {
        e->high = e->unit;
        return NX__JSON_MORE;
    }
    uint32_t c =
        low ? 0x10000u + ((uint32_t)(e->high - 0xd800) << 10) + (e->unit - 0xdc00u) : e->unit;
    e->high = 0;
    char text[4];
    return keep(e, text, utf8(text, c)) ? NX__JSON_MORE : NX__JSON_ERROR;
}

static enum nx__json_progress lex_number(struct nx__json_events *e, struct input *in)
{
    const char *from = in->at;
    while (in->at < in->end && ((*in->at >= '0' && *in->at <= '9') || memchr("+-.eE", *in->at, 5)))
        in->at++;
    if (!keep(e, from, (size_t)(in->at - from))) return NX__JSON_ERROR;
    if (in->at == in->end && !in->last) return NX__JSON_MORE;
    /* The reader of numbers stops at a NUL, which does not count. */
    if (nx__buffer_append(&e->token, "", 1, SIZE_MAX)) return refuse(e, NX_ENOMEM, "out of memory");
    const char *stop =
        yyjson_read_number(e->token.data, &e->scalar, YYJSON_READ_NOFLAG, NULL, NULL);
    if (!stop) return wrong(e, "this is no number, or none that fits");
    if (stop != e->token.data + e->token.len - 1) return wrong(e, "this is no number");
    return scalar_done(e);
}

static enum nx__json_progress lex_word(struct nx__json_events *e, struct input *in)
{
    for (; e->word[e->word_len]; in->at++, e->word_len++) {
        if (in->at == in->end) return in->last ? ends_early(e) : NX__JSON_MORE;
        if (*in->at != e->word[e->word_len]) return wrong(e, "expected a value");
    }
    if (e->word[0] == 'n')
        (void)yyjson_set_null(&e->scalar);
    else
        (void)yyjson_set_bool(&e->scalar, e->word[0] == 't');
    return scalar_done(e);
}

static enum nx__json_progress string_begin(struct nx__json_events *e, struct input *in,
                                           bool is_name)
{
    in->at++;
    e->lex = NX__JSON_LEX_STRING;
    e->is_name = is_name;
    e->raw = false;
    e->high = 0;
    return NX__JSON_MORE;
}

/* ---- The grammar */

static enum nx__json_progress value_begin(struct nx__json_events *e, struct input *in)
{
    char c = *in->at;
    switch (c) {
    case '{':
    case '[': {
        enum nx__json_progress progress = begin(e, c == '{');
        if (progress == NX__JSON_EVENT) in->at++;
        return progress;
    }
    case '"': return string_begin(e, in, false);
    case 't':
    case 'f':
    case 'n':
        e->lex = NX__JSON_LEX_WORD;
        e->word = c == 't' ? "true" : c == 'f' ? "false" : "null";
        e->word_len = 0;
        return NX__JSON_MORE;
    default:
        if (c != '-' && (c < '0' || c > '9'))
            return wrong(e, c == (char)0xef && !e->seen ? "a byte order mark may not be there"
                                                        : "expected a value");
        e->lex = NX__JSON_LEX_NUMBER;
        return NX__JSON_MORE;
    }
}

static enum nx__json_progress between(struct nx__json_events *e, struct input *in)
{
    while (in->at < in->end &&
           (*in->at == ' ' || *in->at == '\n' || *in->at == '\r' || *in->at == '\t'))
        in->at++;
    if (in->at == in->end) {
        if (!in->last) return NX__JSON_MORE;
        if (e->state == NX__JSON_DONE || (e->many && !e->depth && e->state == NX__JSON_WANT_VALUE))
            return event(e, NX_JSON_END);
        return ends_early(e);
    }
    char c = *in->at;
    e->token.len = 0;
    switch (e->state) {
    case NX__JSON_WANT_ITEM_OR_END:
        if (c == ']') {
            in->at++;
            return end(e, false);
        }
        NX__FALLTHROUGH;
    case NX__JSON_WANT_VALUE: {
        enum nx__json_progress progress = value_begin(e, in);
        if (progress != NX__JSON_ERROR) e->seen = true;
        return progress;
    }
    case NX__JSON_WANT_NAME_OR_END:
        if (c == '}') {
            in->at++;
            return end(e, true);
        }
        NX__FALLTHROUGH;
    case NX__JSON_WANT_NAME:
        if (c == '"') return string_begin(e, in, true);
        return wrong(e, e->state == NX__JSON_WANT_NAME ? "expected a name in quotes"
                                                       : "expected a name in quotes or \"}\"");
    case NX__JSON_WANT_COLON:
        if (c != ':') return wrong(e, "expected \":\"");
        in->at++;
        e->state = NX__JSON_WANT_VALUE;
        return NX__JSON_MORE;
    case NX__JSON_WANT_COMMA_OR_END: {
        bool object = in_object(e);
        if (c == ',') {
            in->at++;
            e->state = object ? NX__JSON_WANT_NAME : NX__JSON_WANT_VALUE;
            return NX__JSON_MORE;
        }
        if (c != (object ? '}' : ']'))
            return wrong(e, object ? "expected \",\" or \"}\"" : "expected \",\" or \"]\"");
        in->at++;
        return end(e, object);
    }
    default: return wrong(e, "expected nothing more");
    }
}

enum nx__json_progress nx__json_feed(struct nx__json_events *e, const char *data, size_t len,
                                     bool last, size_t *used)
{
    struct input in = {data, data + len, last};
    enum nx__json_progress progress;
    do {
        if (in.at == in.end && e->lex != NX__JSON_LEX_NONE && e->lex != NX__JSON_LEX_NUMBER) {
            progress = last ? ends_early(e) : NX__JSON_MORE;
            break;
        }
        switch (e->lex) {
        case NX__JSON_LEX_STRING: progress = lex_string(e, &in); break;
        case NX__JSON_LEX_ESCAPE: progress = lex_escape(e, &in); break;
        case NX__JSON_LEX_UNICODE: progress = lex_unicode(e, &in); break;
        case NX__JSON_LEX_NUMBER: progress = lex_number(e, &in); break;
        case NX__JSON_LEX_WORD: progress = lex_word(e, &in); break;
        default: progress = between(e, &in); break;
        }
    } while (progress == NX__JSON_MORE && (in.at < in.end || last));
    *used = (size_t)(in.at - data);
    /* The name outlives the input that it lies in. */
    if (progress == NX__JSON_MORE && e->named && e->borrowed) {
        e->name_kept.len = 0;
        nx_err err = nx__buffer_append(&e->name_kept, e->name.data, e->name.len, SIZE_MAX);
        if (err) return refuse(e, err, "out of memory");
        e->name = nx_slice(e->name.len ? e->name_kept.data : "", e->name.len);
        e->borrowed = false;
    }
    return progress;
}

void nx__json_events_free(struct nx__json_events *e)
{
    nx__buffer_free(&e->token);
    nx__buffer_free(&e->name_kept);
}
