/* What the runner makes of what tests tell, hostile ones included; its options. */
#include "test/runner.h"

#include <stdlib.h>

static size_t make(struct nx__test_packet *p, uint32_t kind, const char *first, const char *second)
{
    memset(p, 0, sizeof *p);
    p->magic = NX__TEST_MAGIC;
    p->kind = kind;
    p->first_size = first ? (uint32_t)strlen(first) + 1 : 0;
    p->second_size = second ? (uint32_t)strlen(second) + 1 : 0;
    if (first) memcpy(p->text, first, p->first_size);
    if (second) memcpy(p->text + p->first_size, second, p->second_size);
    return offsetof(struct nx__test_packet, text) + p->first_size + p->second_size;
}

NX_TEST("only sound packets are taken")
{
    static struct nx__test_packet p;
    size_t len = make(&p, NX__TEST_FAILED, "a.c", "text");
    nx_expect(nx__test_packet_check(&p, len));
    nx_expect(!nx__test_packet_check(&p, len - 1));
    nx_expect(!nx__test_packet_check(&p, len + 1));
    nx_expect(!nx__test_packet_check(&p, 8));
    p.text[3] = 'x'; /* no NUL */
    nx_expect(!nx__test_packet_check(&p, len));
    len = make(&p, NX__TEST_FAILED, "a.c", "text");
    p.first_size = UINT32_MAX;
    p.second_size = 10; /* together they would wrap around in 32 bits */
    nx_expect(!nx__test_packet_check(&p, len));
    len = make(&p, NX__TEST_FAILED, NULL, NULL);
    nx_expect(nx__test_packet_check(&p, len));
    p.magic++;
    nx_expect(!nx__test_packet_check(&p, len));
}

static void tell(struct nx__case *c, uint32_t kind, const char *first, const char *second,
                 double number)
{
    static struct nx__test_packet p;
    nx_require(nx__test_packet_check(&p, make(&p, kind, first, second)));
    p.numbers[0] = number;
    nx__case_packet(&c->job, &p);
}

NX_TEST("failures belong to the innermost subtest")
{
    static struct nx__case c;
    tell(&c, NX__TEST_SUBTEST, "t/a", NULL, 0);
    tell(&c, NX__TEST_SUBTEST, "t/a/b", NULL, 0);
    tell(&c, NX__TEST_FAILED, "f.c", "in b", 0);
    tell(&c, NX__TEST_SUBTEST_DONE, "t/a/b", NULL, NX__TEST_FAILURE);
    tell(&c, NX__TEST_FAILED, "f.c", "in a", 0);
    tell(&c, NX__TEST_SUBTEST_DONE, "t/a", NULL, NX__TEST_FAILURE);
    tell(&c, NX__TEST_FAILED, "f.c", "outside", 0);
    nx_require_eq(c.note_count, 5);
    nx_expect_eq(nx__note_subtest(&c, &c.notes[2])->subtest, "t/a/b");
    nx_expect_eq(nx__note_subtest(&c, &c.notes[3])->subtest, "t/a");
    nx_expect_eq(nx__note_subtest(&c, &c.notes[4]), NULL);
    nx_expect_eq(c.outcome, NX__TEST_FAILURE);
}

NX_TEST("a test can't tell away its failures, nor make sense of nonsense")
{
    static struct nx__case c;
    tell(&c, NX__TEST_FAILED, NULL, NULL, 0);
    tell(&c, NX__TEST_SUBTEST_DONE, "never begun", NULL, NX__TEST_PASSED);
    tell(&c, NX__TEST_SUBTEST_DONE, NULL, NULL, NX__TEST_PASSED);
    tell(&c, NX__TEST_SUBTEST, NULL, NULL, 0);
    tell(&c, 999, "x", "y", 1e300);
    tell(&c, NX__TEST_DONE, NULL, NULL, NX__TEST_PASSED);
    nx_expect_eq(c.outcome, NX__TEST_FAILURE);
    static struct nx__case d;
    tell(&d, NX__TEST_DONE, NULL, NULL, 1e300);
    nx_expect_eq(d.outcome, NX__TEST_FAILURE);
    nx__case_end(&d);
}

NX_TEST("how a process ended counts")
{
    static const struct {
        const char *name, *reason;
        int status;
        bool done, timed_out;
        enum nx__test_outcome told, wanted;
    } rows[] = {
        {"passed", NULL, 0, true, false, NX__TEST_PASSED, NX__TEST_PASSED},
        {"skipped", NULL, 0, true, false, NX__TEST_SKIPPED, NX__TEST_SKIPPED},
        {"failed", NULL, 1 << 8, true, false, NX__TEST_FAILURE, NX__TEST_FAILURE},
        {"left", "in the middle", 0, false, false, NX__TEST_NONE, NX__TEST_FAILURE},
        {"at exit", "after it", 3 << 8, true, false, NX__TEST_PASSED, NX__TEST_FAILURE},
        {"leak", "sanitizer", 86 << 8, true, false, NX__TEST_PASSED, NX__TEST_FAILURE},
        {"crash", "crashed", 11, false, false, NX__TEST_NONE, NX__TEST_FAILURE},
        {"late", "deadline", 6, false, true, NX__TEST_NONE, NX__TEST_FAILURE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].name) {
            struct nx__case c = {.job = {.status = rows[i].status, .timed_out = rows[i].timed_out},
                                 .done = rows[i].done,
                                 .outcome = rows[i].told};
            nx__case_end(&c);
            nx_expect_eq(c.outcome, rows[i].wanted);
            if (rows[i].reason)
                nx_expect_contains(c.reason, rows[i].reason);
            else
                nx_expect_eq(c.reason, NULL);
            free(c.reason);
        }
}

NX_TEST("options")
{
    struct nx__test_config c = {0};
    bool taken;
    nx_expect_ok(nx__test_option(&c, "--parallel=3", &taken));
    nx_expect_ok(nx__test_option(&c, "--deadline=0.5", &taken));
    nx_expect_ok(nx__test_option(&c, "--shuffle=12", &taken));
    nx_expect_eq(c.parallel, 3);
    nx_expect_eq(c.deadline, NX_MS(500));
    nx_expect_eq(c.seed, 12);
    nx_expect_ok(nx__test_option(&c, "--nothing", &taken));
    nx_expect(!taken);
    static const char *const wrong[] = {"--parallel",   "--parallel=",  "--parallel=0",
                                        "--parallel=x", "--repeat=-1",  "--deadline=nan",
                                        "--shuffle=x",  "--shuffle=",   "--list=1",
                                        "--filter",     "--slower=0x1g"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        nx_subtest ("%s", wrong[i]) nx_expect_err(NX_EUSAGE, nx__test_option(&c, wrong[i], &taken));
}

NX_TEST("a filter is a part of the name or an expression")
{
    struct nx__test_config c = {.filter = "adds ("};
    nx_require_ok(nx__test_config_done(&c));
    nx_expect(nx__test_wanted(&c, "adds (1)", false));
    nx_expect(!nx__test_wanted(&c, "adds", false));
    nx_expect(!nx__test_wanted(&c, "adds (1)", true));
    struct nx__test_config d = {.filter = "^(a|b)$"};
    nx_require_ok(nx__test_config_done(&d));
    nx_expect(nx__test_wanted(&d, "b", false));
    nx_expect(!nx__test_wanted(&d, "bb", false));
    regfree(&d.pattern);
}
