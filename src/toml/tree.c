/* What a program asks of a TOML tree. */
#include "json/tree.h"
#include "base/error.h"
#include "toml/toml.h"
#include <nexus/fs.h>
#include <stdio.h>

nx_err nx_toml_read(const char *path, nx_toml *out)
{
    nx_bytes text;
    *out = (nx_toml){0};
    NX_TRY(nx_fs_read_file(path, &text));
    const char *name = nx_copy(nx_str(path));
    if (!name) return NX_ENOMEM;
    return nx_toml_parse(text, out, .name = name);
}

/* ---- Values */

static bool has(nx_toml toml, nx_toml_kind kind)
{
    return toml.at && toml.at->kind == kind;
}

nx_toml_kind nx_toml_kind_of(nx_toml toml)
{
    return toml.at ? toml.at->kind : NX_TOML_NONE;
}

size_t nx_toml_count(nx_toml toml)
{
    return toml.at ? toml.at->count : 0;
}

int64_t nx_toml_int(nx_toml toml, int64_t fallback)
{
    return has(toml, NX_TOML_INT) ? toml.at->as.integer : fallback;
}

double nx_toml_double(nx_toml toml, double fallback)
{
    if (has(toml, NX_TOML_INT)) return (double)toml.at->as.integer;
    return has(toml, NX_TOML_FLOAT) ? toml.at->as.real : fallback;
}

bool nx_toml_bool(nx_toml toml, bool fallback)
{
    return has(toml, NX_TOML_BOOL) ? toml.at->as.boolean : fallback;
}

nx_bytes nx_toml_string(nx_toml toml, const char *fallback)
{
    if (has(toml, NX_TOML_STRING)) return toml.at->as.string;
    return fallback ? nx_str(fallback) : (nx_bytes){0};
}

nx_toml_date nx_toml_date_of(nx_toml toml, nx_toml_date fallback)
{
    return has(toml, NX_TOML_DATE) ? *toml.at->as.date : fallback;
}

/* ---- Going through */

nx_toml_each nx_toml_begin(nx_toml toml)
{
    return (nx_toml_each){
        .value = {toml.doc, NULL}, .index = SIZE_MAX, .next = toml.at ? toml.at->first : NULL};
}

bool nx_toml_next(nx_toml_each *each)
{
    if (!each->next) return false;
    each->value.at = each->next;
    each->name = each->next->name;
    each->next = each->next->next;
    each->index++;
    return true;
}

/* The index that a part of a path is; none for a name. */
static bool is_index(const nx_value *part, uint64_t *index)
{
    if (part->kind == NX_VALUE_UINT)
        *index = part->as.uinteger;
    else if (part->kind == NX_VALUE_INT && part->as.integer >= 0)
        *index = (uint64_t)part->as.integer;
    else
        return false;
    return true;
}

nx_toml nx_toml_at(nx_toml toml, const nx_value *path, size_t count)
{
    for (size_t i = 0; i < count && toml.at; i++) {
        uint64_t index = 0;
        bool name = path[i].kind == NX_VALUE_STRING;
        nx_bytes wanted =
            name ? nx_slice(path[i].as.string.data, path[i].as.string.len) : (nx_bytes){0};
        bool fits = name ? has(toml, NX_TOML_TABLE)
                         : is_index(&path[i], &index) && has(toml, NX_TOML_ARRAY);
        const struct nx__toml_value *at = fits ? toml.at->first : NULL;
        while (at && (name ? !nx_bytes_eq(at->name, wanted) : index-- > 0)) at = at->next;
        toml.at = at;
    }
    return toml;
}

/* ---- Into a variable */

static bool store(void *out, int type, nx_toml toml)
{
    const struct nx__toml_value *at = toml.at;
    switch (type & ~0xff) {
    case NX__JSON_SIGNED:
    case NX__JSON_UNSIGNED:
        return at->kind == NX_TOML_INT &&
               nx__json_store_int(out, type, (uint64_t)at->as.integer, at->as.integer < 0);
    case NX__JSON_REAL:
        if (at->kind != NX_TOML_INT && at->kind != NX_TOML_FLOAT) return false;
        if ((type & 0xff) == sizeof(float))
            *(float *)out = (float)nx_toml_double(toml, 0);
        else
            *(double *)out = nx_toml_double(toml, 0);
        return true;
    case NX__JSON_BOOL:
        if (at->kind != NX_TOML_BOOL) return false;
        *(bool *)out = at->as.boolean;
        return true;
    case NX__JSON_BYTES:
        if (at->kind != NX_TOML_STRING) return false;
        *(nx_bytes *)out = at->as.string;
        return true;
    case NX__TOML_DATE:
        if (at->kind != NX_TOML_DATE) return false;
        *(nx_toml_date *)out = *at->as.date;
        return true;
    default: *(nx_toml *)out = toml; return true;
    }
}

/* "server.ports.0", cut where it is long; "the value" for no path. */
static void path_text(char *out, size_t size, const nx_value *path, size_t count)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count && len < size; i++) {
        uint64_t index = 0;
        int n = is_index(&path[i], &index) ? snprintf(out + len, size - len, "%s%llu", i ? "." : "",
                                                      (unsigned long long)index)
                : path[i].kind == NX_VALUE_STRING
                    ? snprintf(out + len, size - len, "%s%.*s", i ? "." : "",
                               (int)path[i].as.string.len, path[i].as.string.data)
                    : snprintf(out + len, size - len, "%s?", i ? "." : "");
        len += n > 0 ? (size_t)n : 0;
    }
    if (!count) (void)snprintf(out, size, "the value");
}

nx_err nx_toml_take(nx_toml root, void *out, int type, bool needed, const nx_value *path,
                    size_t count)
{
    char name[100];
    nx_toml toml = nx_toml_at(root, path, count);
    if (!toml.at && !needed) return NX_OK;
    if (toml.at && store(out, type, toml)) return NX_OK;
    path_text(name, sizeof name, path, count);
    if (!toml.at)
        return nx__error_set(NX_EINVAL, "%.60s: %s is missing", root.doc ? root.doc->name : "TOML",
                             name);
    return nx_toml_fail(toml, "%s has to be %s", name,
                        (type & ~0xff) == NX__TOML_DATE ? "a date or time"
                                                        : nx__json_type_text(type));
}
