/* The vectors of Project Wycheproof, each file of which is groups of tests. */
#ifndef NX_TEST_VECTORS_H
#define NX_TEST_VECTORS_H

#include <nexus/encode.h>
#include <nexus/fs.h>
#include <nexus/json.h>
#include <nexus/test.h>
#include <nexus/timer.h>

struct vector {
    nx_json group, test;
    bool valid, acceptable;
    int64_t id;
};

/* The groups of a file; the test is skipped where the vectors have not been fetched. */
static nx_json vectors_read(const char *file)
{
    nx_bytes text;
    nx_json tree;
    const char *path = nx_format("%s/%s_test.json", NX_TEST_VECTORS, file);
    nx_err err = nx_fs_read_file(path, &text);
    if (err == NX_ENOENT) nx_skip("%s is missing. Fetch it with: sh scripts/setup test", path);
    nx_require_ok(err);
    nx_require_ok(nx_json_parse(text, &tree));
    return nx_json_get(tree, "testGroups");
}

/* A member that is bytes in hexadecimal; none where it is missing. */
static nx_bytes vector_bytes(nx_json json, const char *name)
{
    nx_bytes out;
    nx_require_ok(nx_hex_decode(nx_json_string(nx_json_get(json, name), ""), &out));
    return out;
}

/* Calls fn for each test of the file, and returns how many there were. */
static unsigned vectors_each(const char *file, void (*fn)(const struct vector *v))
{
    unsigned count = 0;
    for (nx_json_each g = nx_json_begin(vectors_read(file)); nx_json_next(&g);)
        for (nx_json_each t = nx_json_begin(nx_json_get(g.value, "tests")); nx_json_next(&t);) {
            nx_bytes result = nx_json_string(nx_json_get(t.value, "result"), "");
            struct vector v = {.group = g.value,
                               .test = t.value,
                               .valid = nx_bytes_is(result, "valid"),
                               .acceptable = nx_bytes_is(result, "acceptable"),
                               .id = nx_json_int(nx_json_get(t.value, "tcId"), 0)};
            fn(&v);
            count++;
            NX_IGNORE(nx_sleep(0)); /* under valgrind all of them would hold up the loop */
        }
    return count;
}

/* Says which vector a failure is about. */
#define vector_expect(v, condition)                                                                \
    do {                                                                                           \
        bool good_ = (condition);                                                                  \
        if (!good_) nx_test_log("vector %lld", (long long)(v)->id);                                \
        nx_expect(good_);                                                                          \
    } while (0)

#endif
