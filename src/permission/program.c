/* Programs that a program may start. */
#include "permission/program.h"

#include "base/error.h"
#include "permission/access.h"
#include "permission/place.h"
#include "permission/rules.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the time when the grants were sealed; empty: there was none. */
static char own_path[NX__PATH_MAX];

void nx__programs_seal(void)
{
    const char *path = getenv("PATH");
    /* Cut at an entry: half of one would be another directory. */
    size_t len = path ? strlen(path) : 0;
    while (len >= sizeof own_path) {
        do len--;
        while (len && path[len] != ':');
    }
    if (len) memcpy(own_path, path, len);
    own_path[len] = '\0';
}

/* 0, EACCES or ENOENT for the file of that name in the directory. */
static int look(const char *directory, size_t len, const char *name, char out[NX__PATH_MAX])
{
    struct stat st;
    if (!len || directory[0] != '/') return ENOENT;
    int n = snprintf(out, NX__PATH_MAX, "%.*s/%s", (int)len, directory, name);
    if (n < 0 || n >= NX__PATH_MAX || stat(out, &st) != 0 || !S_ISREG(st.st_mode)) return ENOENT;
    return faccessat(AT_FDCWD, out, X_OK, AT_EACCESS) == 0 ? 0 : EACCES;
}

int nx__program_find(const char *name, const char *path, char out[NX__PATH_MAX])
{
    int error = ENOENT;
    char candidate[NX__PATH_MAX];
    const char *entry = path ? path : NX__PROGRAM_PATH;
    for (;;) {
        size_t len = strcspn(entry, ":");
        int result = look(entry, len, name, candidate);
        if (result == 0 || (result == EACCES && error == ENOENT)) {
            memcpy(out, candidate, strlen(candidate) + 1);
            error = result;
        }
        if (result == 0 || !entry[len]) return error;
        entry += len + 1;
    }
}

/* ---- Grants */

struct program {
    const char *name;         /* its last component */
    char place[NX__PATH_MAX]; /* empty: nowhere */
    char file[NX__PATH_MAX];  /* where that leads */
};

static const char *last_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* What the rule names, for one that is a path or found in the PATH. */
static bool place_of(const struct nx__rule *rule, char out[NX__PATH_MAX])
{
    char found[NX__PATH_MAX];
    if (strchr(rule->text, '/')) {
        memcpy(out, rule->text, strlen(rule->text) + 1);
        return true;
    }
    return nx__program_find(rule->text, own_path[0] ? own_path : NULL, found) == 0 &&
           nx__path_resolve_parent(found, out);
}

static bool allows(const struct nx__rule *rule, const struct program *program)
{
    char place[NX__PATH_MAX];
    /* What is nowhere is told by its name alone, and then it is known why it can't be started. */
    if (!program->place[0]) return strcmp(rule->text, program->name) == 0;
    return place_of(rule, place) && strcmp(place, program->place) == 0;
}

/* By its number too: a hard link has no path that leads to the other. */
static bool is_same_file(const char *a, const char *b)
{
    struct stat st, other;
    return strcmp(a, b) == 0 || (stat(a, &st) == 0 && stat(b, &other) == 0 &&
                                 st.st_dev == other.st_dev && st.st_ino == other.st_ino);
}

static bool denies(const struct nx__rule *rule, const struct program *program)
{
    char place[NX__PATH_MAX], file[NX__PATH_MAX];
    if (strcmp(rule->text, program->name) == 0) return true;
    if (!program->place[0] || !place_of(rule, place)) return false;
    return strcmp(place, program->place) == 0 ||
           (nx__path_resolve(place, file) && is_same_file(file, program->file));
}

static bool matches(const struct nx__rules *rules, const struct program *program,
                    bool (*match)(const struct nx__rule *, const struct program *))
{
    if (rules->any) return true;
    for (const struct nx__rule *rule = atomic_load_explicit(&rules->first, memory_order_acquire);
         rule; rule = rule->next)
        if (match(rule, program)) return true;
    return false;
}

nx_err nx__permit_program(const char *asked, const char *found)
{
    nx_err err = nx__permit_program_quietly(asked, found);
    nx__access(NX__PERMIT_RUN, NX__USE_ANY, asked, !err);
    return err;
}

nx_err nx__permit_program_quietly(const char *asked, const char *found)
{
    const struct nx__permissions *p = nx__permissions_sealed();
    if (!p) return NX_OK;
    struct program program = {.name = last_of(asked)};
    bool known = !found || (nx__path_resolve_parent(found, program.place) &&
                            nx__path_resolve(found, program.file));
    /* What can't be resolved could be what is denied, and is granted by no list. */
    const struct nx__rules *deny = &p->deny[NX__PERMIT_RUN];
    bool denied = atomic_load_explicit(&deny->first, memory_order_acquire) && !known;
    if (denied || matches(deny, &program, denies))
        return nx__permit_refuse(NX__PERMIT_RUN, asked, NX__DENIED);
    if (p->all || p->allow[NX__PERMIT_RUN].any) return NX_OK;
    if (known && matches(&p->allow[NX__PERMIT_RUN], &program, allows)) return NX_OK;
    /* A grant of the name is one of another program. */
    if (found && nx__permissions_verdict(p, NX__PERMIT_RUN, asked) == NX__GRANTED) asked = found;
    return nx__permit_refuse(NX__PERMIT_RUN, asked, NX__MISSING);
}

nx_err nx__permit_program_variable(const char *entry)
{
    const struct nx__permissions *p = nx__permissions_sealed();
    if (!p || p->all || p->allow[NX__PERMIT_RUN].any || strncmp(entry, "LD_", 3) != 0) return NX_OK;
    /* Without a grant there is no program that it would be for. */
    if (!nx__rules_first(&p->allow[NX__PERMIT_RUN])) return NX_OK;
    return nx__error_set(
        NX_EPERM,
        "setting %.*s for a program is not allowed where programs are named; run with --allow-run",
        (int)strcspn(entry, "="), entry);
}
