/* A guest's memories, globals and tables. */
#include "wasm/internal.h"

static nx_err missing(const nx_wasm *w, const char *what, const char *name)
{
    return nx__error_set(NX_ENOENT, "\"%.100s\" exports no %s \"%.80s\"", w->module->name, what,
                         name);
}

/* ---- Memories */

nx_err nx_wasm_memory_find(nx_wasm_memory *out, nx_wasm *w, const char *name)
{
    if (!name) name = "memory";
    out->wasm = w;
    if (w->guest && !nx__engine->memory_find(w->guest, name, strlen(name), out->handle))
        return NX_OK;
    *out = (nx_wasm_memory){0};
    return missing(w, "memory", name);
}

static nx_bytes all(const nx_wasm_memory *m, char **data)
{
    size_t len;
    nx__engine->memory_data(m->wasm->guest, m->handle, data, &len);
    return nx_slice(*data, len);
}

nx_bytes nx_wasm_memory_view(const nx_wasm_memory *memory)
{
    char *data;
    return all(memory, &data);
}

/* Where the bytes are, NULL recorded if they are not all inside. */
static char *range(const nx_wasm_memory *m, uint64_t at, uint64_t len)
{
    char *data;
    nx_bytes whole = all(m, &data);
    if (at <= whole.len && len <= whole.len - at) return data + at;
    NX_IGNORE(nx__error_set(
        NX_EINVAL, "%llu bytes at 0x%llx are not inside the memory of \"%.80s\", which has %zu",
        (unsigned long long)len, (unsigned long long)at, m->wasm->module->name, whole.len));
    return NULL;
}

nx_err nx_wasm_memory_slice(const nx_wasm_memory *m, uint64_t at, uint64_t len, nx_bytes *out)
{
    const char *data = range(m, at, len);
    *out = nx_slice(data ? data : "", data ? (size_t)len : 0);
    return data ? NX_OK : NX_EINVAL;
}

nx_err nx_wasm_memory_read(const nx_wasm_memory *m, uint64_t at, void *out, size_t len)
{
    const char *data = range(m, at, len);
    if (!data) return NX_EINVAL;
    memcpy(out, data, len);
    return NX_OK;
}

nx_err nx_wasm_memory_write(const nx_wasm_memory *m, uint64_t at, nx_bytes bytes)
{
    char *data = range(m, at, bytes.len);
    if (!data) return NX_EINVAL;
    if (bytes.len) memcpy(data, bytes.data, bytes.len);
    return NX_OK;
}

nx_err nx_wasm_memory_grow(const nx_wasm_memory *m, uint64_t pages)
{
    nx_wasm *w = m->wasm;
    if (w->inside && !nx__wasm_stack_has(w->frame))
        return nx__error_set(NX_ESTATE,
                             "cannot grow the memory of \"%.80s\": it is in the middle of a call",
                             w->module->name);
    uint32_t kind = nx__engine->memory_grow(w->guest, m->handle, pages, &w->failure);
    if (!kind) return NX_OK;
    if (kind == NX__FAILURE_MEMORY) return nx__wasm_failed(w, "growing the memory of");
    return nx__error_set(NX_ELIMIT, "cannot grow the memory of \"%.80s\" by %llu pages: %.100s",
                         w->module->name, (unsigned long long)pages, w->failure.message);
}

/* ---- Globals */

nx_err nx_wasm_global_get(nx_wasm *w, const char *name, nx_wasm_type type, nx_wasm_value *out)
{
    uint8_t real;
    nx_wasm_value value;
    if (nx__engine->global_get(w->guest, name, strlen(name), &real, &value))
        return missing(w, "global", name);
    if (real != type)
        return nx__error_set(NX_ETYPE, "the global \"%.80s\" of \"%.80s\" has another type", name,
                             w->module->name);
    *out = value;
    return NX_OK;
}

nx_err nx_wasm_global_set(nx_wasm *w, const char *name, nx_wasm_type type, nx_wasm_value value)
{
    nx_wasm_value old;
    NX_TRY(nx_wasm_global_get(w, name, type, &old));
    if (!nx__engine->global_set(w->guest, name, strlen(name), &value, &w->failure)) return NX_OK;
    return nx__error_set(NX_ETYPE, "cannot set the global \"%.60s\" of \"%.60s\": %.80s", name,
                         w->module->name, w->failure.message);
}

/* ---- Tables */

nx_err nx_wasm_table_size(nx_wasm *w, const char *name, uint64_t *out)
{
    if (!nx__engine->table_size(w->guest, name, strlen(name), out)) return NX_OK;
    return missing(w, "table", name);
}
