/* What a kernel can't hold of grants. */
#include "permission/hold.h"
#include <nexus/test.h>
#include <stdio.h>

static const struct nx__hold_kernel newest = {.landlock = 6, .filter = true};

/* The gaps of up to three flags. */
static const struct nx__gaps *gaps_of(struct nx__hold_kernel kernel, const char *a, const char *b,
                                      const char *c)
{
    static struct nx__gaps gaps;
    struct nx__permissions p = {0};
    const char *const flags[] = {a, b, c};
    for (size_t i = 0; i < 3; i++) {
        bool taken = true;
        if (flags[i]) nx_require_ok(nx__permissions_parse(&p, flags[i], &taken));
        nx_require(taken);
    }
    nx__hold_gaps(&p, kernel, &gaps);
    nx__permissions_free(&p);
    return &gaps;
}

static void none(const char *a, const char *b)
{
    const struct nx__gaps *gaps = gaps_of(newest, a, b, NULL);
    if (gaps->count) nx_test_fail("%s %s: %s", a, b ? b : "", gaps->text[0]);
}

static void one(const char *a, const char *b, const char *word)
{
    const struct nx__gaps *gaps = gaps_of(newest, a, b, NULL);
    nx_expect_eq(gaps->count, 1u);
    if (gaps->count) nx_expect_contains(gaps->text[0], word);
}

NX_TEST("what this kernel holds has no gap")
{
    none(NULL, NULL);
    none("--allow-read", "--allow-write");
    none("--allow-read=/etc/hostname", "--allow-read=/usr");
    none("--allow-read=/etc", "--deny-read=/usr");
    none("--allow-read=/etc", "--deny-read=/etc"); /* whole, and so left out */
    none("--allow-read", "--deny-read");
    none("--allow-net", "--allow-env");
    none("--allow-listen=127.0.0.1:3000", "--allow-listen=unix:/tmp/socket"); /* the launcher's */
    none("--deny-net=10.0.0.1", NULL);
    none("--allow-connect=:443", NULL);
    none("--allow-net=10.1.2.3:80", "--allow-connect=[2001:db8::1]"); /* the keeper's */
    none("--allow-connect=10.0.0.0/8:5432", "--deny-connect=10.0.0.1");
    none("--allow-connect=example.com:443", "--allow-connect=*.example.com");
    none("--allow-net", "--deny-connect");
    none("--allow-sys", NULL);
}

NX_TEST("what no kernel holds")
{
    one("--allow-all", NULL, "--allow-all");
    one("--allow-run=git", NULL, "--allow-run");
    one("--allow-read=/nowhere/at/all", NULL, "/nowhere/at/all: it is not there");
    one("--allow-ffi=/nowhere.so", NULL, "--allow-ffi=/nowhere.so");
    one("--allow-read=/etc", "--deny-read=/etc/passwd", "--deny-read=/etc/passwd");
    one("--allow-write", "--deny-write=/etc", "--deny-write=/etc");
    one("--allow-connect=unix:/tmp/a\033[31m", NULL, "connecting to unix:/tmp/a[31m:");
    one("--allow-net", "--deny-net=10.0.0.1", "--deny-net");
}

NX_TEST("what is denied inside what is allowed, where it can be covered")
{
    struct nx__hold_kernel hides = newest;
    hides.hides = true;
    nx_expect_eq(gaps_of(hides, "--allow-read=/etc", "--deny-read=/etc/passwd", NULL)->count, 0u);
    nx_expect_eq(gaps_of(hides, "--allow-write", "--deny-write=/etc", NULL)->count, 0u);
    const struct nx__gaps *gaps =
        gaps_of(hides, "--allow-read=/etc", "--deny-read=/etc/nowhere", NULL);
    nx_expect_eq(gaps->count, 1u);
    nx_expect_contains(gaps->text[0], "that is not there yet");
    gaps = gaps_of(hides, "--allow-ffi=/usr", "--deny-ffi=/usr/lib", NULL);
    nx_expect_eq(gaps->count, 1u);
}

NX_TEST("what older kernels don't hold")
{
    nx_expect_eq(gaps_of((struct nx__hold_kernel){0}, NULL, NULL, NULL)->count, 3u);
    nx_expect_contains(gaps_of((struct nx__hold_kernel){.filter = true}, NULL, NULL, NULL)->text[0],
                       "Landlock");
    nx_expect_contains(gaps_of((struct nx__hold_kernel){.landlock = 6}, NULL, NULL, NULL)->text[0],
                       "filters");
    nx_expect_contains(
        gaps_of((struct nx__hold_kernel){.landlock = 5, .filter = true}, NULL, NULL, NULL)->text[0],
        "6.12");
    const struct nx__gaps *gaps = gaps_of((struct nx__hold_kernel){.landlock = 3, .filter = true},
                                          "--allow-connect=:1", NULL, NULL);
    nx_expect_eq(gaps->count, 1u);
    gaps = gaps_of((struct nx__hold_kernel){.landlock = 2, .filter = true}, NULL, NULL, NULL);
    nx_expect_contains(gaps->text[0], "6.2");
}

NX_TEST("more of them than there is room for are counted")
{
    struct nx__permissions p = {0};
    static struct nx__gaps gaps;
    char flag[64];
    bool taken;
    for (int i = 0; i < 3 * NX__GAPS_MOST; i++) {
        (void)snprintf(flag, sizeof flag, "--allow-read=/nowhere/%d", i);
        nx_require_ok(nx__permissions_parse(&p, flag, &taken));
    }
    nx__hold_gaps(&p, newest, &gaps);
    nx_expect_eq(gaps.count, 3u * NX__GAPS_MOST);
    nx__permissions_free(&p);
}
