/* The page of --help. */
#include "args/args.h"

#include "base/error.h"
#include "console/width.h"
#include <nexus/console.h>

enum {
    LEFT_MOST = 30,   /* columns; where a title is longer its text begins on the next line */
    RIGHT_LEAST = 24, /* a narrower terminal breaks the lines by itself */
};

/* Text that grows in the scope's memory; NULL once there was none. */
static void add(const char **page, const char *text)
{
    if (*page) *page = nx_format("%s%s", *page, text);
}

static void add_blanks(const char **page, size_t count)
{
    if (*page) *page = nx_format("%s%*s", *page, (int)count, "");
}

/* The first words of the text that fit into the columns, or else a word that doesn't. */
static size_t line_of(nx_bytes text, size_t columns)
{
    size_t used, fits = nx__width_fit(text, columns, &used);
    const char *newline = memchr(text.data, '\n', fits < text.len ? fits + 1 : fits);
    if (newline) return (size_t)(newline - text.data);
    if (fits == text.len) return fits;
    while (fits && text.data[fits] != ' ') fits--;
    if (fits) return fits;
    while (fits < text.len && text.data[fits] != ' ' && text.data[fits] != '\n') fits++;
    return fits;
}

/* A row: a title, and its text beside it. */
static void add_row(const char **page, const char *title, const char *text, size_t left,
                    size_t columns)
{
    nx_bytes rest = nx_str(text);
    size_t width = nx_text_width(nx_str(title));
    size_t right = columns > left + RIGHT_LEAST ? columns - left : RIGHT_LEAST;
    add(page, "  ");
    add(page, title);
    if (!rest.len) {
        add(page, "\n");
        return;
    }
    if (width + 4 > left) {
        add(page, "\n");
        add_blanks(page, left);
    } else {
        add_blanks(page, left - width - 2);
    }
    for (bool first = true; rest.len; first = false) {
        if (!first) add_blanks(page, left);
        size_t len = line_of(rest, right);
        if (*page) *page = nx_format("%s%.*s\n", *page, (int)len, rest.data);
        if (len < rest.len) len++; /* the blank, or the end of the line */
        rest = nx_slice(rest.data + len, rest.len - len);
    }
}

/* ---- Rows */

struct row {
    const char *title, *text;
};

enum { ROWS_MOST = 256 };

struct rows {
    struct row items[ROWS_MOST];
    size_t count;
};

static void row_add(struct rows *rows, const char *title, const char *text)
{
    if (rows->count < ROWS_MOST)
        rows->items[rows->count++] = (struct row){title ? title : "", text ? text : ""};
}

/* "the port to listen on (default: 3000, or $PORT)" */
static const char *text_of(const nx_arg *arg)
{
    const char *fallback = nx__arg_default(arg), *text = arg->help ? arg->help : "", *more = "";
    if (fallback) more = nx_format("default: %s", fallback);
    if (arg->required && arg->env)
        more = nx_format("or $%s", arg->env);
    else if (arg->env)
        more = nx_format("%s%s$%s", more ? more : "", fallback ? ", or " : "default: ", arg->env);
    return more && *more ? nx_format("%s%s(%s)", text, *text ? " " : "", more) : text;
}

static void option_add(struct rows *rows, const nx_arg *arg)
{
    const char letter[] = {arg->letter ? '-' : ' ', arg->letter ? arg->letter : ' ',
                           arg->letter ? ',' : ' ', '\0'};
    const char *value = nx__arg_value_name(arg);
    bool on = arg->to.kind == NX_ARG_FLAG && *(const bool *)arg->to.at;
    if (on) /* what it is for is to turn it off */
        row_add(rows, nx_format("    --no-%s", arg->name), text_of(arg));
    else
        row_add(rows,
                nx_format("%s --%s%s%s%s", letter, arg->name, *value ? "=" : "", value,
                          arg->to.kind == NX_ARG_LIST ? " ..." : ""),
                text_of(arg));
}

static bool has_option(const struct nx__args_path *path, const char *name, char letter)
{
    for (size_t i = 0; i < path->depth; i++)
        for (const nx_arg *arg = path->commands[i]->options; arg && arg->name; arg++)
            if (name ? strcmp(arg->name, name) == 0 : arg->letter == letter) return true;
    return false;
}

static void options_add(struct rows *rows, const struct nx__args_path *path)
{
    for (size_t i = path->depth; i-- > 0;)
        for (const nx_arg *arg = path->commands[i]->options; arg && arg->name; arg++)
            option_add(rows, arg);
    if (!has_option(path, "help", 0))
        row_add(rows, has_option(path, NULL, 'h') ? "    --help" : "-h, --help", "show this help");
    if (path->commands[0]->version && !has_option(path, "version", 0))
        row_add(rows, has_option(path, NULL, 'V') ? "    --version" : "-V, --version",
                "show the version");
}

static void section_add(const char **page, const char *title, const struct rows *rows,
                        size_t columns)
{
    size_t left = 0;
    if (!rows->count) return;
    for (size_t i = 0; i < rows->count; i++) {
        size_t width = nx_text_width(nx_str(rows->items[i].title)) + 4;
        if (width > left && width <= LEFT_MOST) left = width;
    }
    if (!left) left = LEFT_MOST;
    if (*page) *page = nx_format("%s\n%s:\n", *page, title);
    for (size_t i = 0; i < rows->count; i++)
        add_row(page, rows->items[i].title, rows->items[i].text, left, columns);
}

const char *nx__args_called(const struct nx__args_path *path)
{
    const char *name = path->commands[0]->name;
    for (size_t i = 1; name && i < path->depth; i++)
        name = nx_format("%s %s", name, path->commands[i]->name);
    return name ? name : "";
}

static void usage_add(const char **page, const struct nx__args_path *path)
{
    const nx_command *command = path->commands[path->depth - 1];
    if (*page) *page = nx_format("%s\nUsage: %s [OPTIONS]", *page, nx__args_called(path));
    for (const nx_arg *arg = command->arguments; arg && arg->name; arg++) {
        const char *title = nx__arg_title(arg, true);
        const char *dots = arg->to.kind == NX_ARG_LIST ? "..." : "";
        if (*page) *page = nx_format(arg->required ? "%s %s%s" : "%s [%s%s]", *page, title, dots);
    }
    if (command->commands) add(page, command->run ? " [COMMAND]" : " COMMAND");
    add(page, "\n");
}

const char *nx__args_help(const struct nx__args_path *path, size_t columns)
{
    const nx_command *command = path->commands[path->depth - 1];
    const char *page = nx_format("%s%s%s\n", nx__args_called(path), command->summary ? ": " : "",
                                 command->summary ? command->summary : "");
    struct rows *rows = nx_alloc_zero(3, sizeof *rows);
    if (!rows) return NULL;
    usage_add(&page, path);
    for (const nx_arg *arg = command->arguments; arg && arg->name; arg++)
        if (arg->help) row_add(&rows[0], nx__arg_title(arg, true), text_of(arg));
    for (const nx_command *sub = command->commands; sub && sub->name; sub++)
        row_add(&rows[1], sub->name, sub->summary);
    options_add(&rows[2], path);
    section_add(&page, "Arguments", &rows[0], columns);
    section_add(&page, "Commands", &rows[1], columns);
    section_add(&page, "Options", &rows[2], columns);
    if (command->details && page) page = nx_format("%s\n%s\n", page, command->details);
    return page;
}
