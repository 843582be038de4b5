/* The row log_line: nanoseconds that a log line with three fields costs its caller.
 *
 * usage: log.c FILE: bursts of lines into the file as JSON; what a burst costs is timed, and the
 * writing out between two is not. Prints {"line":…}, the median of the bursts; fails if a line was
 * dropped. */
#include <nexus/log.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>

#define BURSTS 500
#define LINES  1000 /* less than the buffer holds */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static nx_err measure(double *line)
{
    static double ns[BURSTS];
    const char *name = "Ada Lovelace";
    for (int burst = 0; burst < BURSTS; burst++) {
        nx_duration start = nx_now();
        for (int i = 0; i < LINES; i++)
            nx_log_info("user logged in", "id", i, "name", name, "ms", 12.5);
        ns[burst] = (double)(nx_now() - start) / LINES;
        NX_TRY(nx_log_flush());
    }
    qsort(ns, BURSTS, sizeof *ns, compare);
    *line = ns[BURSTS / 2];
    return nx_log_dropped() ? nx_fail(NX_ELIMIT, "lines were dropped") : NX_OK;
}

int main(int argc, char **argv)
{
    double line = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: log.c FILE\n");
        return NX_EUSAGE;
    }
    nx_err err = nx_log_setup(.style = NX_LOG_JSON, .file = argv[1]);
    if (!err) err = measure(&line);
    if (err)
        fprintf(stderr, "%s\n", nx_error_last()->message);
    else
        printf("{\"line\":%.2f}\n", line);
    return err;
}
