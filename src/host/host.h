/* Facts, as their own room knows them. */
#ifndef NX__HOST_H
#define NX__HOST_H

#include <nexus/host.h>

/* What control groups leave of the memory; UINT64_MAX where they set no limit. `groups` is the text
 * of /proc/self/cgroup, `root` where they are mounted. */
struct nx__memory_left {
    uint64_t total, available;
};
struct nx__memory_left nx__memory_left(const char *groups, const char *root);

/* Fills name, home and shell of the user whose line is in the text of a passwd file; they stay
 * where there is none. NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__passwd_find(const char *text, uid_t uid, nx_user *out);

/* Copies the caller's part of a structure. */
#define NX__HOST_GIVE(out, own)                                                                    \
    do {                                                                                           \
        size_t size_ = (out)->size;                                                                \
        (own).size = size_;                                                                        \
        memcpy((out), &(own), size_ < sizeof(own) ? size_ : sizeof(own));                          \
    } while (0)

#endif
