/* How many CPUs the process may use. */
#ifndef NX__CPUS_H
#define NX__CPUS_H

/* CPUs that the process may run on, and no more than its control groups let it use at once, rounded
 * up; at least 1. Opens and reads a few files of /proc and /sys, where that is allowed. Any thread.
 */
unsigned nx__cpus(void);

/* What the control groups alone allow; 0 where they set no limit. `groups` is the text of
 * /proc/self/cgroup, `root` where they are mounted. Each limit from the process's group up to the
 * root counts (version 1: cpu.cfs_quota_us, version 2: cpu.max). */
unsigned nx__cpus_quota(const char *groups, const char *root);

#endif
