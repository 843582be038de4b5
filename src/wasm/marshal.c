/* Texts, bytes and lists between the program and a guest: copied into memory that the guest has
 * given, and views of its memory the other way. As in the component model's canonical form a guest
 * allocates by its cabi_realloc; one that is plain C by its malloc. */
#include "wasm/internal.h"

#include "base/utf8.h"
#include <stdio.h>

/* ---- Into the guest */

nx_err nx__wasm_give(nx_wasm *w, nx_bytes bytes, size_t align, uint32_t *at)
{
    nx_wasm_func allocate;
    nx_wasm_memory memory;
    *at = (uint32_t)align; /* of nothing: some place that is no NULL */
    if (!bytes.len) return NX_OK;
    if (bytes.len > UINT32_MAX)
        return nx__error_set(NX_ETOOBIG, "cannot give %zu bytes to \"%.80s\"", bytes.len,
                             w->module->name);
    nx_wasm_value v[4] = {
        {.u32 = 0}, {.u32 = 0}, {.u32 = (uint32_t)align}, {.u32 = (uint32_t)bytes.len}};
    if (!nx__wasm_find_quietly(&allocate, w, "cabi_realloc", "i32, i32, i32, i32 -> i32")) {
        v[0] = v[3];
        if (!nx__wasm_find_quietly(&allocate, w, "malloc", "i32 -> i32"))
            return nx__error_set(
                NX_ENOENT,
                "\"%.80s\" exports neither cabi_realloc nor malloc, so it can be given no text or list",
                w->module->name);
    }
    NX_TRY(nx_wasm_memory_find(&memory, w, NULL));
    NX_TRY(nx_wasm_invoke(&allocate, v));
    if (!v[0].u32 || v[0].u32 % align)
        return nx__error_set(NX_ENOMEM, "\"%.80s\" has no memory for %zu bytes", w->module->name,
                             bytes.len);
    *at = v[0].u32;
    return nx_wasm_memory_write(&memory, *at, bytes);
}

void nx__wasm_take_back(nx_wasm *w, uint32_t at)
{
    nx_wasm_func func;
    nx_wasm_value v = {.u32 = at};
    /* Of a guest with cabi_realloc it is the guest's own now. */
    if (nx__wasm_find_quietly(&func, w, "cabi_realloc", "i32, i32, i32, i32 -> i32")) return;
    if (nx__wasm_find_quietly(&func, w, "free", "i32 ->")) NX_IGNORE(nx_wasm_invoke(&func, &v));
}

/* ---- Out of the guest */

nx_err nx__wasm_pair_read(nx_wasm *w, uint32_t at, nx_bytes *out)
{
    nx_wasm_memory memory;
    uint32_t pair[2];
    NX_TRY(nx_wasm_memory_find(&memory, w, NULL));
    NX_TRY(nx_wasm_memory_read(&memory, at, pair, sizeof pair));
    return nx_wasm_memory_slice(&memory, pair[0], pair[1], out);
}

nx_err nx__wasm_pair_write(nx_wasm *w, uint32_t at, uint32_t data, uint32_t count)
{
    nx_wasm_memory memory;
    const uint32_t pair[2] = {data, count};
    NX_TRY(nx_wasm_memory_find(&memory, w, NULL));
    return nx_wasm_memory_write(&memory, at, nx_slice(pair, sizeof pair));
}

/* ---- What the words stand for */

struct nx__wasm_record nx__wasm_item(const struct nx__wasm_signature *s, uint8_t type)
{
    if (type >= NX__WASM_LIST_RECORD) return s->records[type - NX__WASM_LIST_RECORD];
    if (type >= NX__WASM_RECORD) return s->records[type - NX__WASM_RECORD];
    switch (type) {
    case NX__WASM_LIST_I32:
    case NX__WASM_LIST_F32: return (struct nx__wasm_record){4, 4};
    case NX__WASM_LIST_I64:
    case NX__WASM_LIST_F64: return (struct nx__wasm_record){8, 8};
    default: return (struct nx__wasm_record){1, 1};
    }
}

/* Why it is none, NULL if it is one. */
const char *nx__wasm_view_wrong(const struct nx__wasm_signature *s, uint8_t type, nx_bytes view)
{
    const char *end = view.data + view.len, *p = view.data;
    if ((uintptr_t)view.data % nx__wasm_item(s, type).align)
        return nx__wasm_is_record(type) ? "a structure that is not aligned"
                                        : "a list that is not aligned";
    for (size_t n; type == NX__WASM_STR && p < end; p += n)
        if (!(n = nx__utf8_sequence(p, end))) return "text that is not UTF-8";
    return NULL;
}
