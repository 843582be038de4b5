/* What a compiler has said, taken apart: gcc, clang, tcc and the linker write much the same lines.
 */
#include "cli/dev.h"

#include <stdlib.h>

/* ---- Without colours */

/* Length of the escape sequence at `s`: a CSI up to its letter, an OSC (a link) up to its end. */
size_t nx__dev_escape_length(const char *s, size_t len)
{
    size_t n = 2;
    if (len < 2) return len;
    if (s[1] == '[') {
        while (n < len && !(s[n] >= 0x40 && s[n] <= 0x7e) && s[n] != '\n') n++;
        return n < len ? n + 1 : n;
    }
    if (s[1] != ']') return 1;
    for (; n < len && s[n] != '\n'; n++) {
        if (s[n] == '\a') return n + 1;
        if (s[n] == '\033' && n + 1 < len && s[n + 1] == '\\') return n + 2;
    }
    return n;
}

static bool text_take(struct nx__dev_diagnostics *d, const char *said, size_t len)
{
    d->text = malloc(len + 1);
    if (!d->text) return false;
    for (size_t i = 0; i < len;) {
        if (said[i] == '\033')
            i += nx__dev_escape_length(said + i, len - i);
        else
            d->text[d->len++] = said[i++];
    }
    d->text[d->len] = '\0';
    return true;
}

/* ---- Lines */

struct parser {
    struct nx__dev_diagnostics *d;
    nx_bytes function, included;
    size_t head;  /* of the errors and warnings so far */
    bool headed;  /* there is one */
    bool dropped; /* the last one was past what is shown */
};

/* Where the text begins with this; NULL where it does not. */
static const char *after(const char *at, const char *end, const char *words)
{
    size_t len = strlen(words);
    return (size_t)(end - at) >= len && memcmp(at, words, len) == 0 ? at + len : NULL;
}

/* Takes ":N" off the end of the text. */
static bool number_take(nx_bytes *text, int *number)
{
    size_t len = text->len;
    long n = 0, unit = 1;
    while (len && text->data[len - 1] >= '0' && text->data[len - 1] <= '9' && text->len - len < 7) {
        n += unit * (text->data[--len] - '0');
        unit *= 10;
    }
    if (len == text->len || !len || text->data[len - 1] != ':') return false;
    text->len = len - 1;
    *number = (int)n;
    return true;
}

/* "path:12:5" or "path:12", as far as it is there. */
static void place_take(struct nx__dev_item *item, nx_bytes text)
{
    int last = 0, before = 0;
    item->file = text;
    if (!number_take(&item->file, &last)) {
        /* A program's name, "cc1" or "ld", is no file of the user's. */
        if (text.len < 3 || text.data[text.len - 2] != '.') item->file = (nx_bytes){0};
        return;
    }
    item->line = last;
    if (number_take(&item->file, &before)) {
        item->line = before;
        item->column = last;
    }
}

static const struct {
    const char *words;
    enum nx__dev_kind kind;
} marks[] = {{": error: ", NX__DEV_ERROR},
             {": fatal error: ", NX__DEV_ERROR},
             {": warning: ", NX__DEV_WARNING},
             {": note: ", NX__DEV_NOTE}};

static void item_add(struct parser *p, struct nx__dev_item item)
{
    struct nx__dev_diagnostics *d = p->d;
    bool head = item.kind == NX__DEV_ERROR || item.kind == NX__DEV_WARNING;
    if (item.kind == NX__DEV_ERROR) d->errors++;
    if (item.kind == NX__DEV_WARNING) d->warnings++;
    if (head) p->dropped = d->count == NX__DEV_ITEMS_MOST;
    if (d->count == NX__DEV_ITEMS_MOST || (!head && p->dropped)) return;
    if (head || !p->headed) p->head = d->count;
    p->headed |= head;
    item.head = p->head;
    d->items[d->count++] = item;
}

/* A line with a message: the earliest of the marks counts, since the message may quote another. */
static bool message_take(struct parser *p, const char *line, const char *end)
{
    const char *at = NULL;
    size_t which = 0;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const char *found =
            memmem(line, (size_t)((at ? at : end) - line), marks[i].words, strlen(marks[i].words));
        if (!found) continue;
        at = found;
        which = i;
    }
    if (!at) return false;
    const char *text = at + strlen(marks[which].words);
    struct nx__dev_item item = {.kind = marks[which].kind,
                                .text = nx_slice(text, (size_t)(end - text)),
                                .function = p->function,
                                .included = p->included};
    place_take(&item, nx_slice(line, (size_t)(at - line)));
    item_add(p, item);
    p->included = (nx_bytes){0};
    return true;
}

/* The line of carets below an excerpt tells how much is meant. */
static bool carets_take(struct parser *p, const char *line, const char *end)
{
    struct nx__dev_diagnostics *d = p->d;
    const char *at = line, *bar = memchr(line, '|', (size_t)(end - line));
    if (bar && bar - line < 12) {
        for (; at < bar; at++)
            if (*at != ' ') return false;
        at++;
    }
    while (at < end && (*at == ' ' || *at == '~')) at++;
    if (at == end || *at != '^') return false;
    int width = 1;
    for (const char *s = at + 1; s < end && *s == '~'; s++) width++;
    for (; at < end; at++)
        if (!strchr(" ~^", *at)) return false;
    if (d->count && !d->items[d->count - 1].width) d->items[d->count - 1].width = width;
    return true;
}

static bool context_take(struct parser *p, const char *line, const char *end)
{
    static const char included[] = "In file included from ", function[] = ": In function ";
    const char *more = line;
    if (after(line, end, included)) {
        p->included = nx_slice(line, (size_t)(end - line));
        return true;
    }
    while (more < end && *more == ' ') more++;
    if (p->included.data && more > line && after(more, end, "from ")) {
        p->included.len = (size_t)(end - p->included.data);
        return true;
    }
    const char *found = memmem(line, (size_t)(end - line), function, sizeof function - 1);
    if (found && end[-1] == ':') {
        p->function = nx_slice(found + 2, (size_t)(end - 1 - (found + 2)));
        return true;
    }
    if (memmem(line, (size_t)(end - line), ": At top level:", 15)) p->function = (nx_bytes){0};
    return false;
}

static void line_take(struct parser *p, const char *line, const char *end)
{
    const char *hint = after(line, end, "nexus: ");
    if (line == end) return;
    if (hint) {
        item_add(p, (struct nx__dev_item){.kind = NX__DEV_HINT,
                                          .text = nx_slice(hint, (size_t)(end - hint))});
        return;
    }
    if (carets_take(p, line, end) || context_take(p, line, end)) return;
    if (*line != ' ') (void)message_take(p, line, end);
}

bool nx__dev_diagnostics(struct nx__dev_diagnostics *d, const char *said, size_t len)
{
    memset(d, 0, sizeof *d);
    if (!text_take(d, said, len)) return false;
    struct parser p = {.d = d};
    const char *end = d->text + d->len;
    for (const char *line = d->text; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        line_take(&p, line, newline ? newline : end);
        line = newline ? newline + 1 : end;
    }
    return true;
}

void nx__dev_diagnostics_free(struct nx__dev_diagnostics *d)
{
    free(d->text);
    d->text = NULL;
}
