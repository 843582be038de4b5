/* The state machine: any two cuts of a text give the same rows and the same error. */
#include "csv/csv.h"

#include <nexus/test.h>
#include <stdio.h>
#include <stdlib.h>

struct told {
    char text[400];
    size_t len;
};

static void tell(struct told *told, const struct nx__csv *csv, const char *row)
{
    for (size_t i = 0; i < csv->count; i++) {
        told->len += (size_t)snprintf(told->text + told->len, sizeof told->text - told->len,
                                      "%zu:%c%.*s", csv->row_line, i ? '|' : '[',
                                      (int)csv->parts[i].len, row + csv->parts[i].begin);
    }
}

/* Parses with what is there ending at each of `cuts`. */
static void parse(const char *text, size_t len, const size_t *cuts, size_t count, struct told *told)
{
    struct nx__csv csv = {.rules = {',', '"', 6, 24, 4}};
    char *data = calloc(1, len + NX__CSV_SLACK);
    nx_require(data != NULL);
    memcpy(data, text, len);
    size_t at = 0;
    *told = (struct told){.len = 0};
    for (size_t i = 0; i <= count;) {
        size_t end = i < count ? cuts[i] : len;
        char *row = data + at;
        enum nx__csv_outcome outcome = nx__csv_step(&csv, row, end - at, i == count);
        at += csv.used;
        if (outcome == NX__CSV_ROW) tell(told, &csv, row);
        if (outcome == NX__CSV_MORE) i++;
        if (outcome == NX__CSV_WRONG)
            (void)snprintf(told->text + told->len, sizeof told->text - told->len, " %zu:%zu %s",
                           csv.wrong_line, csv.wrong_column, csv.wrong);
        if (outcome == NX__CSV_END || outcome == NX__CSV_WRONG) break;
    }
    free(csv.parts);
    free(data);
}

NX_TEST("any two cuts")
{
    static const char *const texts[] = {
        "",
        "a,b\r\nc,d\r\n",
        "a\r\r\n\n\rb\n",
        "\xef\xbb\xbf\"a\"\"b\",\"\"\r\n\"c\nd\",e",
        "\xef\xbb,\xef\n",
        "\xff\xfe-abc",
        "\xff",
        "\"a\nb\"x",
        "a,\"b\n\n",
        "a,\"b\"\"\"\"\"\"c\"\n",
        "a,b,c,d\ne,f,g,h,i\n",
        "a\nbcdefgh\n",
        "a\n\"bc\"\"\"\"\"\"de\"\n",
        "abcd,efgh,ijkl,mnop,q\n",
        "abcd,efgh,ijkl,mnopqr\n\n\nx",
        ",\n\"\"\n,,\"\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        nx_subtest ("text %zu", i) {
            size_t len = strlen(texts[i]);
            struct told whole, pieces;
            parse(texts[i], len, NULL, 0, &whole);
            for (size_t a = 0; a <= len; a++) {
                for (size_t b = a; b <= len; b++) {
                    parse(texts[i], len, (const size_t[]){a, b}, 2, &pieces);
                    nx_require_eq(pieces.text, whole.text);
                }
            }
        }
    }
}
