/* CSV: reading and writing, over streams. */
#include <nexus/csv.h>
#include <nexus/fs.h>
#include <nexus/test.h>
#include <stdlib.h>

/* A reader of text. */
#define READ(text, ...)                                                                            \
    open_text((text), &(nx_csv_reader_options){.size = sizeof(nx_csv_reader_options), __VA_ARGS__})

static nx_csv_reader *open_text(const char *text, const nx_csv_reader_options *options)
{
    nx_csv_reader *csv;
    nx_require_ok(nx_csv_reader_open_with(&csv, nx_memory_reader(nx_str(text)), options));
    return csv;
}

/* All that is left, as "[a|b][c]". */
static char *rest(nx_csv_reader *csv)
{
    char *out = nx_alloc_zero(1, 1);
    nx_csv_row row;
    for (;;) {
        nx_require_ok(nx_csv_read(csv, &row));
        if (!row.count) return out;
        out = nx_format("%s[", out);
        for (size_t i = 0; i < row.count; i++)
            out = nx_format("%s%s%.*s", out, i ? "|" : "", NX_FMT(row.fields[i]));
        out = nx_format("%s]", out);
    }
}

NX_TEST("rows and fields")
{
    static const struct {
        const char *text, *rows;
    } table[] = {
        {"", ""},
        {"a", "[a]"},
        {"a,b\r\nc,d\r\n", "[a|b][c|d]"},
        {"a,b\nc,d", "[a|b][c|d]"},
        {"a,b\rc,d\r", "[a|b][c|d]"},
        {"\n\r\n\r\ra,b\n\n\nc,d\n\n", "[a|b][c|d]"},
        {",\n,", "[|][|]"},
        {"a,\n,b\n", "[a|][|b]"},
        {"\"a\",\"b\"\n", "[a|b]"},
        {"\"a,b\",\"c\"\"d\"\n", "[a,b|c\"d]"},
        {"\"a\r\nb\",c\n", "[a\r\nb|c]"},
        {"\"\"\n", "[]"},
        {"\"\"\"\"\n", "[\"]"},
        {"\"\"\"a\"\"b\"\"\",\"\"\n", "[\"a\"b\"|]"},
        {"5\" pipe,a\"\n", "[5\" pipe|a\"]"},
        {" a , b \n", "[ a | b ]"},
        {"\xef\xbb\xbf"
         "a,b\n",
         "[a|b]"},
        {"\xef\xbb\xbf", ""},
        {"\xef\xbb\xbf\n\"a\",b", "[a|b]"},
        {"\xef\xbb,b\n", "[\xef\xbb|b]"},
        {"a,b\"c\n", "[a|b\"c]"},
        {"0123456789abcdef0123456789abcdef,x\n", "[0123456789abcdef0123456789abcdef|x]"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        nx_subtest ("row %zu", i) {
            nx_csv_reader *csv = READ(table[i].text);
            nx_expect_eq(rest(csv), table[i].rows);
            nx_csv_row row;
            nx_expect_ok(nx_csv_read(csv, &row));
            nx_expect_eq(row.count, 0);
            nx_csv_reader_close(csv);
        }
    }
    nx_csv_reader_close(NULL);
}

NX_TEST("other delimiters and quotes")
{
    nx_csv_reader *csv = READ("a;'b;c';\"d\n", .delimiter = ';', .quote = '\'');
    nx_expect_eq(rest(csv), "[a|b;c|\"d]");
    nx_csv_reader_close(csv);
    csv = READ("\"a\t\xff"
               "b\"\t\"\n",
               .delimiter = '\t', .no_quotes = true);
    nx_expect_eq(rest(csv), "[\"a|\xff"
                            "b\"|\"]");
    nx_csv_reader_close(csv);
    static const nx_csv_reader_options bad[] = {{.delimiter = '"'}, {.delimiter = '\n'},
                                                {.quote = '\r'},    {.quote = ','},
                                                {.quote = '\xe9'},  {.delimiter = '\xe9'}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nx_csv_reader_options o = bad[i];
        o.size = sizeof o;
        nx_expect_err(NX_EINVAL, nx_csv_reader_open_with(&csv, nx_memory_reader(nx_str("")), &o));
        nx_expect(!csv);
    }
    nx_csv_writer *w;
    nx_bytes out;
    nx_expect_err(NX_EINVAL, nx_csv_writer_open(&w, nx_memory_writer(&out, 9), .quote = ','));
    nx_expect_err(NX_EINVAL, nx_csv_writer_open(&w, nx_memory_writer(&out, 9), .quote = '\xff'));
    nx_expect(!w);
}

NX_TEST("a header names the fields")
{
    nx_csv_reader *csv = READ("\nname,price,name\napple,3,x\npear,4,y\n", .header = true);
    nx_csv_row names = nx_csv_header(csv), row;
    size_t index;
    nx_expect_eq(names.count, 3);
    nx_expect_eq(names.line, 2);
    nx_expect(!nx_csv_field(csv, "name").data);
    nx_expect_ok(nx_csv_column(csv, "name", &index));
    nx_expect_eq(index, 0);
    nx_expect_ok(nx_csv_column(csv, "price", &index));
    nx_expect_eq(index, 1);
    nx_expect_err(NX_ENOENT, nx_csv_column(csv, "prize", &index));
    nx_expect_eq(nx_error_last()->message, "the header of the CSV has no field \"prize\"");
    nx_expect_ok(nx_csv_read(csv, &row));
    nx_expect_eq(row.line, 3);
    nx_expect_eq(nx_csv_field(csv, "price"), "3");
    nx_expect_eq(nx_csv_field(csv, "name"), "apple");
    nx_expect(!nx_csv_field(csv, "prize").data);
    nx_expect_ok(nx_csv_read(csv, &row));
    nx_expect_eq(names.fields[1], "price");
    nx_expect_ok(nx_csv_read(csv, &row));
    nx_expect(!row.count && !nx_csv_field(csv, "name").data);
    nx_csv_reader_close(csv);

    csv = READ("", .header = true);
    nx_expect_eq(nx_csv_header(csv).count, 0);
    nx_expect_err(NX_ENOENT, nx_csv_column(csv, "a", &index));
    nx_expect_eq(rest(csv), "");
    nx_csv_reader_close(csv);
    csv = READ("a\n");
    nx_expect_eq(nx_csv_header(csv).count, 0);
    nx_expect_err(NX_ENOENT, nx_csv_column(csv, "a", &index));
    nx_expect_contains(nx_error_last()->message, "it is read without a header");
    nx_csv_reader_close(csv);
}

NX_TEST("rows of another length")
{
    static const char *const text = "a,b\n1\n1,2,3\n";
    nx_csv_row row;
    nx_csv_reader *csv = READ(text, .header = true);
    for (int i = 0; i < 2; i++) { /* and again */
        nx_expect_err(NX_EINVAL, nx_csv_read(csv, &row));
        nx_expect_eq(nx_error_last()->message,
                     "cannot read the CSV: line 2: the row has 1 fields where the header has 2");
        nx_expect_eq(row.count, 0);
    }
    nx_csv_reader_close(csv);
    csv = READ("a,b\n1,2,3\n");
    nx_expect_ok(nx_csv_read(csv, &row));
    nx_expect_err(NX_EINVAL, nx_csv_read(csv, &row));
    nx_expect_contains(nx_error_last()->message, "3 fields where the first one has 2");
    nx_csv_reader_close(csv);
    csv = READ(text, .header = true, .ragged = NX_CSV_RAGGED_FIT);
    nx_expect_eq(rest(csv), "[1|][1|2]");
    nx_csv_reader_close(csv);
    csv = READ(text, .header = true, .ragged = NX_CSV_RAGGED_KEEP);
    nx_expect_ok(nx_csv_read(csv, &row));
    nx_expect(!nx_csv_field(csv, "b").data);
    nx_expect_eq(nx_csv_field(csv, "a"), "1");
    nx_expect_eq(rest(csv), "[1|2|3]");
    nx_csv_reader_close(csv);
}

NX_TEST("what is wrong is told with its place")
{
    static const struct {
        const char *text, *message;
        nx_err err;
    } table[] = {
        {"a,b\n\"c\"d,e\n", "line 2, column 4: a field goes on behind its closing quote",
         NX_EINVAL},
        {"\n\na,\"c\" \n", "line 3, column 6: a field goes on behind its closing quote", NX_EINVAL},
        {"\"a\nb\",\"c\"d\n", "line 2, column 7: a field goes on", NX_EINVAL},
        {"a,b\nc,\"d\ne\nf", "line 2, column 3: this quote is not closed", NX_EINVAL},
        {"\"", "line 1, column 1: this quote is not closed", NX_EINVAL},
        {"a,b\r\nc,d\r\r\n\"a\"\"", "line 4, column 1: this quote is not closed", NX_EINVAL},
        {"\xff\xfe"
         "a",
         "line 1, column 1: this is UTF-16; UTF-8 is wanted", NX_EINVAL},
        {"\xfe\xff"
         "a",
         "line 1, column 1: this is UTF-16; UTF-8 is wanted", NX_EINVAL},
        {"a\n123456789\n", "line 2, column 1: the field is too long (max_field)", NX_ETOOBIG},
        {"a\n\"123456789\"\n", "the field is too long (max_field)", NX_ETOOBIG},
        {"a\nb,\"123456789", "line 2, column 3: the field is too long (max_field)", NX_ETOOBIG},
        {"a\n1234,1234,12345678,1\n", "line 2, column 1: the row is too long (max_row)",
         NX_ETOOBIG},
        {"1,2,3,4,5\n", "line 1, column 10: the row has too many fields (max_fields)", NX_ELIMIT},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        nx_subtest ("row %zu", i) {
            nx_csv_row row = {0};
            nx_csv_reader *csv = READ(table[i].text, .max_field = 8, .max_row = 20, .max_fields = 4,
                                      .ragged = NX_CSV_RAGGED_KEEP);
            nx_err err;
            while (!(err = nx_csv_read(csv, &row)) && row.count) {}
            nx_expect_err(table[i].err, err);
            nx_expect_contains(nx_error_last()->message, table[i].message);
            nx_expect_err(table[i].err, nx_csv_read(csv, &row));
            nx_expect_contains(nx_error_last()->message, table[i].message);
            nx_csv_reader_close(csv);
        }
    }
    nx_csv_reader *csv;
    nx_expect_err(NX_EINVAL,
                  nx_csv_reader_open(&csv, nx_memory_reader(nx_str("\"")), .header = true));
    nx_expect(!csv);
    nx_expect_err(NX_ENOENT,
                  nx_csv_reader_open(&csv, nx_fs_reader(nx_format("%s/none", nx_test_dir())),
                                     .header = true));
    nx_expect_contains(nx_error_last()->message, "none\": no such file");
}

/* Gives one byte at a time. */
static nx_err drop_read(void *state, void *data, size_t len, size_t *got)
{
    nx_bytes *left = state;
    (void)len;
    if (!left->len) return NX_OK;
    memcpy(data, left->data, *got = 1);
    *left = nx_slice(left->data + 1, left->len - 1);
    return NX_OK;
}

NX_TEST("bytes come one by one, and rows are longer than what is read at once")
{
    static const nx_stream_type type = {.size = sizeof type, .name = "drops", .read = drop_read};
    nx_bytes left = nx_str("\xef\xbb\xbf"
                           "a,\"b\"\"c\"\r\n\r\n\"d\r\n\",e");
    nx_csv_reader *csv;
    nx_require_ok(nx_csv_reader_open(&csv, nx_stream_new(&type, &left)));
    nx_expect_eq(rest(csv), "[a|b\"c][d\r\n|e]");
    nx_csv_reader_close(csv);

    enum { FIELD = 700 * 1000 };
    char *text = malloc(2 * FIELD + 8);
    nx_require(text != NULL);
    memset(text, 'x', 2 * FIELD + 8);
    text[FIELD] = ',';
    text[2 * FIELD + 1] = '\n';
    text[2 * FIELD + 3] = ',';
    nx_csv_row row;
    nx_require_ok(nx_csv_reader_open(&csv, nx_memory_reader(nx_slice(text, 2 * FIELD + 8))));
    nx_require_ok(nx_csv_read(csv, &row));
    nx_expect(row.count == 2 && row.fields[0].len == FIELD && row.fields[1].len == FIELD);
    nx_require_ok(nx_csv_read(csv, &row));
    nx_expect(row.count == 2 && row.fields[0].len == 1 && row.line == 2);
    nx_csv_reader_close(csv);
    /* No end of a row: refused at the limit, not when memory is out. */
    nx_require_ok(
        nx_csv_reader_open(&csv, nx_memory_reader(nx_slice(text, FIELD)), .max_field = 300000));
    nx_expect_err(NX_ETOOBIG, nx_csv_read(csv, &row));
    nx_csv_reader_close(csv);
    free(text);
}

/* ---- Writing */

#define WRITE(...)                                                                                 \
    open_writer(&(nx_csv_writer_options){.size = sizeof(nx_csv_writer_options), __VA_ARGS__})

static nx_bytes written;

static nx_csv_writer *open_writer(const nx_csv_writer_options *options)
{
    nx_csv_writer *csv;
    nx_require_ok(nx_csv_writer_open_with(&csv, nx_memory_writer(&written, 1 << 20), options));
    return csv;
}

static nx_bytes finish(nx_csv_writer *csv)
{
    nx_require_ok(nx_csv_writer_finish(csv));
    nx_csv_writer_close(csv);
    return written;
}

NX_TEST("writing quotes what needs it")
{
    nx_csv_writer *csv = WRITE();
    nx_expect_ok(nx_csv_write_strings(csv, "name", "a,b", "c\"d", "e\r\nf", "", " x "));
    nx_expect_ok(nx_csv_write_strings(csv, ""));
    nx_expect_ok(nx_csv_write_strings(csv, "1"));
    nx_expect_err(NX_EINVAL, nx_csv_write(csv, NULL, 0));
    nx_expect_err(NX_EINVAL, nx_csv_write_strings_with(csv, NULL, 0));
    nx_expect_eq(finish(csv), "name,\"a,b\",\"c\"\"d\",\"e\r\nf\",, x \r\n\"\"\r\n1\r\n");
    csv = WRITE(.lf = true, .bom = true, .delimiter = ';', .quote = '\'', .quote_all = true);
    nx_expect_ok(nx_csv_write_strings(csv, "it's", "a,b"));
    nx_expect_eq(finish(csv), "\xef\xbb\xbf'it''s';'a,b'\n");
    csv = WRITE(.lf = true);
    nx_expect_ok(nx_csv_write_strings(csv, "\xef\xbb\xbf", "\xef\xbb\xbf"));
    nx_expect_eq(finish(csv), "\"\xef\xbb\xbf\",\xef\xbb\xbf\n");
    nx_csv_writer_close(WRITE());
    nx_csv_writer_close(NULL);
}

NX_TEST("formulas are guarded, numbers are not formulas")
{
    nx_csv_writer *csv = WRITE(.lf = true, .guard_formulas = true);
    nx_expect_ok(nx_csv_write_strings(csv, "=1+1", "+a", "-b,", "@c", "\td", "\re", "a=b"));
    nx_expect_ok(nx_csv_write_strings(csv, "-1", "+1.5", "-1e5", "-1e-5", "-", "-1e", "-1-1"));
    nx_expect_eq(finish(csv), "'=1+1,'+a,\"'-b,\",'@c,'\td,\"'\re\",a=b\n"
                              "-1,+1.5,-1e5,-1e-5,'-,'-1e,'-1-1\n");
}

NX_TEST("what is written is read again, whatever its size")
{
    static const char alphabet[] = "ab,\"\r\n '\xef\xbb\xbf\xff=";
    uint32_t state = 12345;
    for (int turn = 0; turn < 40; turn++) {
        nx_csv_writer *csv = WRITE(.lf = turn & 1, .quote_all = turn & 2, .bom = turn & 4);
        enum { ROWS = 30, WIDTH = 4 };
        nx_bytes table[ROWS][WIDTH];
        for (int i = 0; i < ROWS; i++) {
            for (int j = 0; j < WIDTH; j++) {
                state = state * 1664525 + 1013904223;
                size_t len = state >> 16 & (turn ? 7 : 0x1fff);
                char *field = nx_alloc(len);
                for (size_t k = 0; k < len; k++) {
                    state = state * 1664525 + 1013904223;
                    field[k] = alphabet[(state >> 16) % (sizeof alphabet - 1)];
                }
                table[i][j] = nx_slice(field, len);
            }
            nx_require_ok(nx_csv_write(csv, table[i], WIDTH));
        }
        nx_bytes text = finish(csv);
        nx_csv_reader *back;
        nx_csv_row row;
        nx_require_ok(nx_csv_reader_open(&back, nx_memory_reader(text)));
        for (int i = 0; i < ROWS; i++) {
            nx_require_ok(nx_csv_read(back, &row));
            nx_require_eq(row.count, WIDTH);
            for (int j = 0; j < WIDTH; j++) nx_require(nx_bytes_eq(row.fields[j], table[i][j]));
        }
        nx_require_ok(nx_csv_read(back, &row));
        nx_require_eq(row.count, 0);
        nx_csv_reader_close(back);
    }
}

NX_TEST("a sink's errors are told")
{
    nx_csv_writer *csv;
    nx_bytes out;
    nx_require_ok(nx_csv_writer_open(&csv, nx_memory_writer(&out, 3)));
    nx_expect_ok(nx_csv_write_strings(csv, "a"));
    nx_expect_ok(nx_csv_write_strings(csv, "b"));
    nx_expect_err(NX_ETOOBIG, nx_csv_writer_finish(csv));
    nx_csv_writer_close(csv);
    char *path = nx_format("%s/no/such", nx_test_dir());
    nx_require_ok(nx_csv_writer_open(&csv, nx_fs_writer(path)));
    nx_expect_ok(nx_csv_write_strings(csv, "a"));
    nx_expect_err(NX_ENOENT, nx_csv_writer_finish(csv));
    nx_csv_writer_close(csv);
}

NX_BENCH("10 fields of 7 bytes, 1 MiB")
{
    enum { ROWS = 13000 };
    char *text = nx_alloc(ROWS * 80);
    for (int i = 0; i < ROWS; i++)
        memcpy(text + i * 80,
               "abcdefg,1234567,abcdefg,1234567,abcdefg,1234567,abcdefg,1234567,abcdefg,123456\r\n",
               80);
    while (nx_bench_loop(b)) {
        nx_csv_reader *csv;
        nx_csv_row row;
        nx_require_ok(nx_csv_reader_open(&csv, nx_memory_reader(nx_slice(text, ROWS * 80))));
        do nx_require_ok(nx_csv_read(csv, &row));
        while (row.count);
        nx_csv_reader_close(csv);
    }
}
