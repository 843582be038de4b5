/* Query strings and percent-encoding. */
#include <nexus/test.h>
#include <nexus/url.h>

static nx_query parsed(const char *text)
{
    nx_query query = {0};
    nx_require_ok(nx_query_parse(nx_str(text), &query));
    return query;
}

static const char *text_of(const nx_query *query)
{
    nx_bytes text;
    nx_require_ok(nx_query_text(query, &text));
    nx_require_eq(text.data[text.len], '\0');
    return text.data;
}

NX_TEST("read, and written again")
{
    static const char *const rows[][2] = {
        {"", ""},
        {"?a=1&b=2", "a=1&b=2"},
        {"??a", "%3Fa="},
        {"a&b=&=c&&=&", "a=&b=&=c&="},
        {"a=b=c", "a=b%3Dc"},
        {"a+b=c%20d", "a+b=c+d"},
        {"%=%a&%zz=%4", "%25=%25a&%25zz=%254"},
        {"a=%41%c3%A4", "a=A%C3%A4"},
        {"\xc3\xa4", "%C3%A4="},
        {"a=%00", "a=%00"},
        {"*-._~!'()", "*-._%7E%21%27%28%29="},
        /* As many U+FFFD as sequences that began one (Encoding standard, 4.1). */
        {"a=%ff%fe", "a=%EF%BF%BD%EF%BF%BD"},
        {"a=%e2%82x", "a=%EF%BF%BDx"},
        {"a=%f0%9f%92", "a=%EF%BF%BD"},
        {"a=%ed%a0%80", "a=%EF%BF%BD%EF%BF%BD%EF%BF%BD"},
        {"a=%c0%af%f4%90", "a=%EF%BF%BD%EF%BF%BD%EF%BF%BD%EF%BF%BD"},
        {"a=%e0%80%f0%80%c3", "a=%EF%BF%BD%EF%BF%BD%EF%BF%BD%EF%BF%BD%EF%BF%BD"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s", rows[i][0]) {
            nx_query query = parsed(rows[i][0]);
            nx_expect_eq(text_of(&query), rows[i][1]);
        }
    }
}

NX_TEST("one pair after another, without memory")
{
    nx_bytes rest = nx_str("&a=1&b&&=c=d&"), name, value;
    static const char *const rows[][2] = {{"a", "1"}, {"b", ""}, {"", "c=d"}};
    size_t count = 0;
    for (; nx_query_next(&rest, &name, &value); count++) {
        nx_require_lt(count, 3);
        nx_expect_eq(name, rows[count][0]);
        nx_expect_eq(value, rows[count][1]);
    }
    nx_expect_eq(count, 3);
    nx_bytes raw = nx_str("plain"), out;
    nx_expect_ok(nx_query_decode(raw, &out));
    nx_expect(out.data == raw.data);
    nx_expect_ok(nx_query_decode(nx_str("a+%62"), &out));
    nx_expect_eq(out, "a b");
    rest = (nx_bytes){0};
    nx_expect(!nx_query_next(&rest, &name, &value));
}

NX_TEST("looked up and changed")
{
    nx_query query = parsed("a=1&b=2&a=3");
    nx_bytes value;
    size_t at = 0;
    nx_expect_eq(nx_query_get(&query, "a"), "1");
    nx_expect(!nx_query_get(&query, "c").data);
    nx_expect(nx_query_each(&query, "a", &at, &value) && nx_bytes_is(value, "1"));
    nx_expect(nx_query_each(&query, "a", &at, &value) && nx_bytes_is(value, "3"));
    nx_expect(!nx_query_each(&query, "a", &at, &value) && !value.data);
    nx_expect_ok(nx_query_set(&query, nx_str("a"), nx_str("x y")));
    nx_expect_eq(text_of(&query), "a=x+y&b=2");
    nx_expect_ok(nx_query_set(&query, nx_str("c"), (nx_bytes){0}));
    nx_expect(nx_query_get(&query, "c").data);
    nx_expect_ok(nx_query_add(&query, nx_str("b"), nx_str("4")));
    nx_expect_eq(text_of(&query), "a=x+y&b=2&c=&b=4");
    nx_query_remove(&query, "b", nx_str("2"));
    nx_expect_eq(text_of(&query), "a=x+y&c=&b=4");
    nx_query_remove(&query, "b", (nx_bytes){0});
    nx_query_remove(&query, "none", (nx_bytes){0});
    nx_expect_eq(text_of(&query), "a=x+y&c=");
}

NX_TEST("sorted as UTF-16, and stable")
{
    static const char *const rows[][2] = {
        {"", ""},
        {"z=b&a=b&z=a&a=a", "a=b&a=a&z=b&z=a"},
        {"e&d&c&b&a&aa&", "a=&aa=&b=&c=&d=&e="},
        /* U+FFFD, U+1F308: the latter begins with the unit D83C. */
        {"%EF%BF%BD=1&%F0%9F%8C%88=2", "%F0%9F%8C%88=2&%EF%BF%BD=1"},
        {"%EE%80%80&%ED%9F%BF&%F0%90%80%80", "%ED%9F%BF=&%F0%90%80%80=&%EE%80%80="},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_query query = parsed(rows[i][0]);
        nx_expect_ok(nx_query_sort(&query));
        nx_expect_eq(text_of(&query), rows[i][1]);
    }
}

NX_TEST("made of values")
{
    nx_bytes text;
    nx_expect_ok(
        nx_query_write(nx_obj("q", "a&b", "page", 2, "none", nx_null(), "big", UINT64_MAX, "x", 0.5,
                              "on", nx_bool(true), "tag", nx_arr("a", "b"), "empty", nx_arr()),
                       &text));
    nx_expect_eq(text, "q=a%26b&page=2&big=18446744073709551615&x=0.5&on=true&tag=a&tag=b");
    nx_expect_ok(nx_query_write(nx_obj(), &text));
    nx_expect_eq(text, "");
    nx_expect_err(NX_EINVAL, nx_query_write(nx_arr("a"), &text));
    nx_expect_eq(nx_error_last()->message, "cannot write the query: the value is no object");
    nx_expect_err(NX_EINVAL, nx_query_write(nx_obj("a", nx_obj("b", 1)), &text));
    nx_expect_contains(nx_error_last()->message, "\"a\" is no string, number, bool");
    nx_expect_err(NX_EINVAL, nx_query_write(nx_obj("a", nx_arr(nx_arr(1))), &text));
    nx_expect_err(NX_EINVAL, nx_query_write(nx_obj(1, "b"), &text));
    nx_expect_err(NX_EINVAL, nx_query_write(nx_obj("a", 0.0 / 0.0), &text));
}

NX_TEST("no more pairs than the cap")
{
    nx_query query = {0};
    for (size_t i = 0; i < NX_QUERY_MAX_PAIRS; i++)
        nx_require_ok(nx_query_add(&query, nx_str("a"), nx_str("b")));
    nx_expect_err(NX_ELIMIT, nx_query_add(&query, nx_str("a"), nx_str("b")));
    nx_expect_err(NX_ELIMIT, nx_query_set(&query, nx_str("c"), nx_str("b")));
    nx_expect_eq(nx_error_last()->message, "the query has more than 10000 pairs");
}

NX_TEST("percent-encoding by its sets")
{
    static const char all[] = " !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~\x7f\x80\n";
    static const char *const rows[] = {
        [NX_PERCENT_CONTROLS] = " !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~%7F%80%0A",
        [NX_PERCENT_FRAGMENT] = "%20!%22#$%&'()*+,-./09:;%3C=%3E?@AZ[\\]^_%60az{|}~%7F%80%0A",
        [NX_PERCENT_QUERY] = "%20!%22%23$%&'()*+,-./09:;%3C=%3E?@AZ[\\]^_`az{|}~%7F%80%0A",
        [NX_PERCENT_PATH] = "%20!%22%23$%&'()*+,-./09:;%3C=%3E%3F@AZ[\\]%5E_%60az%7B|%7D~%7F%80%0A",
        [NX_PERCENT_USERINFO] = "%20!%22%23$%&'()*+,-.%2F09%3A%3B%3C%3D%3E%3F%40AZ%5B%5C%5D%5E_%60"
                                "az%7B%7C%7D~%7F%80%0A",
        [NX_PERCENT_COMPONENT] = "%20!%22%23%24%25%26'()*%2B%2C-.%2F09%3A%3B%3C%3D%3E%3F%40AZ%5B"
                                 "%5C%5D%5E_%60az%7B%7C%7D~%7F%80%0A",
        [NX_PERCENT_FORM] = "+%21%22%23%24%25%26%27%28%29*%2B%2C-.%2F09%3A%3B%3C%3D%3E%3F%40AZ%5B"
                            "%5C%5D%5E_%60az%7B%7C%7D%7E%7F%80%0A",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("set %zu", i) {
            nx_bytes text;
            nx_expect_ok(
                nx_percent_encode(nx_slice(all, sizeof all - 1), (nx_percent_set)i, &text));
            nx_expect_eq(text, rows[i]);
            if (i < NX_PERCENT_COMPONENT || i == NX_PERCENT_FORM) continue;
            nx_expect_ok(nx_percent_decode(text, &text));
            nx_expect_eq(text, nx_slice(all, sizeof all - 1));
        }
    }
    nx_bytes out;
    nx_expect_ok(nx_percent_decode(nx_str("a+%00%zz%4%"), &out));
    nx_expect_eq(out, nx_slice("a+\0%zz%4%", 9));
    nx_expect_err(NX_ETOOBIG, nx_percent_encode(nx_slice("", SIZE_MAX / 2), NX_PERCENT_PATH, &out));
}
