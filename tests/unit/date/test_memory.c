/* Time zones where memory runs out. */
#include "oom.h"

#include <nexus/date.h>
#include <nexus/test.h>
#include <stdlib.h>
#include <unistd.h>

NX_TEST("a zone is read, or isn't there")
{
    const nx_zone *zone = NULL;
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0)
        nx_skip("the system has no zoneinfo");
    /* The pool's threads are there, and what they take is not counted. */
    nx_require_ok(nx_zone_open(&zone, "UTC"));
    for (long left = 0;; left++) {
        nx_require_lt(left, 100);
        oom_failed = false;
        oom_after = left;
        nx_err err = nx_zone_open(&zone, "Europe/Berlin");
        oom_after = -1;
        if (!oom_failed) {
            nx_expect_ok(err);
            nx_expect_gt(left, 4);
            break;
        }
        nx_expect_eq(err, NX_ENOMEM);
        nx_expect(!zone);
    }
    nx_expect_eq(nx_zone_abbreviation(zone, 0), "CET");
}
