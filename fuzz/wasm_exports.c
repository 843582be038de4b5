/* The exports of a module: whatever the bytes are, what is listed lies in them and is a number. */
#include "module/exports.h"

#include "memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    const char *begin, *end;
    size_t count;
};

static nx_err use(void *arg, const struct nx__export *function)
{
    struct seen *seen = arg;
    check(function->name.len == 0 || (function->name.data >= seen->begin &&
                                      function->name.data + function->name.len <= seen->end));
    size_t types = (size_t)function->params + function->results;
    check(types <= NX__EXPORT_TYPES);
    for (size_t i = 0; i < types; i++) check(nx__export_c_type(function->types[i]) != NULL);
    return ++seen->count == 1000 ? NX_ELIMIT : NX_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memory_begin();
    char *bytes = malloc(size + 1);
    check(bytes != NULL);
    memcpy(bytes, data, size);
    struct seen seen = {.begin = bytes, .end = bytes + size};
    nx_err err = nx__exports_each(nx_slice(bytes, size), use, &seen);
    check(err == NX_OK || err == NX_EINVAL || (err == NX_ELIMIT && seen.count == 1000));
    free(bytes);
    memory_end();
    return 0;
}
