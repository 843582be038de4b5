/* Reading JSON: trees, what can be asked of them, and the reader. */
#include "base/buffer.h"
#include "loop/loop.h"
#include "json/tree.h"
#include <math.h>
#include <nexus/test.h>

static nx_json parse(const char *text)
{
    nx_json json;
    nx_require_ok(nx_json_parse(nx_str(text), &json));
    return json;
}

/* Why the text is refused, with that error. */
static const char *refusal(const char *text, nx_err wanted)
{
    nx_json json = {0};
    nx_expect_err(wanted, nx_json_parse(nx_str(text), &json, .max_depth = 8, .max_size = 1000));
    nx_expect_eq(json.at, NULL);
    return nx_error_last()->message;
}
#define EXPECT_REFUSED(text, err, why) nx_expect_contains(refusal(text, err), why)

NX_TEST("tree errors name the place")
{
    EXPECT_REFUSED(
        "{\"a\":1\n \"b\":2}", NX_EINVAL,
        "cannot read the JSON text: line 2, column 2: expected \",\" or \"}\", found \"\"\"");
    EXPECT_REFUSED("[1,\n2,\n  x]", NX_EINVAL, "line 3, column 3: expected a value, found \"x\"");
    EXPECT_REFUSED("[1 2]", NX_EINVAL, "line 1, column 4: expected \",\" or \"]\", found \"2\"");
    EXPECT_REFUSED("{\"\xc3\xa9\xc3\xa9\" 1}", NX_EINVAL, "line 1, column 7: expected \":\"");
    EXPECT_REFUSED("", NX_EINVAL, "there is no value");
    EXPECT_REFUSED("{\"a\":", NX_EINVAL, "line 1, column 6: the text ends too early");
    EXPECT_REFUSED("[1,]", NX_EINVAL, "column 4: expected a value, found \"]\"");
    EXPECT_REFUSED("{} {}", NX_EINVAL, "column 4: expected nothing more");
    EXPECT_REFUSED("[1e999]", NX_EINVAL, "none that fits");
    EXPECT_REFUSED("\xef\xbb\xbf{}", NX_EINVAL, "byte order mark");
    EXPECT_REFUSED("[\n[[[[[[[[]]]]]]]]]", NX_ETOOBIG, "line 2, column 8: it is nested too deep");
    char big[1100];
    memset(big, ' ', sizeof big);
    big[sizeof big - 1] = '\0';
    EXPECT_REFUSED(big, NX_ETOOBIG, "larger than 1000 bytes");
}

NX_TEST("tree duplicates")
{
    EXPECT_REFUSED("{\"a\":1,\n\"b\":{\"c\":1,\"c\":2}}", NX_EINVAL,
                   "line 2, column 12: the name \"c\" occurs twice in one object");
    EXPECT_REFUSED("{\"a\":1,\"\\u0061\":2}", NX_EINVAL, "the name \"a\" occurs twice");
    EXPECT_REFUSED("{\"\":1,\"\":2}", NX_EINVAL, "occurs twice");
    const char *text = "{\"a\":1,\"a\":2,\"b\":{\"a\":3}}";
    nx_json json;
    nx_expect_ok(nx_json_parse(nx_str(text), &json, .duplicates = NX_JSON_DUPLICATES_FIRST));
    nx_expect_eq(nx_json_int(nx_json_get(json, "a"), 0), 1);
    nx_expect_ok(nx_json_parse(nx_str(text), &json, .duplicates = NX_JSON_DUPLICATES_LAST));
    nx_expect_eq(nx_json_int(nx_json_get(json, "a"), 0), 2);

    /* Through the table, too. */
    struct nx__buffer many = {0};
    nx_expect_ok(nx__buffer_append(&many, "{", 1, SIZE_MAX));
    for (int i = 0; i < 5000; i++)
        nx_expect_ok(nx__buffer_printf(&many, SIZE_MAX, "\"%d\":%d,", i, i));
    size_t len = many.len;
    nx_expect_ok(nx__buffer_append(&many, "\"x\":1}", 6, SIZE_MAX));
    nx_expect_ok(nx_json_parse(nx_slice(many.data, many.len), &json));
    nx_expect_eq(nx_json_int(nx_json_get(json, "4321"), 0), 4321);
    many.len = len;
    nx_expect_ok(nx__buffer_append(&many, "\"17\":1}", 7, SIZE_MAX));
    nx_expect_err(NX_EINVAL, nx_json_parse(nx_slice(many.data, many.len), &json));
    nx_expect_contains(nx_error_last()->message, "the name \"17\" occurs twice");
    nx__buffer_free(&many);
}

NX_TEST("tree paths")
{
    nx_json json =
        parse("{\"users\":[{\"name\":\"Ada\"},{\"name\":\"Bob\",\"age\":7}],\"n\":null}");
    nx_expect_eq(nx_json_string(nx_json_get(json, "users", 1, "name"), NULL), "Bob");
    nx_expect_eq(nx_json_string(nx_json_get(json, nx_str("users"), 0u, "name"), NULL), "Ada");
    nx_expect(!nx_json_is(nx_json_get(json, "users", 2)));
    nx_expect(!nx_json_is(nx_json_get(json, "users", -1)));
    nx_expect(!nx_json_is(nx_json_get(json, "users", "name")));
    nx_expect(!nx_json_is(nx_json_get(json, 0)));
    nx_expect(!nx_json_is(nx_json_get(json, "n", "a", "b")));
    nx_expect_eq(nx_json_kind_of(nx_json_get(json, "n")), NX_JSON_NULL);
    nx_expect_eq(nx_json_kind_of(nx_json_get(json, "none")), NX_JSON_NONE);
    nx_expect_eq(nx_json_count(nx_json_get(json, "users")), 2);
    nx_expect_eq(nx_json_count(nx_json_get(json, "n")), 0);
    nx_json none = {0};
    nx_expect_eq(nx_json_int(nx_json_get(none, "a"), 5), 5);
    nx_expect_eq(nx_json_string(none, "x"), "x");
    nx_expect(!nx_json_string(none, NULL).data);
}

NX_TEST("tree numbers")
{
    nx_json json = parse(
        "[1,-1,1.0,1e3,1.5,9223372036854775808,18446744073709551615,1e30,-9223372036854775808,-0.0]");
    const int64_t ints[] = {1, -1, 1, 1000, 99, 99, 99, 99, INT64_MIN, 0};
    const uint64_t uints[] = {1, 99, 1, 1000, 99, 9223372036854775808u, UINT64_MAX, 99, 99, 0};
    for (int i = 0; i < 10; i++)
        nx_subtest ("number %d", i) {
            nx_expect_eq(nx_json_int(nx_json_get(json, i), 99), ints[i]);
            nx_expect_eq(nx_json_uint(nx_json_get(json, i), 99), uints[i]);
        }
    json = parse(
        "[0.000000000000000000000000000000e5,-0.00000000000000000000000000000000000e-7,0e999,0E-99999999999]");
    for (int i = 0; i < 4; i++) nx_expect_lt(fabs(nx_json_double(nx_json_get(json, i), 1)), 5e-324);
    json = parse("[1,-1,1.0,1e3,1.5]");
    nx_expect_near(nx_json_double(nx_json_get(json, 4), 0), 1.5, 1e-12);
    nx_expect_lt(nx_json_double(nx_json_get(json, 1), 0), 0);
}

NX_TEST("tree need")
{
    nx_json json = parse(
        "{\"i\":300,\"neg\":-1,\"d\":1.5,\"b\":true,\"s\":\"text\",\"o\":{\"x\":[1]},\"null\":null}");
    int i = 0;
    unsigned char small = 0;
    unsigned long u = 0;
    short s16 = 0;
    double d = 0;
    float f = 0;
    bool b = false;
    nx_bytes s;
    nx_json any;
    nx_expect_ok(nx_json_need(json, &i, "i"));
    nx_expect_eq(i, 300);
    nx_expect_ok(nx_json_need(json, &i, "o", "x", 0));
    nx_expect_eq(i, 1);
    nx_expect_ok(nx_json_need(json, &s16, "neg"));
    nx_expect_eq(s16, -1);
    nx_expect_err(NX_EINVAL, nx_json_need(json, &small, "i"));
    nx_expect_eq(
        nx_error_last()->message,
        "cannot use the JSON text: i has to be a whole number from 0 to 255, not a number");
    nx_expect_err(NX_EINVAL, nx_json_need(json, &u, "neg"));
    nx_expect_ok(nx_json_need(json, &d, "d"));
    nx_expect_ok(nx_json_need(json, &f, "d"));
    nx_expect(d > 1.4 && f > 1.4f);
    nx_expect_ok(nx_json_need(json, &b, "b"));
    nx_expect(b);
    nx_expect_ok(nx_json_need(json, &s, "s"));
    nx_expect(nx_bytes_is(s, "text") && s.data[s.len] == '\0');
    nx_expect_ok(nx_json_need(nx_json_get(json, "i"), &i));
    nx_expect_eq(i, 300);
    nx_expect_err(NX_EINVAL, nx_json_need(nx_json_get(json, "s"), &i));
    nx_expect_eq(
        nx_error_last()->message,
        "cannot use the JSON text: a value has to be a whole number of 32 bits, not a string");
    nx_expect_ok(nx_json_need(json, &any, "o"));
    nx_expect_eq(nx_json_kind_of(any), NX_JSON_OBJECT);
    nx_expect_err(NX_EINVAL, nx_json_need(json, &s, "o", "x", 0));
    nx_expect_eq(nx_error_last()->message,
                 "cannot use the JSON text: o.x[0] has to be a string, not a number");
    nx_expect_err(NX_EINVAL, nx_json_need(json, &i, "none"));
    nx_expect_eq(nx_error_last()->message, "cannot use the JSON text: none is missing");
    i = 5;
    nx_expect_ok(nx_json_maybe(json, &i, "none"));
    nx_expect_ok(nx_json_maybe(json, &i, "null"));
    nx_expect_eq(i, 5);
    nx_expect_err(NX_EINVAL, nx_json_maybe(json, &i, "s"));
    /* Each width at its ends. */
    json = parse(
        "[127,-128,128,-129,32767,-32769,2147483647,2147483648,-2147483648,-2147483649,255,256,4294967296]");
    signed char c;
    unsigned n;
    nx_expect_ok(nx_json_need(json, &c, 0));
    nx_expect_eq(c, 127);
    nx_expect_ok(nx_json_need(json, &c, 1));
    nx_expect_eq(c, -128);
    nx_expect_err(NX_EINVAL, nx_json_need(json, &c, 2));
    nx_expect_err(NX_EINVAL, nx_json_need(json, &c, 3));
    nx_expect_err(NX_EINVAL, nx_json_need(json, &s16, 5));
    nx_expect_ok(nx_json_need(json, &i, 6));
    nx_expect_err(NX_EINVAL, nx_json_need(json, &i, 7));
    nx_expect_ok(nx_json_need(json, &i, 8));
    nx_expect_eq(i, INT32_MIN);
    nx_expect_err(NX_EINVAL, nx_json_need(json, &i, 9));
    nx_expect_ok(nx_json_need(json, &small, 10));
    nx_expect_err(NX_EINVAL, nx_json_need(json, &small, 11));
    nx_expect_err(NX_EINVAL, nx_json_need(json, &n, 12));
}

NX_TEST("tree of a peer")
{
    const nx_json_options o = {.size = sizeof o};
    nx_json json;
    nx_expect_err(NX_EPROTO, nx__json_parse(nx_str("[}"), &json, &o, "the JSON body", true));
    nx_expect(nx__error_is_peers(NX_EPROTO));
    nx_expect_ok(nx__json_parse(nx_str("{}"), &json, &o, "the JSON body", true));
    int i;
    nx_expect_err(NX_EPROTO, nx_json_need(json, &i, "\x1b[31m\xc3"));
    nx_expect(nx__error_is_peers(NX_EPROTO));
    nx_expect_eq(nx_error_last()->message, "cannot use the JSON body: ?[31m? is missing");
    nx_expect_err(NX_EINVAL, nx_json_parse(nx_str("[}"), &json));
    nx_expect(!nx__error_is_peers(NX_EINVAL));
}

NX_TEST("tree each")
{
    nx_json json = parse("{\"a\":1,\"b\":[10,20],\"c\":{}}");
    char names[8] = "";
    size_t n = 0;
    for (nx_json_each each = nx_json_begin(json); nx_json_next(&each);) {
        nx_expect_eq(each.index, n);
        names[n++] = each.name.data[0];
    }
    nx_expect_eq(names, "abc");
    int64_t sum = 0;
    for (nx_json_each each = nx_json_begin(nx_json_get(json, "b")); nx_json_next(&each);) {
        nx_expect(!each.name.data);
        sum += nx_json_int(each.value, 0);
    }
    nx_expect_eq(sum, 30);
    nx_json_each none = nx_json_begin(nx_json_get(json, "c"));
    nx_expect(!nx_json_next(&none));
    none = nx_json_begin((nx_json){0});
    nx_expect(!nx_json_next(&none));
}

NX_TEST("tree equal")
{
    nx_expect(nx_json_equal(parse("{\"a\":[1,2],\"b\":\"x\"}"),
                            parse("{ \"b\":\"\\u0078\", \"a\":[1.0,2e0]}")));
    nx_expect(!nx_json_equal(parse("[1,2]"), parse("[2,1]")));
    nx_expect(!nx_json_equal(parse("{\"a\":1}"), parse("{\"b\":1}")));
    nx_expect(!nx_json_equal(parse("{\"a\":1}"), parse("{\"a\":1,\"b\":1}")));
    nx_expect(!nx_json_equal(parse("9007199254740993"), parse("9007199254740992")));
    nx_expect(nx_json_equal(parse("1.25"), parse("125e-2")));
    nx_expect(!nx_json_equal(parse("1.25"), parse("1")));
    nx_expect(!nx_json_equal(parse("null"), (nx_json){0}));
    nx_expect(nx_json_equal((nx_json){0}, (nx_json){0}));
    nx_expect(!nx_json_equal(parse("true"), parse("false")));
}

NX_TEST("tree text")
{
    const char *text = "{\"a\":[1,-2,1.5,null,true,\"\\\"\xc3\xa9\"],\"\":{}}";
    nx_bytes out;
    nx_expect_ok(nx_json_text(parse(text), &out));
    nx_expect_eq(out, text);
}

/* The deepest there may be, on the stack of a fiber. */
static nx_err deepest(void *arg)
{
    (void)arg;
    enum { DEPTH = 256 };
    char text[DEPTH * 6 + 2] = "";
    for (size_t i = 0; i < DEPTH; i++) memcpy(text + i * 5, "{\"a\":", 5);
    memcpy(text + DEPTH * 5, "1", 1);
    memset(text + DEPTH * 5 + 1, '}', DEPTH);
    nx_json a, b;
    nx_bytes out;
    NX_TRY(nx_json_parse(nx_slice(text, sizeof text - 1), &a, .max_depth = DEPTH));
    NX_TRY(nx_json_parse(nx_slice(text, sizeof text - 1), &b, .max_depth = DEPTH));
    nx_expect(nx_json_equal(a, b));
    nx_expect_err(NX_EINVAL, nx_json_text(a, &out)); /* deeper than is written */
    nx_expect_err(NX_ETOOBIG,
                  nx_json_parse(nx_slice(text, sizeof text - 1), &b, .max_depth = DEPTH - 1));
    nx_expect_err(NX_EINVAL,
                  nx_json_parse(nx_slice(text, sizeof text - 1), &b, .max_depth = DEPTH + 1));
    return NX_OK;
}

NX_TEST("tree deepest")
{
    nx_fiber *fiber;
    nx_expect_ok(nx_spawn(&fiber, deepest, NULL));
    nx_expect_ok(nx_join(fiber));
}

/* ---- The reader */

struct pieces {
    const char *text;
    size_t len, step;
};

static nx_err give(void *from, nx_bytes *piece)
{
    struct pieces *p = from;
    size_t n = p->len < p->step ? p->len : p->step;
    *piece = nx_slice(p->text, n);
    p->text += n;
    p->len -= n;
    return NX_OK;
}

NX_TEST("reader events")
{
    const char *text =
        "{\"rows\":[{\"id\":1,\"tags\":[\"a\",\"b\"]},{\"id\":2}],\"skip\":{\"x\":[{}]},\"last\":\"z\"}";
    for (size_t step = 1; step < 80; step++)
        nx_subtest ("steps of %zu", step) {
            struct pieces pieces = {text, strlen(text), step};
            nx_json_reader *reader;
            nx_expect_ok(nx_json_reader_new(&reader, give, &pieces));
            nx_json_event event;
            int64_t ids = 0;
            bool last = false;
            for (;;) {
                if (nx_json_reader_next(reader, &event) || event.kind == NX_JSON_END) break;
                if (event.depth == 2 && event.kind == NX_JSON_OBJECT_BEGIN) {
                    nx_json row;
                    nx_expect_ok(nx_json_reader_tree(reader, &row));
                    ids = ids * 10 + nx_json_int(nx_json_get(row, "id"), 0);
                } else if (nx_bytes_is(event.name, "skip")) {
                    nx_expect_ok(nx_json_reader_skip(reader));
                } else if (nx_bytes_is(event.name, "last")) {
                    nx_json value;
                    nx_expect_ok(nx_json_reader_tree(reader, &value));
                    last = nx_bytes_is(nx_json_string(value, NULL), "z");
                } else {
                    nx_expect(nx_bytes_is(event.name, "rows") || !event.name.data);
                }
            }
            nx_expect_eq(event.kind, NX_JSON_END);
            nx_expect_eq(ids, 12);
            nx_expect(last);
        }
}

NX_TEST("reader many")
{
    struct pieces pieces = {"{\"a\":1}\n{\"a\":2}\n\n3\n", 19, 3};
    nx_json_reader *reader;
    nx_expect_ok(nx_json_reader_new(&reader, give, &pieces, .many = true));
    nx_json_event event;
    int64_t sum = 0;
    for (;;) {
        nx_expect_ok(nx_json_reader_next(reader, &event));
        if (event.kind == NX_JSON_END) break;
        nx_json value;
        nx_expect_ok(nx_json_reader_tree(reader, &value));
        sum = sum * 10 +
              nx_json_int(
                  nx_json_kind_of(value) == NX_JSON_OBJECT ? nx_json_get(value, "a") : value, 0);
    }
    nx_expect_eq(sum, 123);
}

NX_TEST("reader errors")
{
    struct pieces pieces = {"[1,\n 2,\n \"\xc3\xa9\" x]", 16, 3};
    nx_json_reader *reader;
    nx_expect_ok(nx_json_reader_new(&reader, give, &pieces));
    nx_json_event event;
    nx_json tree;
    nx_expect_err(NX_ESTATE, nx_json_reader_tree(reader, &tree));
    nx_err err;
    while (!(err = nx_json_reader_next(reader, &event)) && event.kind != NX_JSON_END) {}
    nx_expect_err(NX_EINVAL, err);
    nx_expect_eq(
        nx_error_last()->message,
        "cannot read the JSON text: line 3, column 6: expected \",\" or \"]\", found \"x\"");
    nx_expect_err(NX_ESTATE, nx_json_reader_next(reader, &event));

    pieces = (struct pieces){"[[1,2,3,4,5,6,7,8,9,10]]", 24, 5};
    nx_expect_ok(nx_json_reader_new(&reader, give, &pieces, .max_tree = 8));
    nx_expect_ok(nx_json_reader_next(reader, &event));
    nx_expect_err(NX_ETOOBIG, nx_json_reader_tree(reader, &tree));
    nx_expect_err(NX_EINVAL, nx_json_reader_new(&reader, give, &pieces, .max_depth = 5000));
}
