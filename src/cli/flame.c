/* Flame graphs as SVG. What stands in names comes from outside: it is escaped, and the script
 * writes only text. */
#include "cli/flame.h"

#include "base/markup.h"
#include "base/utf8.h"
#include "cli/flame_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDTH = 1200, /* of the picture without a script, which makes it as wide as the window */
    ROW = 18,
    TOP = 64, /* above the flames: title, what is pointed at */
    BOTTOM = 34,
    LEGEND = 140,
    SIDE = 12,
    CHARACTER = 7, /* pixels, at most */
    DEPTH_MOST = 256,
    DIGITS_MOST = 15, /* of a count: the sum of all has to be a number too */
    NODES_MOST = 1000000,
};

/* A frame in the tree of all stacks. */
struct node {
    const char *name; /* in the lines; the kind first */
    size_t len;
    uint64_t count;
    uint32_t first, last, next; /* of children, and its next sibling; 0: none */
};

struct tree {
    struct node *nodes; /* the first one is all */
    size_t count, capacity;
    size_t depth;
    nx_err err;
};

static uint32_t node_add(struct tree *t, const char *name, size_t len)
{
    if (t->count == t->capacity) {
        size_t capacity = t->capacity ? t->capacity * 2 : 1024;
        struct node *nodes =
            capacity > NODES_MOST ? NULL : realloc(t->nodes, capacity * sizeof *nodes);
        if (!nodes) {
            t->err = NX_ENOMEM;
            return 0;
        }
        t->nodes = nodes;
        t->capacity = capacity;
    }
    t->nodes[t->count] = (struct node){.name = name, .len = len};
    return (uint32_t)t->count++;
}

/* The child of that name, made where it is not there; 0 when memory is out. */
static uint32_t child(struct tree *t, uint32_t parent, const char *name, size_t len)
{
    uint32_t at = t->nodes[parent].first;
    for (; at; at = t->nodes[at].next)
        if (t->nodes[at].len == len && memcmp(t->nodes[at].name, name, len) == 0) return at;
    at = node_add(t, name, len);
    if (!at) return 0;
    if (t->nodes[parent].last)
        t->nodes[t->nodes[parent].last].next = at;
    else
        t->nodes[parent].first = at;
    t->nodes[parent].last = at;
    return at;
}

static void line_add(struct tree *t, const char *line, size_t len)
{
    const char *space = memrchr(line, ' ', len);
    if (!space) return;
    size_t digits = len - (size_t)(space + 1 - line), depth = 1;
    uint64_t count = 0;
    if (digits > DIGITS_MOST) return;
    for (size_t i = 0; i < digits; i++) {
        char c = space[1 + i];
        if (c < '0' || c > '9') return;
        count = count * 10 + (uint64_t)(c - '0');
    }
    if (!count) return;
    uint32_t node = 0;
    t->nodes[0].count += count;
    for (const char *at = line; at < space && depth < DEPTH_MOST; depth++) {
        const char *next = memchr(at, ';', (size_t)(space - at));
        if (!next) next = space;
        if (next - at > 1) {
            node = child(t, node, at, (size_t)(next - at));
            if (!node) return;
            t->nodes[node].count += count;
        }
        at = next + 1;
    }
    if (depth > t->depth) t->depth = depth;
}

static nx_err tree_make(struct tree *t, nx_bytes folded)
{
    *t = (struct tree){.depth = 1};
    (void)node_add(t, "oall", 4);
    const char *at = folded.data, *end = at + folded.len;
    while (!t->err && at < end) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        if (!next) next = end;
        line_add(t, at, (size_t)(next - at));
        at = next + 1;
    }
    return t->err;
}

/* ---- Siblings by name, so that two pictures of a program look alike */

static const struct node *sorted_nodes;

static int by_name(const void *x, const void *y)
{
    const struct node *a = &sorted_nodes[*(const uint32_t *)x],
                      *b = &sorted_nodes[*(const uint32_t *)y];
    size_t len = a->len < b->len ? a->len : b->len;
    int by = memcmp(a->name + 1, b->name + 1, len - 1);
    return by ? by : a->len < b->len ? -1 : a->len > b->len;
}

static nx_err children_sort(struct tree *t)
{
    uint32_t *list = malloc((t->count ? t->count : 1) * sizeof *list);
    if (!list) return NX_ENOMEM;
    for (size_t i = 0; i < t->count; i++) {
        size_t n = 0;
        for (uint32_t at = t->nodes[i].first; at; at = t->nodes[at].next) list[n++] = at;
        if (n < 2) continue;
        sorted_nodes = t->nodes;
        qsort(list, n, sizeof *list, by_name);
        t->nodes[i].first = list[0];
        for (size_t c = 0; c < n; c++) t->nodes[list[c]].next = c + 1 < n ? list[c + 1] : 0;
    }
    free(list);
    return NX_OK;
}

/* ---- Writing */

struct text {
    struct nx__buffer *out;
    nx_err err;
};

static void put(struct text *t, const char *data, size_t len)
{
    if (!t->err) t->err = nx__buffer_append(t->out, data, len, NX__FLAME_MOST);
}

static void say(struct text *t, const char *format, ...) NX_PRINTF(2, 3);

static void say(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!t->err) t->err = nx__buffer_vprintf(t->out, NX__FLAME_MOST, format, args);
    va_end(args);
}

/* Text of XML: what is no character of it becomes "?". */
static void escaped(struct text *t, const char *data, size_t len)
{
    const char *end = data + len;
    while (data < end) {
        size_t n = nx__utf8_sequence(data, end);
        unsigned char c = (unsigned char)*data;
        bool odd = !n || c < 0x20 || c == 0x7f ||
                   (n == 2 && c == 0xc2 && (unsigned char)data[1] < 0xa0) ||
                   (n == 3 && c == 0xef && (unsigned char)data[1] == 0xbf &&
                    (unsigned char)data[2] >= 0xbe); /* U+FFFE and U+FFFF */
        const char *entity = nx__markup_entity(*data);
        if (odd)
            put(t, "?", 1);
        else if (entity)
            put(t, entity, strlen(entity));
        else
            put(t, data, n);
        data += n ? n : 1;
    }
}

/* One of four shades, the same for a name wherever it stands. */
static unsigned shade(const struct node *n)
{
    unsigned hash = 0;
    for (size_t i = 1; i < n->len; i++) hash = hash * 31 + (unsigned char)n->name[i];
    return (hash ^ hash >> 7) % 4;
}

static size_t fit(const char *name, size_t len, double width)
{
    size_t most = width < 3 * CHARACTER ? 0 : (size_t)((width - 6) / CHARACTER);
    if (len <= most) return len;
    size_t n = most > 2 ? most - 2 : 0;
    while (n && ((unsigned char)name[n] & 0xc0) == 0x80) n--;
    return n;
}

/* `from` is where it begins, in samples. */
static void node_put(struct text *t, const struct tree *tree, uint32_t at, uint64_t from,
                     unsigned depth, unsigned rows)
{
    const struct node *n = &tree->nodes[at], *all = &tree->nodes[0];
    double total = (double)all->count, scale = (WIDTH - 2 * SIDE) / total;
    double x = SIDE + (double)from * scale, width = (double)n->count * scale;
    unsigned y = TOP + (rows - 1 - depth) * ROW;
    if (width < 0.1) return;
    say(t, "<g class=\"f %c%u\" data-x=\"%llu\" data-n=\"%llu\" data-d=\"%u\"><title>", n->name[0],
        shade(n), (unsigned long long)from, (unsigned long long)n->count, depth);
    escaped(t, n->name + 1, n->len - 1);
    say(t,
        " (%llu sample%s, %.2f %%)</title><rect x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>",
        (unsigned long long)n->count, n->count == 1 ? "" : "s", 100 * (double)n->count / total, x,
        y, width, ROW - 1);
    say(t, "<text x=\"%.1f\" y=\"%u\">", x + 3, y + 13);
    size_t shown = fit(n->name + 1, n->len - 1, width);
    escaped(t, n->name + 1, shown);
    if (shown && shown < n->len - 1) put(t, "..", 2);
    say(t, "</text></g>\n");
    for (uint32_t c = n->first; c; c = tree->nodes[c].next) {
        node_put(t, tree, c, from, depth + 1, rows);
        from += tree->nodes[c].count;
    }
}

nx_err nx__flame_svg(nx_bytes folded, const char *title, struct nx__buffer *out)
{
    struct tree tree;
    nx_err err = tree_make(&tree, folded);
    if (!err) err = children_sort(&tree);
    if (!err) {
        struct text t = {.out = out};
        unsigned rows = (unsigned)tree.depth, height = TOP + rows * ROW + BOTTOM;
        say(&t,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%u\" viewBox=\"0 0 %d %u\" "
            "data-total=\"%llu\" data-rows=\"%u\">\n<title>",
            WIDTH, height, WIDTH, height, (unsigned long long)tree.nodes[0].count, rows);
        escaped(&t, title, strlen(title));
        say(&t, "</title>\n<style>");
        put(&t, nx__flame_style, strlen(nx__flame_style));
        say(&t,
            "</style>\n<rect class=\"back\" width=\"100%%\" height=\"100%%\"/>\n<text class=\"head\" x=\"%d\" y=\"28\">",
            SIDE);
        escaped(&t, title, strlen(title));
        say(&t, "</text>\n<text id=\"info\" class=\"small\" x=\"%d\" y=\"50\">", SIDE);
        say(&t, "%s",
            tree.nodes[0].count ? "Point at a frame; click to zoom in"
                                : "No samples: the program has used no CPU time");
        say(&t,
            "</text>\n<text id=\"reset\" class=\"button\" x=\"%d\" y=\"28\">Whole picture</text>"
            "<text id=\"search\" class=\"button\" x=\"%d\" y=\"28\">Search</text>"
            "<text id=\"found\" class=\"small end\" x=\"%d\" y=\"50\"></text>\n<g id=\"flames\">\n",
            WIDTH - 180, WIDTH - 60, WIDTH - SIDE);
        if (tree.nodes[0].count) node_put(&t, &tree, 0, 0, 0, rows);
        say(&t, "</g>\n<g class=\"legend\">");
        static const struct {
            char kind;
            const char *text;
        } kinds[] = {{'o', "route or fiber"},
                     {'a', "program"},
                     {'r', "Nexus"},
                     {'l', "library"},
                     {'k', "kernel"}};
        for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
            say(&t,
                "<g class=\"%c1\"><rect x=\"%u\" y=\"%u\" width=\"12\" height=\"12\" rx=\"2\"/></g>"
                "<text class=\"small\" x=\"%u\" y=\"%u\">%s</text>",
                kinds[i].kind, SIDE + i * LEGEND, height - 22, SIDE + 18 + i * LEGEND, height - 12,
                kinds[i].text);
        say(&t, "</g>\n<script><![CDATA[");
        put(&t, nx__flame_script, strlen(nx__flame_script));
        say(&t, "]]></script>\n</svg>\n");
        err = t.err;
    }
    free(tree.nodes);
    return err;
}

/* ---- Folded */

/* Writes the stack that ends in each node for what is its own. */
static void folded_put(struct text *t, const struct tree *tree, uint32_t at, uint32_t *path,
                       size_t depth)
{
    const struct node *n = &tree->nodes[at];
    uint64_t own = n->count;
    path[depth] = at;
    for (uint32_t c = n->first; c; c = tree->nodes[c].next) own -= tree->nodes[c].count;
    if (depth && own) {
        for (size_t i = 1; i <= depth; i++) {
            const struct node *frame = &tree->nodes[path[i]];
            put(t, frame->name + 1, frame->len - 1);
            put(t, i < depth ? ";" : " ", 1);
        }
        say(t, "%llu\n", (unsigned long long)own);
    }
    for (uint32_t c = n->first; c && depth < DEPTH_MOST; c = tree->nodes[c].next)
        folded_put(t, tree, c, path, depth + 1);
}

nx_err nx__flame_folded(nx_bytes folded, struct nx__buffer *out)
{
    struct tree tree;
    uint32_t path[DEPTH_MOST + 1];
    nx_err err = tree_make(&tree, folded);
    if (!err) err = children_sort(&tree);
    if (!err) {
        struct text t = {.out = out};
        folded_put(&t, &tree, 0, path, 0);
        err = t.err;
    }
    free(tree.nodes);
    return err;
}
