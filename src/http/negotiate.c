/* Content negotiation (RFC 9110 12.5): which of what we have the peer likes best. */
#include "http/data.h"

#include "http/h1/syntax.h"

/* ---- One list */

/* qvalue (RFC 9110 12.4.2) in thousandths; -1 if it is none. */
static int quality_of(nx_bytes text)
{
    if (!text.len || text.len > 5 || (text.data[0] != '0' && text.data[0] != '1')) return -1;
    int q = (text.data[0] - '0') * 1000, unit = 100;
    if (text.len > 1 && text.data[1] != '.') return -1;
    for (size_t i = 2; i < text.len; i++, unit /= 10) {
        if (!nx__h1_is_digit(text.data[i])) return -1;
        q += (text.data[i] - '0') * unit;
    }
    return q <= 1000 ? q : -1;
}

static bool same(nx_bytes a, nx_bytes b)
{
    return a.len == b.len && nx__ascii_ieq(a.data, b.data, a.len);
}

/* Whether `whole` is `part`, or goes on behind it with `separator`. */
static bool begins(nx_bytes whole, nx_bytes part, char separator)
{
    return whole.len > part.len && whole.data[part.len] == separator &&
           nx__ascii_ieq(whole.data, part.data, part.len);
}

/* The attribute of that name in the offer ("text/html;level=1"). */
static bool has_attribute(nx_bytes attributes, nx_bytes wanted, nx_bytes value)
{
    nx_bytes name, own;
    while (nx__attribute_next(&attributes, &name, &own) == NX__ATTRIBUTE_FOUND)
        if (same(name, wanted)) return same(own, value);
    return false;
}

/* How exactly the range names the offer; -1 if it does not. */
static int specific_type(nx_bytes range, nx_bytes offer)
{
    if (nx_bytes_is(range, "*/*") || nx_bytes_is(range, "*")) return 0;
    if (range.len > 2 && range.data[range.len - 1] == '*' && range.data[range.len - 2] == '/')
        return begins(offer, nx_slice(range.data, range.len - 2), '/') ? 1 : -1;
    return same(range, offer) ? 2 : -1;
}

static int specific_language(nx_bytes range, nx_bytes offer)
{
    if (nx_bytes_is(range, "*")) return 0;
    if (same(range, offer)) return 3;
    if (begins(offer, range, '-')) return 2;
    return begins(range, offer, '-') ? 1 : -1;
}

static int specific_coding(nx_bytes range, nx_bytes offer)
{
    if (nx_bytes_is(range, "*")) return 0;
    if (nx__text_ieq(range, "x-gzip")) range = nx_str("gzip");
    return same(range, offer) ? 1 : -1;
}

int nx__accept_quality(enum nx__accept kind, nx_bytes field, const char *offer, int *specific,
                       int quality)
{
    nx_bytes attributes = nx_str(offer), head = nx__attribute_head(&attributes);
    while (field.len) {
        nx_bytes rest = nx__list_cut(&field, ','), range = nx__attribute_head(&rest), name, value;
        if (!range.len) continue;
        int found = kind == NX__ACCEPT_TYPE       ? specific_type(range, head)
                    : kind == NX__ACCEPT_LANGUAGE ? specific_language(range, head)
                                                  : specific_coding(range, head);
        if (found < 0) continue;
        int q = 1000;
        enum nx__attribute more;
        while ((more = nx__attribute_next(&rest, &name, &value)) == NX__ATTRIBUTE_FOUND) {
            if (nx__text_ieq(name, "q")) {
                q = quality_of(value);
                break; /* what comes behind it is an extension */
            }
            if (!has_attribute(attributes, name, value)) break;
            found++;
        }
        /* A list of the peer's may be wrong in one place and right in the others. */
        if (more == NX__ATTRIBUTE_BAD || q < 0) continue;
        if (more == NX__ATTRIBUTE_FOUND && !nx__text_ieq(name, "q")) continue;
        if (found < *specific || (found == *specific && q <= quality)) continue;
        *specific = found;
        quality = q;
    }
    return quality;
}

/* ---- A request's */

static int best(const nx_request *req, enum nx__accept kind, const char *header,
                const char *const *offers, size_t count)
{
    bool coding = kind == NX__ACCEPT_CODING, given = false;
    int chosen = -1, liked = 0;
    for (size_t i = 0; i < count; i++) {
        int specific = -1, quality = -1;
        nx_bytes name, value;
        for (size_t k = 0; nx_request_header_at(req, k, &name, &value); k++) {
            if (!nx__text_ieq(name, header)) continue;
            given = true;
            quality = nx__accept_quality(kind, value, offers[i], &specific, quality);
        }
        if (!given && !coding) return count ? 0 : -1;
        /* What is not coded is acceptable unless it is ruled out, but liked less than what is
         * named. */
        if (coding && quality < 0 && strcasecmp(offers[i], "identity") == 0) quality = 1;
        if (quality <= liked) continue;
        liked = quality;
        chosen = (int)i;
    }
    return chosen;
}

int nx_request_accepts_of(const nx_request *req, const char *const *types, size_t count)
{
    return best(req, NX__ACCEPT_TYPE, "accept", types, count);
}

int nx_request_accepts_language_of(const nx_request *req, const char *const *tags, size_t count)
{
    return best(req, NX__ACCEPT_LANGUAGE, "accept-language", tags, count);
}

int nx_request_accepts_encoding_of(const nx_request *req, const char *const *codings, size_t count)
{
    return best(req, NX__ACCEPT_CODING, "accept-encoding", codings, count);
}
