/* Control groups, of either version, and small files of the kernel. */
#ifndef NX__CGROUP_H
#define NX__CGROUP_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of /proc/self/cgroup that are read. */
enum { NX__CGROUP_TEXT = 4096 };

/* The start of a file as a string; false where it can't be read, or is empty. Any thread. */
bool nx__text_read(const char *folder, const char *file, char *out, size_t size);

/* Calls visit(folder, first_version, arg) for each group that limits the process by the controller,
 * from its own up to the root: `folder` has the group's files. `groups` is the text of
 * /proc/self/cgroup, `root` where they are mounted. */
typedef void nx__cgroup_visit(const char *folder, bool first_version, void *arg);
void nx__cgroup_walk(const char *groups, const char *root, const char *controller,
                     nx__cgroup_visit *visit, void *arg);

#endif
