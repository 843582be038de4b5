/* Options, a pattern and a text, each on a line: compiling ends, searching ends within its caps,
 * and what is found lies in the text, one match behind another. */
#include "memory.h"
#include <nexus/regex.h>

static nx_bytes cut(nx_bytes *rest)
{
    const char *end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
    nx_bytes line = nx_slice(rest->data, end ? (size_t)(end - rest->data) : rest->len);
    size_t used = line.len + (end != NULL);
    *rest = nx_slice(rest->data + used, rest->len - used);
    return line;
}

static void search(const nx_regex *re, nx_bytes text)
{
    nx_regex_each each = nx_regex_begin(re, text);
    size_t end = 0, count = 0;
    while (nx_regex_next(&each)) {
        check(each.match.start >= end && each.match.start <= each.match.end &&
              each.match.end <= text.len && count++ <= 2 * text.len + 1);
        end = each.match.end;
        for (size_t i = 0; i < each.match.count; i++) {
            nx_bytes group = each.match.groups[i];
            check(!group.data ||
                  (group.data >= text.data && group.data + group.len <= text.data + text.len));
        }
    }
    nx_bytes out, *pieces;
    size_t pieces_count;
    /* Replaced by itself, it is what it was. */
    nx_err err = nx_regex_replace(re, text, nx_str("$0"), &out);
    check(err == each.err || err == NX_ELIMIT || each.err == NX_ELIMIT);
    if (!err) check(nx_bytes_eq(out, text));
    if (!nx_regex_split(re, text, 0, &pieces, &pieces_count)) check(pieces_count > 0);
    (void)nx_regex_replace(re, nx_str("some text"), text, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memory_begin();
    /* Exactly this memory, so that a sanitizer sees what is read behind it. */
    char *copy = malloc(size ? size : 1);
    check(copy != NULL);
    if (size) memcpy(copy, data, size);
    nx_bytes rest = nx_slice(copy, size);
    nx_bytes flags = cut(&rest), pattern = cut(&rest);
    unsigned bits = flags.len ? (unsigned char)flags.data[0] : 0;
    nx_regex_options options = {.size = sizeof options,
                                .ignore_case = bits & 1,
                                .multiline = bits & 2,
                                .dot_all = bits & 4,
                                .extended = bits & 8,
                                .anchored = bits & 16,
                                .unicode = bits & 32,
                                .bytes = bits & 64,
                                .max_steps = 2000,
                                .max_time = NX_MS(20)};
    nx_regex *re;
    nx_bytes escaped;
    nx_match match;
    if (!nx_regex_compile_with(&re, pattern, &options)) search(re, rest);
    check(!nx_regex_escape(rest, &escaped));
    if (!nx_regex_compile_with(&re, escaped, &options) && !nx_regex_find(re, rest, &match))
        check(match.found && match.text.len == rest.len);
    free(copy);
    memory_end();
    return 0;
}
