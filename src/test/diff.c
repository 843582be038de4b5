/* How two strings differ. */
#include "test/process.h"

#include "base/buffer.h"
#include "base/utf8.h"

enum {
    WINDOW = 48,      /* bytes shown before and after the first difference of a long line */
    LINES_MOST = 300, /* on either side, for which the shortest diff is looked for */
    CONTEXT = 2,      /* lines that are the same, shown around those that differ */
    BYTES_SHOWN = 16, /* in a row of a hex dump */
    ROWS = 3,
};

#define PUT(...) NX_IGNORE(nx__buffer_printf(out, NX__TEST_MESSAGE_MOST, __VA_ARGS__))

static size_t first_difference(nx_bytes a, nx_bytes b)
{
    size_t i = 0;
    while (i < a.len && i < b.len && a.data[i] == b.data[i]) i++;
    return i;
}

/* ---- One line */

/* Adds the part of the text around byte `at`; returns in which column that stands. */
static size_t put_window(struct nx__buffer *out, const char *label, nx_bytes text, size_t at)
{
    PUT("\n  %s", label);
    const char *end = text.data + text.len;
    size_t from = at > WINDOW + 8 ? at - WINDOW : 0; /* cutting off less would save nothing */
    while (from && from < text.len && ((unsigned char)text.data[from] & 0xc0) == 0x80) from--;
    size_t to = text.len - at > WINDOW + 8 ? at + WINDOW : text.len;
    PUT(from ? "...\"" : "\"");
    size_t column = from ? 4 : 1;
    const char *c = text.data + from;
    while (c < text.data + to) {
        size_t before = out->len;
        size_t len = nx__test_escape(out, c, end);
        if (c < text.data + at) column += len > 1 ? 1 : out->len - before;
        c += len;
    }
    PUT(c < end ? "\"..." : "\"");
    return column;
}

static void diff_line(struct nx__buffer *out, nx_bytes found, nx_bytes wanted)
{
    size_t at = first_difference(found, wanted);
    /* Not into the middle of a character. */
    while (at && at < found.len && ((unsigned char)found.data[at] & 0xc0) == 0x80) at--;
    (void)put_window(out, "found:  ", found, at);
    size_t column = put_window(out, "wanted: ", wanted, at);
    PUT("\n          %*s^ byte %zu", (int)column, "", at);
    if (found.len != wanted.len) PUT("; lengths %zu and %zu", found.len, wanted.len);
}

/* ---- Several lines */

struct lines {
    nx_bytes items[LINES_MOST];
    size_t count;
};

/* False when there are too many. */
static bool split(nx_bytes text, struct lines *lines)
{
    lines->count = 0;
    for (size_t at = 0; at < text.len;) {
        if (lines->count == LINES_MOST) return false;
        const char *end = memchr(text.data + at, '\n', text.len - at);
        size_t len = end ? (size_t)(end - text.data) - at + 1 : text.len - at;
        lines->items[lines->count++] = nx_slice(text.data + at, len);
        at += len;
    }
    return true;
}

static void put_line(struct nx__buffer *out, char sign, nx_bytes line)
{
    const char *at = line.data, *end = at + line.len;
    PUT("\n  %c ", sign);
    bool whole = line.len && end[-1] == '\n';
    if (whole) end--;
    while (at < end) at += nx__test_escape(out, at, end);
    if (!whole) PUT("  (without a newline)");
}

/* Longest common subsequence of the lines from i and j on. */
static uint16_t common[LINES_MOST + 1][LINES_MOST + 1];

static void diff_lines(struct nx__buffer *out, const struct lines *a, const struct lines *b)
{
    for (size_t i = 0; i <= a->count; i++) common[i][b->count] = 0;
    for (size_t j = 0; j <= b->count; j++) common[a->count][j] = 0;
    for (size_t i = a->count; i-- > 0;)
        for (size_t j = b->count; j-- > 0;)
            common[i][j] = nx_bytes_eq(a->items[i], b->items[j]) ? common[i + 1][j + 1] + 1
                           : common[i + 1][j] > common[i][j + 1] ? common[i + 1][j]
                                                                 : common[i][j + 1];
    PUT("\n  (- found, + wanted)");
    size_t i = 0, j = 0, same = 0, after = 0; /* lines alike not yet shown; to be shown still */
    while (i < a->count || j < b->count) {
        if (i < a->count && j < b->count && nx_bytes_eq(a->items[i], b->items[j])) {
            if (after) {
                put_line(out, ' ', a->items[i]);
                after--;
            } else {
                same++;
            }
            i++, j++;
            continue;
        }
        if (same > CONTEXT) PUT("\n  ... line %zu", i - CONTEXT + 1);
        for (size_t n = same < CONTEXT ? same : CONTEXT; n > 0; n--)
            put_line(out, ' ', a->items[i - n]);
        same = 0;
        after = CONTEXT;
        if (j == b->count || (i < a->count && common[i + 1][j] >= common[i][j + 1]))
            put_line(out, '-', a->items[i++]);
        else
            put_line(out, '+', b->items[j++]);
    }
}

/* ---- Bytes */

static void put_hex(struct nx__buffer *out, const char *label, nx_bytes b, nx_bytes other,
                    size_t from)
{
    for (size_t row = from; row < from + ROWS * BYTES_SHOWN && row < b.len; row += BYTES_SHOWN) {
        PUT("\n  %s%06zx ", row == from ? label : "        ", row);
        for (size_t i = row; i < row + BYTES_SHOWN; i++) {
            bool same = i < b.len && i < other.len && b.data[i] == other.data[i];
            if (i < b.len)
                PUT(same ? " %02x " : "[%02x]", (unsigned char)b.data[i]);
            else
                PUT("    ");
        }
        PUT(" ");
        for (size_t i = row; i < row + BYTES_SHOWN && i < b.len; i++)
            PUT("%c", b.data[i] >= ' ' && b.data[i] < 0x7f ? b.data[i] : '.');
    }
    if (from >= b.len) PUT("\n  %s(ends at byte %zu)", label, b.len);
}

static bool printable(nx_bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if ((unsigned char)b.data[i] < ' ' && !strchr("\n\r\t", b.data[i])) return false;
    return !memchr(b.data, 0, b.len) && nx__utf8_valid(b.data, b.len);
}

void nx__test_diff(struct nx__buffer *out, nx_bytes found, nx_bytes wanted)
{
    static struct lines a, b; /* large, and failures come one at a time */
    if (!found.len) found.data = "";
    if (!wanted.len) wanted.data = "";
    if (!printable(found) || !printable(wanted)) {
        size_t at = first_difference(found, wanted);
        PUT("\n  the first difference is at byte %zu (lengths %zu and %zu)", at, found.len,
            wanted.len);
        size_t row = at / BYTES_SHOWN * BYTES_SHOWN;
        put_hex(out, "found:  ", found, wanted, row);
        put_hex(out, "wanted: ", wanted, found, row);
        return;
    }
    bool several = memchr(found.data, '\n', found.len) && memchr(wanted.data, '\n', wanted.len);
    if (several && split(found, &a) && split(wanted, &b) && a.count + b.count > 2)
        diff_lines(out, &a, &b);
    else
        diff_line(out, found, wanted);
}
