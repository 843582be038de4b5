/* Nanoseconds that an allowed call spends on being allowed: what the API's check costs where grants
 * are lists, over what it costs in a program to which all is granted. */
#include "base/clock.h"
#include "base/error.h"
#include "permission/connect.h"
#include "permission/place.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 9, ITERATIONS = 200000 };

static struct sockaddr_in address = {.sin_family = AF_INET};

static void variable(void)
{
    if (nx__permit(NX__PERMIT_ENV, "DATABASE_URL")) exit(1);
}

static void fact(void)
{
    if (nx__permit(NX__PERMIT_SYS, "memory")) exit(1);
}

static void datagram(void)
{
    if (nx__permit_send((const struct sockaddr *)(const void *)&address)) exit(1);
}

static void name(void)
{
    if (nx__permit_connect("api.example.com:443")) exit(1);
}

static void file(void)
{
    struct nx__place place;
    if (!nx__place_guess(NX__PLACE_READ, "/usr/lib/os-release", &place)) exit(1);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_ns(void (*call)(void))
{
    double ns[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        nx_duration start = nx__clock_monotonic();
        for (int i = 0; i < ITERATIONS; i++) call();
        ns[round] = (double)(nx__clock_monotonic() - start) / ITERATIONS;
    }
    qsort(ns, ROUNDS, sizeof *ns, by_value);
    return ns[ROUNDS / 2];
}

int main(void)
{
    /* The one that grants is the last that is looked at. */
    static const char *const flags[] = {"--allow-env=DATABASE_URL,A,B,C", "--allow-sys=memory,load",
                                        "--allow-net=10.0.0.0/8,*.example.com:443",
                                        "--allow-net=192.168.0.1,[fd00::/8]:443,a.b:1,unix:/run/x",
                                        "--allow-read=/usr/lib,/var/lib,/srv,/opt"};
    static const struct {
        const char *name;
        void (*call)(void);
    } calls[] = {{"environment variable", variable},
                 {"fact about the host", fact},
                 {"datagram to 10.1.2.3", datagram},
                 {"connection to a name", name},
                 {"file below a directory", file}};
    static struct nx__permissions all = {.all = true}, lists;
    bool taken;
    (void)inet_pton(AF_INET, "10.1.2.3", &address.sin_addr);
    address.sin_port = htons(443);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (nx__permissions_parse(&lists, flags[i], &taken)) exit(1);
    nx__permissions_open(&lists);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        nx__permissions_seal(&all);
        double before = median_ns(calls[i].call);
        nx__permissions_seal(&lists);
        double after = median_ns(calls[i].call);
        printf("%-24s %6.1f ns, %6.1f where all is granted: %6.1f more\n", calls[i].name, after,
               before, after - before);
    }
    return 0;
}
