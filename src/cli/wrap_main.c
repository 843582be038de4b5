/* The entry of a program linked with libnexus.a and -Wl,--wrap=main: its main runs as the root
 * fiber of a loop. */
#include "loop/loop.h"

int __real_main(int argc, char **argv);
int __wrap_main(int argc, char **argv);

int __wrap_main(int argc, char **argv)
{
    return nx__program_run(__real_main, argc, argv);
}
