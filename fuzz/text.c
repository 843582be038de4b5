/* Bytes as text: what is repaired is UTF-8, has as many code points, and is cut between them;
 * pieces make up the whole. The first byte says where it is cut. */
#include <nexus/text.h>

#include "memory.h"

static void utf8(nx_bytes text, size_t most)
{
    nx_bytes repaired, out;
    size_t count = 0;
    check(nx_text_repair(text, &repaired) == NX_OK && nx_text_valid(repaired));
    check(nx_text_valid(text) == nx_bytes_eq(text, repaired));
    nx_bytes a = text, b = repaired;
    for (; a.len; count++) {
        char bytes[4];
        uint32_t c = nx_text_next(&a);
        check(b.len && nx_text_next(&b) == c && nx_text_encode(c, bytes) > 0);
    }
    check(!b.len && count == nx_text_count(text) && count == nx_text_count(repaired));
    nx_bytes fit = nx_text_fit(repaired, most);
    check(fit.len <= most && nx_text_valid(fit) &&
          (fit.len + 3 >= most || fit.len == repaired.len));
    check(nx_text_pad_end(text, most, '.', &out) == NX_OK);
    check(nx_text_count(out) >= count);
}

static void parts(nx_bytes text)
{
    nx_bytes rest = text, piece, pieces[64], out;
    size_t count = 0, len = 0;
    while (count < 64 && nx_text_split(&rest, nx_str(","), &piece)) pieces[count++] = piece;
    if (!rest.data) {
        check(nx_text_join(pieces, count, nx_str(","), &out) == NX_OK && nx_bytes_eq(out, text));
    }
    for (rest = text; nx_text_line(&rest, &piece);) len += piece.len;
    for (rest = text; nx_text_word(&rest, &piece);) check(piece.len > 0);
    check(len <= text.len);
    check(nx_text_replace(text, nx_str(","), nx_str(";;"), &out) == NX_OK);
    check(!nx_text_contains(out, nx_str(",")));
}

static void numbers(nx_bytes text)
{
    int64_t n, m;
    double d, e;
    nx_bytes out;
    if (!nx_parse_int(text, INT64_MIN, INT64_MAX, &n))
        check(nx_parse_int(nx_str(nx_format("%lld", (long long)n)), n, n, &m) == NX_OK && m == n);
    if (!nx_parse_double(text, &d))
        check(nx_text_double(d, &out) == NX_OK && nx_parse_double(out, &e) == NX_OK && d == e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    memory_begin();
    char *copy = malloc(size); /* of its own, so that a read past the end is seen */
    check(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    nx_bytes text = nx_slice(copy, size - 1);
    utf8(text, data[0]);
    parts(text);
    numbers(text);
    free(copy);
    memory_end();
    return 0;
}
