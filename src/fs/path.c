/* From paths to descriptors. */
#include "fs/path.h"

#include "permission/access.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* A walk whose links change under it is tried again so often. */
enum { WALKS_MOST = 8 };

nx_err nx__fs_result(int64_t result, const char *doing, const char *path)
{
    if (result >= 0) return NX_OK;
    if (result == -ENOT_GRANTED) return NX_EPERM;
    if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
    return nx__error_system((int)-result, "cannot %s \"%s\"", doing, path);
}

nx_err nx__fs_pair_result(int64_t result, const char *doing, const char *from, const char *to)
{
    if (result >= 0) return NX_OK;
    if (result == -ENOT_GRANTED) return NX_EPERM;
    if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
    return nx__error_system((int)-result, "cannot %s \"%s\" to \"%s\"", doing, from, to);
}

struct walk {
    unsigned kinds;
    const char *path;
    const struct open_how *how;
    char *last; /* not NULL: opens the directory that it is in, and puts the last component here */
    struct nx__place *place;
    enum nx__verdict verdict;
    enum nx__permit_kind refused;
};

/* Splits the place's path, in its text, at the last component, which goes to `name`. False where
 * that is no name. */
static bool split(struct nx__place *place, char name[NAME_MAX + 1])
{
    char *path = place->text + (place->path - place->text);
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') len--;
    size_t last = len;
    while (last && path[last - 1] != '/') last--;
    size_t name_len = len - last;
    if (!name_len || name_len > NAME_MAX || path[last] == '/') return false;
    memcpy(name, path + last, name_len);
    name[name_len] = '\0';
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return false;
    path[last] = '\0';
    if (!last) place->path = ".";
    return true;
}

/* On a thread of the pool. */
static int64_t walk_run(void *arg)
{
    struct walk *w = arg;
    struct nx__place *place = w->place;
    bool follow = !w->last && !(w->how->flags & O_NOFOLLOW);
    for (int i = 0; i < WALKS_MOST; i++) {
        w->verdict = nx__place_walk(w->kinds, w->path, follow, place, &w->refused);
        if (w->verdict != NX__GRANTED) return -ENOT_GRANTED;
        if (w->last && !split(place, w->last)) return -EINVAL;
        struct open_how how = *w->how;
        how.flags |= O_CLOEXEC;
        how.resolve |= place->resolve;
        int64_t fd = nx__file_open_blocking(place->at, place->path, &how);
        if (fd != -ELOOP || !place->resolve) return fd;
    }
    return -ELOOP;
}

static int64_t walk(unsigned kinds, const char *path, const struct open_how *how,
                    struct nx__place *place, char *last)
{
    struct walk w = {.kinds = kinds, .path = path, .how = how, .place = place, .last = last};
    int64_t fd = nx__file_call(walk_run, &w);
    if (fd == -ENOT_GRANTED) NX_IGNORE(nx__permit_refuse(w.refused, path, w.verdict));
    return fd;
}

static int64_t refuse(unsigned kinds, const char *path)
{
    NX_IGNORE(nx__permit_refuse(kinds & NX__PLACE_READ ? NX__PERMIT_READ : NX__PERMIT_WRITE, path,
                                NX__MISSING));
    return -ENOT_GRANTED;
}

/* What was guessed leads out of the grant, or the kernel can't hold it there. */
static bool leads_elsewhere(const struct nx__place *place, int64_t result)
{
    return place->resolve && (result == -EXDEV || result == -ELOOP || result == -ENOSYS);
}

static int64_t open_guess(const struct nx__place *place, const struct open_how *how)
{
    struct open_how with = *how;
    with.resolve |= place->resolve;
    int64_t turn = nx__file_turn(NX__FILE_OPEN_BYTES);
    if (turn < 0) return turn;
    int64_t fd = nx__file_open_now(place->at, place->path, &with);
    return fd == -EAGAIN ? nx__file_open(place->at, place->path, &with) : fd;
}

static void tell(unsigned kinds, const char *path, int64_t result)
{
    for (int kind = 0; kind < NX__PERMIT_KINDS; kind++)
        if (kinds & 1u << kind)
            nx__access((enum nx__permit_kind)kind, NX__USE_ANY, path, result != -ENOT_GRANTED);
}

static int64_t open_path(unsigned kinds, const char *path, const struct open_how *how)
{
    struct nx__place place;
    if (nx__place_guess(kinds, path, &place)) {
        int64_t fd = open_guess(&place, how);
        if (fd >= 0 && place.inspect && nx__place_is_inside((int)fd)) {
            (void)close((int)fd);
            return refuse(kinds, path);
        }
        if (!leads_elsewhere(&place, fd)) return fd;
    }
    return walk(kinds, path, how, &place, NULL);
}

int64_t nx__fs_open_path(unsigned kinds, const char *path, const struct open_how *how)
{
    int64_t fd = open_path(kinds, path, how);
    if (nx__unlikely(nx__access_told)) tell(kinds, path, fd);
    return fd;
}

static int64_t parent_open(unsigned kinds, const char *path, struct nx__parent *parent)
{
    static const struct open_how how = {.flags = O_PATH | O_DIRECTORY};
    struct nx__place place;
    int64_t fd = -EXDEV;
    *parent = (struct nx__parent){.at = AT_FDCWD, .name = path};
    bool guessed = nx__place_guess(kinds, path, &place);
    if (guessed && !place.resolve) return 0;
    parent->name = parent->last;
    if (guessed && split(&place, parent->last)) {
        parent->at = place.at;
        if (strcmp(place.path, ".") == 0) return 0;
        fd = open_guess(&place, &how);
    }
    if (!guessed || leads_elsewhere(&place, fd)) fd = walk(kinds, path, &how, &place, parent->last);
    if (fd < 0) return fd;
    parent->at = (int)fd;
    parent->owned = true;
    return 0;
}

int64_t nx__fs_parent_open(const struct nx__parent *parent, uint64_t flags)
{
    char directory[PATH_MAX];
    const struct open_how how = {.flags = flags | O_DIRECTORY};
    const char *slash = strrchr(parent->name, '/');
    size_t len = !slash ? 0 : slash == parent->name ? 1 : (size_t)(slash - parent->name);
    if (len >= sizeof directory) return -ENAMETOOLONG;
    memcpy(directory, parent->name, len);
    directory[len] = '\0';
    return nx__file_open(parent->at, len ? directory : ".", &how);
}

void nx__fs_parent_release(struct nx__parent *parent)
{
    if (parent->owned) (void)close(parent->at);
    parent->owned = false;
}

int64_t nx__fs_parent(unsigned kinds, const char *path, struct nx__parent *parent)
{
    int64_t result = parent_open(kinds, path, parent);
    if (nx__unlikely(nx__access_told)) tell(kinds, path, result);
    return result;
}
