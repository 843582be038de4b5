/* Lines of the program's source, for pages of nexus dev. */
#include "cli/dev.h"

#include "base/utf8.h"
#include "console/width.h"
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TAB = 8 /* columns, as gcc counts */ };

bool nx__dev_is_own(const char *root, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (strstr(path, "/nexus_modules/")) return false;
    /* A program that lies in "/" has the files there, not the whole system. */
    if (strcmp(root, "/") == 0) return slash == path;
    return nx__path_beneath(path, root);
}

/* A line directive or debug information may name any file, and who asks for the page may be
 * anybody who can connect. */
static bool may_show(const char *root, const char *path)
{
    return nx__dev_is_own(root, path) || strstr(path, "/nexus_modules/") ||
           strncmp(path, "/usr/include/", 13) == 0;
}

static char *file_read(const char *path, size_t *len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return NULL;
    char *text = NULL;
    *len = 0;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= NX__DEV_SOURCE_MOST)
        text = malloc((size_t)st.st_size + 1);
    for (ssize_t n; text && *len < (size_t)st.st_size; *len += (size_t)n) {
        n = pread(fd, text + *len, (size_t)st.st_size - *len, (off_t)*len);
        if (n <= 0) break;
    }
    (void)close(fd);
    return text;
}

/* Bytes before the column (from 1) of a line. */
static size_t offset_of(const char *line, size_t len, int column, bool display)
{
    size_t at = 0, wanted = (size_t)column - 1, columns = 0;
    if (!display) return wanted < len ? wanted : len;
    while (at < len && columns < wanted) {
        size_t n = nx__utf8_sequence(line + at, line + len), used = 1;
        if (!n) n = 1;
        if (line[at] == '\t')
            used = TAB - columns % TAB;
        else if (n > 1)
            (void)nx__width_fit(nx_slice(line + at, n), 2, &used);
        columns += used;
        at += n;
    }
    return at;
}

static bool is_word(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (unsigned char)c >= 0x80;
}

static void mark(struct nx__dev_excerpt *e, int column, int width, bool display)
{
    const char *line = e->lines[e->at].text;
    size_t len = e->lines[e->at].len;
    if (column <= 0) return;
    e->mark = offset_of(line, len, column, display);
    if (e->mark >= len) {
        e->mark = 0;
        return;
    }
    size_t end = e->mark;
    if (width > 1)
        end = e->mark + offset_of(line + e->mark, len - e->mark, width + 1, display);
    else
        while (end < len && is_word(line[end])) end++;
    e->mark_len = end > e->mark ? end - e->mark : 1;
    /* Whole characters. */
    while (e->mark && ((unsigned char)line[e->mark] & 0xc0) == 0x80) e->mark--, e->mark_len++;
    while (e->mark + e->mark_len < len &&
           ((unsigned char)line[e->mark + e->mark_len] & 0xc0) == 0x80)
        e->mark_len++;
}

/* Of a line that is too long, what lies around the mark. */
static void cut(struct nx__dev_excerpt *e, size_t index)
{
    size_t len = e->lines[index].len, from = 0;
    if (len <= NX__DEV_EXCERPT_LINE_MOST) return;
    bool marked = index == e->at && e->mark_len;
    if (marked && e->mark > NX__DEV_EXCERPT_LINE_MOST / 2)
        from = e->mark - NX__DEV_EXCERPT_LINE_MOST / 2;
    while (from && from < len && ((unsigned char)e->lines[index].text[from] & 0xc0) == 0x80) from++;
    size_t end = from + NX__DEV_EXCERPT_LINE_MOST < len ? from + NX__DEV_EXCERPT_LINE_MOST : len;
    e->lines[index].text += from;
    e->lines[index].len = end - from;
    if (!marked) return;
    e->mark -= from;
    if (e->mark + e->mark_len > end - from) e->mark_len = end - from - e->mark;
}

void nx__dev_excerpt(struct nx__dev_excerpt *e, const char *root, nx_bytes file, int line,
                     int column, int width, bool display)
{
    enum { AROUND = NX__DEV_EXCERPT_LINES / 2 };
    char name[NX__PATH_MAX], real[PATH_MAX];
    size_t len = 0;
    memset(e, 0, sizeof *e);
    if (!file.len || file.len >= sizeof name) return;
    memcpy(name, file.data, file.len);
    name[file.len] = '\0';
    if (!realpath(name, real) || !may_show(root, real)) return;
    (void)snprintf(e->path, sizeof e->path, "%s", real);
    if (line <= 0) return;
    e->source = file_read(real, &len);
    if (!e->source) return;
    const char *at = e->source, *end = e->source + len;
    e->first = line > AROUND ? line - AROUND : 1;
    bool found = false;
    for (int number = 1; at < end && e->count < NX__DEV_EXCERPT_LINES; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        if (number >= e->first && number <= line + AROUND) {
            size_t n = (size_t)(stop - at);
            if (n && at[n - 1] == '\r') n--;
            if (number == line) {
                found = true;
                e->at = e->count;
            }
            e->lines[e->count].text = at;
            e->lines[e->count++].len = n;
        }
        at = newline ? newline + 1 : end;
    }
    if (!found) {
        e->count = 0; /* it has become shorter */
        return;
    }
    mark(e, column, width, display);
    for (size_t i = 0; i < e->count; i++) cut(e, i);
}

void nx__dev_excerpt_free(struct nx__dev_excerpt *e)
{
    free(e->source);
    e->source = NULL;
}
