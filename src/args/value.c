/* Values of options: read, checked, stored, shown. */
#include "args/args.h"

#include "base/error.h"
#include "base/suggest.h"
#include "env/values.h"
#include "permission/permission.h"
#include <ctype.h>
#include <stdio.h>

enum { SHOWN_MOST = 96 };

const char *nx__arg_title(const nx_arg *arg, bool positional)
{
    char *title = positional ? nx_copy(nx_str(arg->value ? arg->value : arg->name))
                             : nx_format("--%s", arg->name);
    if (positional && title && !arg->value)
        for (char *c = title; *c; c++) *c = (char)toupper((unsigned char)*c);
    return title ? title : "";
}

const char *nx__arg_value_name(const nx_arg *arg)
{
    static const char *const names[] = {
        [NX_ARG_INT] = "N",     [NX_ARG_UINT] = "N",    [NX_ARG_REAL] = "NUMBER",
        [NX_ARG_TEXT] = "TEXT", [NX_ARG_LIST] = "TEXT", [NX_ARG_DURATION] = "SPAN",
        [NX_ARG_SIZE] = "SIZE",
    };
    if (arg->value) return arg->value;
    if (!arg->choices) return names[arg->to.kind] ? names[arg->to.kind] : "";
    const char *all = "";
    for (size_t i = 0; all && arg->choices[i]; i++)
        all = nx_format("%s%s%s", all, i ? "|" : "", arg->choices[i]);
    return all ? all : "";
}

/* ---- Integers of any size */

static int64_t load(const nx_arg *arg)
{
    const void *at = arg->to.at;
    bool u = arg->to.kind == NX_ARG_UINT;
    switch (arg->to.size) {
    case 1: return u ? *(const uint8_t *)at : *(const int8_t *)at;
    case 2: return u ? *(const uint16_t *)at : *(const int16_t *)at;
    case 4: return u ? (int64_t) * (const uint32_t *)at : *(const int32_t *)at;
    default: return *(const int64_t *)at;
    }
}

static void save(const nx_arg *arg, int64_t n)
{
    void *at = arg->to.at;
    switch (arg->to.size) {
    case 1: *(uint8_t *)at = (uint8_t)n; break;
    case 2: *(uint16_t *)at = (uint16_t)n; break;
    case 4: *(uint32_t *)at = (uint32_t)n; break;
    default: *(int64_t *)at = n; break;
    }
}

/* What the variable's type has room for. */
static struct nx__value_range range_of(const nx_arg *arg)
{
    bool u = arg->to.kind == NX_ARG_UINT;
    unsigned bits = arg->to.size < 8 ? (unsigned)arg->to.size * 8 - !u : 63;
    int64_t most = bits == 63 ? INT64_MAX : ((int64_t)1 << bits) - 1;
    return (struct nx__value_range){.least = u ? 0 : -most - 1, .most = most};
}

/* ---- Storing */

static nx_err expected(const char *given, const char *wanted)
{
    char clean[SHOWN_MOST];
    return nx__error_set(NX_EUSAGE, "cannot use %s: expected %s",
                         nx__printable(clean, sizeof clean, given), wanted);
}

static nx_err choice_store(const nx_arg *arg, const char *text, const char *given, bool dry)
{
    size_t i = 0;
    while (arg->choices[i] && strcmp(arg->choices[i], text) != 0) i++;
    if (!arg->choices[i]) {
        const char *near = nx__suggest(text, arg->choices), *all = "";
        for (i = 0; arg->choices[i]; i++) {
            const char *between = !i ? "" : arg->choices[i + 1] ? ", " : " or ";
            all = nx_format("%s%s%s", all, between, arg->choices[i]);
            if (!all) return NX_ENOMEM;
        }
        if (!near) return expected(given, all);
        all = nx_format("%s; did you mean %s?", all, near);
        return all ? expected(given, all) : NX_ENOMEM;
    }
    if (dry) return NX_OK;
    if (arg->to.kind == NX_ARG_TEXT)
        *(const char **)arg->to.at = arg->choices[i];
    else
        save(arg, (int64_t)i);
    return NX_OK;
}

static nx_err list_store(const nx_arg *arg, const char *text)
{
    nx_arg_list *list = arg->to.at;
    const char **items = nx_alloc((list->count + 1) * sizeof *items);
    if (!items) return NX_ENOMEM;
    if (list->count) memcpy(items, list->items, list->count * sizeof *items);
    items[list->count] = text;
    *list = (nx_arg_list){.items = items, .count = list->count + 1};
    return NX_OK;
}

static nx_err whole_store(enum nx__value_kind kind, const nx_arg *arg, const char *text,
                          const char *given, bool dry)
{
    struct nx__value_range range = {arg->least, arg->most}, room = range_of(arg);
    char wanted[NX__VALUE_WANTED];
    union nx__value value;
    if (!nx__value_parse(kind, text, range, &value))
        return expected(given, nx__value_wanted(kind, range, wanted));
    if (value.number < room.least || value.number > room.most)
        return expected(given, nx__value_wanted(kind, room, wanted));
    if (!dry) save(arg, value.number);
    return NX_OK;
}

nx_err nx__arg_store(const nx_arg *arg, const char *text, const char *given, bool dry)
{
    char wanted[NX__VALUE_WANTED];
    struct nx__value_range any = {0, 0};
    union nx__value value;
    if (arg->choices && arg->to.kind != NX_ARG_LIST) return choice_store(arg, text, given, dry);
    switch (arg->to.kind) {
    case NX_ARG_FLAG:
        if (!nx__value_parse(NX__VALUE_BOOL, text, any, &value))
            return expected(given, nx__value_wanted(NX__VALUE_BOOL, any, wanted));
        if (!dry) *(bool *)arg->to.at = value.yes;
        return NX_OK;
    case NX_ARG_REAL:
        if (!nx__value_parse(NX__VALUE_REAL, text, any, &value))
            return expected(given, nx__value_wanted(NX__VALUE_REAL, any, wanted));
        if (!dry) *(double *)arg->to.at = value.real;
        return NX_OK;
    case NX_ARG_COUNT:
        if (!dry) ++*(int *)arg->to.at;
        return NX_OK;
    case NX_ARG_TEXT:
        if (!dry) *(const char **)arg->to.at = text;
        return NX_OK;
    case NX_ARG_LIST: return dry ? NX_OK : list_store(arg, text);
    case NX_ARG_DURATION: return whole_store(NX__VALUE_DURATION, arg, text, given, dry);
    case NX_ARG_SIZE: return whole_store(NX__VALUE_SIZE, arg, text, given, dry);
    default: return whole_store(NX__VALUE_INT, arg, text, given, dry);
    }
}

/* ---- Showing */

const char *nx__arg_default(const nx_arg *arg)
{
    char text[NX__VALUE_TEXT];
    if (arg->required) return NULL;
    switch (arg->to.kind) {
    case NX_ARG_TEXT: {
        const char *value = *(const char *const *)arg->to.at;
        return value && *value ? value : NULL;
    }
    case NX_ARG_REAL: return nx_format("%g", *(const double *)arg->to.at);
    case NX_ARG_INT:
    case NX_ARG_UINT: {
        int64_t n = load(arg);
        if (!arg->choices) return nx_copy(nx_str(nx__value_text(NX__VALUE_INT, n, text)));
        for (int64_t i = 0; arg->choices[i]; i++)
            if (i == n) return arg->choices[i];
        return NULL;
    }
    case NX_ARG_DURATION:
        if (load(arg) == NX_FOREVER) return "none";
        return nx_copy(nx_str(nx__value_text(NX__VALUE_DURATION, load(arg), text)));
    case NX_ARG_SIZE: return nx_copy(nx_str(nx__value_text(NX__VALUE_SIZE, load(arg), text)));
    default: return NULL;
    }
}
