/* Manifests: what a compiled program was made of, as lines of text. */
#include "module/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Line by line: the magic; key; hash and size of the compiled file; how many compilers were asked,
 * in how many folders and when, and what those were like; each compiler; each input. */
#define MAGIC "nexus manifest 2"

enum { LINE_MOST = 8192 };

void nx__manifest_free(struct nx__manifest *m)
{
    for (size_t i = 0; i < m->count; i++) free(m->inputs[i].path);
    free(m->inputs);
    *m = (struct nx__manifest){0};
}

bool nx__manifest_has(const struct nx__manifest *m, const char *path)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->inputs[i].path, path) == 0) return true;
    return false;
}

nx_err nx__manifest_add(struct nx__manifest *m, const struct nx__input *input)
{
    if (nx__manifest_has(m, input->path)) return NX_OK;
    if (m->count == NX__INPUTS_MOST)
        return nx__error_set(NX_ELIMIT, "the program includes more than %d files", NX__INPUTS_MOST);
    if (m->count == m->capacity) {
        size_t capacity = m->capacity ? m->capacity * 2 : 32;
        struct nx__input *inputs = realloc(m->inputs, capacity * sizeof *inputs);
        if (!inputs) return nx__error_set(NX_ENOMEM, "cannot compile: out of memory");
        m->inputs = inputs;
        m->capacity = capacity;
    }
    m->inputs[m->count] = *input;
    m->inputs[m->count].path = strdup(input->path);
    if (!m->inputs[m->count].path) return nx__error_set(NX_ENOMEM, "cannot compile: out of memory");
    m->count++;
    return NX_OK;
}

nx_err nx__manifest_format(const struct nx__manifest *m, struct nx__buffer *out)
{
    const struct nx__compilers *asked = &m->found.compilers;
    size_t folders = asked->count ? asked->items[asked->count - 1].folders : 0;
    NX_TRY(nx__buffer_printf(
        out, NX__MANIFEST_MOST, MAGIC "\n%s\n%s %" PRIu64 "\n%zu %zu %" PRId64 " %s\n", m->key,
        m->so_hash, m->so_size, asked->count, folders, asked->searched_ns, m->found.folders));
    for (size_t i = 0; i < asked->count; i++)
        NX_TRY(nx__buffer_printf(out, NX__MANIFEST_MOST, "%" PRIu64 " %" PRId64 " %s\n",
                                 asked->items[i].size, asked->items[i].mtime_ns,
                                 asked->items[i].path));
    for (size_t i = 0; i < m->count; i++) {
        const struct nx__input *in = &m->inputs[i];
        NX_TRY(nx__buffer_printf(
            out, NX__MANIFEST_MOST,
            "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " %s %s\n", in->dev, in->ino,
            in->size, in->mtime_ns, in->ctime_ns, in->hash, in->path));
    }
    return NX_OK;
}

static bool is_hash(const char *text)
{
    return strlen(text) == NX__HASH_TEXT - 1 &&
           strspn(text, "0123456789abcdef") == NX__HASH_TEXT - 1;
}

/* Cuts the next line out of the text. */
static bool line_next(const char **at, const char *end, char line[LINE_MOST])
{
    const char *stop = *at < end ? memchr(*at, '\n', (size_t)(end - *at)) : NULL;
    if (!stop || stop - *at >= LINE_MOST || memchr(*at, '\0', (size_t)(stop - *at))) return false;
    memcpy(line, *at, (size_t)(stop - *at));
    line[stop - *at] = '\0';
    *at = stop + 1;
    return true;
}

static bool input_parse(const char *line, struct nx__input *in, const char **path)
{
    int used = 0;
    char hash[NX__HASH_TEXT];
    if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNd64 " %64s %n",
               &in->dev, &in->ino, &in->size, &in->mtime_ns, &in->ctime_ns, hash, &used) != 6 ||
        !used || line[used] != '/' || !is_hash(hash))
        return false;
    memcpy(in->hash, hash, sizeof hash);
    *path = line + used;
    return true;
}

static bool compilers_parse(const char **at, const char *end, struct nx__found *found)
{
    char line[LINE_MOST], hash[NX__HASH_TEXT];
    struct nx__compilers *asked = &found->compilers;
    size_t count, folders;
    int used = 0;
    if (!line_next(at, end, line) ||
        sscanf(line, "%zu %zu %" SCNd64 " %64s%n", &count, &folders, &asked->searched_ns, hash,
               &used) != 4 ||
        line[used] || !is_hash(hash) || count < 1 || count > NX__COMPILERS_MOST)
        return false;
    memcpy(found->folders, hash, sizeof hash);
    for (; asked->count < count; asked->count++) {
        struct nx__compiler *c = &asked->items[asked->count];
        used = 0;
        if (!line_next(at, end, line) ||
            sscanf(line, "%" SCNu64 " %" SCNd64 " %n", &c->size, &c->mtime_ns, &used) != 2 ||
            !used || line[used] != '/' || strlen(line + used) >= sizeof c->path)
            return false;
        memcpy(c->path, line + used, strlen(line + used) + 1);
    }
    asked->items[count - 1].folders = folders;
    return true;
}

bool nx__manifest_parse(struct nx__manifest *m, const char *text, size_t len)
{
    char line[LINE_MOST];
    const char *at = text, *end = text + len;
    int used = 0;
    if (!line_next(&at, end, line) || strcmp(line, MAGIC) != 0) return false;
    if (!line_next(&at, end, line) || !is_hash(line)) return false;
    memcpy(m->key, line, sizeof m->key);
    char hash[NX__HASH_TEXT];
    if (!line_next(&at, end, line) ||
        sscanf(line, "%64s %" SCNu64 "%n", hash, &m->so_size, &used) != 2 || line[used] ||
        !is_hash(hash))
        return false;
    memcpy(m->so_hash, hash, sizeof hash);
    if (!compilers_parse(&at, end, &m->found)) return false;
    while (at < end) {
        struct nx__input input;
        const char *path;
        if (!line_next(&at, end, line) || !input_parse(line, &input, &path)) return false;
        input.path = (char *)(uintptr_t)path;
        if (nx__manifest_add(m, &input)) return false;
    }
    return m->count > 0;
}
