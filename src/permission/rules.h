/* What the grants of a program are made of. */
#ifndef NX__RULES_H
#define NX__RULES_H

#include "permission/network.h"
#include "permission/permission.h"
#include <stdatomic.h>

/* One entry of a list. */
struct nx__rule {
    struct nx__rule *next;
    enum nx__host_kind host; /* this and the next six are for the network */
    int32_t port;
    uint32_t scope; /* 0: any */
    uint8_t address[16];
    uint16_t len; /* of its text */
    uint8_t prefix;
    uint8_t use;   /* of enum nx__use */
    int directory; /* handle of the one that `text` names, of nx__permissions_open; or -1 */
    char text[];   /* a resolved path, a name */
};

/* Others read while a rule is put before the first. */
static inline const struct nx__rule *nx__rules_first(const struct nx__rules *rules)
{
    return atomic_load_explicit(&rules->first, memory_order_acquire);
}

/* Adds the same rule, for a part of its uses. NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__rule_copy(struct nx__rules *rules, const struct nx__rule *rule,
                                   unsigned use);

/* The grants that are in force, NULL: all is granted. */
struct nx__permissions *nx__permissions_sealed(void);

/* The memory and the environment of a process are more than files: only --allow-all opens them. Of
 * a resolved path. */
bool nx__is_process_inside(const char *path);

#endif
