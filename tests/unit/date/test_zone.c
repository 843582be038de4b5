/* Time zones, against libc's. */
#include "date/zone.h"

#include <nexus/test.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static bool have_zoneinfo(void)
{
    return access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0;
}

static const nx_zone *zone_of(const char *name)
{
    const nx_zone *zone;
    nx_require_ok(nx_zone_open(&zone, name));
    return zone;
}

/* Offsets and names are libc's. */
static void compare(const nx_zone *zone, const char *tz, int64_t from)
{
    nx_require(setenv("TZ", tz, 1) == 0);
    tzset();
    for (int64_t at = from; at < 9000000000; at += 86400LL * 11 + 4567) {
        time_t seconds = (time_t)at;
        struct tm tm;
        nx_require(localtime_r(&seconds, &tm) != NULL);
        nx_date d = nx_date_local(at * NX_S(1), zone);
        nx_require_eq(d.offset, (int)tm.tm_gmtoff);
        nx_require_eq(d.hour * 60 + d.minute, tm.tm_hour * 60 + tm.tm_min);
        nx_require_eq(nx_zone_abbreviation(zone, at * NX_S(1)), tm.tm_zone);
    }
}

NX_TEST("the system's zones", .deadline = NX_S(60))
{
    if (!have_zoneinfo()) nx_skip("the system has no zoneinfo");
    static const char *const names[] = {"Europe/Berlin",
                                        "America/New_York",
                                        "Australia/Sydney",
                                        "Asia/Kathmandu",
                                        "America/Sao_Paulo",
                                        "Africa/Casablanca",
                                        "Europe/Dublin",
                                        "America/Nuuk",
                                        "Pacific/Apia",
                                        "Etc/GMT+12",
                                        "UTC",
                                        "Asia/Tehran"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        nx_subtest ("%s", names[i]) {
            const nx_zone *zone = zone_of(names[i]);
            compare(zone, names[i], -9000000000);
            nx_expect(zone_of(names[i]) == zone);
        }
    }
    nx_expect_eq(nx_zone_abbreviation(NULL, 0), "UTC");
    nx_expect_eq(nx_date_local(0, NULL).offset, 0);
}

NX_TEST("rules of POSIX", .deadline = NX_S(60))
{
    static const char *const rules[] = {
        "UTC0",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "EST5EDT,M3.2.0,M11.1.0",
        "AEST-10AEDT,M10.1.0,M4.1.0/3",
        "<+0545>-5:45",
        "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
        "IST-2IDT,M3.4.4/26,M10.5.0",
        "AAA3:30:15BBB,J60/0,J300",
        "AAA-4BBB-6,59,299/5",
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        nx_subtest ("%s", rules[i]) {
            nx_zone zone = {.has_rule = true};
            nx_require_eq(nx__zone_rule_read(nx_str(rules[i]), &zone.rule), (const char *)NULL);
            compare(&zone, rules[i], 86400 * 370); /* glibc begins in 1971 */
        }
    }
    static const char *const bad[] = {"",
                                      "A1",
                                      "AAA",
                                      "AAA25",
                                      "AAA1:60",
                                      "AAAx",
                                      "<AAA1",
                                      "<A!A>1",
                                      "AAA1BBB",
                                      "AAA1BBB,M3.5.0",
                                      "AAA1BBB,M13.5.0,J1",
                                      "AAA1BBB,J0,J1",
                                      "AAA1BBB,M1.6.0,J1",
                                      "AAA1BBB,M1.1.7,J1",
                                      "AAA1BBB,J1/168,J2",
                                      "AAA1BBB,J1,J2x",
                                      "AAA1BBB,366,J2",
                                      "ABCDEFGHIJKLMNOPQ1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct nx__zone_rule rule;
        nx_subtest ("\"%s\"", bad[i]) nx_expect(nx__zone_rule_read(nx_str(bad[i]), &rule) != NULL);
    }
}

NX_TEST("the program's own zone is what the environment says")
{
    nx_require(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1) == 0);
    nx_date d = nx_date_local(1782900000 * NX_S(1), zone_of(NULL));
    nx_expect_eq(d.offset, 7200);
    nx_expect_eq(nx_zone_abbreviation(zone_of(NULL), 1782900000 * NX_S(1)), "CEST");
}

NX_TEST("… by the name of a file")
{
    if (!have_zoneinfo()) nx_skip("the system has no zoneinfo");
    nx_require(setenv("TZ", ":/usr/share/zoneinfo/Asia/Kathmandu", 1) == 0);
    nx_expect_eq(nx_date_local(1782900000 * NX_S(1), zone_of(NULL)).offset, 20700);
}

NX_TEST("… or nothing")
{
    nx_require(setenv("TZ", "", 1) == 0);
    nx_expect_eq(nx_zone_abbreviation(zone_of(NULL), 0), "UTC");
}

NX_TEST("… or what it is not told")
{
    nx_require(unsetenv("TZ") == 0);
    const nx_zone *zone = zone_of(NULL);
    time_t now = 1782900000;
    struct tm tm;
    tzset();
    nx_require(localtime_r(&now, &tm) != NULL);
    nx_expect_eq(nx_date_local(now * NX_S(1), zone).offset, (int)tm.tm_gmtoff);
}

NX_TEST("what is no zone is told")
{
    const nx_zone *zone;
    static const char *const names[] = {
        "", "../etc/passwd", "/etc/localtime", "Europe/..", "a b", "1", "Europe//Berlin", "UTC/"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        nx_expect_err(NX_EINVAL, nx_zone_open(&zone, names[i]));
        nx_expect_contains(nx_error_last()->message, "is no name of a time zone");
        nx_expect(!zone);
    }
    nx_require(setenv("TZ", "nonsense!", 1) == 0);
    nx_expect_err(NX_EINVAL, nx_zone_open(&zone, NULL));
    nx_expect_contains(nx_error_last()->message, "TZ=nonsense! in the environment is neither");
    nx_expect_err(NX_ENOENT, nx_zone_open(&zone, "Europe/Berlim"));
    nx_expect_contains(nx_error_last()->message, "there is no time zone \"Europe/Berlim\"");
    if (!have_zoneinfo()) nx_skip("the system has no zoneinfo");
    nx_expect_err(NX_EINVAL, nx_zone_open(&zone, "Europe"));
    nx_expect_contains(nx_error_last()->message, "\"Europe\" is not a time zone, but has some");
}

/* ---- Files */

static size_t put(char *out, size_t at, uint32_t n)
{
    for (int i = 3; i >= 0; i--) out[at++] = (char)(n >> (8 * i));
    return at;
}

/* A file of version 1 with one change at 1000 s, from "AAA" (0) to "BBB" (+1 h). */
static size_t small(char out[200])
{
    static const char head[20] = "TZif";
    size_t at = sizeof head;
    memcpy(out, head, sizeof head);
    static const uint32_t counts[] = {0, 0, 0, 1, 2, 8};
    for (size_t i = 0; i < 6; i++) at = put(out, at, counts[i]);
    at = put(out, at, 1000);
    out[at++] = 1;
    at = put(out, at, 0);
    memcpy(out + at, "\0\0", 2);
    at = put(out, at + 2, 3600);
    memcpy(out + at, "\1\4AAA\0BBB", 10);
    return at + 10;
}

static const char *read_bytes(const char *data, size_t len)
{
    nx_zone zone;
    /* Memory of its own, so that a read past the end is seen. */
    char *copy = malloc(len ? len : 1);
    nx_require(copy != NULL);
    memcpy(copy, data, len);
    const char *wrong = nx__zone_file_read(nx_slice(copy, len), &zone);
    nx__zone_free(&zone);
    free(copy);
    return wrong;
}

NX_TEST("files that are wrong")
{
    char data[200];
    size_t len = small(data);
    nx_zone zone;
    nx_require_eq(nx__zone_file_read(nx_slice(data, len), &zone), (const char *)NULL);
    nx_expect_eq(nx__zone_at(&zone, 999)->name, "AAA");
    nx_expect_eq(nx__zone_at(&zone, 1000)->name, "BBB");
    nx_expect_eq(nx__zone_at(&zone, 1000)->offset, 3600);
    nx__zone_free(&zone);
    for (size_t cut = 0; cut < len; cut++) nx_expect(read_bytes(data, cut) != NULL);
    static const struct {
        size_t at;
        unsigned char byte;
        const char *why;
    } rows[] = {{0, 'X', "no header"},
                {4, '2', "no header"},
                {31, 1, "leap seconds"},
                {32, 1, "set too often"},
                {39, 0, "no clock"},
                {40, 1, "names"},
                {23, 1, "do not agree"},
                {27, 1, "do not agree"},
                {28, 1, "too many leap"},
                {48, 2, "what it has not"},
                {49, 1, "offset is too large"},
                {53, 2, "neither of summer"},
                {54, 8, "outside"},
                {68, 'x', "does not end"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("byte %zu", rows[i].at) {
            char changed[201] = {0};
            memcpy(changed, data, len);
            changed[rows[i].at] = (char)rows[i].byte;
            const char *wrong = read_bytes(changed, len + (rows[i].at == 31 ? 8 : 0));
            nx_require(wrong != NULL);
            nx_expect_contains(wrong, rows[i].why);
        }
    }
}

/* ---- Clocks that are set */

NX_TEST("what the clock shows twice, or leaves out")
{
    nx_zone berlin = {.has_rule = true};
    nx_require_eq(nx__zone_rule_read(nx_str("CET-1CEST,M3.5.0,M10.5.0/3"), &berlin.rule),
                  (const char *)NULL);
    static const struct {
        const char *clock, *wanted;
    } rows[] = {
        {"2026-07-01T12:00:00Z", "2026-07-01T12:00:00+02:00"},
        {"2026-12-01T12:00:00Z", "2026-12-01T12:00:00+01:00"},
        {"2026-03-29T01:59:59Z", "2026-03-29T01:59:59+01:00"},
        {"2026-03-29T02:30:00Z", "2026-03-29T03:30:00+02:00"}, /* left out */
        {"2026-03-29T03:00:00Z", "2026-03-29T03:00:00+02:00"},
        {"2026-10-25T01:59:59Z", "2026-10-25T01:59:59+02:00"},
        {"2026-10-25T02:30:00Z", "2026-10-25T02:30:00+02:00"}, /* twice: the earlier */
        {"2026-10-25T03:00:00Z", "2026-10-25T03:00:00+01:00"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s", rows[i].clock) {
            nx_date date;
            nx_bytes out;
            nx_require_ok(nx_date_parse(nx_str(rows[i].clock), &date));
            nx_require_ok(nx_date_in_zone(&date, &berlin));
            nx_require_ok(nx_date_text(date, &out));
            nx_expect_eq(out, rows[i].wanted);
        }
    }
    nx_date leap = {2017, 1, 1, 0, 59, 60, 0, 0, false}, none = {0};
    nx_expect_ok(nx_date_in_zone(&leap, &berlin));
    nx_expect(leap.second == 60 && leap.offset == 3600);
    nx_expect_err(NX_EINVAL, nx_date_in_zone(&leap, NULL));
    nx_expect_err(NX_EINVAL, nx_date_in_zone(&none, &berlin));
    nx_date utc = {.year = 2026, .month = 1, .day = 1, .offset = 7200};
    nx_expect_ok(nx_date_in_zone(&utc, NULL));
    nx_expect_eq(utc.offset, 0);
}
