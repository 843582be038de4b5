/* compile_commands.json: what clangd and other tools read to understand a program. */
#include "module/compdb.h"

#include "base/json.h"
#include "module/compiler.h"
#include "module/embedded.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, FILE_MOST = 16 << 20 };

/* An entry with this in it is one of ours: the end of where the public headers are. */
#define HEADERS "/h/current"

static const char file_name[] = "compile_commands.json";

static nx_err no_memory(void)
{
    return nx__error_set(NX_ENOMEM, "cannot write %s: out of memory", file_name);
}

/* ---- What is noted */

void nx__compdb_add(struct nx__compdb *db, const char *source)
{
    for (size_t i = 0; i < db->count; i++)
        if (strcmp(db->sources[i], source) == 0) return;
    if (db->count == db->capacity) {
        size_t capacity = db->capacity ? db->capacity * 2 : 8;
        char **sources = realloc(db->sources, capacity * sizeof *sources);
        if (!sources) return;
        db->sources = sources;
        db->capacity = capacity;
    }
    char *copy = strdup(source);
    if (copy) db->sources[db->count++] = copy;
}

void nx__compdb_note(struct nx__compdb *db, const struct nx__compiled *compiled)
{
    for (size_t i = 0; i < compiled->input_count; i++) {
        const char *path = compiled->inputs[i].path;
        size_t len = strlen(path);
        if (len > 2 && strcmp(path + len - 2, ".c") == 0) nx__compdb_add(db, path);
    }
}

void nx__compdb_free(struct nx__compdb *db)
{
    for (size_t i = 0; i < db->count; i++) free(db->sources[i]);
    free(db->sources);
    *db = (struct nx__compdb){0};
}

/* ---- Reading what is there */

/* An entry as it stands in the file. */
struct entry {
    const char *text; /* from its brace to the other */
    size_t len;
    char directory[PATH_SIZE], file[PATH_SIZE]; /* empty where it does not say, or too long */
};

static const char *blank_skip(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
    return at;
}

/* Past the string that begins at `at`; NULL where it has no end. */
static const char *string_end(const char *at, const char *end)
{
    for (at++; at < end && *at != '"';) at += *at == '\\' && at + 1 < end ? 2 : 1;
    return at < end ? at + 1 : NULL;
}

/* The text of a string, to be compared: paths with an escape other than of a quote or a backslash
 * are nobody's of ours, and left empty. */
static void string_copy(const char *at, const char *end, char out[PATH_SIZE])
{
    size_t len = 0;
    out[0] = '\0';
    for (at++, end--; at < end; at++) {
        if (*at == '\\' && (at[1] == '"' || at[1] == '\\' || at[1] == '/'))
            at++;
        else if (*at == '\\')
            return;
        if (len + 1 == PATH_SIZE) return;
        out[len++] = *at;
    }
    out[len] = '\0';
    if (strlen(out) != len) out[0] = '\0';
}

/* Past the value at `at`, whatever it is; NULL where it has no end. */
static const char *value_end(const char *at, const char *end)
{
    size_t depth = 0;
    while (at < end) {
        if (*at == '"') {
            at = string_end(at, end);
            if (!at) return NULL;
            if (!depth) return at;
            continue;
        }
        if (*at == '{' || *at == '[') depth++;
        if (*at == '}' || *at == ']') {
            if (!depth) return at; /* of what the value is in */
            if (--depth == 0) return at + 1;
        }
        if (*at == ',' && !depth) return at;
        at++;
    }
    return NULL;
}

/* Reads the object at `at`; past it, or NULL where it is none. */
static const char *entry_read(const char *at, const char *end, struct entry *e)
{
    e->text = at;
    e->directory[0] = e->file[0] = '\0';
    if (at == end || *at != '{') return NULL;
    at = blank_skip(at + 1, end);
    while (at < end && *at == '"') {
        const char *name = at, *after = string_end(at, end);
        if (!after) return NULL;
        size_t len = (size_t)(after - name);
        at = blank_skip(after, end);
        if (at == end || *at != ':') return NULL;
        at = blank_skip(at + 1, end);
        after = value_end(at, end);
        if (!after) return NULL;
        char *into = len == 6 && memcmp(name, "\"file\"", 6) == 0          ? e->file
                     : len == 11 && memcmp(name, "\"directory\"", 11) == 0 ? e->directory
                                                                           : NULL;
        if (into && *at == '"') string_copy(at, after, into);
        at = blank_skip(after, end);
        if (at < end && *at == ',') at = blank_skip(at + 1, end);
    }
    if (at == end || *at != '}') return NULL;
    e->len = (size_t)(at + 1 - e->text);
    return at + 1;
}

static bool entry_is_ours(const struct entry *e)
{
    return memmem(e->text, e->len, HEADERS "\"", sizeof HEADERS) != NULL;
}

/* Where the entry's file is. */
static void entry_path(const struct entry *e, const char *root, char out[2 * PATH_SIZE])
{
    const char *directory = e->directory[0] ? e->directory : root;
    bool absolute = e->file[0] == '/';
    (void)snprintf(out, 2 * (size_t)PATH_SIZE, "%s%s%s", absolute ? "" : directory,
                   absolute ? "" : "/", e->file);
}

/* ---- Writing */

static nx_err put_string(struct nx__buffer *out, const char *text)
{
    nx_err err;
    size_t size = nx__json_write(nx_value_string(text), NULL, 0, &err);
    if (!err) err = nx__buffer_reserve(out, size, FILE_MOST);
    if (err) return err;
    (void)nx__json_write(nx_value_string(text), out->data + out->len, size, &err);
    out->len += size;
    return err;
}

/* One entry. A path that JSON can't say, not being UTF-8, is left out. */
static nx_err put_entry(struct nx__buffer *out, const char *root, const char *source,
                        const char *const *arguments)
{
    size_t before = out->len;
    nx_err err =
        nx__buffer_printf(out, FILE_MOST, before > 2 ? ",\n{\"directory\": " : "{\"directory\": ");
    if (!err) err = put_string(out, root);
    if (!err) err = nx__buffer_printf(out, FILE_MOST, ", \"file\": ");
    if (!err) err = put_string(out, source);
    for (size_t i = 0; arguments[i] && !err; i++) {
        err = nx__buffer_printf(out, FILE_MOST, i ? ", " : ", \"arguments\": [");
        if (!err) err = put_string(out, arguments[i]);
    }
    if (!err) err = nx__buffer_printf(out, FILE_MOST, ", \"-c\", ");
    if (!err) err = put_string(out, source);
    if (!err) err = nx__buffer_printf(out, FILE_MOST, "]}");
    if (err != NX_EINVAL) return err;
    out->len = before;
    return NX_OK;
}

/* What the file is to be: the old entries in their places, and then the new ones. */
static nx_err compose(struct nx__compdb *db, const char *root, const char *const *arguments,
                      const struct nx__buffer *old, struct nx__buffer *out)
{
    const char *end = old->len ? old->data + old->len : old->data, *at = old->data;
    static struct entry e; /* large, and there is one */
    nx_err err = nx__buffer_printf(out, FILE_MOST, "[\n");
    if (old->len) at = blank_skip(at, end);
    if (old->len && (at == end || *at++ != '[')) return NX_EINVAL;
    if (old->len) at = blank_skip(at, end);
    while (!err && at < end && *at != ']') {
        char path[2 * PATH_SIZE];
        size_t noted = 0;
        at = entry_read(at, end, &e);
        if (!at) return NX_EINVAL;
        at = blank_skip(at, end);
        if (at < end && *at == ',') at = blank_skip(at + 1, end);
        entry_path(&e, root, path);
        while (noted < db->count && strcmp(db->sources[noted], path) != 0) noted++;
        bool ours = entry_is_ours(&e);
        if (noted < db->count && ours)
            err = put_entry(out, root, path, arguments);
        else if (!ours || access(path, F_OK) == 0)
            err = nx__buffer_printf(out, FILE_MOST, out->len > 2 ? ",\n%.*s" : "%.*s", (int)e.len,
                                    e.text);
        if (noted < db->count) db->sources[noted][0] = '\0'; /* it has its entry */
    }
    if (old->len && (at == end || blank_skip(at + 1, end) != end)) return NX_EINVAL;
    size_t len = root[1] ? strlen(root) : 0; /* of "/" the slash is in the paths */
    for (size_t i = 0; i < db->count && !err; i++)
        if (strncmp(db->sources[i], root, len) == 0 && db->sources[i][len] == '/')
            err = put_entry(out, root, db->sources[i], arguments);
    return err ? err : nx__buffer_printf(out, FILE_MOST, "\n]\n");
}

static nx_err replace(const char *root, const char *path, const struct nx__buffer *text)
{
    char aside[PATH_SIZE];
    unsigned random;
    if (getrandom(&random, sizeof random, 0) != sizeof random ||
        snprintf(aside, sizeof aside, "%s/.%s.%08x", root, file_name, random) >= (int)sizeof aside)
        return nx__error_set(NX_ETOOBIG, "cannot write \"%.150s\"", path);
    int error = nx__write_aside(aside, path, 0666, text->data, text->len);
    return error ? nx__error_system(error, "cannot write \"%.150s\"", path) : NX_OK;
}

/* The public headers by a path that stays when Nexus is updated: a link to this version's. */
static nx_err headers_link(char out[PATH_SIZE])
{
    char *cache, *folder = NULL, probe[PATH_SIZE + 32], target[32], aside[PATH_SIZE + 16];
    unsigned random;
    NX_TRY(nx__cache_dir(&cache));
    int n = snprintf(out, PATH_SIZE, "%s" HEADERS, cache);
    nx_err err = n < PATH_SIZE ? NX_OK : nx__cache_error(ENAMETOOLONG, cache);
    (void)snprintf(probe, sizeof probe, "%s/nexus/base.h", out);
    ssize_t len = err ? -1 : readlink(out, target, sizeof target);
    bool same = len == 16 && memcmp(target, nx__headers_hash, 16) == 0 && access(probe, R_OK) == 0;
    if (!err && !same) err = nx__headers_dir(cache, &folder);
    if (!err && !same) {
        /* Where another has just made the same link, his does as well. */
        if (getrandom(&random, sizeof random, 0) != sizeof random) random = (unsigned)getpid();
        (void)snprintf(aside, sizeof aside, "%s.%08x", out, random);
        (void)snprintf(target, sizeof target, "%.16s", nx__headers_hash);
        if (symlink(target, aside) != 0 || rename(aside, out) != 0) {
            err = nx__cache_error(errno, out);
            (void)unlink(aside);
        }
    }
    free(folder);
    free(cache);
    return err;
}

/* Writes the file at `path` anew, unless it says all that already. */
static nx_err update(struct nx__compdb *db, const char *main_path, const char *root,
                     const char *path)
{
    /* For clangd: what another compiler is told it may not know. */
    const struct nx__compiler clang = {.kind = NX__COMPILER_CLANG, .path = "clang"};
    char headers[PATH_SIZE];
    const char *const *arguments;
    NX_TRY(headers_link(headers));
    const struct nx__build build = {
        .compiler = &clang, .headers = headers, .main_path = main_path, .root = root};
    NX_TRY(nx__build_arguments(&build, &arguments));
    struct nx__buffer old = {0}, text = {0};
    nx_err err = access(path, F_OK) == 0 ? nx__read_small(path, FILE_MOST, &old) : NX_OK;
    if (!err) {
        err = compose(db, root, arguments, &old, &text);
        if (err == NX_EINVAL)
            (void)nx__error_set(
                err,
                "\"%.150s\" is not a list of compile commands; remove it, and it is written anew",
                path);
        else if (err)
            (void)nx__error_set(err, "cannot write \"%.150s\": %s", path, nx_err_text(err));
    }
    bool same = text.len == old.len && text.len && memcmp(text.data, old.data, text.len) == 0;
    if (!err && !same && text.len > 5) err = replace(root, path, &text); /* more than brackets */
    nx__buffer_free(&old);
    nx__buffer_free(&text);
    return err;
}

nx_err nx__compdb_write(struct nx__compdb *db, const char *main_path)
{
    char root[NX__ROOT_MOST] = "", path[PATH_SIZE], manifest[PATH_SIZE];
    struct stat st;
    nx_err err = NX_OK;
    char *real = db->count ? realpath(main_path, NULL) : NULL;
    if (real) {
        nx__project_root(real, root);
        bool fits =
            snprintf(path, sizeof path, "%s/%s", root, file_name) < (int)sizeof path &&
            snprintf(manifest, sizeof manifest, "%s/nexus.toml", root) < (int)sizeof manifest;
        bool there = fits && lstat(path, &st) == 0;
        if (there ? S_ISREG(st.st_mode) : fits && access(manifest, F_OK) == 0)
            err = update(db, real, root, path);
    } else if (db->count) {
        err = no_memory();
    }
    free(real);
    nx__compdb_free(db);
    return err;
}
