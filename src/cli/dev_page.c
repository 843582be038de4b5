/* The pages of nexus dev, in HTML. What stands in them comes from compilers, sources, requests and
 * the program: all of it goes through nx__text_escaped. */
#include "cli/dev.h"

#include "http/dev.h"
#include <stdlib.h>

/* In embedded.S. */
extern const char nx__dev_css[], nx__dev_js[];

static void escaped(struct nx__dev_text *out, nx_bytes text)
{
    nx__text_escaped(out, text, NX__TEXT_HTML);
}

static void escaped_text(struct nx__dev_text *out, const char *text)
{
    escaped(out, nx_str(text));
}

static void number_put(struct nx__dev_text *out, int n)
{
    nx__text_printf(out, "%d", n > 0 ? n : 1);
}

/* ---- Places */

/* The link that opens an editor: $NEXUS_EDITOR_URL with {file}, {line} and {column} filled in. */
static void editor_url(struct nx__dev_text *out, const char *path, int line, int column)
{
    const char *format = getenv("NEXUS_EDITOR_URL");
    if (!format) format = "vscode://file{file}:{line}:{column}";
    while (*format) {
        size_t plain = strcspn(format, "{");
        escaped(out, nx_slice(format, plain));
        format += plain;
        if (strncmp(format, "{file}", 6) == 0) {
            nx__text_escaped(out, nx_str(path), NX__TEXT_URL);
            format += 6;
        } else if (strncmp(format, "{line}", 6) == 0) {
            number_put(out, line);
            format += 6;
        } else if (strncmp(format, "{column}", 8) == 0) {
            number_put(out, column);
            format += 8;
        } else if (*format) {
            nx__text_put(out, "{");
            format++;
        }
    }
}

static bool has_editor(void)
{
    const char *format = getenv("NEXUS_EDITOR_URL");
    return !format || *format; /* an empty one: no links */
}

static void place_put(struct nx__dev_text *out, nx_bytes file, int line, int column,
                      const struct nx__dev_excerpt *e)
{
    bool link = e->path[0] && has_editor();
    nx__text_put(out, "<span class=\"place\">");
    if (link) {
        nx__text_put(out, "<a href=\"");
        editor_url(out, e->path, line, column);
        nx__text_put(out, "\">");
    }
    escaped(out, file);
    if (line) nx__text_printf(out, ":%d", line);
    if (line && column) nx__text_printf(out, ":%d", column);
    nx__text_put(out, link ? "</a></span>" : "</span>");
}

static void excerpt_put(struct nx__dev_text *out, const struct nx__dev_excerpt *e)
{
    if (!e->count) return;
    nx__text_put(out, "<pre tabindex=\"0\" aria-label=\"Source\"><code>");
    for (size_t i = 0; i < e->count; i++) {
        nx_bytes line = nx_slice(e->lines[i].text, e->lines[i].len);
        bool at = i == e->at;
        nx__text_printf(out, "<span class=\"l%s\"><span class=\"n\">%s%5d | </span><span>",
                        at ? " at" : "", at ? "&gt;" : " ", e->first + (int)i);
        if (at && e->mark_len) {
            size_t rest = e->mark + e->mark_len;
            escaped(out, nx_slice(line.data, e->mark));
            nx__text_put(out, "<mark>");
            escaped(out, nx_slice(line.data + e->mark, e->mark_len));
            nx__text_put(out, "</mark>");
            escaped(out, nx_slice(line.data + rest, line.len - rest));
        } else {
            escaped(out, line);
        }
        nx__text_put(out, "\n</span></span>");
    }
    nx__text_put(out, "</code></pre>\n");
}

/* ---- What a compiler has said */

static void item_where(struct nx__dev_text *out, const struct nx__dev_page *page,
                       const struct nx__dev_item *item)
{
    const struct nx__dev *dev = page->launcher->dev;
    struct nx__dev_excerpt e;
    nx__dev_excerpt(&e, dev->root, item->file, item->line, item->column, item->width,
                    dev->display_columns);
    if (item->file.len) {
        nx__text_put(out, "<p>");
        place_put(out, item->file, item->line, item->column, &e);
        if (item->function.len) {
            nx__text_put(out, " <span class=\"in\">");
            escaped(out, item->function);
            nx__text_put(out, "</span>");
        }
        nx__text_put(out, "</p>\n");
    }
    if (item->included.len) {
        nx__text_put(out, "<p class=\"soft\">");
        escaped(out, item->included);
        nx__text_put(out, "</p>\n");
    }
    excerpt_put(out, &e);
    nx__dev_excerpt_free(&e);
}

/* Nobody wants to see it again. */
static bool is_same_line(const struct nx__dev_item *a, const struct nx__dev_item *b)
{
    return a->line == b->line && a->file.len == b->file.len &&
           (!a->file.len || memcmp(a->file.data, b->file.data, a->file.len) == 0);
}

/* The notes and hints of an error. */
static void notes_put(struct nx__dev_text *out, const struct nx__dev_page *page, size_t head)
{
    const struct nx__dev_diagnostics *d = &page->diagnostics;
    for (size_t i = head + 1; i < d->count && d->items[i].head == head; i++) {
        const struct nx__dev_item *item = &d->items[i];
        bool hint = item->kind == NX__DEV_HINT;
        nx__text_printf(out, "<div class=\"%s\"><p><span class=\"tag\">%s</span> ",
                        hint ? "hint" : "note", hint ? "Hint:" : "Note:");
        escaped(out, item->text);
        nx__text_put(out, "</p>\n");
        if (!hint && !is_same_line(item, &d->items[head])) item_where(out, page, item);
        nx__text_put(out, "</div>\n");
    }
}

static void heads_put(struct nx__dev_text *out, const struct nx__dev_page *page,
                      enum nx__dev_kind kind, size_t except)
{
    const struct nx__dev_diagnostics *d = &page->diagnostics;
    for (size_t i = 0; i < d->count; i++) {
        const struct nx__dev_item *item = &d->items[i];
        if (item->kind != kind || i == except) continue;
        bool warning = kind == NX__DEV_WARNING;
        nx__text_printf(out, "<section class=\"%s\"><h3><span class=\"tag\">%s</span> ",
                        warning ? "warning" : "error", warning ? "Warning:" : "Error:");
        escaped(out, item->text);
        nx__text_put(out, "</h3>\n");
        item_where(out, page, item);
        notes_put(out, page, i);
        nx__text_put(out, "</section>\n");
    }
}

static size_t heads_count(const struct nx__dev_diagnostics *d, enum nx__dev_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < d->count; i++) count += d->items[i].kind == kind;
    return count;
}

static void diagnostics_put(struct nx__dev_text *out, const struct nx__dev_page *page)
{
    const struct nx__dev_diagnostics *d = &page->diagnostics;
    size_t first = 0, shown = heads_count(d, NX__DEV_ERROR),
           warnings = heads_count(d, NX__DEV_WARNING);
    while (first < d->count && d->items[first].kind != NX__DEV_ERROR) first++;
    if (first < d->count) {
        nx__text_put(out, "<section class=\"error\">\n");
        item_where(out, page, &d->items[first]);
        notes_put(out, page, first);
        nx__text_put(out, "</section>\n");
    }
    if (d->errors > 1) {
        nx__text_printf(out, "<h2>%zu more error%s</h2>\n", d->errors - 1,
                        d->errors == 2 ? "" : "s");
        heads_put(out, page, NX__DEV_ERROR, first);
        if (d->errors > shown)
            nx__text_printf(out,
                            "<p class=\"soft\">The other %zu are not shown here: the first "
                            "ones first.</p>\n",
                            d->errors - shown);
    }
    if (warnings) {
        nx__text_printf(out, "<h2>Warnings</h2>\n<details><summary>Show %zu warning%s</summary>\n",
                        warnings, warnings == 1 ? "" : "s");
        heads_put(out, page, NX__DEV_WARNING, SIZE_MAX);
        nx__text_put(out, "</details>\n");
    }
    if (d->len) {
        enum { MOST = 64 * 1024 };
        nx__text_put(out, "<h2>In the compiler's words</h2>\n<details><summary>Show all that it "
                          "has said</summary>\n<pre class=\"said\" tabindex=\"0\">");
        escaped(out, nx_slice(d->text, d->len < MOST ? d->len : MOST));
        if (d->len > MOST) nx__text_put(out, "…\n");
        nx__text_put(out, "</pre></details>\n");
    }
}

/* ---- Backtraces */

static void frame_name(struct nx__dev_text *out, const struct nx__crash_told *told)
{
    nx__text_put(out, "<span class=\"fn\">");
    escaped_text(out, told->function[0] ? told->function : "?");
    nx__text_put(out, "</span> ");
}

static void frame_same(struct nx__dev_text *out, const struct nx__crash_told *told)
{
    if (told->same)
        nx__text_printf(out, " <span class=\"soft\">and %u more of the same</span>", told->same);
}

static void frame_own(struct nx__dev_text *out, const struct nx__dev_page *page,
                      const struct nx__crash_told *told)
{
    struct nx__dev_excerpt e;
    const struct nx__dev *dev = page->launcher->dev;
    nx_bytes file = nx_str(told->file);
    nx__dev_excerpt(&e, dev->root, file, told->line, 0, 0, false);
    /* Below the project's folder, as the user thinks of it. */
    size_t root = strlen(dev->root);
    if (root > 1 && strncmp(told->file, dev->root, root) == 0 && told->file[root] == '/')
        file = nx_str(told->file + root + 1);
    nx__text_put(out, "<li>");
    frame_name(out, told);
    place_put(out, file, told->line, 0, &e);
    frame_same(out, told);
    excerpt_put(out, &e);
    nx__text_put(out, "</li>\n");
    nx__dev_excerpt_free(&e);
}

static bool is_own(const struct nx__dev_page *page, const struct nx__crash_told *told)
{
    return !told->runtime && told->file[0] == '/' &&
           nx__dev_is_own(page->launcher->dev->root, told->file);
}

static void story_put(struct nx__dev_text *out, const struct nx__dev_page *page)
{
    const struct nx__crash_story *story = page->story;
    if (!story || !story->count) return;
    nx__text_put(out, page->trouble == NX__DEV_FAILED
                          ? "<h2>Where the error comes from</h2>\n<ol class=\"frames\">\n"
                          : "<h2>Backtrace</h2>\n<ol class=\"frames\">\n");
    for (uint32_t i = 0; i < story->count;) {
        const struct nx__crash_told *told = &story->frames[i];
        if (is_own(page, told)) {
            frame_own(out, page, told);
            i++;
            continue;
        }
        uint32_t end = i;
        while (end < story->count && !is_own(page, &story->frames[end])) end++;
        nx__text_printf(out,
                        "<li><details><summary>%u frame%s of the runtime and of libraries"
                        "</summary><ul>\n",
                        end - i, end - i == 1 ? "" : "s");
        for (; i < end; i++) {
            told = &story->frames[i];
            nx__text_put(out, "<li>");
            frame_name(out, told);
            nx__text_put(out, "<span class=\"place\">");
            escaped_text(out, told->file[0] ? told->file : told->module);
            if (told->file[0] && told->line > 0) nx__text_printf(out, ":%d", told->line);
            nx__text_put(out, "</span>");
            frame_same(out, told);
            nx__text_put(out, "</li>\n");
        }
        nx__text_put(out, "</ul></details></li>\n");
    }
    nx__text_put(out, "</ol>\n");
}

/* ---- The page */

static void fact(const char *name, nx_bytes value, void *context)
{
    struct nx__dev_text *out = context;
    nx__text_put(out, "<dt>");
    escaped_text(out, name);
    nx__text_put(out, "</dt><dd>");
    escaped(out, value);
    nx__text_put(out, "</dd>\n");
}

static void output_put(struct nx__dev_text *out, const struct nx__dev_page *page)
{
    nx_bytes last = nx__dev_last_output(page);
    if (!last.len) return;
    nx__text_put(out, "<h2>What the program has said last</h2>\n"
                      "<pre class=\"said\" tabindex=\"0\" aria-label=\"Standard error\">");
    nx__dev_uncolored(out, last, NX__TEXT_HTML);
    nx__text_put(out, "</pre>\n");
}

void nx__dev_html(const struct nx__dev_page *page, struct nx__dev_text *out)
{
    const struct nx__launcher *l = page->launcher;
    bool again =
        !page->method.len || nx_bytes_is(page->method, "GET") || nx_bytes_is(page->method, "HEAD");
    nx__text_put(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                      "<title>");
    escaped_text(out, page->title);
    nx__text_put(out, "</title>\n<link rel=\"icon\" href=\"data:,\">\n");
    /* Of a request that crashes the program nobody wants another every two seconds. */
    if (!page->of_request)
        nx__text_put(out, "<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>\n");
    nx__text_printf(out, "<style nonce=\"%s\">", page->nonce);
    nx__text_put(out, nx__dev_css);
    nx__text_printf(out, "</style>\n</head>\n<body data-version=\"%llu\"%s>\n<header>\n",
                    (unsigned long long)l->dev->version, again ? " data-reload=\"1\"" : "");
    nx__text_put(out, "<p class=\"kind\">");
    escaped(out, nx__dev_kind_name(page));
    nx__text_put(out, "</p>\n<h1>");
    escaped_text(out, page->title);
    nx__text_put(out, page->lead[0] ? "</h1>\n<p>" : "</h1>\n");
    escaped_text(out, page->lead);
    nx__text_put(out, page->lead[0] ? "</p>\n</header>\n<main>\n" : "</header>\n<main>\n");
    nx__text_put(out, "<div class=\"next\"><p>");
    escaped_text(out, page->next);
    if (page->of_request && again) nx__text_put(out, " <a href=\"\">Try again</a>");
    nx__text_put(out, "</p>\n<p id=\"live\" role=\"status\" class=\"soft\"></p></div>\n");
    diagnostics_put(out, page);
    story_put(out, page);
    nx__text_put(out, "<h2>Facts</h2>\n<dl>\n");
    nx__dev_facts(page, fact, out);
    nx__text_put(out, "</dl>\n");
    output_put(out, page);
    nx__text_put(out, "</main>\n<footer><p>nexus dev shows this to whoever can connect. "
                      "nexus run never does.</p></footer>\n");
    nx__text_printf(out, "<script nonce=\"%s\">", page->nonce);
    nx__text_put(out, nx__dev_js);
    nx__text_put(out, "</script>\n</body>\n</html>\n");
}
