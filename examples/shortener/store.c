/* The links: a tree by code, a list by age, and a line in the journal for each change:
 *     + CODE CREATED EXPIRES HITS LAST_HIT URL      a link
 *     = CODE HITS LAST_HIT                          its hits since
 *     - CODE                                        gone
 * A link that somebody adds or removes counts as such once its line is on the disk: until then its
 * code is taken and nothing else has changed. */
#include "./store.h"

#include "./journal.h"
#include <errno.h>
#include <inttypes.h>
#include <nexus.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { ADDING, LIVE, REMOVING, REMOVED };

#define SAVE_HITS NX_S(1)
#define SWEEP     NX_S(60)

struct store {
    journal *journal;
    void *by_code; /* tsearch: of pointers to the codes; no hash, so nothing to flood */
    shortlink *newest, *oldest;
    size_t count;
    shortlink *unsaved;
    nx_timer saving, sweeping;
};

/* ---- Memory */

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static shortlink *find(const store *s, nx_bytes code)
{
    char key[CODE_MOST + 1] = "";
    if (!code.len || code.len > CODE_MOST || memchr(code.data, '\0', code.len)) return NULL;
    memcpy(key, code.data, code.len);
    void *node = tfind(key, &s->by_code, compare);
    return node ? (shortlink *)(*(char **)node - offsetof(shortlink, code)) : NULL;
}

static void put_newest(store *s, shortlink *l)
{
    l->older = s->newest;
    if (s->newest)
        s->newest->newer = l;
    else
        s->oldest = l;
    s->newest = l;
}

/* Makes the link, and takes its code. */
static shortlink *insert(store *s, nx_bytes code, nx_bytes url)
{
    shortlink *l = calloc(1, sizeof *l + url.len + 1);
    if (!l) return NULL;
    memcpy(l->code, code.data, code.len);
    memcpy(l->url, url.data, url.len);
    if (!tsearch(l->code, &s->by_code, compare)) {
        free(l);
        return NULL;
    }
    put_newest(s, l);
    s->count++;
    return l;
}

static void drop(store *s, shortlink *l)
{
    tdelete(l->code, &s->by_code, compare);
    *(l->newer ? &l->newer->older : &s->newest) = l->older;
    *(l->older ? &l->older->newer : &s->oldest) = l->newer;
    s->count--;
    l->state = REMOVED;
    if (!l->in_unsaved) free(l); /* else whoever saves the hits does */
}

static bool is_live(const shortlink *l, int64_t now)
{
    return (l->state == LIVE || l->state == REMOVING) && (!l->expires || l->expires > now);
}

const shortlink *store_find(const store *s, nx_bytes code, int64_t now)
{
    const shortlink *l = find(s, code);
    return l && is_live(l, now) ? l : NULL;
}

const shortlink *store_older(const store *s, const shortlink *link, int64_t now)
{
    const shortlink *l = link ? link->older : s->newest;
    while (l && !is_live(l, now)) l = l->older;
    return l;
}

size_t store_count(const store *s)
{
    return s->count;
}

/* ---- Lines */

static char *line_of(const shortlink *l)
{
    return nx_format("+ %s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %s", l->code, l->created,
                     l->expires, l->hits, l->last_hit, l->url);
}

/* Cuts off what stands before the next space. */
static nx_bytes word(nx_bytes *rest)
{
    const char *space = memchr(rest->data, ' ', rest->len);
    size_t len = space ? (size_t)(space - rest->data) : rest->len;
    nx_bytes w = nx_slice(rest->data, len);
    *rest = nx_slice(rest->data + len + (space != NULL), rest->len - len - (space != NULL));
    return w;
}

static bool number(nx_bytes *rest, int64_t *out)
{
    nx_bytes digits = word(rest);
    *out = 0;
    if (!digits.len || digits.len > 18) return false;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') return false;
        *out = *out * 10 + (digits.data[i] - '0');
    }
    return true;
}

static bool is_code(nx_bytes code)
{
    static const char alphabet[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
    for (size_t i = 0; i < code.len; i++)
        if (!memchr(alphabet, code.data[i], sizeof alphabet - 1)) return false;
    return code.len >= CODE_LEAST && code.len <= CODE_MOST;
}

static nx_err replay(void *context, nx_bytes line)
{
    store *s = context;
    nx_bytes rest = line, kind = word(&rest), code = word(&rest);
    int64_t created = 0, expires = 0, hits = 0, last_hit = 0;
    if (kind.len != 1 || !is_code(code)) return NX_EPROTO;
    shortlink *l = find(s, code);
    switch (*kind.data) {
    case '+':
        if (!number(&rest, &created) || !number(&rest, &expires) || !number(&rest, &hits) ||
            !number(&rest, &last_hit) || !rest.len || memchr(rest.data, '\0', rest.len))
            return NX_EPROTO;
        if (l) drop(s, l); /* it had expired, and its code was given anew */
        if (!(l = insert(s, code, rest))) return NX_ENOMEM;
        l->state = LIVE;
        l->created = created;
        l->expires = expires;
        break;
    case '=':
        if (!number(&rest, &hits) || !number(&rest, &last_hit) || rest.len) return NX_EPROTO;
        break;
    case '-':
        if (rest.len) return NX_EPROTO;
        if (l) drop(s, l);
        return NX_OK;
    default: return NX_EPROTO;
    }
    if (!l) return NX_OK; /* hits that were saved after the link had gone */
    l->hits = hits;
    l->last_hit = last_hit;
    return NX_OK;
}

static nx_err snapshot(void *context, nx_bytes *lines)
{
    const store *s = context;
    size_t size = 1, len = 0;
    enum { BESIDE_URL = CODE_MOST + 4 * 20 + 16 };
    for (const shortlink *l = s->oldest; l; l = l->newer) size += BESIDE_URL + strlen(l->url);
    char *text = nx_alloc(size);
    if (!text) return NX_ENOMEM;
    for (const shortlink *l = s->oldest; l; l = l->newer) {
        if (l->state == ADDING) continue; /* its own line is still to come */
        len += (size_t)snprintf(text + len, size - len,
                                "+ %s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %s\n",
                                l->code, l->created, l->expires, l->hits, l->last_hit, l->url);
    }
    *lines = nx_slice(text, len);
    return NX_OK;
}

static size_t needed(const void *context)
{
    return store_count(context);
}

static void written(void *context, void *arg, nx_err err)
{
    shortlink *l = arg;
    if ((l->state == ADDING) == (err == NX_OK))
        l->state = LIVE;
    else
        drop(context, l);
}

/* ---- Changes */

static nx_err random_code(const store *s, char out[CODE_RANDOM + 1])
{
    /* Without the letters and digits that look like others. */
    static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    enum { LETTERS = sizeof alphabet - 1, FAIR = 256 / LETTERS * LETTERS };
    do {
        for (size_t i = 0; i < CODE_RANDOM;) {
            unsigned char byte;
            ssize_t n = getrandom(&byte, 1, 0);
            if (n < 0 && errno != EINTR)
                return nx_fail(NX_EFAILED, "no randomness: %s", strerror(errno));
            if (n == 1 && byte < FAIR) out[i++] = alphabet[byte % LETTERS];
        }
        out[CODE_RANDOM] = '\0';
    } while (find(s, nx_str(out)));
    return NX_OK;
}

/* Whether the code may be taken now; one that has expired makes room. */
static nx_err make_room(store *s, nx_bytes code, int64_t now)
{
    shortlink *l = find(s, code);
    if (l && l->state == LIVE && !is_live(l, now)) {
        drop(s, l);
        l = NULL;
    }
    if (l) return nx_fail(NX_EEXIST, "\"%.*s\" is taken", NX_FMT(code));
    return NX_OK;
}

nx_err store_add(store *s, nx_bytes code, nx_bytes url, int64_t now, int64_t expires,
                 const shortlink **out)
{
    char random[CODE_RANDOM + 1];
    if (!code.len) {
        NX_TRY(random_code(s, random));
        code = nx_str(random);
    }
    if (!is_code(code))
        return nx_fail(NX_EINVAL, "a code has %d to %d letters, digits, \"-\" or \"_\"", CODE_LEAST,
                       CODE_MOST);
    NX_TRY(make_room(s, code, now));
    if (s->count >= LINKS_MOST) return nx_fail(NX_ELIMIT, "there are %d links", LINKS_MOST);
    shortlink *l = insert(s, code, url);
    if (!l) return nx_fail(NX_ENOMEM, "no memory for another link");
    l->created = now;
    l->expires = expires;
    char *line = line_of(l), *kept = nx_copy(code);
    bool taken = false;
    nx_err err = line && kept ? journal_append(s->journal, nx_str(line), l, &taken) : NX_ENOMEM;
    if (!taken) drop(s, l);
    NX_TRY(err);
    *out = store_find(s, nx_str(kept), now);
    return *out ? NX_OK : nx_fail(NX_ENOENT, "\"%s\" was removed at once", kept);
}

nx_err store_remove(store *s, nx_bytes code, int64_t now)
{
    shortlink *l = find(s, code);
    if (!l || l->state != LIVE || !is_live(l, now)) return nx_fail(NX_ENOENT, "no such link");
    char *line = nx_format("- %s", l->code);
    if (!line) return NX_ENOMEM;
    l->state = REMOVING;
    bool taken = false;
    nx_err err = journal_append(s->journal, nx_str(line), l, &taken);
    if (!taken) l->state = LIVE;
    return err;
}

/* ---- Hits, and what expires */

static void save_hits(void *arg)
{
    store *s = arg;
    s->saving = 0;
    while (s->unsaved) {
        shortlink *l = s->unsaved;
        char line[CODE_MOST + 2 * 20 + 8];
        s->unsaved = l->unsaved;
        l->in_unsaved = false;
        if (l->state == REMOVED) {
            free(l);
            continue;
        }
        snprintf(line, sizeof line, "= %s %" PRId64 " %" PRId64, l->code, l->hits, l->last_hit);
        NX_IGNORE(journal_post(s->journal, nx_str(line))); /* the next hit tries again */
    }
}

void store_hit(store *s, const shortlink *link, int64_t now)
{
    shortlink *l = find(s, nx_str(link->code));
    l->hits++;
    l->last_hit = now;
    if (!l->in_unsaved) {
        l->in_unsaved = true;
        l->unsaved = s->unsaved;
        s->unsaved = l;
    }
    if (!s->saving) s->saving = nx_set_timeout(save_hits, s, SAVE_HITS);
}

/* Needs no line: who replays the link sees that it has expired. */
static void drop_expired(store *s, int64_t now)
{
    for (shortlink *l = s->oldest, *next; l; l = next) {
        next = l->newer;
        if (l->state == LIVE && !is_live(l, now)) drop(s, l);
    }
}

static void sweep(void *arg)
{
    drop_expired(arg, nx_wall_time() / NX_S(1));
}

/* ---- Opening */

nx_err store_open(store **out, const char *path, int64_t now)
{
    *out = NULL;
    store *s = calloc(1, sizeof *s);
    if (!s) return nx_fail(NX_ENOMEM, "no memory for a store");
    nx_err err = journal_open(&s->journal, path,
                              &(journal_owner){.context = s,
                                               .replay = replay,
                                               .snapshot = snapshot,
                                               .needed = needed,
                                               .written = written});
    drop_expired(s, now);
    if (!err && !(s->sweeping = nx_set_interval(sweep, s, SWEEP))) err = nx_error_last()->code;
    if (err)
        store_close(s);
    else
        *out = s;
    return err;
}

void store_close(store *s)
{
    if (!s) return;
    nx_clear_interval(s->sweeping);
    nx_clear_timeout(s->saving);
    if (s->journal) save_hits(s);
    journal_close(s->journal);
    while (s->newest) drop(s, s->newest);
    free(s);
}

nx_err store_check(const store *s)
{
    return journal_check(s->journal);
}
