/* The grammar of TOML 1.1 (toml.io/en/v1.1.0): lines, names, headers, arrays and tables. */
#include "base/compiler.h"
#include "base/error.h"
#include "base/utf8.h"
#include "toml/toml.h"
#include "json/tree.h"
#include <stdio.h>

static nx_err wrong_v(const struct nx__toml_doc *doc, const char *at, const char *format,
                      va_list args)
{
    char reason[160];
    struct nx__json_place place = {1, 1};
    nx__json_pass(&place, doc->text.data, (size_t)(at - doc->text.data));
    (void)vsnprintf(reason, sizeof reason, format, args);
    return nx__error_set(NX_EINVAL, "%.60s:%zu:%zu: %s", doc->name, place.line, place.column,
                         reason);
}

nx_err nx__toml_wrong(const struct nx__toml_doc *doc, const char *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    nx_err err = wrong_v(doc, at, format, args);
    va_end(args);
    return err;
}

nx_err nx_toml_fail(nx_toml toml, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    nx_err err = NX_EINVAL;
    if (toml.at) {
        err = wrong_v(toml.doc, toml.doc->text.data + toml.at->offset, format, args);
    } else {
        char reason[200];
        (void)vsnprintf(reason, sizeof reason, format, args);
        (void)nx__error_set(NX_EINVAL, "%s", reason);
    }
    va_end(args);
    return err;
}

/* ---- Space */

static bool at_newline(const struct nx__toml_parser *parser)
{
    const char *p = parser->at;
    return p < parser->end && (*p == '\n' || (*p == '\r' && parser->end - p > 1 && p[1] == '\n'));
}

static void skip_blanks(struct nx__toml_parser *parser)
{
    while (parser->at < parser->end && (*parser->at == ' ' || *parser->at == '\t')) parser->at++;
}

static nx_err skip_comment(struct nx__toml_parser *parser)
{
    if (parser->at == parser->end || *parser->at != '#') return NX_OK;
    for (; parser->at < parser->end && !at_newline(parser); parser->at++) {
        unsigned char c = (unsigned char)*parser->at;
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return nx__toml_wrong(parser->doc, parser->at,
                                  "a comment can't hold a control character");
    }
    return NX_OK;
}

/* Blanks, comments and ends of lines. */
static nx_err skip_space(struct nx__toml_parser *parser)
{
    for (;;) {
        skip_blanks(parser);
        NX_TRY(skip_comment(parser));
        if (!at_newline(parser)) return NX_OK;
        parser->at += *parser->at == '\r' ? 2 : 1;
    }
}

static bool take(struct nx__toml_parser *parser, char c)
{
    if (parser->at == parser->end || *parser->at != c) return false;
    parser->at++;
    return true;
}

/* Behind a header or a value nothing else stands on the line. */
static nx_err end_line(struct nx__toml_parser *parser)
{
    skip_blanks(parser);
    NX_TRY(skip_comment(parser));
    if (parser->at < parser->end && !at_newline(parser))
        return nx__toml_wrong(parser->doc, parser->at, "expected the end of the line");
    return NX_OK;
}

/* ---- Tables */

static struct nx__toml_value *make(const struct nx__toml_parser *parser, const char *at,
                                   nx_toml_kind kind, enum nx__toml_made made)
{
    struct nx__toml_value *value = nx_alloc_zero(1, sizeof *value);
    if (!value) return NULL;
    value->kind = kind;
    value->made = made;
    value->section = parser->section;
    value->offset = (uint32_t)(at - parser->doc->text.data);
    return value;
}

static nx_err deeper(struct nx__toml_parser *parser, const struct nx__toml_value *outer,
                     struct nx__toml_value *value)
{
    value->depth = outer->depth + 1;
    if (value->depth <= parser->max_depth) return NX_OK;
    NX_IGNORE(nx__toml_wrong(parser->doc, parser->doc->text.data + value->offset,
                             "more than %u arrays and tables are in each other",
                             parser->max_depth));
    return nx__error_set(NX_ETOOBIG, "%s", nx__error_last()->message);
}

static nx_err add_table(struct nx__toml_parser *parser, struct nx__toml_value *table, nx_bytes name,
                        const char *at, enum nx__toml_made made, struct nx__toml_value **out)
{
    struct nx__toml_value *value = make(parser, at, NX_TOML_TABLE, made);
    if (!value) return NX_ENOMEM;
    value->name = name;
    NX_TRY(deeper(parser, table, value));
    NX_TRY(nx__toml_add(&parser->index, table, value));
    *out = value;
    return NX_OK;
}

static nx_err twice(const struct nx__toml_parser *parser, const char *at, nx_bytes name)
{
    char shown[NX__QUOTED];
    return nx__toml_wrong(parser->doc, at, "\"%s\" is already defined", nx__quoted(shown, name));
}

/* The table that a part of a dotted name, before its last, leads to. */
static nx_err enter_dotted(struct nx__toml_parser *parser, struct nx__toml_value **table,
                           nx_bytes name, const char *at)
{
    struct nx__toml_value *found = nx__toml_find(&parser->index, *table, name);
    if (!found) return add_table(parser, *table, name, at, NX__TOML_DOTTED, table);
    bool open = found->kind == NX_TOML_TABLE &&
                (found->made == NX__TOML_IMPLIED ||
                 (found->made == NX__TOML_DOTTED && found->section == parser->section));
    if (!open) return twice(parser, at, name);
    found->made = NX__TOML_DOTTED;
    found->section = parser->section;
    *table = found;
    return NX_OK;
}

/* The same of a header. */
static nx_err enter_header(struct nx__toml_parser *parser, struct nx__toml_value **table,
                           nx_bytes name, const char *at)
{
    struct nx__toml_value *found = nx__toml_find(&parser->index, *table, name);
    if (!found) return add_table(parser, *table, name, at, NX__TOML_IMPLIED, table);
    if (found->made == NX__TOML_CLOSED) return twice(parser, at, name);
    *table = found->kind == NX_TOML_ARRAY ? found->last : found;
    return NX_OK;
}

/* ---- Names */

static bool is_bare(char c)
{
    char l = (char)(c | 0x20);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static nx_err read_name(struct nx__toml_parser *parser, nx_bytes *name)
{
    const char *begin = parser->at;
    if (begin < parser->end && (*begin == '"' || *begin == '\''))
        return nx__toml_string(parser, false, name);
    while (parser->at < parser->end && is_bare(*parser->at)) parser->at++;
    if (parser->at == begin)
        return nx__toml_wrong(parser->doc, begin,
                              "expected a name of letters, digits, \"-\" and "
                              "\"_\", or in quotes");
    *name = nx_slice(begin, (size_t)(parser->at - begin));
    return NX_OK;
}

/* Reads `a.b.c`, and enters what the parts before the last name. */
static nx_err read_names(struct nx__toml_parser *parser, struct nx__toml_value **table,
                         nx_err (*enter)(struct nx__toml_parser *, struct nx__toml_value **,
                                         nx_bytes, const char *),
                         nx_bytes *last, const char **at)
{
    for (;;) {
        *at = parser->at;
        NX_TRY(read_name(parser, last));
        skip_blanks(parser);
        if (!take(parser, '.')) return NX_OK;
        skip_blanks(parser);
        NX_TRY(enter(parser, table, *last, *at));
    }
}

/* ---- Values */

static nx_err read_value(struct nx__toml_parser *parser, const struct nx__toml_value *outer,
                         struct nx__toml_value **out);

static nx_err read_pair(struct nx__toml_parser *parser, struct nx__toml_value *table)
{
    nx_bytes name = {0};
    const char *at;
    struct nx__toml_value *value;
    NX_TRY(read_names(parser, &table, enter_dotted, &name, &at));
    if (!take(parser, '=')) return nx__toml_wrong(parser->doc, parser->at, "expected \"=\"");
    if (nx__toml_find(&parser->index, table, name)) return twice(parser, at, name);
    skip_blanks(parser);
    NX_TRY(read_value(parser, table, &value));
    value->name = name;
    return nx__toml_add(&parser->index, table, value);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as max_depth */
static nx_err read_array(struct nx__toml_parser *parser, struct nx__toml_value *array)
{
    const char *begin = parser->at++;
    for (;;) {
        struct nx__toml_value *item;
        NX_TRY(skip_space(parser));
        if (take(parser, ']')) return NX_OK;
        if (parser->at == parser->end)
            return nx__toml_wrong(parser->doc, begin, "the array does not end");
        NX_TRY(read_value(parser, array, &item));
        nx__toml_append(array, item);
        NX_TRY(skip_space(parser));
        if (take(parser, ',')) continue;
        if (take(parser, ']')) return NX_OK;
        return nx__toml_wrong(parser->doc, parser->at, "expected \",\" or \"]\"");
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as max_depth */
static nx_err read_inline(struct nx__toml_parser *parser, struct nx__toml_value *table)
{
    const char *begin = parser->at++;
    uint32_t section = parser->section;
    parser->section = ++parser->sections;
    for (;;) {
        NX_TRY(skip_space(parser));
        if (take(parser, '}')) break;
        if (parser->at == parser->end)
            return nx__toml_wrong(parser->doc, begin, "the table does not end");
        NX_TRY(read_pair(parser, table));
        NX_TRY(skip_space(parser));
        if (take(parser, ',')) continue;
        if (take(parser, '}')) break;
        return nx__toml_wrong(parser->doc, parser->at, "expected \",\" or \"}\"");
    }
    parser->section = section;
    return NX_OK;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as max_depth */
static nx_err read_value(struct nx__toml_parser *parser, const struct nx__toml_value *outer,
                         struct nx__toml_value **out)
{
    char c = parser->at < parser->end ? *parser->at : '\n';
    struct nx__toml_value *value = make(parser, parser->at, NX_TOML_NONE, NX__TOML_CLOSED);
    if (!value) return NX_ENOMEM;
    *out = value;
    if (c == '"' || c == '\'') {
        value->kind = NX_TOML_STRING;
        return nx__toml_string(parser, true, &value->as.string);
    }
    if (c != '[' && c != '{') return nx__toml_plain(parser, value);
    value->kind = c == '[' ? NX_TOML_ARRAY : NX_TOML_TABLE;
    NX_TRY(deeper(parser, outer, value));
    return c == '[' ? read_array(parser, value) : read_inline(parser, value);
}

/* ---- Headers */

/* [a.b]: what follows is in it. */
static nx_err define_table(struct nx__toml_parser *parser, struct nx__toml_value *outer,
                           nx_bytes name, const char *at, struct nx__toml_value **out)
{
    struct nx__toml_value *found = nx__toml_find(&parser->index, outer, name);
    if (!found) return add_table(parser, outer, name, at, NX__TOML_HEADER, out);
    if (found->kind != NX_TOML_TABLE || found->made != NX__TOML_IMPLIED)
        return twice(parser, at, name);
    found->made = NX__TOML_HEADER;
    *out = found;
    return NX_OK;
}

/* [[a.b]]: what follows is in a new table at the end of that array. */
static nx_err define_item(struct nx__toml_parser *parser, struct nx__toml_value *outer,
                          nx_bytes name, const char *at, struct nx__toml_value **out)
{
    struct nx__toml_value *array = nx__toml_find(&parser->index, outer, name);
    if (!array) {
        array = make(parser, at, NX_TOML_ARRAY, NX__TOML_HEADER);
        if (!array) return NX_ENOMEM;
        array->name = name;
        NX_TRY(deeper(parser, outer, array));
        NX_TRY(nx__toml_add(&parser->index, outer, array));
    } else if (array->kind != NX_TOML_ARRAY || array->made == NX__TOML_CLOSED) {
        return twice(parser, at, name);
    }
    struct nx__toml_value *item = make(parser, at, NX_TOML_TABLE, NX__TOML_HEADER);
    if (!item) return NX_ENOMEM;
    NX_TRY(deeper(parser, array, item));
    nx__toml_append(array, item);
    *out = item;
    return NX_OK;
}

static nx_err read_header(struct nx__toml_parser *parser, struct nx__toml_value **table)
{
    nx_bytes name = {0};
    const char *at;
    struct nx__toml_value *outer = parser->doc->root;
    parser->at++;
    bool item = take(parser, '[');
    skip_blanks(parser);
    parser->section = ++parser->sections;
    NX_TRY(read_names(parser, &outer, enter_header, &name, &at));
    if (!take(parser, ']') || (item && !take(parser, ']')))
        return nx__toml_wrong(parser->doc, parser->at, "expected \"%s\"", item ? "]]" : "]");
    NX_TRY(item ? define_item(parser, outer, name, at, table)
                : define_table(parser, outer, name, at, table));
    return end_line(parser);
}

/* ---- Whole texts */

static nx_err read_lines(struct nx__toml_parser *parser)
{
    struct nx__toml_value *table = parser->doc->root;
    for (;;) {
        NX_TRY(skip_space(parser));
        if (parser->at == parser->end) return NX_OK;
        if (*parser->at == '[') {
            NX_TRY(read_header(parser, &table));
        } else {
            NX_TRY(read_pair(parser, table));
            NX_TRY(end_line(parser));
        }
    }
}

nx_err nx_toml_parse_with(nx_bytes text, nx_toml *out, const nx_toml_options *options)
{
    NX__OPTIONS(nx_toml_options, o, options);
    *out = (nx_toml){0};
    if (!o.max_size) o.max_size = NX_TOML_MAX_SIZE;
    if (!o.max_depth) o.max_depth = NX_TOML_MAX_DEPTH;
    if (o.max_depth > 256) o.max_depth = 256;
    if (text.len > o.max_size || text.len > UINT32_MAX)
        return nx__error_set(NX_ETOOBIG, "%.60s is longer than %llu bytes",
                             o.name ? o.name : "TOML", (unsigned long long)o.max_size);
    struct nx__toml_doc *doc = nx_alloc_zero(1, sizeof *doc);
    char *copy = nx_copy(text);
    if (!doc || !copy) return NX_ENOMEM;
    *doc = (struct nx__toml_doc){.text = {copy, text.len}, .name = o.name ? o.name : "TOML"};
    struct nx__toml_parser parser = {
        .doc = doc, .at = copy, .end = copy + text.len, .max_depth = o.max_depth};
    for (const char *p = copy; p < parser.end;) {
        size_t n = nx__utf8_sequence(p, parser.end);
        if (!n) return nx__toml_wrong(doc, p, "this is not UTF-8");
        p += n;
    }
    if (text.len >= 3 && memcmp(copy, "\xef\xbb\xbf", 3) == 0) parser.at += 3;
    doc->root = make(&parser, copy, NX_TOML_TABLE, NX__TOML_HEADER);
    if (!doc->root) return NX_ENOMEM;
    NX_TRY(read_lines(&parser));
    *out = (nx_toml){doc, doc->root};
    return NX_OK;
}
