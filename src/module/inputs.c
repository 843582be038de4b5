/* The files that went into a program: what the compiler says of them, and how they are told from
 * changed ones. */
#include "module/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

void nx__input_stat(struct nx__input *in, const struct stat *st)
{
    in->dev = st->st_dev;
    in->ino = st->st_ino;
    in->size = (uint64_t)st->st_size;
    in->mtime_ns = nx__file_time(st->st_mtim);
    in->ctime_ns = nx__file_time(st->st_ctim);
}

nx_err nx__input_read(const char *path, struct nx__input *in)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    if (fd < 0) return nx__error_system(errno, "cannot read \"%.150s\"", path);
    int error = fstat(fd, &st) != 0   ? errno
                : S_ISDIR(st.st_mode) ? EISDIR
                                      : -nx__hash_file(fd, in->hash);
    (void)close(fd);
    if (error) return nx__error_system(error, "cannot read \"%.150s\"", path);
    nx__input_stat(in, &st);
    in->path = (char *)(uintptr_t)path;
    return NX_OK;
}

static nx_err add(struct nx__manifest *m, const char *name)
{
    char real[PATH_SIZE];
    struct nx__input input;
    if (nx__manifest_has(m, name)) return NX_OK; /* most are named as they are, and often */
    if (!realpath(name, real)) return nx__error_system(errno, "cannot read \"%.150s\"", name);
    if (nx__manifest_has(m, real)) return NX_OK;
    NX_TRY(nx__input_read(real, &input));
    return nx__manifest_add(m, &input);
}

/* True at the space between two names of a depfile; a backslash carries on to the next line. */
static bool between(const char *at, const char *end)
{
    return *at == ' ' || *at == '\t' || *at == '\n' || *at == '\r' ||
           (*at == '\\' && at + 1 < end && (at[1] == '\n' || at[1] == '\r'));
}

nx_err nx__inputs_depfile(const char *path, struct nx__manifest *m)
{
    struct nx__buffer text = {0};
    nx_err err = nx__read_small(path, NX__MANIFEST_MOST, &text);
    const char *end = text.len ? text.data + text.len : NULL;
    const char *colon = err || !text.len ? NULL : memchr(text.data, ':', text.len);
    for (const char *at = colon ? colon + 1 : end; at < end && !err;) {
        char name[PATH_SIZE];
        size_t len = 0;
        while (at < end && between(at, end)) at++;
        while (at < end && !between(at, end) && len < sizeof name - 1) {
            if (*at == '\\' && at + 1 < end && (at[1] == ' ' || at[1] == '#' || at[1] == '\\'))
                at++;
            else if (*at == '$' && at + 1 < end && at[1] == '$')
                at++;
            name[len++] = *at++;
        }
        name[len] = '\0';
        if (len) err = add(m, name);
    }
    nx__buffer_free(&text);
    return err;
}

nx_err nx__inputs_listing(const char *path, const char *source, struct nx__manifest *m)
{
    static const char arrow[] = "->  ";
    enum { ARROW = sizeof arrow - 1 };
    struct nx__buffer text = {0};
    nx_err err = nx__read_small(path, NX__MANIFEST_MOST, &text);
    if (!err) err = add(m, source);
    const char *end = text.len ? text.data + text.len : text.data;
    for (const char *at = text.data; at < end && !err;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) break;
        const char *name = at + ARROW;
        if (stop - at > ARROW && memcmp(at, arrow, ARROW) == 0) {
            char copy[PATH_SIZE];
            while (name < stop && *name == ' ') name++;
            size_t len = (size_t)(stop - name);
            if (len >= sizeof copy) {
                err = nx__error_set(NX_ETOOBIG, "cannot compile: the path of a header is too long");
                break;
            }
            memcpy(copy, name, len);
            copy[len] = '\0';
            err = add(m, copy);
        }
        at = stop + 1;
    }
    nx__buffer_free(&text);
    return err;
}
