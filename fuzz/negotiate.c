/* Content negotiation: what is chosen is one of those offered, which the client likes, and none
 * that it likes better is passed over. The input is a line of offers, then header fields. A reader
 * that takes simple lists apart by itself decides what is right of these. */
#include "request.h"

#include "http/data.h"
#include <strings.h>

enum { OFFERS_MOST = 8 };

static const char *const fields[] = {"accept", "accept-language", "accept-encoding"};

static int choose(const nx_request *req, enum nx__accept kind, const char *const *offers,
                  size_t count)
{
    return kind == NX__ACCEPT_TYPE       ? nx_request_accepts_of(req, offers, count)
           : kind == NX__ACCEPT_LANGUAGE ? nx_request_accepts_language_of(req, offers, count)
                                         : nx_request_accepts_encoding_of(req, offers, count);
}

/* How much the request's fields like the offer; `*given` tells whether there are any. */
static int liked(const nx_request *req, enum nx__accept kind, const char *offer, bool *given)
{
    int specific = -1, quality = -1;
    nx_bytes name, value;
    *given = false;
    for (size_t i = 0; nx_request_header_at(req, i, &name, &value); i++) {
        if (!nx__text_ieq(name, fields[kind])) continue;
        *given = true;
        quality = nx__accept_quality(kind, value, offer, &specific, quality);
    }
    if (kind == NX__ACCEPT_CODING && quality < 0 && strcasecmp(offer, "identity") == 0) quality = 1;
    return quality;
}

static void choice_weigh(const nx_request *req, enum nx__accept kind, const char *const *offers,
                         size_t count)
{
    int chosen = choose(req, kind, offers, count), best = 0, first = -1;
    bool given;
    check(chosen >= -1 && chosen < (int)count);
    for (size_t i = 0; i < count; i++) {
        int quality = liked(req, kind, offers[i], &given);
        check(quality >= -1 && quality <= 1000);
        if (quality <= best) continue;
        best = quality;
        first = (int)i;
    }
    (void)liked(req, kind, "", &given);
    if (!given && kind != NX__ACCEPT_CODING)
        check(chosen == (count ? 0 : -1));
    else
        check(chosen == first); /* the first of the best, none that is refused */
    /* Whatever order they are offered in, nothing worse is chosen. */
    const char *turned[OFFERS_MOST];
    for (size_t i = 0; i < count; i++) turned[i] = offers[count - 1 - i];
    int other = choose(req, kind, turned, count);
    check((chosen < 0) == (other < 0));
    if (chosen >= 0 && given)
        check(liked(req, kind, offers[chosen], &given) == liked(req, kind, turned[other], &given));
}

/* ---- Lists of plain members, "name" or "name;q=0.5", by the letter of RFC 9110 12.4.2 */

static nx_bytes trimmed(const char *begin, const char *end)
{
    while (begin < end && (*begin == ' ' || *begin == '\t')) begin++;
    while (begin < end && (end[-1] == ' ' || end[-1] == '\t')) end--;
    return nx_slice(begin, (size_t)(end - begin));
}

/* ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ) in thousandths; -1 for another. */
static int plain_quality(nx_bytes q)
{
    static const int units[] = {100, 10, 1};
    if (!q.len || q.len > 5 || (q.len > 1 && q.data[1] != '.')) return -1;
    if (*q.data != '0' && *q.data != '1') return -1;
    int value = *q.data == '1' ? 1000 : 0;
    for (size_t i = 2; i < q.len; i++) {
        if (q.data[i] < '0' || q.data[i] > '9') return -1;
        value += (q.data[i] - '0') * units[i - 2];
    }
    return value > 1000 ? -1 : value;
}

/* What the list says of the coding; -1 nothing, -2 that it is not simple. */
static int plain_coding(nx_bytes list, const char *offer)
{
    int named = -1, others = -1;
    const char *at = list.data, *end = at + list.len;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        if (!comma) comma = end;
        const char *semicolon = memchr(at, ';', (size_t)(comma - at));
        nx_bytes name = trimmed(at, semicolon ? semicolon : comma);
        int q = 1000;
        for (size_t i = 0; i < name.len; i++)
            if (name.data[i] <= ' ') return -2;
        if (semicolon) {
            nx_bytes weight = trimmed(semicolon + 1, comma);
            if (weight.len < 2 || strncasecmp(weight.data, "q=", 2) != 0) return -2;
            for (size_t i = 2; i < weight.len; i++)
                if (weight.data[i] != '.' && (weight.data[i] < '0' || weight.data[i] > '9'))
                    return -2;
            q = plain_quality(nx_slice(weight.data + 2, weight.len - 2));
        }
        int *which = nx_bytes_is(name, "*") ? &others : NULL;
        if (name.len == strlen(offer) && strncasecmp(name.data, offer, name.len) == 0)
            which = &named;
        if (name.len == 6 && strncasecmp(name.data, "x-gzip", 6) == 0) return -2;
        if (which && q > *which) *which = q;
        at = comma < end ? comma + 1 : end;
    }
    return named >= 0 ? named : others;
}

static void coding_weigh(nx_bytes field)
{
    for (size_t i = 0; i < field.len; i++)
        if (field.data[i] == '"' || field.data[i] == '\\') return;
    static const char *const codings[] = {"gzip", "br", "identity"};
    for (size_t i = 0; i < sizeof codings / sizeof *codings; i++) {
        int specific = -1, wanted = plain_coding(field, codings[i]);
        if (wanted != -2)
            check(nx__accept_quality(NX__ACCEPT_CODING, field, codings[i], &specific, -1) ==
                  wanted);
    }
}

/* ---- What does not matter, does not */

/* The list in two, at a comma that is in no quotes, is the same list. */
static void split_weigh(enum nx__accept kind, nx_bytes field, const char *offer)
{
    int specific = -1, whole = nx__accept_quality(kind, field, offer, &specific, -1);
    if (field.len && (memchr(field.data, '"', field.len) || memchr(field.data, '\\', field.len)))
        return;
    for (size_t i = 0; i < field.len; i++) {
        if (field.data[i] != ',') continue;
        nx_bytes left = nx_slice(field.data, i),
                 right = nx_slice(field.data + i + 1, field.len - i - 1);
        specific = -1;
        int part = nx__accept_quality(kind, right, offer, &specific, -1);
        part = nx__accept_quality(kind, left, offer, &specific, part);
        check(part == whole);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memory_begin();
    nx_bytes input = nx_slice(data, size), first = line_next(&input);
    const char *offers[OFFERS_MOST];
    size_t count = 0;
    for (char *word; count < OFFERS_MOST && (word = word_next(&first));) offers[count++] = word;
    struct sink sink;
    if (request_make(&sink, NULL, "GET / HTTP/1.1", input)) {
        nx_bytes name, value;
        for (int kind = NX__ACCEPT_TYPE; kind <= NX__ACCEPT_CODING; kind++)
            choice_weigh(&sink.req, (enum nx__accept)kind, offers, count);
        for (size_t i = 0; nx_request_header_at(&sink.req, i, &name, &value); i++) {
            coding_weigh(value);
            for (int kind = NX__ACCEPT_TYPE; count && kind <= NX__ACCEPT_CODING; kind++)
                split_weigh((enum nx__accept)kind, value, offers[0]);
        }
    }
    memory_end();
    return 0;
}
