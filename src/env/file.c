/* .env files. */
#include "env/env.h"

#include "base/compiler.h"
#include "base/error.h"
#include "loop/loop.h"
#include <errno.h>
#include <fcntl.h>
#include <nexus/fs.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- The text */

struct reader {
    struct nx__arena *arena;
    const char *at, *end;
    size_t line;
};

static nx_err no_memory(void)
{
    return nx__error_set(NX_ENOMEM, "no memory for the variables of a file");
}

static nx_err copy(const struct reader *r, const char *data, size_t len, const char **out)
{
    char *text = nx__arena_alloc(r->arena, len + 1);
    if (!text) return no_memory();
    memcpy(text, data, len);
    text[len] = '\0';
    *out = text;
    return NX_OK;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void blanks_skip(struct reader *r)
{
    while (r->at < r->end && is_blank(*r->at)) r->at++;
}

static bool is_name(nx_bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) return false;
    }
    return name.len > 0;
}

/* Up to "=", which is passed over. */
static nx_err name_read(struct reader *r, const char **out)
{
    const char *begin = r->at;
    char quoted[NX__QUOTED];
    while (r->at < r->end && *r->at != '=' && *r->at != '\n') r->at++;
    if (r->at == r->end || *r->at == '\n')
        return nx__error_set(NX_EINVAL, "line %zu: expected NAME=VALUE, not \"%s\"", r->line,
                             nx__quoted(quoted, nx_slice(begin, (size_t)(r->at - begin))));
    size_t len = (size_t)(r->at++ - begin);
    if (len > 7 && memcmp(begin, "export", 6) == 0 && is_blank(begin[6])) {
        begin += 7;
        len -= 7;
        while (len && is_blank(*begin)) begin++, len--;
    }
    while (len && is_blank(begin[len - 1])) len--;
    if (!is_name(nx_slice(begin, len)))
        return nx__error_set(NX_EINVAL, "line %zu: \"%s\" is no name of a variable", r->line,
                             nx__quoted(quoted, nx_slice(begin, len)));
    return copy(r, begin, len, out);
}

/* What a backslash and this make; 0: both stay. */
static char escaped(char c)
{
    switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case '\\':
    case '"':
    case '$': return c;
    default: return 0;
    }
}

static nx_err quoted_read(struct reader *r, const char **out)
{
    char quote = *r->at++;
    size_t begun = r->line, len = 0;
    const char *begin = r->at;
    for (; r->at < r->end && *r->at != quote; r->at++) {
        if (*r->at == '\n') r->line++;
        bool skips = quote == '"' && *r->at == '\\' && r->at + 1 < r->end;
        if (skips && escaped(r->at[1])) r->at++;
    }
    if (r->at == r->end)
        return nx__error_set(NX_EINVAL, "line %zu: the quote that begins here never ends", begun);
    char *text = nx__arena_alloc(r->arena, (size_t)(r->at - begin) + 1);
    if (!text) return no_memory();
    for (const char *c = begin; c < r->at; c++) {
        char meant = quote == '"' && *c == '\\' ? escaped(c[1]) : 0;
        if (meant) c++;
        text[len++] = meant ? meant : *c;
    }
    text[len] = '\0';
    *out = text;
    r->at++;
    blanks_skip(r);
    if (r->at < r->end && *r->at != '\n' && *r->at != '#')
        return nx__error_set(NX_EINVAL, "line %zu: there is more behind the quote's end", r->line);
    return NX_OK;
}

static nx_err plain_read(struct reader *r, const char **out)
{
    const char *begin = r->at;
    while (r->at < r->end && *r->at != '\n' &&
           !(*r->at == '#' && (r->at == begin || is_blank(r->at[-1]))))
        r->at++;
    size_t len = (size_t)(r->at - begin);
    while (len && is_blank(begin[len - 1])) len--;
    return copy(r, begin, len, out);
}

static nx_err variable_read(struct reader *r, nx_env_variable *out)
{
    NX_TRY(name_read(r, &out->name));
    blanks_skip(r);
    bool quoted = r->at < r->end && strchr("'\"`", *r->at);
    return quoted ? quoted_read(r, &out->value) : plain_read(r, &out->value);
}

static size_t lines_of(nx_bytes text)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++) lines += text.data[i] == '\n';
    return lines;
}

static nx_err text_check(nx_bytes text)
{
    if (text.len > NX_ENV_FILE_MOST)
        return nx__error_set(NX_ETOOBIG, "it has %zu bytes, and may have %zu", text.len,
                             NX_ENV_FILE_MOST);
    const char *nul = text.len ? memchr(text.data, '\0', text.len) : NULL;
    if (!nul) return NX_OK;
    return nx__error_set(NX_EINVAL, "line %zu: a zero byte, which no variable can have",
                         lines_of(nx_slice(text.data, (size_t)(nul - text.data))));
}

static nx_err parse(struct nx__arena *arena, nx_bytes text, nx_env_variable **out, size_t *count)
{
    *out = NULL;
    *count = 0;
    NX_TRY(text_check(text));
    nx_env_variable *variables = nx__arena_alloc(arena, lines_of(text) * sizeof *variables);
    if (!variables) return no_memory();
    struct reader r = {.arena = arena, .at = text.data, .end = text.data + text.len, .line = 1};
    if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) r.at += 3;
    size_t n = 0;
    for (; r.at < r.end; r.line++) {
        blanks_skip(&r);
        if (r.at < r.end && *r.at != '#' && *r.at != '\n')
            NX_TRY(variable_read(&r, &variables[n++]));
        while (r.at < r.end && *r.at != '\n') r.at++; /* a comment */
        if (r.at < r.end) r.at++;
    }
    *out = variables;
    *count = n;
    return NX_OK;
}

nx_err nx_env_parse(nx_bytes text, nx_env_variable **out, size_t *count)
{
    return parse(nx__scope_arena(), text, out, count);
}

/* ---- Files */

static nx_err file_parse(struct nx__arena *arena, const char *path, nx_bytes text,
                         nx_env_variable **out, size_t *count)
{
    nx_err err = parse(arena, text, out, count);
    /* Each is looked for among those that are set, and among its own. */
    if (!err && *count > NX_ENV_FILE_VARIABLES_MOST)
        err = nx__error_set(NX_ETOOBIG, "it has %zu variables, and may have %zu", *count,
                            NX_ENV_FILE_VARIABLES_MOST);
    if (err == NX_EINVAL || err == NX_ETOOBIG)
        return nx__error_set(err, "cannot use \"%.100s\": %s", path, nx__error_last()->message);
    return err;
}

nx_err nx_env_load_with(const char *path, const nx_env_load_options *options)
{
    NX__OPTIONS(nx_env_load_options, o, options);
    nx_bytes text;
    nx_env_variable *variables;
    size_t count;
    NX_TRY(nx_fs_read_file(path, &text));
    NX_TRY(file_parse(nx__scope_arena(), path, text, &variables, &count));
    return nx__env_apply(variables, count, o.override);
}

/* The whole file, which `data` has room for. */
static nx_err read_at_once(const char *path, char *data, size_t room, nx_bytes *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;
    size_t len = 0;
    while (n > 0 && len < room) {
        do n = read(fd, data + len, room - len);
        while (n < 0 && errno == EINTR);
        if (n > 0) len += (size_t)n;
    }
    int system = errno;
    if (fd >= 0) (void)close(fd);
    *out = nx_slice(data, len);
    return n < 0 ? nx__error_system(system, "cannot read \"%.150s\"", path) : NX_OK;
}

static nx_err file_apply(struct nx__arena *arena, const char *path)
{
    enum { ROOM = NX_ENV_FILE_MOST + 1 }; /* one more tells a file that is too large */
    nx_bytes text;
    nx_env_variable *variables;
    size_t count;
    char *data = nx__arena_alloc(arena, ROOM);
    if (!data) return no_memory();
    NX_TRY(read_at_once(path, data, ROOM, &text));
    NX_TRY(file_parse(arena, path, text, &variables, &count));
    return nx__env_apply(variables, count, false);
}

nx_err nx__env_files(const char *const *paths, size_t count)
{
    nx_err err = NX_OK;
    /* What is set stays, so the last one comes first. */
    while (count-- && !err) {
        struct nx__arena arena = {0};
        err = file_apply(&arena, paths[count]);
        nx__arena_reset(&arena);
    }
    return err;
}
