/* Alternative services: what a field says, and what is kept of it. */
#include "http/client/alternative.h"
#include <nexus/test.h>
#include <stdio.h>

NX_TEST("what an Alt-Svc field says")
{
    static const struct {
        const char *field;
        bool good;
        int port; /* 0: nothing of use, what was said before goes */
        int64_t life;
    } rows[] = {
        {"h3=\":443\"", true, 443, 86400},
        {"h3=\":443\"; ma=60", true, 443, 60},
        {"h3=\":443\"; ma=\"60\"; persist=1", true, 443, 60},
        {"h3=\"example.com:8443\";ma=1;other=\"a\\\"b\"", true, 8443, 1},
        {"h3=\"EXAMPLE.com:8443\"", true, 8443, 86400},
        {"h2=\"alt.example.com:443\", h3-29=\":1\" , h3=\":2\"; ma=5", true, 2, 5},
        {"h3=\"alt.example.com:1\", h3=\":2\"", true, 2, 86400},
        {"h3=\":1\"; ma=1, h3=\":2\"; ma=2", true, 1, 1},
        {", h3=\":7\" ,,", true, 7, 86400},
        {"h3=\":443\"; ma=99999999999999999999", true, 443, 30 * 86400},
        {"clear", true, 0, 0},
        {"h3=\"alt.example.com:443\"", true, 0, 0},
        {"h3=\"notexample.com:443\"", true, 0, 0},
        {"h2=\":443\"", true, 0, 0},
        {"h3=\":0\"", true, 0, 0},
        {"h3=\":65536\"", true, 0, 0},
        {"h3=\":65535\"", true, 65535, 86400},
        {"h3=\":\"", true, 0, 0},
        {"h3=\"443\"", true, 0, 0},
        {"h3=\"\"", true, 0, 0},
        {"", false, 0, 0},
        {"h3", false, 0, 0},
        {"h3=", false, 0, 0},
        {"h3=:443", false, 0, 0},
        {"h3=\":443", false, 0, 0},
        {"h3=\":443\\", false, 0, 0},
        {"h3=\":443\"; ma", false, 0, 0},
        {"h3=\":443\"; ma=", false, 0, 0},
        {"h3=\":443\"; ma=x", false, 0, 0},
        {"h3=\":443\" h2=\":1\"", false, 0, 0},
        {"clear, h3=\":443\"", false, 0, 0},
        {"Clear", false, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].field) {
            struct nx__alternative said;
            bool good = nx__alternative_read(nx_str(rows[i].field), nx_str("example.com"), &said);
            nx_expect_eq(good, rows[i].good);
            if (!good) continue;
            nx_expect_eq(said.h3_port, rows[i].port);
            nx_expect_eq(said.clear, rows[i].port == 0);
            if (rows[i].port) nx_expect_eq(said.life, NX_S(rows[i].life));
        }
    struct nx__alternative said;
    nx_expect(nx__alternative_read(nx_str("h3=\"[::1]:443\""), nx_str("::1"), &said));
    nx_expect_eq(said.h3_port, 443);
    nx_expect(nx__alternative_read(nx_str("h3=\"[::1]:443\""), nx_str("::2"), &said));
    nx_expect_eq(said.h3_port, 0);
    static char large[NX__ALTERNATIVE_FIELD_MOST + 1];
    memset(large, ',', sizeof large);
    nx_expect(!nx__alternative_read(nx_slice(large, sizeof large), nx_str("::1"), &said));
}

NX_TEST("an origin as a frame of HTTP/2 spells it")
{
    static const struct {
        const char *origin, *host;
        int port;
        bool same;
    } rows[] = {
        {"https://example.com", "example.com", 443, true},
        {"https://example.com:443", "example.com", 443, true},
        {"HTTPS://Example.COM", "example.com", 443, true},
        {"https://example.com:8443", "example.com", 8443, true},
        {"https://[::1]:8443", "::1", 8443, true},
        {"https://[::1]", "::1", 443, true},
        {"https://example.com", "example.com", 8443, false},
        {"https://example.com:8443", "example.com", 443, false},
        {"http://example.com", "example.com", 443, false},
        {"https://example.com/", "example.com", 443, false},
        {"https://user@example.com", "example.com", 443, false},
        {"https://www.example.com", "example.com", 443, false},
        {"https://example.com.evil", "example.com", 443, false},
        {"https://example.com:", "example.com", 443, false},
        {"https://:443", "example.com", 443, false},
        {"https://:443", "", 443, false},
        {"https://", "", 443, false},
        {"null", "example.com", 443, false},
        {"", "example.com", 443, false},
        {"example.com", "example.com", 443, false},
        {"https://example.com:99999", "example.com", 34463, false},
        {"https://example.com:0", "example.com", 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].origin)
            nx_expect_eq(nx__alternative_is_origin(nx_str(rows[i].origin), nx_str(rows[i].host),
                                                   (uint16_t)rows[i].port),
                         rows[i].same);
}

static struct nx__alternative said_is(int port, int64_t seconds)
{
    return (struct nx__alternative){
        .clear = port == 0, .h3_port = (uint16_t)port, .life = NX_S(seconds)};
}

NX_TEST(
    "an alternative lasts as long as it was said to, and one that is broken is left for a while")
{
    const nx_bytes host = nx_str("example.com");
    struct nx__alternatives all = {0};
    struct nx__alternative said = said_is(8443, 100);
    nx__alternatives_init(&all);
    nx_expect_eq(nx__alternatives_port(&all, host, 443, 0), 0);
    nx__alternatives_take(&all, host, 443, &said, NX_S(10), NX_S(5));
    nx_expect_eq(nx__alternatives_port(&all, nx_str("EXAMPLE.COM"), 443, NX_S(6)), 8443);
    nx_expect_eq(nx__alternatives_port(&all, host, 444, NX_S(6)), 0);
    nx_expect_eq(nx__alternatives_port(&all, nx_str("example.co"), 443, NX_S(6)), 0);
    nx_expect_eq(nx__alternatives_port(&all, host, 443, NX_S(95)), 0);
    nx_expect_eq(all.count, 0u);

    said = said_is(8443, 1000000);
    nx_duration now = NX_S(1000), span = NX__ALTERNATIVE_BROKEN;
    nx__alternatives_take(&all, host, 443, &said, 0, now);
    for (int i = 0; i < 3; i++, span *= 2) {
        nx__alternatives_broken(&all, host, 443, now);
        nx__alternatives_broken(&all, host, 443, now);         /* of the same time: counts once */
        nx__alternatives_take(&all, host, 443, &said, 0, now); /* which helps nothing */
        nx_expect_eq(nx__alternatives_port(&all, host, 443, now + span - 1), 0);
        now += span;
        nx_expect_eq(nx__alternatives_port(&all, host, 443, now), 8443);
    }
    nx__alternatives_good(&all, host, 443);
    nx__alternatives_broken(&all, host, 443, now);
    nx_expect_eq(nx__alternatives_port(&all, host, 443, now + NX__ALTERNATIVE_BROKEN), 8443);
    now += NX__ALTERNATIVE_BROKEN;
    for (int i = 0; i < 5; i++, now += NX__ALTERNATIVE_BROKEN_MOST / 16)
        nx__alternatives_broken(&all, host, 443, now);
    nx_expect_eq(nx__alternatives_port(&all, host, 443, now), 8443);
    said = said_is(8443, 100000000);
    nx__alternatives_take(&all, host, 443, &said, 0, now);
    for (int i = 0; i < 20; i++, now += NX__ALTERNATIVE_BROKEN_MOST) {
        nx__alternatives_broken(&all, host, 443, now);
        nx_expect_eq(nx__alternatives_port(&all, host, 443, now + NX__ALTERNATIVE_BROKEN_MOST),
                     8443);
    }

    said = said_is(9443, 1000000); /* another one has broken nothing yet */
    nx__alternatives_take(&all, host, 443, &said, 0, now);
    nx_expect_eq(nx__alternatives_port(&all, host, 443, now), 9443);
    said = said_is(0, 0);
    nx__alternatives_take(&all, host, 443, &said, 0, now);
    nx_expect_eq(nx__alternatives_port(&all, host, 443, now), 0);
    said = said_is(9443, 10);
    nx__alternatives_take(&all, host, 443, &said, NX_S(10), now);
    nx_expect_eq(all.count, 0u);
    nx__alternatives_free(&all);
}

NX_TEST("so many alternatives are kept; the one longest unused gives way")
{
    struct nx__alternatives all = {0};
    const struct nx__alternative said = said_is(1, 1000);
    char host[32];
    nx__alternatives_init(&all);
    for (int i = 0; i < NX__ALTERNATIVES_MOST + 10; i++) {
        (void)snprintf(host, sizeof host, "host%d.example", i);
        nx__alternatives_take(&all, nx_str(host), 443, &said, 0, 0);
        nx_expect_eq(nx__alternatives_port(&all, nx_str("host0.example"), 443, 1), 1);
    }
    nx_expect_eq(all.count, (size_t)NX__ALTERNATIVES_MOST);
    nx_expect_eq(nx__alternatives_port(&all, nx_str("host1.example"), 443, 1), 0);
    nx_expect_eq(nx__alternatives_port(&all, nx_str(host), 443, 1), 1);
    nx__alternatives_free(&all);
}
