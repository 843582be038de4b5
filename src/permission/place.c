/* From paths to places. */
#include "permission/place.h"

#include "base/error.h"
#include "permission/rules.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { ALL_KINDS = NX__PLACE_READ | NX__PLACE_WRITE };

static bool denies(const struct nx__permissions *p, int kind)
{
    return p->deny[kind].any || nx__rules_first(&p->deny[kind]);
}

bool nx__place_denies(unsigned kinds)
{
    const struct nx__permissions *p = nx__permissions_sealed();
    bool any = false;
    for (int kind = 0; p && kind < NX__PERMIT_KINDS; kind++)
        any |= (kinds & ALL_KINDS & 1u << kind) && denies(p, kind);
    return any;
}

/* Puts the path, absolute by its text, into place->text. */
static bool make_absolute(const char *path, struct nx__place *place)
{
    size_t at = 0, len = strlen(path);
    if (path[0] != '/') {
        if (!getcwd(place->text, sizeof place->text) || place->text[0] != '/') return false;
        at = strlen(place->text);
        if (at == 1) at = 0; /* "/" */
        place->text[at++] = '/';
        while (path[0] == '.' && path[1] == '/') {
            path += 2;
            while (*path == '/') path++;
        }
        len = strlen(path);
    }
    if (!len || at + len >= sizeof place->text) return false;
    memcpy(place->text + at, path, len + 1);
    return true;
}

/* The rule whose directory the absolute path lies in, by its text. */
static const struct nx__rule *rule_of(const struct nx__rules *rules, const char *path)
{
    for (const struct nx__rule *rule = atomic_load_explicit(&rules->first, memory_order_acquire);
         rule; rule = rule->next)
        if (rule->directory >= 0 && nx__path_beneath(path, rule->text) && path[strlen(rule->text)])
            return rule;
    return NULL;
}

bool nx__place_guess(unsigned kinds, const char *path, struct nx__place *place)
{
    const struct nx__permissions *p = nx__permissions_sealed();
    const struct nx__rule *within = NULL;
    bool absolute = false;
    place->at = AT_FDCWD; /* field by field: the text is long, and most of it is never looked at */
    place->path = path;
    place->resolve = 0;
    place->inspect = false;
    place->text[0] = '\0';
    if (!p) return true;
    for (int kind = 0; kind < NX__PERMIT_KINDS; kind++) {
        if (!(kinds & ALL_KINDS & 1u << kind)) continue;
        if (denies(p, kind)) return false;
        if (p->all) continue;
        if (p->allow[kind].any) {
            place->inspect = true;
            continue;
        }
        if (!absolute && !make_absolute(path, place)) return false;
        absolute = true;
        const struct nx__rule *rule = rule_of(&p->allow[kind], place->text);
        /* Beneath one grant does not say beneath another. */
        if (!rule || (within && strcmp(within->text, rule->text) != 0)) return false;
        within = rule;
    }
    if (!within) return true;
    place->at = within->directory;
    place->path = place->text + strlen(within->text);
    while (*place->path == '/') place->path++;
    if (!*place->path) return false;
    place->resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    if (!within->text[1] || nx__path_beneath(within->text, "/proc")) place->inspect = true;
    return true;
}

enum nx__verdict nx__place_walk(unsigned kinds, const char *path, bool follow,
                                struct nx__place *place, enum nx__permit_kind *refused)
{
    const struct nx__permissions *p = nx__permissions_sealed();
    place->at = AT_FDCWD;
    place->inspect = false;
    *refused = kinds & NX__PLACE_READ ? NX__PERMIT_READ : NX__PERMIT_WRITE;
    bool known =
        follow ? nx__path_resolve(path, place->text) : nx__path_resolve_parent(path, place->text);
    for (int kind = 0; p && kind < NX__PERMIT_KINDS; kind++) {
        if (!(kinds & ALL_KINDS & 1u << kind)) continue;
        *refused = (enum nx__permit_kind)kind;
        enum nx__verdict verdict =
            nx__permissions_path_verdict(p, *refused, known ? place->text : NULL);
        if (verdict != NX__GRANTED) return verdict;
    }
    place->path = place->text;
    place->resolve = RESOLVE_NO_SYMLINKS;
    return known ? NX__GRANTED : NX__MISSING; /* what can't be resolved is granted by no list */
}

bool nx__place_is_inside(int fd)
{
    struct statfs fs;
    char link[32], path[PATH_MAX];
    if (fstatfs(fd, &fs) != 0) return true; /* who knows */
    if (fs.f_type != PROC_SUPER_MAGIC) return false;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return true;
    path[n] = '\0';
    const char *name = strrchr(path, '/');
    return !name || strcmp(name, "/mem") == 0 || strcmp(name, "/environ") == 0;
}
