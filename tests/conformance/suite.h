/* Files of test suites. */
#ifndef NX_SUITE_H
#define NX_SUITE_H

#include <nexus/test.h>
#include <stdio.h>

/* The whole file, in memory of the test; without <nexus/fs.h>, which needs a kernel that valgrind
 * is not. */
static inline nx_bytes suite_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    nx_require(file != NULL);
    NX_IGNORE(fseek(file, 0, SEEK_END));
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *text = nx_alloc(size + 1);
    nx_require(text != NULL);
    nx_require_eq(fread(text, 1, size, file), size);
    NX_IGNORE(fclose(file));
    text[size] = '\0';
    return nx_slice(text, size);
}

#endif
