/* Versions: reading, writing, comparing, the next one. */
#include "semver/semver.h"

#include <stdio.h>

/* ---- Reading */

uint64_t nx__semver_number(struct nx__text_reader *r)
{
    const char *begin = r->at;
    uint64_t n = 0;
    for (; nx__text_is_digit(nx__text_peek(r)) && n <= NX_SEMVER_NUMBER_MOST; r->at++)
        n = n * 10 + (uint64_t)(*r->at - '0');
    if (r->at == begin) nx__text_wrong(r, begin, "a number is missing");
    if (n > NX_SEMVER_NUMBER_MOST) nx__text_wrong(r, begin, "the number is too large");
    if (r->at - begin > 1 && *begin == '0')
        nx__text_wrong(r, begin, "a number has no zeros in front");
    return n;
}

static bool is_identifier(char c)
{
    return nx__text_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

/* Identifiers with dots between them; what is left when they end is up to the caller. */
static nx_bytes identifiers(struct nx__text_reader *r, bool zeros)
{
    const char *begin = r->at;
    do {
        const char *one = r->at;
        bool number = true;
        for (; is_identifier(nx__text_peek(r)); r->at++)
            number = number && nx__text_is_digit(*r->at);
        if (r->at == one) nx__text_wrong(r, one, "an identifier is missing");
        if (number && !zeros && r->at - one > 1 && *one == '0')
            nx__text_wrong(r, one, "a number has no zeros in front");
    } while (nx__text_take(r, '.'));
    return r->wrong ? (nx_bytes){0} : nx_slice(begin, (size_t)(r->at - begin));
}

void nx__semver_rest(struct nx__text_reader *r, nx_semver *out)
{
    if (nx__text_take(r, '-')) out->prerelease = identifiers(r, false);
    if (nx__text_take(r, '+')) out->build = identifiers(r, true);
}

static void read_version(struct nx__text_reader *r, nx_semver *out)
{
    out->major = nx__semver_number(r);
    nx__text_want(r, ".", "a . and the minor version are missing");
    out->minor = nx__semver_number(r);
    nx__text_want(r, ".", "a . and the patch version are missing");
    out->patch = nx__semver_number(r);
    nx__semver_rest(r, out);
    if (r->at != r->end) nx__text_wrong(r, r->at, "the version ends before this");
}

static nx_err too_long(void)
{
    return nx__error_set(NX_ELIMIT, "a version is at most %d bytes long", NX_SEMVER_MOST);
}

nx_err nx_semver_parse(nx_bytes text, nx_semver *out)
{
    struct nx__text_reader r = nx__text_reader(text);
    nx_semver version = {0};
    *out = version;
    if (text.len > NX_SEMVER_MOST) return too_long();
    read_version(&r, &version);
    if (r.wrong) return nx__text_error(&r, "version");
    *out = version;
    return NX_OK;
}

/* ---- Writing */

nx_err nx_semver_text(const nx_semver *v, nx_bytes *out)
{
    nx_semver again;
    *out = (nx_bytes){0};
    if (v->prerelease.len > NX_SEMVER_MOST || v->build.len > NX_SEMVER_MOST) return too_long();
    char *text = nx_format("%llu.%llu.%llu%s%.*s%s%.*s", (unsigned long long)v->major,
                           (unsigned long long)v->minor, (unsigned long long)v->patch,
                           v->prerelease.len ? "-" : "", NX_FMT(v->prerelease),
                           v->build.len ? "+" : "", NX_FMT(v->build));
    if (!text) return NX_ENOMEM;
    /* What is no version is none when it is written. */
    NX_TRY(nx_semver_parse(nx_str(text), &again));
    *out = nx_str(text);
    return NX_OK;
}

/* ---- Comparing */

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static nx_bytes next_identifier(nx_bytes *rest)
{
    const char *dot = memchr(rest->data, '.', rest->len);
    size_t len = dot ? (size_t)(dot - rest->data) : rest->len, used = len + (dot ? 1 : 0);
    nx_bytes one = nx_slice(rest->data, len);
    *rest = nx_slice(rest->data + used, rest->len - used);
    return one;
}

static bool is_number(nx_bytes identifier)
{
    size_t n = 0;
    while (n < identifier.len && nx__text_is_digit(identifier.data[n])) n++;
    return n == identifier.len;
}

static int compare_bytes(nx_bytes a, nx_bytes b)
{
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order ? order : compare_numbers(a.len, b.len);
}

/* Section 11.4: numbers by their value, which are any, and before words. */
static int compare_identifiers(nx_bytes a, nx_bytes b)
{
    bool a_number = is_number(a), b_number = is_number(b);
    if (a_number != b_number) return a_number ? -1 : 1;
    if (a_number && a.len != b.len) return compare_numbers(a.len, b.len);
    return compare_bytes(a, b);
}

static int compare_prereleases(nx_bytes a, nx_bytes b)
{
    if (!a.len || !b.len) return (b.len > 0) - (a.len > 0); /* none is after each of its own */
    while (a.len && b.len) {
        int order = compare_identifiers(next_identifier(&a), next_identifier(&b));
        if (order) return order;
    }
    return (a.len > 0) - (b.len > 0);
}

int nx_semver_compare(const nx_semver *a, const nx_semver *b)
{
    int order = compare_numbers(a->major, b->major);
    if (!order) order = compare_numbers(a->minor, b->minor);
    if (!order) order = compare_numbers(a->patch, b->patch);
    return order ? order : compare_prereleases(a->prerelease, b->prerelease);
}

/* ---- The next one */

static nx_err above(void)
{
    return nx__error_set(NX_ELIMIT, "a number of a version is at most %lld",
                         (long long)NX_SEMVER_NUMBER_MOST);
}

static nx_err new_prerelease(nx_semver *v, const char *identifier)
{
    char *text = identifier ? nx_format("%s.0", identifier) : nx_format("0");
    if (!text) return NX_ENOMEM;
    v->prerelease = nx_str(text);
    return NX_OK;
}

/* The last number in it one higher; one more number, if it has none. */
static nx_err next_number(nx_semver *v)
{
    nx_bytes rest = v->prerelease, number = {0};
    while (rest.len) {
        nx_bytes one = next_identifier(&rest);
        if (is_number(one)) number = one;
    }
    if (!number.data) {
        char *text = nx_format("%.*s.0", NX_FMT(v->prerelease));
        if (text) v->prerelease = nx_str(text);
        return text ? NX_OK : NX_ENOMEM;
    }
    struct nx__text_reader r = nx__text_reader(number);
    uint64_t n = nx__semver_number(&r);
    if (r.wrong || n == NX_SEMVER_NUMBER_MOST) return above();
    nx_bytes before = nx_slice(v->prerelease.data, (size_t)(number.data - v->prerelease.data));
    const char *behind = number.data + number.len, *end = v->prerelease.data + v->prerelease.len;
    char *text = nx_format("%.*s%llu%.*s", NX_FMT(before), (unsigned long long)n + 1,
                           (int)(end - behind), behind);
    if (text) v->prerelease = nx_str(text);
    return text ? NX_OK : NX_ENOMEM;
}

static nx_err next_prerelease(nx_semver *v, const char *identifier)
{
    if (!v->prerelease.len) return new_prerelease(v, identifier);
    if (!identifier) return next_number(v);
    /* "beta.4" of "beta" goes on; what isn't "beta.<number>" begins anew. */
    size_t len = strlen(identifier);
    bool goes_on = v->prerelease.len > len + 1 && v->prerelease.data[len] == '.' &&
                   memcmp(v->prerelease.data, identifier, len) == 0;
    if (goes_on) {
        nx_bytes rest = nx_slice(v->prerelease.data + len + 1, v->prerelease.len - len - 1);
        goes_on = is_number(next_identifier(&rest));
    }
    return goes_on ? next_number(v) : new_prerelease(v, identifier);
}

static nx_err check_identifier(const char *identifier)
{
    nx_bytes text = nx_str(identifier);
    struct nx__text_reader r = nx__text_reader(text);
    if (text.len > NX_SEMVER_MOST) return too_long();
    (void)identifiers(&r, false);
    if (r.at != r.end) nx__text_wrong(&r, r.at, "it ends before this");
    return r.wrong ? nx__text_error(&r, "identifier") : NX_OK;
}

static bool is_prerelease(nx_semver_part part)
{
    return part >= NX_SEMVER_PREMAJOR;
}

nx_err nx_semver_increment(nx_semver *version, nx_semver_part part, const char *identifier)
{
    nx_semver v = *version;
    bool pre = v.prerelease.len > 0, kept = false;
    if (part > NX_SEMVER_PRERELEASE)
        return nx__error_set(NX_EINVAL, "there is no such part of a version");
    if (identifier) NX_TRY(check_identifier(identifier));
    v.build = (nx_bytes){0};
    switch (part) {
    case NX_SEMVER_MAJOR: kept = pre && !v.minor && !v.patch; break;
    case NX_SEMVER_MINOR: kept = pre && !v.patch; break;
    case NX_SEMVER_PATCH:
    case NX_SEMVER_PRERELEASE: kept = pre; break;
    default: break;
    }
    if (part != NX_SEMVER_PRERELEASE) v.prerelease = (nx_bytes){0};
    if (!kept && (part == NX_SEMVER_MAJOR || part == NX_SEMVER_PREMAJOR)) {
        v.major++;
        v.minor = v.patch = 0;
    } else if (!kept && (part == NX_SEMVER_MINOR || part == NX_SEMVER_PREMINOR)) {
        v.minor++;
        v.patch = 0;
    } else if (!kept) {
        v.patch++;
    }
    if (v.major > NX_SEMVER_NUMBER_MOST || v.minor > NX_SEMVER_NUMBER_MOST ||
        v.patch > NX_SEMVER_NUMBER_MOST)
        return above();
    if (is_prerelease(part)) NX_TRY(next_prerelease(&v, identifier));
    *version = v;
    return NX_OK;
}
