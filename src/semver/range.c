/* Ranges, as npm has them: each is brought down to comparators. */
#include "semver/semver.h"

#include <stdlib.h>

enum relation { LESS, LESS_OR_EQUAL, EQUAL, GREATER_OR_EQUAL, GREATER };

struct comparator {
    enum relation op;
    bool first; /* of those that hold together */
    nx_semver version;
};

struct nx_semver_range {
    bool prereleases;
    bool any; /* one of the alternatives has no comparator */
    size_t count, room;
    struct comparator comparators[]; /* and behind them the text, in which prereleases lie */
};

/* What stands in a range instead of a version: parts may be left out. */
struct partial {
    nx_semver version;
    unsigned given; /* 0 to 3 numbers, before the first that is left out or an x */
};

/* While a range is read. */
struct making {
    struct nx__text_reader r;
    nx_semver_range *range;
    bool first; /* the next comparator begins an alternative */
    bool full;  /* there were too many */
};

/* ---- Comparators */

static void add(struct making *m, enum relation op, nx_semver version)
{
    const char *least = m->range->prereleases ? "0" : "";
    if (op == GREATER_OR_EQUAL && !version.major && !version.minor && !version.patch &&
        nx_bytes_is(version.prerelease, least))
        return; /* all are */
    if (m->range->count == m->range->room) {
        m->full = true;
        return;
    }
    m->range->comparators[m->range->count++] = (struct comparator){op, m->first, version};
    m->first = false;
}

static nx_semver numbers(uint64_t major, uint64_t minor, uint64_t patch)
{
    return (nx_semver){.major = major, .minor = minor, .patch = patch};
}

/* Before each prerelease of that version: what "0" is. */
static nx_semver lowest(nx_semver version)
{
    version.prerelease = nx_str("0");
    return version;
}

/* What a lower bound of such numbers is; where prereleases count, they are within it. */
static nx_semver from(const struct making *m, nx_semver version)
{
    return m->range->prereleases && !version.prerelease.len ? lowest(version) : version;
}

/* The numbers that come behind all versions that the partial stands for. */
static nx_semver behind(const struct partial *p)
{
    const nx_semver *v = &p->version;
    return lowest(p->given == 1 ? numbers(v->major + 1, 0, 0) : numbers(v->major, v->minor + 1, 0));
}

/* ---- Reading */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool blanks(struct nx__text_reader *r)
{
    const char *begin = r->at;
    while (is_blank(nx__text_peek(r))) r->at++;
    return r->at != begin;
}

/* A number, or a letter that stands for any. */
static bool read_part(struct nx__text_reader *r, uint64_t *out)
{
    char c = nx__text_peek(r);
    if (c == 'x' || c == 'X' || c == '*') {
        r->at++;
        return false;
    }
    *out = nx__semver_number(r);
    return true;
}

static struct partial read_partial(struct nx__text_reader *r)
{
    struct partial p = {0};
    uint64_t parts[3] = {0};
    unsigned i = 0;
    (void)blanks(r);
    while (nx__text_take(r, 'v') || nx__text_take(r, '=')) {}
    do {
        const char *at = r->at;
        bool given = read_part(r, &parts[i]);
        if (given && p.given < i) nx__text_wrong(r, at, "a number stands behind one that is any");
        p.given += given;
    } while (++i < 3 && nx__text_take(r, '.'));
    if (i == 3) nx__semver_rest(r, &p.version);
    if (p.given < 3) p.version.prerelease = (nx_bytes){0};
    p.version.major = p.given > 0 ? parts[0] : 0;
    p.version.minor = p.given > 1 ? parts[1] : 0;
    p.version.patch = p.given > 2 ? parts[2] : 0;
    return p;
}

/* ---- What each form comes down to */

static void plain(struct making *m, struct partial p)
{
    if (!p.given) return;
    if (p.given == 3) {
        add(m, EQUAL, p.version);
        return;
    }
    add(m, GREATER_OR_EQUAL, from(m, p.version));
    add(m, LESS, behind(&p));
}

static void compared(struct making *m, enum relation op, struct partial p)
{
    if (!p.given) {
        /* Nothing is before or behind all there is. */
        if (op == LESS || op == GREATER) add(m, LESS, lowest(numbers(0, 0, 0)));
        return;
    }
    if (p.given == 3) {
        add(m, op, p.version);
        return;
    }
    switch (op) {
    case GREATER: {
        nx_semver next = behind(&p);
        next.prerelease = (nx_bytes){0};
        add(m, GREATER_OR_EQUAL, from(m, next));
        break;
    }
    case LESS_OR_EQUAL: add(m, LESS, behind(&p)); break;
    case LESS: add(m, LESS, lowest(p.version)); break;
    default: add(m, GREATER_OR_EQUAL, from(m, p.version)); break;
    }
}

static void tilde(struct making *m, struct partial p)
{
    if (!p.given) return;
    nx_semver low = p.given < 3 ? from(m, p.version) : p.version;
    if (p.given == 3) p.given = 2;
    add(m, GREATER_OR_EQUAL, low);
    add(m, LESS, behind(&p));
}

static void caret(struct making *m, struct partial p)
{
    if (!p.given) return;
    const nx_semver *v = &p.version;
    nx_semver low = p.given < 3 ? from(m, *v) : *v;
    nx_semver high = numbers(v->major + 1, 0, 0);
    if (!v->major && p.given > 1) high = numbers(0, v->minor + 1, 0);
    if (!v->major && !v->minor && p.given > 2) high = numbers(0, 0, v->patch + 1);
    add(m, GREATER_OR_EQUAL, low);
    add(m, LESS, lowest(high));
}

static void hyphen(struct making *m, struct partial low, struct partial high)
{
    if (low.given) add(m, GREATER_OR_EQUAL, from(m, low.version));
    if (high.given == 3 && m->range->prereleases && !high.version.prerelease.len) {
        nx_semver next = high.version;
        next.patch++;
        add(m, LESS, lowest(next));
    } else if (high.given == 3) {
        add(m, LESS_OR_EQUAL, high.version);
    } else if (high.given) {
        add(m, LESS, behind(&high));
    }
}

/* ---- Alternatives */

static enum relation read_relation(struct nx__text_reader *r)
{
    bool less = nx__text_take(r, '<'), greater = !less && nx__text_take(r, '>');
    bool equal = nx__text_take(r, '=');
    if (less) return equal ? LESS_OR_EQUAL : LESS;
    if (greater) return equal ? GREATER_OR_EQUAL : GREATER;
    return EQUAL;
}

static void read_simple(struct making *m)
{
    struct nx__text_reader *r = &m->r;
    char c = nx__text_peek(r);
    if (nx__text_take(r, '~')) {
        (void)nx__text_take(r, '>');
        tilde(m, read_partial(r));
    } else if (nx__text_take(r, '^')) {
        caret(m, read_partial(r));
    } else if (c == '<' || c == '>') {
        enum relation op = read_relation(r);
        compared(m, op, read_partial(r));
    } else {
        (void)nx__text_take(r, '=');
        plain(m, read_partial(r));
    }
}

/* A version, and " - " and another behind it. */
static bool read_hyphen(struct making *m)
{
    struct nx__text_reader r = m->r;
    struct partial low = read_partial(&r);
    if (!blanks(&r) || !nx__text_take(&r, '-') || !blanks(&r)) return false;
    m->r = r;
    hyphen(m, low, read_partial(&m->r));
    (void)blanks(&m->r);
    return true;
}

static bool at_end(const struct nx__text_reader *r)
{
    return r->wrong || r->at == r->end || *r->at == '|';
}

static void read_alternative(struct making *m)
{
    size_t before = m->range->count;
    m->first = true;
    (void)blanks(&m->r);
    if (!at_end(&m->r) && !read_hyphen(m)) {
        do read_simple(m);
        while (blanks(&m->r) && !at_end(&m->r));
    }
    if (!at_end(&m->r)) nx__text_wrong(&m->r, m->r.at, "a space or || is missing");
    if (m->range->count == before) m->range->any = true;
}

nx_err nx_semver_range_new_with(nx_semver_range **out, nx_bytes text,
                                const nx_semver_range_options *options)
{
    NX__OPTIONS(nx_semver_range_options, o, options);
    *out = NULL;
    if (text.len > NX_SEMVER_RANGE_MOST)
        return nx__error_set(NX_ELIMIT, "a range of versions is at most %d bytes long",
                             NX_SEMVER_RANGE_MOST);
    /* Each comes with two characters at least, and makes two comparators at most. */
    size_t room =
        text.len + 2 < NX_SEMVER_COMPARATORS_MOST ? text.len + 2 : NX_SEMVER_COMPARATORS_MOST;
    nx_semver_range *range =
        calloc(1, sizeof *range + room * sizeof *range->comparators + text.len + 1);
    if (!range) return nx__error_set(NX_ENOMEM, "cannot read a range of versions: out of memory");
    char *copy = (char *)(range->comparators + room);
    range->prereleases = o.prereleases;
    range->room = room;
    if (text.len) memcpy(copy, text.data, text.len);
    struct making m = {.r = nx__text_reader(nx_slice(copy, text.len)), .range = range};
    do read_alternative(&m);
    while (nx__text_take(&m.r, '|') && (nx__text_want(&m.r, "|", "a | is missing"), true));
    /* Other alternatives do not matter then, be it for the prereleases that they name. */
    if (range->any) range->count = 0;
    nx_err err = NX_OK;
    if (m.r.wrong)
        err = nx__text_error(&m.r, "range");
    else if (m.full)
        err = nx__error_set(NX_ELIMIT, "a range of versions has at most %d comparators",
                            NX_SEMVER_COMPARATORS_MOST);
    if (err)
        free(range);
    else
        *out = range;
    return err;
}

void nx_semver_range_free(nx_semver_range *range)
{
    free(range);
}

/* ---- Asking */

static bool holds(const struct comparator *c, const nx_semver *version)
{
    int order = nx_semver_compare(version, &c->version);
    switch (c->op) {
    case LESS: return order < 0;
    case LESS_OR_EQUAL: return order <= 0;
    case EQUAL: return order == 0;
    case GREATER_OR_EQUAL: return order >= 0;
    default: return order > 0;
    }
}

/* A prerelease fits by itself only where one of the same numbers is asked for. */
static bool names(const struct comparator *c, const nx_semver *version)
{
    return c->version.prerelease.len && c->version.major == version->major &&
           c->version.minor == version->minor && c->version.patch == version->patch;
}

bool nx_semver_fits(const nx_semver_range *range, const nx_semver *version)
{
    bool free_to_fit = range->prereleases || !version->prerelease.len;
    if (range->any && free_to_fit) return true;
    for (size_t i = 0; i < range->count;) {
        bool all = true, named = free_to_fit;
        do {
            const struct comparator *c = &range->comparators[i];
            all = all && holds(c, version);
            named = named || names(c, version);
        } while (++i < range->count && !range->comparators[i].first);
        if (all && named) return true;
    }
    return false;
}

const nx_semver *nx_semver_best(const nx_semver_range *range, const nx_semver *versions,
                                size_t count)
{
    const nx_semver *best = NULL;
    for (size_t i = 0; i < count; i++)
        if (nx_semver_fits(range, &versions[i]) &&
            (!best || nx_semver_compare(&versions[i], best) > 0))
            best = &versions[i];
    return best;
}
