/* The functions that a WebAssembly module exports, from its bytes: the sections of types, imports,
 * functions and exports are read, and whatever else is there is passed over. */
#include "module/exports.h"

#include <stdlib.h>

enum {
    TYPES_MOST = 1000000, /* the engine's own limits */
    FUNCTIONS_MOST = 1000000,
    SECTION_TYPE = 1,
    SECTION_IMPORT = 2,
    SECTION_FUNCTION = 3,
    SECTION_EXPORT = 7,
    FUNCTION_TYPE = 0x60,
};

struct reader {
    const unsigned char *at, *end;
    bool bad;
};

static uint8_t byte(struct reader *r)
{
    if (r->at < r->end) return *r->at++;
    r->bad = true;
    return 0;
}

/* LEB128, of 32 bits. */
static uint32_t number(struct reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint8_t b = byte(r);
        value |= (uint64_t)(b & 0x7f) << shift;
        if (b & 0x80) continue;
        r->bad |= value > UINT32_MAX;
        return (uint32_t)value;
    }
    r->bad = true;
    return 0;
}

static void skip_number(struct reader *r)
{
    for (int i = 0; i < 10; i++)
        if (!(byte(r) & 0x80)) return;
    r->bad = true;
}

static nx_bytes name(struct reader *r)
{
    uint32_t len = number(r);
    if (r->bad || len > (size_t)(r->end - r->at)) {
        r->bad = true;
        return nx_slice("", 0);
    }
    r->at += len;
    return nx_slice(r->at - len, len);
}

/* Its first byte: a number has no more. */
static uint8_t value_type(struct reader *r)
{
    uint8_t first = byte(r);
    if (first == 0x63 || first == 0x64) skip_number(r);
    return first;
}

static void limits(struct reader *r)
{
    uint8_t flags = byte(r);
    skip_number(r);
    if (flags & 1) skip_number(r);
    if (flags & 8) skip_number(r);
}

const char *nx__export_word(uint8_t type)
{
    static const char *const words[] = {"f64", "f32", "i64", "i32"};
    return type >= 0x7c && type <= 0x7f ? words[type - 0x7c] : NULL;
}

const char *nx__export_c_type(uint8_t type)
{
    static const char *const words[] = {"double", "float", "int64_t", "int32_t"};
    return type >= 0x7c && type <= 0x7f ? words[type - 0x7c] : NULL;
}

struct module {
    const unsigned char **types; /* where the parameters of each begin; NULL: no function's */
    size_t type_count;
    uint32_t *functions; /* the number of each one's type */
    size_t function_count;
};

/* Room for so many more; each takes a byte of the section at least. False without memory, and
 * `bad` where there can't be so many. */
static bool grow(struct reader *r, void **list, size_t count, size_t more, size_t size, size_t most)
{
    if (r->bad || more > (size_t)(r->end - r->at) || count + more > most) {
        r->bad = true;
        return true;
    }
    void *grown = realloc(*list, (count + more + 1) * size);
    if (grown) *list = grown;
    return grown != NULL;
}

static bool read_types(struct module *m, struct reader *r)
{
    uint32_t count = number(r);
    void *types = (void *)m->types;
    bool room = grow(r, &types, m->type_count, count, sizeof *m->types, TYPES_MOST);
    m->types = types;
    if (!room) return false;
    for (uint32_t i = 0; i < count && !r->bad; i++) {
        /* Other forms than functions: what is behind them can't be found any more. */
        r->bad = byte(r) != FUNCTION_TYPE;
        m->types[m->type_count++] = r->at;
        for (int list = 0; list < 2; list++)
            for (uint32_t n = number(r); n && !r->bad; n--) (void)value_type(r);
    }
    return true;
}

static bool functions_grow(struct module *m, struct reader *r, size_t more)
{
    void *list = m->functions;
    bool room = grow(r, &list, m->function_count, more, sizeof *m->functions, FUNCTIONS_MOST);
    m->functions = list;
    return room;
}

static bool read_imports(struct module *m, struct reader *r)
{
    uint32_t count = number(r);
    if (!functions_grow(m, r, count)) return false;
    for (uint32_t i = 0; i < count && !r->bad; i++) {
        (void)name(r);
        (void)name(r);
        switch (byte(r)) {
        case 0: m->functions[m->function_count++] = number(r); break;
        case 1:
            (void)value_type(r);
            limits(r);
            break;
        case 2: limits(r); break;
        case 3:
            (void)value_type(r);
            (void)byte(r);
            break;
        case 4:
            (void)byte(r);
            (void)number(r);
            break;
        default: r->bad = true;
        }
    }
    return true;
}

static bool read_functions(struct module *m, struct reader *r)
{
    uint32_t count = number(r);
    if (!functions_grow(m, r, count)) return false;
    for (uint32_t i = 0; i < count && !r->bad; i++) m->functions[m->function_count++] = number(r);
    return true;
}

/* False where it has what is no number in C, or too many. */
static bool signature(const struct module *m, uint32_t index, const unsigned char *end,
                      struct nx__export *out)
{
    if (index >= m->function_count || m->functions[index] >= m->type_count) return false;
    struct reader r = {.at = m->types[m->functions[index]], .end = end};
    size_t count = 0;
    for (int list = 0; list < 2; list++) {
        uint32_t n = number(&r);
        if (n > NX__EXPORT_TYPES - count) return false;
        *(list ? &out->results : &out->params) = (uint8_t)n;
        for (; n && !r.bad; n--) {
            out->types[count] = value_type(&r);
            if (!nx__export_word(out->types[count++])) return false;
        }
    }
    return !r.bad;
}

static nx_err use_exports(const struct module *m, struct reader *r, const unsigned char *end,
                          nx_err (*use)(void *arg, const struct nx__export *function), void *arg)
{
    for (uint32_t count = number(r); count && !r->bad; count--) {
        struct nx__export function = {.name = name(r)};
        uint8_t kind = byte(r);
        uint32_t index = number(r);
        if (r->bad || kind != 0 || !signature(m, index, end, &function)) continue;
        NX_TRY(use(arg, &function));
    }
    return NX_OK;
}

static nx_err read(struct module *m, nx_bytes bytes,
                   nx_err (*use)(void *arg, const struct nx__export *function), void *arg)
{
    const unsigned char *data = (const unsigned char *)bytes.data;
    if (bytes.len < 8 || memcmp(data, "\0asm\1\0\0\0", 8) != 0) return NX_EINVAL;
    struct reader r = {.at = data + 8, .end = data + bytes.len};
    nx_err err = NX_OK;
    while (r.at < r.end && !r.bad && !err) {
        uint8_t id = byte(&r);
        nx_bytes section = name(&r);
        struct reader s = {.at = (const unsigned char *)section.data};
        s.end = s.at + section.len;
        bool memory = true;
        if (r.bad) break;
        if (id == SECTION_TYPE) memory = read_types(m, &s);
        if (id == SECTION_IMPORT) memory = read_imports(m, &s);
        if (id == SECTION_FUNCTION) memory = read_functions(m, &s);
        if (id == SECTION_EXPORT) err = use_exports(m, &s, r.end, use, arg);
        if (!memory) err = NX_ENOMEM;
        r.bad |= s.bad;
    }
    return err ? err : r.bad ? NX_EINVAL : NX_OK;
}

nx_err nx__exports_each(nx_bytes bytes, nx_err (*use)(void *arg, const struct nx__export *function),
                        void *arg)
{
    struct module m = {.type_count = 0};
    nx_err err = read(&m, bytes, use, arg);
    free((void *)m.types);
    free(m.functions);
    return err;
}
