/* Grants for good: an entry more in nexus.toml. */
#include "cli/permission_always.h"

#include "base/buffer.h"
#include "cli/cli.h"
#include "cli/permission_sets.h"
#include "loop/loop.h"
#include "module/internal.h"
#include "toml/toml.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>

enum { MANIFEST_MOST = 1 << 20 };

struct edit {
    const struct nx__run *run;
    const char *path, *key, *address;
    const char *set; /* NULL: [permissions] itself */
};

static nx_toml table_of(const struct edit *e, nx_toml toml)
{
    return e->set ? nx_toml_get(toml, "permissions", e->set) : nx_toml_get(toml, "permissions");
}

static nx_err add(struct nx__buffer *out, const char *text, size_t len)
{
    return nx__buffer_append(out, text, len, MANIFEST_MOST);
}

/* `text` with `piece` put in at the offset. */
static nx_err insert(struct nx__buffer *out, nx_bytes text, size_t at, const char *piece)
{
    NX_TRY(add(out, text.data, at));
    NX_TRY(add(out, piece, strlen(piece)));
    return add(out, text.data + at, text.len - at);
}

/* A host has no character that a string would have to escape; the name of a Unix socket may. */
static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (*text == '"' || *text == '\\' || (unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static nx_err put_in(const struct edit *e, nx_bytes text, nx_toml toml, struct nx__buffer *out)
{
    nx_toml table = table_of(e, toml), list = nx_toml_get(table, e->key);
    const char *piece;
    if (nx_toml_is(list)) {
        if (nx_toml_kind_of(list) != NX_TOML_ARRAY)
            return nx_toml_fail(list, "%s is no list", e->key);
        piece = nx_format(nx_toml_count(list) ? "\"%s\", " : "\"%s\"", e->address);
        return piece ? insert(out, text, list.at->offset + 1, piece) : NX_ENOMEM;
    }
    if (nx_toml_is(table) && table.at->made == NX__TOML_HEADER) {
        const char *from = text.data + table.at->offset;
        const char *end = memchr(from, '\n', text.len - table.at->offset);
        piece = nx_format("%s%s = [\"%s\"]\n", end ? "" : "\n", e->key, e->address);
        size_t at = end ? (size_t)(end + 1 - text.data) : text.len;
        return piece ? insert(out, text, at, piece) : NX_ENOMEM;
    }
    if (nx_toml_is(table) && table.at->made != NX__TOML_IMPLIED)
        return nx_toml_fail(table, "permissions is no table with a header of its own");
    bool open = text.len && text.data[text.len - 1] != '\n';
    piece = nx_format("%s%s[permissions]\n%s = [\"%s\"]\n", open ? "\n" : "", text.len ? "\n" : "",
                      e->key, e->address);
    return piece ? insert(out, text, text.len, piece) : NX_ENOMEM;
}

/* What was made is read once more, before it is anybody's. */
static nx_err check(const struct edit *e, const struct nx__buffer *made)
{
    nx_toml toml;
    NX_TRY(nx_toml_parse(nx_slice(made->data, made->len), &toml, .name = "nexus.toml"));
    nx_toml list = nx_toml_get(table_of(e, toml), e->key);
    for (size_t i = 0; i < nx_toml_count(list); i++)
        if (nx_bytes_eq(nx_toml_string(nx_toml_get(list, i), ""), nx_str(e->address))) return NX_OK;
    return nx__error_set(NX_EINVAL, "nexus.toml has no place for it");
}

static nx_err replace(const char *path, const struct nx__buffer *made)
{
    char real[NX__PATH_MAX], aside[NX__PATH_MAX + 16];
    struct stat st;
    unsigned random;
    bool there = realpath(path, real) && stat(real, &st) == 0;
    if (!there) (void)snprintf(real, sizeof real, "%s", path);
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return nx__error_system(errno, "cannot write nexus.toml");
    (void)snprintf(aside, sizeof aside, "%s.%08x", real, random);
    mode_t mode = there ? st.st_mode & 0777 : 0644;
    int error = nx__write_aside(aside, real, mode, made->data, made->len);
    return error ? nx__error_system(error, "cannot write nexus.toml") : NX_OK;
}

static nx_err edit(const struct edit *e)
{
    struct nx__buffer text = {0}, made = {0};
    nx_toml toml = {NULL, NULL};
    nx_err err = nx__read_small(e->path, MANIFEST_MOST, &text);
    bool there = !err;
    if (err && err != NX_ENOENT) return err;
    nx_bytes bytes = nx_slice(text.data ? text.data : "", text.len);
    err = nx_toml_parse(bytes, &toml, .name = "nexus.toml");
    if (!err && there) err = nx__permission_sets_trust(e->run, e->path);
    if (!err && !there && nx__permission_sets_writes(&e->run->permissions, e->path))
        err = nx__error_set(NX_EPERM, "the program could write nexus.toml itself");
    if (!err) err = put_in(e, bytes, toml, &made);
    if (!err) err = check(e, &made);
    if (!err) err = replace(e->path, &made);
    nx__buffer_free(&text);
    nx__buffer_free(&made);
    return err;
}

nx_err nx__permission_always(const struct nx__run *run, enum nx__use use, const char *address)
{
    static struct nx_loop memory; /* never runs: what is read goes to its scope */
    char path[NX__PATH_MAX];
    if (run->no_sets) return nx__error_set(NX_EPERM, "--permissions=none leaves nexus.toml out");
    if (!is_plain(address))
        return nx__error_set(NX_EINVAL, "the name has characters that are not written as they are");
    nx__permission_sets_path(run->file, path);
    if (!path[0]) return nx__error_set(NX_ENOENT, "the program's file is not there any more");
    const struct edit e = {.run = run,
                           .path = path,
                           .key = nx__permission_name(NX__PERMIT_NET, use),
                           .address = address,
                           .set = run->sets_count ? run->sets[run->sets_count - 1] : NULL};
    nx__loop_current = &memory;
    nx_err err = edit(&e);
    nx__loop_current = NULL;
    nx__arena_reset(&memory.root.arena);
    return err;
}
