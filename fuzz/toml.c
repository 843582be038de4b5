/* TOML: what is read is a tree that can be walked, within its depth and in the text's size, and
 * what is wrong has a place. */
#include "memory.h"
#include <nexus/toml.h>
#include <stdio.h>

static size_t walk(nx_toml toml, unsigned depth)
{
    size_t values = 1, count = 0;
    check(depth <= NX_TOML_MAX_DEPTH + 1 && nx_toml_kind_of(toml) != NX_TOML_NONE);
    if (nx_toml_kind_of(toml) == NX_TOML_STRING) {
        nx_bytes text = nx_toml_string(toml, NULL);
        check(text.data && !text.data[text.len]);
    }
    for (nx_toml_each each = nx_toml_begin(toml); nx_toml_next(&each); count++) {
        if (each.name.data) {
            nx_toml twin = nx_toml_at(toml, (nx_value[]){nx_value_bytes(each.name)}, 1);
            check(count > 50 || twin.at == each.value.at); /* so that it stays linear */
        }
        values += walk(each.value, depth + 1);
    }
    check(count == nx_toml_count(toml));
    return values;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nx_toml toml;
    memory_begin();
    /* Exactly this memory, so that a sanitizer sees what is read behind it. */
    char *copy = malloc(size ? size : 1);
    check(copy != NULL);
    if (size) memcpy(copy, data, size);
    nx_err err = nx_toml_parse(nx_slice(copy, size), &toml);
    free(copy);
    if (!err) {
        check(walk(toml, 0) <= size + 1);
    } else {
        unsigned line = 0, column = 0;
        check(err == NX_EINVAL || err == NX_ETOOBIG);
        check(sscanf(nx_error_last()->message, "TOML:%u:%u: ", &line, &column) == 2);
        check(line >= 1 && column >= 1 && line + column <= size + 3);
    }
    memory_end();
    return 0;
}
