/* JSON as a tree: yyjson's, checked for depth and names that occur twice, and the ways to look into
 * it. */
#include "json/tree.h"

#include "base/compiler.h"
#include "base/error.h"
#include "base/siphash.h"
#include "json/events.h"
#include <math.h>
#include <nexus/fiber.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    FEW_NAMES = 16, /* are compared each with each; more go through a table */
    PATH_MOST = 96  /* bytes of a path in a message */
};

static yyjson_val *val(nx_json json)
{
    return (yyjson_val *)(uintptr_t)json.at;
}

static nx_json json_of(const struct nx__json_doc *doc, const yyjson_val *at)
{
    return at ? (nx_json){doc, at} : (nx_json){0};
}

static nx_bytes text_of(yyjson_val *v)
{
    return nx_slice(unsafe_yyjson_get_str(v), unsafe_yyjson_get_len(v));
}

/* ---- Reading */

/* What is wrong with the text, told by the events: they know line, column and what was expected.
 * `fallback` where they find nothing. */
static NX__COLD nx_err explain(const struct nx__json_doc *doc, nx_bytes text, uint32_t max_depth,
                               const char *fallback, size_t at)
{
    struct nx__json_events e = {.max_depth = max_depth, .max_token = SIZE_MAX};
    struct nx__json_place place = {1, 1};
    size_t done = 0, used;
    enum nx__json_progress progress;
    do {
        progress = nx__json_feed(&e, text.data + done, text.len - done, true, &used);
        done += used;
    } while (progress == NX__JSON_EVENT && e.kind != NX_JSON_END);
    nx_err err;
    if (progress == NX__JSON_ERROR) {
        nx__json_pass(&place, text.data, done);
        err = nx__json_error(doc, e.err, place, e.reason, done < text.len ? text.data[done] : '\0');
    } else {
        nx__json_pass(&place, text.data, at < text.len ? at : text.len);
        err = nx__json_error(doc, NX_EPROTO, place, fallback, '\0');
    }
    nx__json_events_free(&e);
    return err;
}

static NX__COLD nx_err twice(const struct nx__json_doc *doc, nx_bytes text, yyjson_val *name)
{
    struct nx__json_place place = {1, 1};
    /* Strings are unescaped where they are, so a name lies in the pool as far from its start as in
     * the text. */
    size_t at = (size_t)(unsafe_yyjson_get_str(name) - doc->tree->str_pool) - 1;
    nx__json_pass(&place, text.data, at < text.len ? at : text.len);
    char quoted[NX__QUOTED], reason[96];
    (void)snprintf(reason, sizeof reason, "the name \"%s\" occurs twice in one object",
                   nx__quoted(quoted, text_of(name)));
    return nx__json_error(doc, NX_EPROTO, place, reason, '\0');
}

static bool same_name(yyjson_val *a, yyjson_val *b)
{
    return nx_bytes_eq(text_of(a), text_of(b));
}

/* The first name of the object that was there before, in a table whose key no peer knows.
 * NX_ENOMEM. */
static nx_err find_twice_many(yyjson_val *object, size_t count, yyjson_val **found)
{
    static NX__THREAD_LOCAL uint64_t key[2];
    static NX__THREAD_LOCAL bool keyed;
    if (!keyed) keyed = getrandom(key, sizeof key, 0) == sizeof key;
    size_t slots = 64;
    while (slots < count * 2) slots *= 2;
    yyjson_val **table = calloc(slots, sizeof *table);
    if (!table) return NX_ENOMEM;
    yyjson_val *name = unsafe_yyjson_get_first(object);
    for (; count && !*found; count--, name = unsafe_yyjson_get_next(name + 1)) {
        nx_bytes text = text_of(name);
        size_t i = (size_t)nx__siphash(key, text.data, text.len) & (slots - 1);
        while (table[i] && !same_name(table[i], name)) i = (i + 1) & (slots - 1);
        if (table[i]) *found = name;
        table[i] = name;
    }
    free(table);
    return NX_OK;
}

/* Of names that are equal it is; of others hardly ever. */
static uint32_t fingerprint(nx_bytes name)
{
    if (!name.len) return 0;
    const unsigned char *text = (const unsigned char *)name.data;
    return (uint32_t)name.len << 24 ^ (uint32_t)text[0] << 16 ^ (uint32_t)text[name.len / 2] << 8 ^
           text[name.len - 1];
}

static nx_err find_twice(yyjson_val *object, yyjson_val **found)
{
    size_t count = unsafe_yyjson_get_len(object);
    if (count > FEW_NAMES) return find_twice_many(object, count, found);
    yyjson_val *names[FEW_NAMES], *name = unsafe_yyjson_get_first(object);
    uint32_t prints[FEW_NAMES];
    for (size_t i = 0; i < count; i++, name = unsafe_yyjson_get_next(name + 1)) {
        uint32_t print = fingerprint(text_of(name));
        for (size_t k = 0; k < i; k++) {
            if (nx__likely(prints[k] != print) || !same_name(names[k], name)) continue;
            *found = name;
            return NX_OK;
        }
        names[i] = name;
        prints[i] = print;
    }
    return NX_OK;
}

/* Goes through the values in their order: they lie one behind another. */
static nx_err check(const struct nx__json_doc *doc, nx_bytes text, uint32_t max_depth)
{
    const yyjson_val *ends[NX__JSON_DEPTH_MOST]; /* where the containers end that `v` is in */
    uint32_t depth = 0;
    yyjson_val *v = doc->tree->root, *end = v + doc->tree->val_read;
    for (; v < end; v++) {
        while (depth && v >= ends[depth - 1]) depth--;
        if (!unsafe_yyjson_is_ctn(v)) continue;
        if (depth == max_depth) return explain(doc, text, max_depth, "it is nested too deep", 0);
        ends[depth++] = unsafe_yyjson_get_next(v);
        if (doc->duplicates != NX_JSON_DUPLICATES_REFUSED || !unsafe_yyjson_is_obj(v)) continue;
        yyjson_val *found = NULL;
        nx_err err = find_twice(v, &found);
        if (err) return nx__error_set(err, "cannot read %s: out of memory", doc->what);
        if (found) return twice(doc, text, found);
    }
    return NX_OK;
}

nx_err nx__json_tree_read(struct nx__json_doc *doc, nx_bytes text, uint32_t max_depth)
{
    yyjson_read_err err;
    doc->tree =
        yyjson_read_opts((char *)(uintptr_t)text.data, text.len, YYJSON_READ_NOFLAG, NULL, &err);
    if (nx__likely(doc->tree)) return check(doc, text, max_depth);
    if (err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return nx__error_set(NX_ENOMEM, "cannot read %s: out of memory", doc->what);
    return explain(doc, text, max_depth, err.msg, err.pos);
}

void nx__json_tree_free(void *doc)
{
    yyjson_doc_free(((struct nx__json_doc *)doc)->tree);
}

nx_json nx__json_root(const struct nx__json_doc *doc)
{
    return json_of(doc, doc->tree ? doc->tree->root : NULL);
}

nx_err nx__json_parse(nx_bytes text, nx_json *out, const nx_json_options *options, const char *what,
                      bool of_peer)
{
    *out = (nx_json){0};
    nx_json_options o = {0};
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (!o.max_size) o.max_size = NX_JSON_MAX_SIZE;
    if (!o.max_depth) o.max_depth = NX_JSON_MAX_DEPTH;
    if (o.max_depth > NX__JSON_DEPTH_MOST)
        return nx__error_set(NX_EINVAL, "cannot read %s: max_depth is %u, more than %d", what,
                             o.max_depth, NX__JSON_DEPTH_MOST);
    if (text.len > o.max_size) {
        nx_err (*record)(nx_err, const char *, ...) = of_peer ? nx__error_peer : nx__error_set;
        return record(NX_ETOOBIG, "cannot read %s: it is larger than %llu bytes", what,
                      (unsigned long long)o.max_size);
    }
    struct nx__json_doc *doc = nx_alloc(sizeof *doc);
    if (!doc) return NX_ENOMEM;
    *doc = (struct nx__json_doc){.what = what, .of_peer = of_peer, .duplicates = o.duplicates};
    NX_TRY(nx_defer(nx__json_tree_free, doc));
    NX_TRY(nx__json_tree_read(doc, text, o.max_depth));
    *out = nx__json_root(doc);
    return NX_OK;
}

nx_err nx_json_parse_with(nx_bytes text, nx_json *out, const nx_json_options *options)
{
    return nx__json_parse(text, out, options, "the JSON text", false);
}

/* ---- Looking */

nx_json_kind nx_json_kind_of(nx_json json)
{
    if (!json.at) return NX_JSON_NONE;
    switch (unsafe_yyjson_get_type(val(json))) {
    case YYJSON_TYPE_BOOL: return NX_JSON_BOOL;
    case YYJSON_TYPE_NUM: return NX_JSON_NUMBER;
    case YYJSON_TYPE_STR: return NX_JSON_STRING;
    case YYJSON_TYPE_ARR: return NX_JSON_ARRAY;
    case YYJSON_TYPE_OBJ: return NX_JSON_OBJECT;
    default: return NX_JSON_NULL;
    }
}

size_t nx_json_count(nx_json json)
{
    return json.at && unsafe_yyjson_is_ctn(val(json)) ? unsafe_yyjson_get_len(val(json)) : 0;
}

static yyjson_val *member(const struct nx__json_doc *doc, yyjson_val *object, nx_bytes wanted)
{
    yyjson_val *found = NULL, *name = unsafe_yyjson_get_first(object);
    for (size_t left = unsafe_yyjson_get_len(object); left; left--) {
        if (nx_bytes_eq(text_of(name), wanted)) {
            found = name + 1;
            if (doc->duplicates != NX_JSON_DUPLICATES_LAST) break;
        }
        name = unsafe_yyjson_get_next(name + 1);
    }
    return found;
}

/* One step of a path. */
static yyjson_val *step(const struct nx__json_doc *doc, yyjson_val *v, const nx_value *key)
{
    if (key->kind == NX_VALUE_STRING)
        return unsafe_yyjson_is_obj(v)
                   ? member(doc, v, nx_slice(key->as.string.data, key->as.string.len))
                   : NULL;
    bool index = key->kind == NX_VALUE_UINT || (key->kind == NX_VALUE_INT && key->as.integer >= 0);
    return index && unsafe_yyjson_is_arr(v) && key->as.uinteger <= SIZE_MAX
               ? yyjson_arr_get(v, (size_t)key->as.uinteger)
               : NULL;
}

nx_json nx_json_at(nx_json json, const nx_value *path, size_t count)
{
    yyjson_val *v = val(json);
    for (size_t i = 0; v && i < count; i++) v = step(json.doc, v, &path[i]);
    return json_of(json.doc, v);
}

static bool is_int(yyjson_val *v, int64_t *out)
{
    switch (unsafe_yyjson_get_tag(v)) {
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_SINT: *out = v->uni.i64; return true;
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_UINT: *out = v->uni.i64; return v->uni.u64 <= INT64_MAX;
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL:
        if (!(v->uni.f64 >= -0x1p63 && v->uni.f64 < 0x1p63)) return false;
        *out = (int64_t)v->uni.f64;
        return (double)*out == v->uni.f64;
    default: return false;
    }
}

static bool is_uint(yyjson_val *v, uint64_t *out)
{
    switch (unsafe_yyjson_get_tag(v)) {
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_SINT: *out = v->uni.u64; return v->uni.i64 >= 0;
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_UINT: *out = v->uni.u64; return true;
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL:
        if (!(v->uni.f64 >= 0 && v->uni.f64 < 0x1p64)) return false;
        *out = (uint64_t)v->uni.f64;
        return (double)*out == v->uni.f64;
    default: return false;
    }
}

int64_t nx_json_int(nx_json json, int64_t fallback)
{
    int64_t n;
    return json.at && is_int(val(json), &n) ? n : fallback;
}

uint64_t nx_json_uint(nx_json json, uint64_t fallback)
{
    uint64_t n;
    return json.at && is_uint(val(json), &n) ? n : fallback;
}

double nx_json_double(nx_json json, double fallback)
{
    return json.at && unsafe_yyjson_is_num(val(json)) ? unsafe_yyjson_get_num(val(json)) : fallback;
}

bool nx_json_bool(nx_json json, bool fallback)
{
    return json.at && unsafe_yyjson_is_bool(val(json)) ? unsafe_yyjson_get_bool(val(json))
                                                       : fallback;
}

nx_bytes nx_json_string(nx_json json, const char *fallback)
{
    if (json.at && unsafe_yyjson_is_str(val(json))) return text_of(val(json));
    return fallback ? nx_str(fallback) : (nx_bytes){0};
}

/* ---- Taking what has to be there */

/* "users[0].name", for messages. */
static void path_print(char *out, size_t size, const nx_value *path, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count && len < size; i++) {
        char quoted[NX__QUOTED];
        int n = path[i].kind == NX_VALUE_STRING
                    ? snprintf(out + len, size - len, "%s%s", i ? "." : "",
                               nx__quoted(quoted,
                                          nx_slice(path[i].as.string.data, path[i].as.string.len)))
                    : snprintf(out + len, size - len, "[%lld]", (long long)path[i].as.integer);
        len += n > 0 ? (size_t)n : 0;
    }
}

static const char *kind_text(nx_json json)
{
    static const char *const text[] = {"nothing",  "null",     "a bool",   "a number",
                                       "a string", "an array", "an object"};
    return text[nx_json_kind_of(json)];
}

static NX__COLD nx_err mismatch(nx_json root, nx_json json, const char *wanted,
                                const nx_value *path, size_t count)
{
    char where[PATH_MOST] = "a value";
    if (count) path_print(where, sizeof where, path, count);
    const char *what = root.doc ? root.doc->what : "the JSON text";
    bool of_peer = root.doc && root.doc->of_peer;
    nx_err (*record)(nx_err, const char *, ...) = of_peer ? nx__error_peer : nx__error_set;
    nx_err err = of_peer ? NX_EPROTO : NX_EINVAL;
    if (!json.at) return record(err, "cannot use %s: %s is missing", what, where);
    return record(err, "cannot use %s: %s has to be %s, not %s", what, where, wanted,
                  kind_text(json));
}

bool nx__json_store_int(void *out, int type, uint64_t u, bool negative)
{
    size_t size = (size_t)type & 0xff;
    unsigned bits = (unsigned)(8 * size);
    bool is_signed = (type & ~0xff) == NX__JSON_SIGNED;
    if (negative && (!is_signed || (int64_t)u < -(int64_t)(UINT64_MAX >> 1 >> (64 - bits)) - 1))
        return false;
    if (!negative && u > UINT64_MAX >> (64 - bits) >> is_signed) return false;
    switch (size) {
    case 1: *(uint8_t *)out = (uint8_t)u; return true;
    case 2: *(uint16_t *)out = (uint16_t)u; return true;
    case 4: *(uint32_t *)out = (uint32_t)u; return true;
    default: *(uint64_t *)out = u; return true;
    }
}

const char *nx__json_type_text(int type)
{
    switch (type) {
    case NX__JSON_SIGNED | 1: return "a whole number from -128 to 127";
    case NX__JSON_SIGNED | 2: return "a whole number from -32768 to 32767";
    case NX__JSON_SIGNED | 4: return "a whole number of 32 bits";
    case NX__JSON_SIGNED | 8: return "a whole number";
    case NX__JSON_UNSIGNED | 1: return "a whole number from 0 to 255";
    case NX__JSON_UNSIGNED | 2: return "a whole number from 0 to 65535";
    case NX__JSON_UNSIGNED | 4: return "a whole number from 0 to 4294967295";
    case NX__JSON_UNSIGNED | 8: return "a whole number from 0";
    default: break;
    }
    switch (type & ~0xff) {
    case NX__JSON_REAL: return "a number";
    case NX__JSON_BOOL: return "a bool";
    default: return "a string";
    }
}

/* Stores the value by the type; false if it is another. */
static bool store(void *out, int type, nx_json json)
{
    yyjson_val *v = val(json);
    int64_t i;
    uint64_t u;
    switch (type & ~0xff) {
    case NX__JSON_SIGNED:
    case NX__JSON_UNSIGNED:
        if (is_uint(v, &u)) return nx__json_store_int(out, type, u, false);
        return is_int(v, &i) && nx__json_store_int(out, type, (uint64_t)i, true);
    case NX__JSON_REAL:
        if (!unsafe_yyjson_is_num(v)) return false;
        if ((type & 0xff) == sizeof(float))
            *(float *)out = (float)unsafe_yyjson_get_num(v);
        else
            *(double *)out = unsafe_yyjson_get_num(v);
        return true;
    case NX__JSON_BOOL:
        if (!unsafe_yyjson_is_bool(v)) return false;
        *(bool *)out = unsafe_yyjson_get_bool(v);
        return true;
    case NX__JSON_BYTES:
        if (!unsafe_yyjson_is_str(v)) return false;
        *(nx_bytes *)out = text_of(v);
        return true;
    default: *(nx_json *)out = json; return true;
    }
}

nx_err nx_json_take(nx_json root, void *out, int type, bool needed, const nx_value *path,
                    size_t count)
{
    nx_json json = nx_json_at(root, path, count);
    if (!needed && (!json.at || unsafe_yyjson_is_null(val(json)))) return NX_OK;
    if (json.at && store(out, type, json)) return NX_OK;
    return mismatch(root, json, nx__json_type_text(type), path, count);
}

bool nx__json_number(nx_bytes text, double *out)
{
    yyjson_val number;
    /* What is no number of JSON's may not begin either, such as a space. */
    if (!text.len || !strchr("-0123456789", text.data[0])) return false;
    const char *end = yyjson_read_number(text.data, &number, YYJSON_READ_NOFLAG, NULL, NULL);
    if (end != text.data + text.len) return false;
    *out = unsafe_yyjson_get_num(&number);
    return true;
}

/* ---- All of them */

nx_json_each nx_json_begin(nx_json json)
{
    size_t count = nx_json_count(json);
    return (nx_json_each){.value = {json.doc, NULL},
                          .index = SIZE_MAX,
                          .next = count ? unsafe_yyjson_get_first(val(json)) : NULL,
                          /* Names are told from items by the lowest bit. */
                          .left = count * 2 + (count && unsafe_yyjson_is_obj(val(json)))};
}

bool nx_json_next(nx_json_each *each)
{
    if (each->left < 2) return false;
    each->left -= 2;
    each->index++;
    yyjson_val *v = (yyjson_val *)(uintptr_t)each->next;
    each->name = (nx_bytes){0};
    if (each->left & 1) each->name = text_of(v++);
    each->value.at = v;
    each->next = unsafe_yyjson_get_next(v);
    return true;
}

static bool same_number(yyjson_val *a, yyjson_val *b)
{
    int64_t i, k;
    uint64_t u, w;
    if (is_int(a, &i) && is_int(b, &k)) return i == k;
    if (is_uint(a, &u) && is_uint(b, &w)) return u == w;
    return unsafe_yyjson_is_real(a) && unsafe_yyjson_is_real(b) && !(a->uni.f64 < b->uni.f64) &&
           !(a->uni.f64 > b->uni.f64);
}

/* As deep as the trees are, which is bounded. */
/* NOLINTNEXTLINE(misc-no-recursion) */
bool nx_json_equal(nx_json a, nx_json b)
{
    nx_json_kind kind = nx_json_kind_of(a);
    if (kind != nx_json_kind_of(b)) return false;
    switch (kind) {
    case NX_JSON_BOOL: return nx_json_bool(a, false) == nx_json_bool(b, false);
    case NX_JSON_NUMBER: return same_number(val(a), val(b));
    case NX_JSON_STRING: return same_name(val(a), val(b));
    case NX_JSON_ARRAY:
    case NX_JSON_OBJECT: {
        if (nx_json_count(a) != nx_json_count(b)) return false;
        nx_json_each other = nx_json_begin(b);
        for (nx_json_each each = nx_json_begin(a); nx_json_next(&each);) {
            (void)nx_json_next(&other);
            nx_json twin = other.value;
            if (kind == NX_JSON_OBJECT && !nx_bytes_eq(each.name, other.name))
                twin = json_of(b.doc, member(b.doc, val(b), each.name));
            if (!nx_json_equal(each.value, twin)) return false;
        }
        return true;
    }
    default: return true;
    }
}

/* The value as one that nx_json_write takes; false when memory is out. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static bool value_of(nx_json json, nx_value *out)
{
    yyjson_val *v = val(json);
    nx_json_kind kind = nx_json_kind_of(json);
    switch (kind) {
    case NX_JSON_BOOL: *out = nx_bool(unsafe_yyjson_get_bool(v)); return true;
    case NX_JSON_STRING: *out = nx_value_bytes(text_of(v)); return true;
    case NX_JSON_NUMBER:
        *out = unsafe_yyjson_is_real(v)   ? nx_value_double(v->uni.f64)
               : unsafe_yyjson_is_sint(v) ? nx_value_int(v->uni.i64)
                                          : nx_value_uint(v->uni.u64);
        return true;
    case NX_JSON_ARRAY:
    case NX_JSON_OBJECT: {
        size_t count = nx_json_count(json), at = 0;
        nx_value *items = nx_alloc_zero(count, 2 * sizeof *items);
        if (!items) return false;
        for (nx_json_each each = nx_json_begin(json); nx_json_next(&each);) {
            if (kind == NX_JSON_OBJECT) items[at++] = nx_value_bytes(each.name);
            if (!value_of(each.value, &items[at++])) return false;
        }
        *out = kind == NX_JSON_ARRAY ? nx_list(items, at) : nx_value_object(items, at);
        return true;
    }
    default: *out = nx_null(); return true;
    }
}

nx_err nx_json_text(nx_json json, nx_bytes *out)
{
    *out = (nx_bytes){0};
    nx_value value;
    if (!value_of(json, &value)) return NX_ENOMEM;
    return nx_json_write(value, out);
}
