/* TOML as a program reads it; the grammar is held to its own suite in tests/conformance. */
#include "faults.h"
#include <nexus/fiber.h>
#include <nexus/test.h>
#include <nexus/toml.h>
#include <stdio.h>

static nx_toml parsed(const char *text)
{
    nx_toml toml = {0};
    nx_require_ok(nx_toml_parse(nx_str(text), &toml));
    return toml;
}

NX_TEST("values by their paths, with fallbacks")
{
    nx_toml toml = parsed("title = \"a\\tb\"\n"
                          "[server]\n"
                          "port = 0x1F_90\n"
                          "ratio = 1.5e3\n"
                          "on = true\n"
                          "hosts = ['a', \"b\"] # two\n"
                          "limits.depth = 7\n"
                          "[[users]]\n"
                          "name = 'x'\n"
                          "[[users]]\n"
                          "name = '''y\nz'''\n");
    nx_expect_eq(nx_toml_string(nx_toml_get(toml, "title"), NULL), "a\tb");
    nx_expect_eq(nx_toml_int(nx_toml_get(toml, "server", "port"), 1), 8080);
    nx_expect_eq(nx_toml_double(nx_toml_get(toml, "server", "port"), 1), 8080.0);
    nx_expect_eq(nx_toml_double(nx_toml_get(toml, "server", "ratio"), 1), 1500.0);
    nx_expect(nx_toml_bool(nx_toml_get(toml, "server", "on"), false));
    nx_expect_eq(nx_toml_string(nx_toml_get(toml, "server", "hosts", 1), NULL), "b");
    nx_expect_eq(nx_toml_int(nx_toml_get(toml, "server", "limits", "depth"), 1), 7);
    nx_bytes name = nx_toml_string(nx_toml_get(toml, "users", 1, "name"), NULL);
    nx_expect_eq(name, "y\nz");
    nx_expect_eq(name.data[name.len], '\0');
    nx_expect_eq(nx_toml_count(nx_toml_get(toml, "users")), 2);
    /* What is not there, or of another type. */
    nx_expect(!nx_toml_is(nx_toml_get(toml, "users", 2)));
    nx_expect(!nx_toml_is(nx_toml_get(toml, "users", -1)));
    nx_expect(!nx_toml_is(nx_toml_get(toml, "title", "x")));
    nx_expect(!nx_toml_is(nx_toml_get(toml, 0)));
    nx_expect(!nx_toml_is(nx_toml_get((nx_toml){0}, "x")));
    nx_expect_eq((int)nx_toml_kind_of((nx_toml){0}), (int)NX_TOML_NONE);
    nx_expect_eq(nx_toml_int(nx_toml_get(toml, "title"), 5), 5);
    nx_expect_eq(nx_toml_int(nx_toml_get(toml, "server", "ratio"), 5), 5);
    nx_expect_eq(nx_toml_double(nx_toml_get(toml, "title"), 5), 5.0);
    nx_expect(nx_toml_bool(nx_toml_get(toml, "title"), true));
    nx_expect_eq(nx_toml_string(nx_toml_get(toml, "server"), "none"), "none");
    nx_expect(!nx_toml_string(nx_toml_get(toml, "none"), NULL).data);
    nx_expect_eq(nx_toml_date_of(nx_toml_get(toml, "title"), (nx_toml_date){.year = 3}).year, 3);
}

NX_TEST("gone through in order")
{
    nx_toml toml = parsed("b = 1\na.x = 2\n[c]\na = [3, 4]\n[a.z]\n");
    const char *names = "";
    for (nx_toml_each each = nx_toml_begin(toml); nx_toml_next(&each);)
        names = nx_format("%s%zu:%.*s ", names, each.index, NX_FMT(each.name));
    nx_expect_eq(names, "0:b 1:a 2:c ");
    int64_t sum = 0;
    for (nx_toml_each each = nx_toml_begin(nx_toml_get(toml, "c", "a")); nx_toml_next(&each);) {
        nx_expect(!each.name.data);
        sum += nx_toml_int(each.value, 0);
    }
    nx_expect_eq(sum, 7);
    nx_toml_each none = nx_toml_begin(nx_toml_get(toml, "b"));
    nx_expect(!nx_toml_next(&none));
    none = nx_toml_begin((nx_toml){0});
    nx_expect(!nx_toml_next(&none));
}

NX_TEST("dates and times have what they say")
{
    nx_toml toml = parsed("a = 1979-05-27 07:32:00.25-01:30\nb = 2024-02-29\nc = 23:59:60\n"
                          "d = 2000-01-01T00:00\n");
    nx_toml_date date = nx_toml_date_of(nx_toml_get(toml, "a"), (nx_toml_date){0});
    nx_expect(date.has_date && date.has_time && date.has_offset);
    nx_expect_eq(date.year, 1979);
    nx_expect_eq(date.month, 5);
    nx_expect_eq(date.day, 27);
    nx_expect_eq(date.hour, 7);
    nx_expect_eq(date.minute, 32);
    nx_expect_eq(date.nanosecond, 250000000u);
    nx_expect_eq(date.offset, -90);
    nx_expect_ok(nx_toml_need(toml, &date, "b"));
    nx_expect(date.has_date && !date.has_time && !date.has_offset);
    nx_expect_eq(date.day, 29);
    nx_expect_ok(nx_toml_need(toml, &date, "c"));
    nx_expect(!date.has_date && date.has_time);
    nx_expect_eq(date.second, 60);
    nx_expect_ok(nx_toml_need(toml, &date, "d"));
    nx_expect(date.has_date && date.has_time && !date.has_offset);
}

NX_TEST("into variables, by their types")
{
    nx_toml toml, table;
    nx_require_ok(nx_toml_parse(
        nx_str("[server]\nport = 80\nbig = 70000\nname = 'x'\nratio = 0.5\non = true\n"), &toml,
        .name = "app.toml"));
    uint16_t port = 0;
    double ratio = 0;
    float small = 0;
    bool on = false;
    nx_bytes name;
    int64_t kept = 5;
    nx_toml_date date;
    nx_expect_ok(nx_toml_need(toml, &port, "server", "port"));
    nx_expect_eq(port, 80);
    nx_expect_ok(nx_toml_need(toml, &ratio, "server", "port"));
    nx_expect_eq(ratio, 80.0);
    nx_expect_ok(nx_toml_need(toml, &small, "server", "ratio"));
    nx_expect_eq((double)small, 0.5);
    nx_expect_ok(nx_toml_need(toml, &on, "server", "on"));
    nx_expect(on);
    nx_expect_ok(nx_toml_need(toml, &name, "server", "name"));
    nx_expect_eq(name, "x");
    nx_expect_ok(nx_toml_need(toml, &table, "server"));
    nx_expect_eq(nx_toml_count(table), 5);
    nx_expect_ok(nx_toml_maybe(toml, &kept, "server", "none"));
    nx_expect_eq(kept, 5);

    nx_expect_err(NX_EINVAL, nx_toml_need(toml, &port, "server", "big"));
    nx_expect_eq(nx_error_last()->message,
                 "app.toml:3:7: server.big has to be a whole number from 0 to 65535");
    nx_expect_err(NX_EINVAL, nx_toml_maybe(toml, &port, "server", "name"));
    nx_expect_eq(nx_error_last()->message,
                 "app.toml:4:8: server.name has to be a whole number from 0 to 65535");
    nx_expect_err(NX_EINVAL, nx_toml_need(toml, &port, "server", "none", 3));
    nx_expect_eq(nx_error_last()->message, "app.toml: server.none.3 is missing");
    nx_expect_err(NX_EINVAL, nx_toml_need(toml, &date, "server", "port"));
    nx_expect_contains(nx_error_last()->message, "server.port has to be a date or time");
    nx_expect_err(NX_EINVAL, nx_toml_need(toml, &on, "server", "port"));
    nx_expect_err(NX_EINVAL, nx_toml_need(toml, &ratio, "server", "name"));
    nx_expect_err(NX_EINVAL, nx_toml_need(toml, &name, "server"));
    nx_expect_contains(nx_error_last()->message, "app.toml:1:2: server has to be a string");
    nx_expect_err(NX_EINVAL, nx_toml_need(nx_toml_get(toml, "server", "name"), &on));
    nx_expect_contains(nx_error_last()->message, "app.toml:4:8: the value has to be");
    nx_expect_err(NX_EINVAL, nx_toml_need((nx_toml){0}, &on, "x"));
    nx_expect_eq(nx_error_last()->message, "TOML: x is missing");

    nx_expect_err(NX_EINVAL, nx_toml_fail(nx_toml_get(toml, "server", "name"), "no %s", "x"));
    nx_expect_eq(nx_error_last()->message, "app.toml:4:8: no x");
    nx_expect_err(NX_EINVAL, nx_toml_fail((nx_toml){0}, "no %s", "x"));
    nx_expect_eq(nx_error_last()->message, "no x");
}

NX_TEST("what is wrong has its place")
{
    static const char *const rows[][2] = {
        {"a = 1\nb\n", "TOML:2:2: expected \"=\""},
        {"a = 1 b = 2", "TOML:1:7: expected the end of the line"},
        {"[a]\n[a]", "TOML:2:2: \"a\" is already defined"},
        {"a = 1\na = 2", "TOML:2:1: \"a\" is already defined"},
        {"a.b = 1\na.b.c = 2", "TOML:2:3: \"b\" is already defined"},
        {"[a.b]\n[a]\nb.c = 1", "TOML:3:1: \"b\" is already defined"},
        {"a = {b = 1}\n[a.c]", "TOML:2:2: \"a\" is already defined"},
        {"a = [1]\n[[a]]", "TOML:2:3: \"a\" is already defined"},
        {"[[a]]\n[a]", "TOML:2:2: \"a\" is already defined"},
        {"\xc3\xa4 = 1", "TOML:1:1: expected a name of letters"},
        {"\"\xc3\xa4\" = ?", "TOML:1:7: expected a value"},
        {"a = b", "TOML:1:5: expected a value; strings stand in quotes"},
        {"a = 08", "TOML:1:5: this is no number, date or time"},
        {"a = 9223372036854775808", "or it does not fit"},
        {"a = 1e999", "or it does not fit"},
        {"a = 2023-02-29", "TOML:1:5: this is no number, date or time"},
        {"a = \"b", "TOML:1:5: the string does not end"},
        {"a = \"b\nc\"", "TOML:1:5: the string does not end on its line"},
        {"a = '''b", "TOML:1:5: the string does not end"},
        {"a = \"\\q\"", "TOML:1:6: there is no such escape"},
        {"a = \"\\", "TOML:1:6: there is no such escape"},
        {"a = \"\\ud800\"", "TOML:1:6: \"\\u\" needs 4 digits of a character"},
        {"a = \"\\x4", "TOML:1:6: \"\\x\" needs 2 digits"},
        {"a = \"\x01\"", "TOML:1:6: a control character has to be escaped"},
        {"# \x7f", "TOML:1:3: a comment can't hold a control character"},
        {"'''a''' = 1", "TOML:1:1: a name can't be a string of several lines"},
        {"a = [1 2]", "TOML:1:8: expected \",\" or \"]\""},
        {"a = [1,", "TOML:1:5: the array does not end"},
        {"a = {b = 1 c = 2}", "TOML:1:12: expected \",\" or \"}\""},
        {"a = {b = 1,", "TOML:1:5: the table does not end"},
        {"[a", "TOML:1:3: expected \"]\""},
        {"[[a]", "TOML:1:5: expected \"]]\""},
        {"a = 1\n\xff", "TOML:2:1: this is not UTF-8"},
        {"a =", "TOML:1:4: expected a value"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s", rows[i][0]) {
            nx_toml toml;
            nx_expect_err(NX_EINVAL, nx_toml_parse(nx_str(rows[i][0]), &toml));
            nx_expect_contains(nx_error_last()->message, rows[i][1]);
            nx_expect(!nx_toml_is(toml));
        }
    }
}

static void nested(char *text, size_t depth)
{
    memcpy(text, "a=", 2);
    memset(text + 2, '[', depth);
    memset(text + 2 + depth, ']', depth);
    text[2 + 2 * depth] = '\0';
}

NX_TEST("caps")
{
    nx_toml toml;
    char text[2000];
    nx_expect_err(NX_ETOOBIG, nx_toml_parse(nx_str("a = 100"), &toml, .max_size = 6));
    nx_expect_eq(nx_error_last()->message, "TOML is longer than 6 bytes");
    nx_expect_ok(nx_toml_parse(nx_str("a = 10"), &toml, .max_size = 6));
    nested(text, NX_TOML_MAX_DEPTH);
    nx_expect_ok(nx_toml_parse(nx_str(text), &toml));
    nested(text, NX_TOML_MAX_DEPTH + 1);
    nx_expect_err(NX_ETOOBIG, nx_toml_parse(nx_str(text), &toml));
    nx_expect_eq(nx_error_last()->message,
                 "TOML:1:67: more than 64 arrays and tables are in each other");
    nested(text, 256);
    nx_expect_ok(nx_toml_parse(nx_str(text), &toml, .max_depth = 1000));
    nested(text, 257);
    nx_expect_err(NX_ETOOBIG, nx_toml_parse(nx_str(text), &toml, .max_depth = 1000));
    for (int kind = 0; kind < 3; kind++) { /* by dotted names, headers, tables in braces */
        char *p = text;
        if (kind == 1) *p++ = '[';
        for (int i = 0; i < 4; i++, p += kind == 2 ? 3 : 2)
            memcpy(p, kind == 2 ? "a={" : "a.", kind == 2 ? 3 : 2);
        strcpy(p, kind == 0 ? "a=1" : kind == 1 ? "a]" : "}}}}");
        uint32_t deep = kind == 1 ? 5 : 4;
        nx_expect_ok(nx_toml_parse(nx_str(text), &toml, .max_depth = deep));
        nx_expect_err(NX_ETOOBIG, nx_toml_parse(nx_str(text), &toml, .max_depth = deep - 1));
    }
}

NX_TEST("many names take no more than their number")
{
    enum { NAMES = 60000 };
    char *text = nx_alloc((size_t)NAMES * 16), *p = text;
    nx_require(text);
    for (int i = 0; i < NAMES; i++) p += sprintf(p, "n%d=%d\n", i, i);
    nx_toml toml;
    nx_require_ok(nx_toml_parse(nx_slice(text, (size_t)(p - text)), &toml));
    nx_expect_eq(nx_toml_count(toml), NAMES);
    nx_expect_eq(nx_toml_int(nx_toml_get(toml, "n59999"), 0), 59999);
}

NX_TEST("a file that can't be read")
{
    nx_toml toml;
    nx_expect_err(NX_ENOENT, nx_toml_read("/nowhere/app.toml", &toml));
    nx_expect_contains(nx_error_last()->message, "/nowhere/app.toml");
    nx_expect(!nx_toml_is(toml));
}

static nx_err everything(void)
{
    nx_toml toml;
    return nx_toml_parse(nx_str("a = [1, 'x', 1979-05-27]\n[[b.c]]\nd = {e.f = 1.5}\n"), &toml);
}

NX_TEST("memory that runs out is an error, and leaves nothing behind")
{
    static const struct faults_scenario scenario = {.name = "everything", .run = everything};
    faults_run(FAULTS_MEMORY, &scenario, 1);
    faults_run(FAULTS_NO_MEMORY, &scenario, 1);
}
