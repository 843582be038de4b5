/* What a kernel can't hold of a program's grants. */
#include "permission/hold.h"
#include "permission/landlock.h"
#include "permission/rules.h"
#include "permission/seccomp.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Which version of Landlock brought it. */
enum { HAS_TRUNCATE = 3, HAS_SIGNALS = 6 };

struct nx__hold_kernel nx__hold_kernel(void)
{
    return (struct nx__hold_kernel){.landlock = nx__landlock_version(),
                                    .filter = nx__seccomp_known()};
}

static void gap(struct nx__gaps *gaps, const char *format, ...) NX_PRINTF(2, 3);

static void gap(struct nx__gaps *gaps, const char *format, ...)
{
    size_t at = gaps->count++;
    if (at >= NX__GAPS_MOST) return;
    char text[NX__GAP_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    nx__printable(gaps->text[at], sizeof gaps->text[at], text);
}

/* ---- Files */

static bool covers(const struct nx__rules *rules, const char *path)
{
    if (rules->any) return true;
    for (const struct nx__rule *rule = nx__rules_first(rules); rule; rule = rule->next)
        if (nx__path_beneath(path, rule->text) && strcmp(path, rule->text) != 0) return true;
    return false;
}

static void files(const struct nx__permissions *p, enum nx__permit_kind kind, bool hides,
                  struct nx__gaps *out)
{
    const char *name = nx__permission_name(kind, NX__USE_ANY);
    struct stat st;
    for (const struct nx__rule *rule = nx__rules_first(&p->allow[kind]); rule; rule = rule->next)
        if (stat(rule->text, &st) != 0)
            gap(out, "--allow-%s=%.120s: it is not there, and the kernel knows files, not names",
                name, rule->text);
    for (const struct nx__rule *rule = nx__rules_first(&p->deny[kind]); rule; rule = rule->next)
        if (covers(&p->allow[kind], rule->text) &&
            !(hides && kind != NX__PERMIT_FFI && stat(rule->text, &st) == 0))
            gap(out, "--deny-%s=%.120s: the kernel denies nothing inside what is allowed%s", name,
                rule->text, hides ? " that is not there yet" : "");
}

/* ---- The network */

static void network(const struct nx__permissions *p, struct nx__gaps *out)
{
    const struct nx__rules *allow = &p->allow[NX__PERMIT_NET], *deny = &p->deny[NX__PERMIT_NET];
    if (deny->any & NX__USE_CONNECT) return; /* nothing of it is left */
    bool any = (allow->any & NX__USE_CONNECT) != 0;
    for (const struct nx__rule *rule = nx__rules_first(allow); rule; rule = rule->next) {
        /* All others are the keeper's. */
        if (!any && rule->host == NX__HOST_UNIX && (rule->use & NX__USE_CONNECT))
            gap(out, "connecting to unix:%.120s: the kernel tells no Unix socket from another",
                rule->text);
    }
    for (const struct nx__rule *rule = nx__rules_first(deny); any && rule; rule = rule->next) {
        if (!(rule->use & NX__USE_CONNECT)) continue;
        gap(out, "--deny-net: the kernel denies nothing where all of the network is allowed");
        break;
    }
}

void nx__hold_gaps(const struct nx__permissions *p, struct nx__hold_kernel kernel,
                   struct nx__gaps *out)
{
    static const enum nx__permit_kind of_files[] = {NX__PERMIT_READ, NX__PERMIT_WRITE,
                                                    NX__PERMIT_FFI};
    out->count = 0;
    if (!nx__hold_binds(p)) {
        gap(out,
            "%s: what a program starts would be held as it is, so nothing is held of one that may start others",
            p->all ? "--allow-all" : "--allow-run");
        return;
    }
    if (!kernel.landlock)
        gap(out, "files and programs: this kernel has no Landlock, which Linux has from 5.13 on");
    if (!kernel.filter) gap(out, "system calls and sockets: this kernel has no filters for them");
    if (kernel.landlock && kernel.landlock < HAS_TRUNCATE)
        gap(out, "emptying files by their path: Landlock knows it from Linux 6.2 on");
    if (kernel.landlock < HAS_SIGNALS)
        gap(out, "signals to other processes: Landlock knows them from Linux 6.12 on");
    for (size_t i = 0; i < sizeof of_files / sizeof *of_files; i++)
        files(p, of_files[i], kernel.hides, out);
    network(p, out);
}
