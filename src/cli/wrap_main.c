/* The entry of a program linked with libnexus.a and -Wl,--wrap=main: its main runs as the root
 * fiber of a loop. */
#include "base/standard.h"
#include "console/log.h"
#include "loop/crash.h"

int __real_main(int argc, char **argv);
int __wrap_main(int argc, char **argv);

int __wrap_main(int argc, char **argv)
{
    nx__standard_open();
    nx__say_to = nx__log_say;
    NX_IGNORE(nx__crash_install(-1)); /* without it the program runs as well */
    return nx__program_run(__real_main, argc, argv);
}
