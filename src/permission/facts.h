/* Facts about the machine and its user that a program may be granted, by their names. */
#ifndef NX__FACTS_H
#define NX__FACTS_H

#include <nexus/base.h>

#define NX__FACT_HOSTNAME "hostname"
#define NX__FACT_OS       "os" /* which system it is, and the kernel's release */
#define NX__FACT_CPUS     "cpus"
#define NX__FACT_MEMORY   "memory"
#define NX__FACT_UPTIME   "uptime"
#define NX__FACT_LOAD     "load"
#define NX__FACT_NETWORK  "network" /* interfaces and their addresses */
#define NX__FACT_USER     "user"

/* The name of the fact `index`, NULL past the last. */
const char *nx__fact_name(size_t index);

/* Has the program been granted it? Records nothing. Any thread. */
bool nx__fact_granted(const char *name);

/* Records NX_EPERM for a program that has been granted none of those that it asks for. */
nx_err nx__facts_refuse(void);

/* NX_EUSAGE, recorded, for a name that none of them has. */
NX_MUST_CHECK nx_err nx__fact_check(const char *name);

#endif
