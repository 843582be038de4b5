/* nexus doctor: what nexus run --inspect takes. */
#include "cli/doctor.h"

#include "cli/inspect_bridge.h"

/* Whether this system lets one process debug another. */
static void probe_ptrace(struct nx__doctor *d)
{
    static const char why[] = "a debugger attaches to the running program";
    char scope[16];
    if (!nx__doctor_read("/proc/sys/kernel/yama/ptrace_scope", scope, sizeof scope)) return;
    if (scope[0] == '0' || scope[0] == '1') {
        nx__doctor_add(d, NX__HEALTH_OK, "ptrace", why, "allowed (ptrace_scope %s)", scope);
    } else if (scope[0] == '2') {
        nx__doctor_fix(
            nx__doctor_add(d, NX__HEALTH_NOTE, "ptrace", why, "ptrace_scope is 2: root's alone"),
            "%ssysctl -w kernel.yama.ptrace_scope=1", d->sudo);
    } else {
        nx__doctor_add(d, NX__HEALTH_NOTE, "ptrace", why,
                       "ptrace_scope is %s: nobody's, until the system starts anew", scope);
    }
}

void nx__doctor_debugger(struct nx__doctor *d)
{
    static const char why[] = "nexus run --inspect lets an editor set breakpoints through it";
    static const char *const packages[5] = {"lldb", "lldb", "lldb", "lldb", "lldb"};
    struct nx__adapter adapter;
    d->group = "debugger";
    if (nx__adapter_find(&adapter) == NX_OK)
        nx__doctor_add(d, NX__HEALTH_OK, "adapter", why, "%.200s", adapter.path);
    else
        nx__doctor_install(d,
                           nx__doctor_add(d, NX__HEALTH_NOTE, "adapter", why,
                                          "there is neither lldb-dap nor a gdb of version 14"),
                           packages);
    probe_ptrace(d);
}
