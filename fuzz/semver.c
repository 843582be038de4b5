/* A version and a range, each a line: what is read is written as it was, versions are in an order,
 * and a range that is read says something of each. */
#include <nexus/semver.h>

#include "memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = memchr(data, '\n', size);
    if (!line) return 0;
    memory_begin();
    size_t version_len = (size_t)(line - data), range_len = size - version_len - 1;
    /* In memory of their own, so that a read past the end is seen. */
    char *version = malloc(version_len ? version_len : 1),
         *text = malloc(range_len ? range_len : 1);
    check(version && text);
    memcpy(version, data, version_len);
    memcpy(text, line + 1, range_len);
    nx_semver v = {.major = 1}, next;
    nx_bytes out;
    if (!nx_semver_parse(nx_slice(version, version_len), &v)) {
        check(nx_semver_text(&v, &out) == NX_OK &&
              nx_bytes_eq(out, nx_slice(version, version_len)));
        check(nx_semver_compare(&v, &v) == 0);
        for (int part = 0; part <= NX_SEMVER_PRERELEASE; part++) {
            next = v;
            if (!nx_semver_increment(&next, (nx_semver_part)part, NULL))
                check(nx_semver_compare(&v, &next) < 0);
        }
    }
    nx_semver_range *range, *all;
    nx_err err = nx_semver_range_new(&range, nx_slice(text, range_len));
    check(err == nx_semver_range_new(&all, nx_slice(text, range_len), .prereleases = true));
    if (!err && !v.prerelease.len)
        check(nx_semver_fits(range, &v) == (nx_semver_best(range, &v, 1) == &v));
    nx_semver_range_free(range);
    nx_semver_range_free(all);
    free(version);
    free(text);
    memory_end();
    return 0;
}
