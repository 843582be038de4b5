/* Preconditions. */
#include "http/files/conditions.h"

#include "base/arena.h"
#include "date/date.h"
#include "loop/loop.h"

/* ---- Fields */

static nx_err list_add(nx_bytes *list, nx_bytes value)
{
    if (!list->data) {
        *list = value;
        return NX_OK;
    }
    char *joined = nx_alloc(list->len + 2 + value.len);
    if (!joined) return NX_ENOMEM;
    memcpy(joined, list->data, list->len);
    memcpy(joined + list->len, ", ", 2);
    memcpy(joined + list->len + 2, value.data, value.len);
    *list = nx_slice(joined, list->len + 2 + value.len);
    return NX_OK;
}

static void only(nx_bytes *field, nx_bytes value)
{
    *field = field->data ? nx_slice("", 0) : value; /* nothing parses as nothing */
}

static bool named(nx_bytes name, const char *text)
{
    return strncasecmp(name.data, text, name.len) == 0;
}

nx_err nx__conditions_collect(const nx_request *req, struct nx__conditions *out)
{
    *out = (struct nx__conditions){0};
    nx_bytes name, value;
    for (size_t i = 0; nx_request_header_at(req, i, &name, &value); i++) {
        switch (name.len) {
        case 5:
            if (named(name, "range")) only(&out->range, value);
            break;
        case 8:
            if (named(name, "if-match"))
                NX_TRY(list_add(&out->if_match, value));
            else if (named(name, "if-range"))
                only(&out->if_range, value);
            break;
        case 13:
            if (named(name, "if-none-match")) NX_TRY(list_add(&out->if_none_match, value));
            break;
        case 15:
            if (named(name, "accept-encoding")) NX_TRY(list_add(&out->accept_encoding, value));
            break;
        case 17:
            if (named(name, "if-modified-since")) only(&out->if_modified_since, value);
            break;
        case 19:
            if (named(name, "if-unmodified-since")) only(&out->if_unmodified_since, value);
            break;
        default: break;
        }
    }
    return NX_OK;
}

/* ---- Entity tags, RFC 9110 8.8.3 */

static bool weak(nx_bytes etag)
{
    return etag.len >= 2 && etag.data[0] == 'W' && etag.data[1] == '/';
}

static nx_bytes opaque(nx_bytes etag)
{
    return weak(etag) ? nx_slice(etag.data + 2, etag.len - 2) : etag;
}

static bool same(nx_bytes a, nx_bytes b, bool strong)
{
    if (strong && (weak(a) || weak(b))) return false;
    return nx_bytes_eq(opaque(a), opaque(b));
}

/* Takes the next entity tag off the list; false at its end, or where it is none. */
static bool tag_next(nx_bytes *list, nx_bytes *tag)
{
    const char *at = list->data, *end = list->data + list->len;
    while (at < end && (*at == ' ' || *at == '\t' || *at == ',')) at++;
    const char *begin = at;
    if (end - at >= 2 && at[0] == 'W' && at[1] == '/') at += 2;
    if (at == end || *at != '"') return false;
    const char *close = memchr(at + 1, '"', (size_t)(end - at - 1));
    if (!close) return false;
    *tag = nx_slice(begin, (size_t)(close + 1 - begin));
    *list = nx_slice(close + 1, (size_t)(end - close - 1));
    return true;
}

static bool listed(nx_bytes list, nx_bytes etag, bool strong)
{
    if (nx_bytes_is(list, "*")) return true;
    nx_bytes tag;
    while (tag_next(&list, &tag))
        if (same(tag, etag, strong)) return true;
    return false;
}

/* ---- The order of RFC 9110 13.2.2 */

static bool range_holds(nx_bytes condition, const struct nx__validator *v)
{
    if (!condition.data) return true;
    if (condition.len && (condition.data[0] == '"' || condition.data[0] == 'W')) {
        nx_bytes tag;
        return tag_next(&condition, &tag) && !condition.len && same(tag, v->etag, true);
    }
    int64_t date;
    /* A date is a strong validator once the file has been left alone for a second; until then its
     * etag is a weak one. */
    return v->dated && !weak(v->etag) && nx__http_date_read(condition, &date) &&
           date == v->modified;
}

enum nx__verdict_of nx__conditions_weigh(const struct nx__conditions *c,
                                         const struct nx__validator *v, bool get)
{
    int64_t date;
    if (c->if_match.data) {
        if (!listed(c->if_match, v->etag, true)) return NX__CONDITION_FAILED;
    } else if (c->if_unmodified_since.data && v->dated &&
               nx__http_date_read(c->if_unmodified_since, &date)) {
        if (v->modified > date) return NX__CONDITION_FAILED;
    }
    if (c->if_none_match.data) {
        if (listed(c->if_none_match, v->etag, false)) return NX__CONDITION_UNCHANGED;
    } else if (c->if_modified_since.data && v->dated &&
               nx__http_date_read(c->if_modified_since, &date)) {
        if (v->modified <= date) return NX__CONDITION_UNCHANGED;
    }
    if (get && c->range.len && range_holds(c->if_range, v)) return NX__CONDITION_RANGE;
    return NX__CONDITION_SEND;
}
