/* The entry of a program linked with libnexus.a and -Wl,--wrap=main: its main runs as the root
 * fiber of a loop, or where the process is to be a process worker does not run. */
#include "base/standard.h"
#include "console/log.h"
#include "loop/crash.h"
#include "worker/apart.h"

int __real_main(int argc, char **argv);
int __wrap_main(int argc, char **argv);

int __wrap_main(int argc, char **argv)
{
    nx__standard_open();
    nx__say_to = nx__log_say;
    NX_IGNORE(nx__crash_install(-1)); /* without it the program runs as well */
    nx__program_landmark = (uintptr_t)__real_main;
    int control = nx__apart_asked();
    if (control >= 0) return nx__apart_run(control, argc, argv);
    return nx__program_run(__real_main, argc, argv);
}
