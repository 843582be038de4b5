/* The fiber switch alone, without libc's help: also built for other architectures and run under an
 * emulator. */
#include "../../../src/loop/switch.h"

#include <stdio.h>
#include <string.h>

static void *here, *there;
static int steps;
static double carried;
static _Alignas(16) char stack[65536];

static void other(void)
{
    double own = 1.5;
    for (;;) {
        steps++;
        own *= 2;
        carried = own;
        nx__switch(&there, here);
    }
}

int main(void)
{
    /* Values that the compiler keeps in callee-saved registers over the switches. */
    volatile int start = 7;
    int a = start, b = start + 1, c = start + 2, d = start + 3, e = start + 4, f = start + 5;
    double x = start * 0.5, y = start * 0.25, z = start * 0.125;
    there = nx__switch_prepare(stack + sizeof stack, other);
    for (int i = 0; i < 1000; i++) {
        nx__switch(&here, there);
        a++, b++, c++, d++, e++, f++;
        x += 1, y += 1, z += 1;
        if (carried > 1e100) carried = 0;
    }
    int bad = steps != 1000 || a != 1007 || b != 1008 || c != 1009 || d != 1010 || e != 1011 ||
              f != 1012 || x != 1003.5 || y != 1001.75 || z != 1000.875;
    printf(bad ? "0 passed, 1 failed\n" : "1 passed, 0 failed\n");
    return bad;
}
