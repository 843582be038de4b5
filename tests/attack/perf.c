/* Counts what the processor does.
 * stands for: CVE-2013-2094
 * grant: all
 * held: yes */
#include "attack.h"
#include <linux/perf_event.h>

static long attack(void)
{
    struct perf_event_attr about = {
        .type = PERF_TYPE_SOFTWARE, .size = sizeof about, .config = PERF_COUNT_SW_TASK_CLOCK};
    return syscall(SYS_perf_event_open, &about, 0, -1, -1, 0);
}
