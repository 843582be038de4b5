/* Time zones where memory runs out, or their files can't be read. */
#include "faults.h"

#include <errno.h>
#include <nexus/date.h>
#include <nexus/test.h>
#include <unistd.h>

static const nx_zone *zone;

static nx_err open_zone(void)
{
    return nx_zone_open(&zone, "Europe/Berlin");
}

NX_TEST("a zone is read, or isn't there")
{
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0)
        nx_skip("the system has no zoneinfo");
    static const int all[] = {FAULTS_MEMORY, FAULTS_NO_MEMORY, EIO, EMFILE, FAULTS_SHORT};
    /* The pool's threads are there, and what they take is not counted. */
    nx_require_ok(nx_zone_open(&zone, "UTC"));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        nx_subtest ("fault %d", all[i]) {
            zone = NULL;
            for (struct faults_rounds rounds = {all[i], 0}; faults_next(&rounds);) {
                nx_err err = open_zone();
                const char *failed = faults_stop();
                if (!failed) nx_expect_ok(err);
                if (err && all[i] < 0) nx_expect_eq(err, NX_ENOMEM);
                if (err) nx_expect(!zone);
                if (!err) break; /* it is kept */
                nx_require_lt(rounds.nth, 100);
            }
        }
    }
    nx_require_ok(open_zone());
    nx_expect_eq(nx_zone_abbreviation(zone, 0), "CET");
}
