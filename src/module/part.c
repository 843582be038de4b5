/* Files that are installed with Nexus. */
#include "module/artifact.h"
#include "module/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const nx__wasm_metered[] = {"--fuel", NULL};

bool nx__is_wasm(const char *name)
{
    const char *ending = strrchr(name, '.');
    return ending &&
           (strcmp(ending, ".wasm") == 0 || strcmp(ending, ".wat") == 0 || nx__is_artifact(name));
}

nx_err nx__part_find(const char *name, char **out)
{
    enum { PATH_SIZE = 4096 };
    char self[PATH_SIZE];
    const char *folder = getenv("NEXUS_LIBDIR");
    struct stat st;
    *out = NULL;
    int n = 0;
    if (folder && *folder) {
        n = asprintf(out, "%s/%s", folder, name);
    } else {
        ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
        if (len <= 0) return NX_OK;
        self[len] = '\0';
        for (int up = 0; up < 2; up++) { /* PREFIX/bin/nexus, PREFIX/lib */
            char *slash = strrchr(self, '/');
            if (slash) *slash = '\0';
        }
        n = asprintf(out, "%s/lib/%s", self, name);
    }
    if (n < 0) {
        *out = NULL;
        return nx__error_set(NX_ENOMEM, "cannot look for %s: out of memory", name);
    }
    if (stat(*out, &st) == 0 && S_ISREG(st.st_mode)) return NX_OK;
    free(*out);
    *out = NULL;
    return NX_OK;
}
