/* Facts about the machine and its user. */
#include "permission/facts.h"

#include "base/error.h"
#include "permission/access.h"
#include "permission/rules.h"

const char *nx__fact_name(size_t index)
{
    static const char *const names[] = {NX__FACT_HOSTNAME, NX__FACT_OS,     NX__FACT_CPUS,
                                        NX__FACT_MEMORY,   NX__FACT_UPTIME, NX__FACT_LOAD,
                                        NX__FACT_NETWORK,  NX__FACT_USER};
    return index < sizeof names / sizeof *names ? names[index] : NULL;
}

nx_err nx__fact_check(const char *name)
{
    const char *known;
    for (size_t i = 0; (known = nx__fact_name(i)); i++)
        if (strcmp(name, known) == 0) return NX_OK;
    return nx__error_set(
        NX_EUSAGE,
        "there is no fact \"%.60s\"; there are hostname, os, cpus, memory, uptime, load, network and user",
        name);
}

bool nx__fact_granted(const char *name)
{
    const struct nx__permissions *p = nx__permissions_sealed();
    bool granted = !p || nx__permissions_verdict(p, NX__PERMIT_SYS, name) == NX__GRANTED;
    nx__access(NX__PERMIT_SYS, NX__USE_ANY, name, granted);
    return granted;
}

nx_err nx__facts_refuse(void)
{
    return nx__error_set(
        NX_EPERM,
        "facts about the host are not allowed; run with --allow-sys, or with some of --allow-sys=hostname,os,cpus,memory,uptime,load");
}
