/* --permissions=strict */
#include "cli/strict.h"

#include "cli/cli.h"
#include "module/module.h"
#include "permission/hide.h"
#include "permission/hold.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* True the first time on this machine; a folder that can't be written remembers nothing, and then
 * it is never. */
static bool is_first(void)
{
    char *cache, path[4096];
    if (nx__cache_dir(&cache)) return false;
    (void)snprintf(path, sizeof path, "%s/unheld", cache);
    free(cache);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) (void)close(fd);
    return fd >= 0;
}

static void tell(const struct nx__run *run)
{
    struct nx__hold_kernel kernel = nx__hold_kernel();
    if ((kernel.landlock && kernel.filter) || !nx__hold_binds(&run->permissions) ||
        !isatty(STDERR_FILENO) || !is_first())
        return;
    nx__cli_say(
        "this kernel has no %s: a part of what is not granted is held by the API alone, which native code can pass by; nexus doctor tells which (this is said once)",
        kernel.filter     ? "Landlock"
        : kernel.landlock ? "seccomp"
                          : "Landlock and no seccomp");
}

nx_err nx__strict_check(const struct nx__run *run)
{
    static struct nx__gaps gaps; /* large */
    char clean[128];
    if (nx__is_wasm(run->file)) return NX_OK; /* its engine holds it */
    if (!run->strict) {
        tell(run);
        return NX_OK;
    }
    struct nx__hold_kernel kernel = nx__hold_kernel();
    kernel.hides = nx__hide_wanted(&run->permissions) && nx__hide_can();
    nx__hold_gaps(&run->permissions, kernel, &gaps);
    if (!gaps.count) return NX_OK;
    for (size_t i = 0; i < gaps.count && i < NX__GAPS_MOST; i++)
        nx__cli_say("not held by the kernel: %s", gaps.text[i]);
    if (gaps.count > NX__GAPS_MOST)
        nx__cli_say("not held by the kernel: %zu more", gaps.count - NX__GAPS_MOST);
    return nx__error_set(
        NX_EPERM,
        "cannot run \"%s\" with --permissions=strict: see above; without it the API alone holds these",
        nx__printable(clean, sizeof clean, run->file));
}
