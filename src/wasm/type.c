/* Function types in words. */
#include "wasm/internal.h"

#include <stdio.h>

static const char *const names[] = {
    [NX_WASM_NONE] = "nothing",    [NX_WASM_I32] = "i32",
    [NX_WASM_I64] = "i64",         [NX_WASM_F32] = "f32",
    [NX_WASM_F64] = "f64",         [NX_WASM_V128] = "v128",
    [NX_WASM_FUNCREF] = "funcref", [NX_WASM_EXTERNREF] = "externref",
    [NX_WASM_ANYREF] = "anyref"};

static const char *const views[] = {"str", "bytes", "i32[]", "i64[]", "f32[]", "f64[]"};

/* ---- Reading */

static void spaces_skip(const char **at)
{
    while (**at == ' ') ++*at;
}

static uint8_t word_type(const char *word, size_t len, bool host)
{
    for (unsigned type = NX_WASM_I32; type <= NX_WASM_V128; type++)
        if (strlen(names[type]) == len && memcmp(names[type], word, len) == 0) return (uint8_t)type;
    for (size_t i = 0; host && i < sizeof views / sizeof *views; i++)
        if (strlen(views[i]) == len && memcmp(views[i], word, len) == 0)
            return (uint8_t)(NX__WASM_STR + i);
    return NX_WASM_NONE;
}

/* "{i32, f64}" or "{i32, f64}[]": C's own layout, in the guest and here. */
static uint8_t record(const char **at, struct nx__wasm_signature *s)
{
    static const struct {
        const char *name;
        uint8_t size;
    } fields[] = {{"i8", 1}, {"i16", 2}, {"i32", 4}, {"i64", 8}, {"f32", 4}, {"f64", 8}};
    struct nx__wasm_record all = {0, 1};
    if (s->record_count == NX__WASM_RECORDS_MOST) return NX_WASM_NONE;
    for (size_t count = 0; **at != '}'; count++) {
        uint8_t size = 0;
        ++*at; /* '{' or ',' */
        spaces_skip(at);
        size_t len = strspn(*at, "abcdefghijklmnopqrstuvwxyz0123456789");
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
            if (strlen(fields[i].name) == len && memcmp(fields[i].name, *at, len) == 0)
                size = fields[i].size;
        if (!size || count == NX__WASM_FIELDS_MOST) return NX_WASM_NONE;
        all.size = (uint16_t)((all.size + size - 1) / size * size + size);
        if (size > all.align) all.align = size;
        *at += len;
        spaces_skip(at);
        if (**at != ',' && **at != '}') return NX_WASM_NONE;
    }
    ++*at;
    all.size = (uint16_t)((all.size + all.align - 1) / all.align * all.align);
    size_t index = s->record_count++;
    s->records[index] = all;
    bool is_list = (*at)[0] == '[' && (*at)[1] == ']';
    if (is_list) *at += 2;
    return (uint8_t)((is_list ? NX__WASM_LIST_RECORD : NX__WASM_RECORD) + index);
}

/* Words with commas between them, as many as there are. False where something else stands. */
static bool list(const char **at, bool host, struct nx__wasm_signature *s,
                 uint8_t types[NX__WASM_VALUES_MOST], size_t *count)
{
    *count = 0;
    for (;;) {
        spaces_skip(at);
        bool is_record = host && **at == '{';
        size_t len = strspn(*at, "abcdefghijklmnopqrstuvwxyz0123456789[]");
        if (!len && !is_record) return *count == 0;
        if (*count == NX__WASM_VALUES_MOST) return false;
        uint8_t type = is_record ? record(at, s) : word_type(*at, len, host);
        if (!type) return false;
        types[(*count)++] = type;
        *at += len;
        spaces_skip(at);
        if (**at != ',') return true;
        ++*at;
    }
}

nx_err nx__wasm_type_parse(const char *text, bool host, struct nx__wasm_signature *out)
{
    const char *at = text;
    out->record_count = 0;
    bool good =
        list(&at, host, out, out->params, &out->param_count) && at[0] == '-' && at[1] == '>';
    if (good) at += 2;
    good = good && list(&at, host, out, out->results, &out->result_count) && !*at;
    for (size_t i = 0; good && i < out->result_count; i++)
        good = out->results[i] < NX__WASM_STR || out->result_count == 1;
    if (good) return NX_OK;
    return nx__error_set(
        NX_EINVAL,
        "\"%.80s\" is no type of a function, at \"%.20s\": it looks like \"i32, f64 -> i64\", with %s",
        text, at,
        host
            ? "i32, i64, f32, f64, v128, str, bytes, i32[], i64[], f32[], f64[], {i32, f64}, {i32, f64}[]"
            : "i32, i64, f32, f64, v128");
}

/* ---- Writing */

const char *nx__wasm_type_name(uint8_t type)
{
    if (type >= NX__WASM_STR && type - NX__WASM_STR < (int)(sizeof views / sizeof *views))
        return views[type - NX__WASM_STR];
    return type <= NX_WASM_ANYREF ? names[type] : "?";
}

static size_t put(char *out, size_t at, size_t size, const char *text)
{
    if (at >= size) return at;
    int n = snprintf(out + at, size - at, "%s", text);
    return at + (n > 0 ? (size_t)n : 0);
}

static size_t put_list(char *out, size_t at, size_t size, const uint8_t *types, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i) at = put(out, at, size, ", ");
        at = put(out, at, size, nx__wasm_type_name(types[i]));
    }
    return at;
}

static size_t print(const uint8_t *params, size_t param_count, const uint8_t *results,
                    size_t result_count, char *out, size_t size)
{
    size_t at = put_list(out, 0, size, params, param_count);
    at = put(out, at, size, param_count ? " ->" : "->");
    if (result_count) at = put(out, at, size, " ");
    return put_list(out, at, size, results, result_count);
}

void nx__wasm_type_print(const uint8_t *params, size_t param_count, const uint8_t *results,
                         size_t result_count, char out[NX__WASM_TYPE_TEXT])
{
    (void)print(params, param_count, results, result_count, out, NX__WASM_TYPE_TEXT);
}

char *nx_wasm_type_text(const nx_wasm_item *f)
{
    size_t size = (f->param_count + f->result_count) * sizeof ", externref" + sizeof " -> ";
    char *out = nx_alloc(size);
    if (out) (void)print(f->params, f->param_count, f->results, f->result_count, out, size);
    return out;
}
