/* Lines of the log: what they look like, whatever they are made of. */
#include "console/line.h"

#include "base/utf8.h"
#include <math.h>
#include <nexus/test.h>

static char out[NX_LOG_LINE_MAX];
static bool whole;

/* 2026-11-24 12:41:07.123 UTC */
#define TIME (NX_S(1795524067) + NX_MS(123))

static const char *render(enum nx__line_style style, size_t cap, nx_bytes message,
                          const nx_value *items, size_t count)
{
    struct nx__line line = {
        .level = NX_LOG_INFO, .time = TIME, .message = message, .items = items, .count = count};
    size_t len = nx__line_write(style, &line, out, cap, &whole);
    nx_expect(len <= cap && len > 0 && out[len - 1] == '\n');
    out[len - 1] = '\0';
    nx_expect_eq(strlen(out), len - 1);
    return out;
}

static const char *json(nx_bytes message, const nx_value *items, size_t count)
{
    const char *text = render(NX__LINE_JSON, sizeof out, message, items, count);
    const char *head = "{\"time\":\"2026-11-24T12:41:07.123Z\",\"level\":\"info\",\"msg\":";
    nx_expect(strncmp(text, head, strlen(head)) == 0);
    return text + strlen(head);
}

static const char *text(nx_bytes message, const nx_value *items, size_t count)
{
    const char *line = render(NX__LINE_TEXT, sizeof out, message, items, count);
    const char *head = "2026-11-24T12:41:07.123Z INFO  ";
    nx_expect(strncmp(line, head, strlen(head)) == 0);
    return line + strlen(head);
}

#define FIELDS(...) NX__ITEMS(0, __VA_ARGS__), NX__VALUES(0, __VA_ARGS__)

NX_TEST("json types")
{
    nx_expect_eq(json(nx_str("hello"), NULL, 0), "\"hello\"}");
    nx_expect_eq(json(nx_str("m"), FIELDS("i", -5, "u", UINT64_MAX, "d", 0.25, "t", nx_bool(true),
                                          "s", "x", "n", (const char *)NULL)),
                 "\"m\",\"i\":-5,\"u\":18446744073709551615,\"d\":0.25,\"t\":true,\"s\":\"x\","
                 "\"n\":null}");
    nx_expect_eq(json(nx_str("m"), FIELDS("a", nx_arr(1, "two", nx_null()), "o", nx_obj("k", 3))),
                 "\"m\",\"a\":[1,\"two\",null],\"o\":{\"k\":3}}");
    nx_expect_eq(json(nx_str("m"), FIELDS("a", (double)NAN, "b", -(double)INFINITY)),
                 "\"m\",\"a\":\"NaN\",\"b\":\"-Infinity\"}");
    nx_expect_eq(json(nx_str("m"), FIELDS("r", nx_raw(nx_str("{\"a\":\n1}")))),
                 "\"m\",\"r\":{\"a\": 1}}");
    nx_expect(whole);
}

NX_TEST("json escapes")
{
    nx_expect_eq(json(nx_str("a\n\r\t\x1b[31m\"\\\x7f"), NULL, 0),
                 "\"a\\n\\r\\t\\u001b[31m\\\"\\\\\\u007f\"}");
    /* C1 controls, line separators, what turns text round; and what is harmless beside them. */
    nx_expect_eq(
        json(nx_str("\xc2\x9b \xe2\x80\xa8 \xe2\x80\xae \xe2\x81\xa6 \xc3\xa9 \xe2\x82\xac"), NULL,
             0),
        "\"\\u009b \\u2028 \\u202e \\u2066 \xc3\xa9 \xe2\x82\xac\"}");
    /* Bytes that are no UTF-8. */
    nx_expect_eq(json(nx_str("\xff\xc3 \xed\xa0\x80 \xf0\x9f\x98"), NULL, 0),
                 "\"\\ufffd\\ufffd \\ufffd\\ufffd\\ufffd \\ufffd\\ufffd\\ufffd\"}");
    nx_expect_eq(json(nx_slice("a\0b", 3), NULL, 0), "\"a\\u0000b\"}");
    nx_expect_eq(json(nx_str("m"), FIELDS("k\n\"", "v\n")), "\"m\",\"k\\n\\\"\":\"v\\n\"}");
}

NX_TEST("json names of the line stay its own")
{
    nx_expect_eq(json(nx_str("m"), FIELDS("time", 1, "level", "x", "msg", 2, "fiber", 3, "request",
                                          4, "truncated", 5, "timer", 6)),
                 "\"m\",\"time_\":1,\"level_\":\"x\",\"msg_\":2,\"fiber_\":3,\"request_\":4,"
                 "\"truncated_\":5,\"timer\":6}");
}

NX_TEST("json odd fields")
{
    nx_value items[] = {nx_val(1), nx_val(2), nx_val("left over")};
    nx_expect_eq(json(nx_str("m"), items, 3), "\"m\",\"?\":2}");
    nx_value odd[] = {nx_val("a"), nx_val(1), nx_val("b")};
    nx_expect_eq(json(nx_str("m"), FIELDS("o", nx_value_object(odd, 3))), "\"m\",\"o\":{\"a\":1}}");
    nx_value deep[100] = {nx_val(1)};
    for (int i = 1; i < 100; i++) deep[i] = nx_list(&deep[i - 1], 1);
    const char *line = json(nx_str("m"), FIELDS("d", deep[99]));
    nx_expect_contains(line, "[[\"…\"]]");
    nx_value unknown = nx_val(1);
    unknown.kind = (nx_value_kind)99;
    nx_expect_eq(json(nx_str("m"), FIELDS("u", unknown)), "\"m\",\"u\":\"?\"}");
}

NX_TEST("text style")
{
    nx_expect_eq(text(nx_str("say \"hi\" \\"), NULL, 0), "say \"hi\" \\");
    nx_expect_eq(
        text(nx_str("m"), FIELDS("id", 42, "name", "Ann", "full", "Ann B", "empty", "", "eq", "a=b",
                                 "nl", "a\nb", "quote", "\"")),
        "m id=42 name=Ann full=\"Ann B\" empty=\"\" eq=\"a=b\" nl=\"a\\nb\" quote=\"\\\"\"");
    nx_expect_eq(text(nx_str("a\nb\x1b[2J\xff\x7f"), NULL, 0), "a\\nb\\u001b[2J\\xff\\u007f");
    nx_expect_eq(text(nx_str("m"), FIELDS("a", nx_arr(1, "x y"))), "m a=[1,\"x y\"]");
    nx_expect_eq(text(nx_str("é"), FIELDS("k", "é")), "é k=\"é\"");
}

NX_TEST("fiber and request")
{
    struct nx__line line = {.level = NX_LOG_ERROR,
                            .time = 0,
                            .fiber = "http",
                            .activity = nx_str("GET /a?b=\x1b"),
                            .message = nx_str("m")};
    size_t len = nx__line_write(NX__LINE_TEXT, &line, out, sizeof out, &whole);
    out[len] = '\0';
    nx_expect_eq(out, "1970-01-01T00:00:00.000Z ERROR [http] m request=\"GET /a?b=\\u001b\"\n");
    len = nx__line_write(NX__LINE_JSON, &line, out, sizeof out, &whole);
    out[len] = '\0';
    nx_expect_eq(out, "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"error\",\"msg\":\"m\","
                      "\"fiber\":\"http\",\"request\":\"GET /a?b=\\u001b\"}\n");
    line.fiber = "main"; /* for people, that goes without saying */
    line.activity.len = 0;
    len = nx__line_write(NX__LINE_COLOR, &line, out, sizeof out, &whole);
    out[len] = '\0';
    nx_expect_eq(out, "\033[2m1970-01-01T00:00:00.000Z\033[0m \033[31mERROR\033[0m m\n");
}

NX_TEST("times")
{
    static const struct {
        int64_t second;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00"},          {951782399, "2000-02-28T23:59:59"},
        {951782400, "2000-02-29T00:00:00"},  {951868800, "2000-03-01T00:00:00"},
        {1709164800, "2024-02-29T00:00:00"}, {1735689599, "2024-12-31T23:59:59"},
        {4107542400, "2100-03-01T00:00:00"}, {9214560000, "2261-12-31T00:00:00"},
        {-5, "1970-01-01T00:00:00"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        nx_subtest ("%s", cases[i].text) {
            struct nx__line line = {.level = NX_LOG_INFO, .time = NX_S(cases[i].second)};
            (void)nx__line_write(NX__LINE_TEXT, &line, out, sizeof out, &whole);
            out[19] = '\0';
            nx_expect_eq(out, cases[i].text);
        }
}

/* ---- Lines that do not fit */

NX_TEST("long message is cut")
{
    static char big[100000];
    memset(big, 'x', sizeof big);
    const char *line =
        render(NX__LINE_JSON, NX__LINE_LEAST, nx_slice(big, sizeof big), FIELDS("k", 1));
    nx_expect(!whole);
    nx_expect_contains(line, "xxx…\",\"truncated\":true}");
    nx_expect_eq(strstr(line, "\"k\""), NULL);
    line = render(NX__LINE_TEXT, NX__LINE_LEAST, nx_slice(big, sizeof big), FIELDS("k", 1));
    nx_expect_contains(line, "xxx… truncated=true");
    line = render(NX__LINE_JSON, NX_LOG_LINE_MAX, nx_slice(big, sizeof big), NULL, 0);
    nx_expect_gt(strlen(line), NX_LOG_LINE_MAX - 200);
}

/* At each length, with each kind of value at the end of the room, the line closes well. */
NX_TEST("cut anywhere")
{
    static char big[1000];
    memset(big, 'x', sizeof big);
    const char *tails[] = {"plain", "\n\n\n\n\n\n\n\n", "\xff\xff\xff\xff", "ééééééé", "\"\"\"\""};
    for (size_t len = 0; len < NX__LINE_LEAST + 50; len++) {
        for (size_t t = 0; t < sizeof tails / sizeof *tails; t++) {
            nx_value list = nx_arr(1, tails[t], nx_obj("k", tails[t]));
            const char *line =
                render(NX__LINE_JSON, NX__LINE_LEAST, nx_slice(big, len),
                       FIELDS("s", tails[t], "l", list, "n", 1234567, tails[t], 1, "e", ""));
            size_t end = strlen(line);
            nx_expect_eq(line[end - 1], '}');
            nx_expect(nx__utf8_valid(line, end));
            nx_expect(whole || strstr(line, ",\"truncated\":true}") != NULL);
            /* Outside of strings, brackets match; strings end. */
            int depth = 0;
            bool quoted = false;
            for (size_t i = 0; i < end; i++) {
                if (quoted && line[i] == '\\')
                    i++;
                else if (line[i] == '"')
                    quoted = !quoted;
                else if (!quoted)
                    depth +=
                        (line[i] == '{' || line[i] == '[') - (line[i] == '}' || line[i] == ']');
                nx_expect_ge(depth, 0);
            }
            nx_expect(!quoted && depth == 0);
            line = render(NX__LINE_COLOR, NX__LINE_LEAST, nx_slice(big, len),
                          FIELDS("s", tails[t], "l", list, tails[t], 1));
            nx_expect(nx__utf8_valid(line, strlen(line)));
        }
    }
}

/* Whatever bytes come in, what goes out is one line of UTF-8 without controls. */
NX_TEST("random bytes")
{
    uint64_t seed = 42;
    for (int round = 0; round < 20000; round++) {
        char bytes[48];
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bytes[i] = (char)(seed >> 56);
        }
        nx_bytes all = nx_slice(bytes, sizeof bytes), half = nx_slice(bytes, sizeof bytes / 2);
        for (int style = NX__LINE_TEXT; style <= NX__LINE_JSON; style++) {
            if (style == NX__LINE_COLOR) continue;
            const char *line = render((enum nx__line_style)style, NX__LINE_LEAST, all,
                                      FIELDS("v", half, all, half, "l", nx_arr(all)));
            nx_expect(nx__utf8_valid(line, strlen(line)));
            for (const char *s = line; *s; s++) nx_expect((unsigned char)*s >= 0x20 && *s != 0x7f);
            nx_expect_eq(strstr(line, "\xc2\x9b"), NULL);
        }
    }
}

NX_TEST("levels")
{
    nx_expect_eq(nx_log_level_named("debug"), NX_LOG_DEBUG);
    nx_expect_eq(nx_log_level_named("WARN"), NX_LOG_WARN);
    nx_expect_eq(nx_log_level_named("off"), NX_LOG_OFF);
    nx_expect_eq(nx_log_level_named("verbose"), 0);
    nx_expect_eq(nx_log_level_named(""), 0);
    nx_expect_eq(nx_log_level_named(NULL), 0);
}
