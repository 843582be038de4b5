/* The pages of nexus dev as text, for curl, and as JSON. */
#include "cli/dev.h"

#include "console/width.h"

/* ---- Text */

static void safe(struct nx__dev_text *out, nx_bytes text)
{
    nx__text_escaped(out, text, NX__TEXT_PLAIN);
}

static void excerpt_text(struct nx__dev_text *out, const struct nx__dev_excerpt *e)
{
    for (size_t i = 0; i < e->count; i++) {
        nx__text_printf(out, "    %s%5d | ", i == e->at ? ">" : " ", e->first + (int)i);
        safe(out, nx_slice(e->lines[i].text, e->lines[i].len));
        nx__text_put(out, "\n");
    }
}

static void frames_text(struct nx__dev_text *out, const struct nx__dev_page *page)
{
    const struct nx__crash_story *story = page->story;
    const struct nx__dev *dev = page->launcher->dev;
    for (uint32_t i = 0; story && i < story->count; i++) {
        const struct nx__crash_told *told = &story->frames[i];
        bool own = !told->runtime && told->file[0] == '/' && nx__dev_is_own(dev->root, told->file);
        nx__text_put(out, i ? "  " : "\n  ");
        safe(out, nx_str(told->function[0] ? told->function : "?"));
        nx__text_put(out, "  ");
        safe(out, nx_str(told->file[0] ? told->file : told->module));
        if (told->file[0] && told->line > 0) nx__text_printf(out, ":%d", told->line);
        if (told->same) nx__text_printf(out, " (and %u more of the same)", told->same);
        nx__text_put(out, "\n");
        if (!own) continue;
        struct nx__dev_excerpt e;
        nx__dev_excerpt(&e, dev->root, nx_str(told->file), told->line, 0, 0, false);
        excerpt_text(out, &e);
        nx__dev_excerpt_free(&e);
    }
}

static void fact_text(const char *name, nx_bytes value, void *context)
{
    struct nx__dev_text *out = context;
    nx__text_printf(out, "  %-10s ", name);
    safe(out, value);
    nx__text_put(out, "\n");
}

void nx__dev_plain(const struct nx__dev_page *page, struct nx__dev_text *out)
{
    nx_bytes last = nx__dev_last_output(page);
    safe(out, nx__dev_kind_name(page));
    nx__text_put(out, ": ");
    safe(out, nx_str(page->title));
    nx__text_put(out, "\n");
    safe(out, nx_str(page->lead));
    nx__text_put(out, page->lead[0] ? "\n\n" : "\n");
    nx__dev_facts(page, fact_text, out);
    frames_text(out, page);
    if (page->diagnostics.len) {
        nx__text_put(out, "\n");
        safe(out, nx_slice(page->diagnostics.text, page->diagnostics.len));
    }
    if (last.len) {
        nx__text_put(out, "\nWhat the program has said last:\n\n");
        nx__dev_uncolored(out, last, NX__TEXT_PLAIN);
    }
    nx__text_put(out, "\n");
    safe(out, nx_str(page->next));
    nx__text_put(out, "\n");
}

/* ---- JSON */

static void quoted(struct nx__dev_text *out, nx_bytes text)
{
    nx__text_put(out, "\"");
    nx__text_escaped(out, text, NX__TEXT_JSON);
    nx__text_put(out, "\"");
}

static void member(struct nx__dev_text *out, const char *name, nx_bytes value)
{
    nx__text_printf(out, ", \"%s\": ", name);
    quoted(out, value);
}

static void place_json(struct nx__dev_text *out, nx_bytes file, int line, int column)
{
    if (file.len) member(out, "file", file);
    if (line > 0) nx__text_printf(out, ", \"line\": %d", line);
    if (column > 0) nx__text_printf(out, ", \"column\": %d", column);
}

static void fact_json(const char *name, nx_bytes value, void *context)
{
    struct nx__dev_text *out = context;
    nx__text_put(out, ",\n  ");
    char key[32];
    size_t i = 0;
    for (; name[i] && i + 1 < sizeof key; i++)
        key[i] = name[i] == ' ' ? '_' : (char)(name[i] | 0x20);
    key[i] = '\0';
    quoted(out, nx_str(key));
    nx__text_put(out, ": ");
    quoted(out, value);
}

void nx__dev_json(const struct nx__dev_page *page, struct nx__dev_text *out)
{
    static const char *const kinds[] = {"error", "warning", "note", "hint"};
    const struct nx__dev_diagnostics *d = &page->diagnostics;
    const struct nx__crash_story *story = page->story;
    nx_bytes last = nx__dev_last_output(page);
    nx__text_put(out, "{\n  \"error\": ");
    quoted(out, nx__dev_kind_name(page));
    nx__text_put(out, ",\n  \"message\": ");
    quoted(out, nx_str(page->title));
    if (page->lead[0]) {
        nx__text_put(out, ",\n  \"detail\": ");
        quoted(out, nx_str(page->lead));
    }
    nx__dev_facts(page, fact_json, out);
    if (d->count) nx__text_printf(out, ",\n  \"errors\": %zu,\n  \"diagnostics\": [", d->errors);
    for (size_t i = 0; i < d->count; i++) {
        const struct nx__dev_item *item = &d->items[i];
        nx__text_printf(out, "%s\n    {\"kind\": \"%s\"", i ? "," : "", kinds[item->kind]);
        member(out, "message", item->text);
        place_json(out, item->file, item->line, item->column);
        nx__text_put(out, "}");
    }
    if (d->count) nx__text_put(out, "\n  ]");
    if (story && story->count) nx__text_put(out, ",\n  \"backtrace\": [");
    for (uint32_t i = 0; story && i < story->count; i++) {
        const struct nx__crash_told *told = &story->frames[i];
        nx__text_printf(out, "%s\n    {\"function\": ", i ? "," : "");
        quoted(out, nx_str(told->function));
        place_json(out, nx_str(told->file), told->line, 0);
        nx__text_put(out, "}");
    }
    if (story && story->count) nx__text_put(out, "\n  ]");
    if (last.len) {
        nx__text_put(out, ",\n  \"stderr\": \"");
        nx__dev_uncolored(out, last, NX__TEXT_JSON);
        nx__text_put(out, "\"");
    }
    nx__text_put(out, "\n}\n");
}
