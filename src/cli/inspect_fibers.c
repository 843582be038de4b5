/* Fibers as lldb's threads: a script for the debugger, laid into the cache, and what it has to know
 * of this build. */
#include "cli/inspect_bridge.h"

#include "loop/loop.h"
#include "module/internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)

/* In embedded.S. */
extern const char nx__inspect_fibers[];

bool nx__fibers_script(char path[PATH_MAX])
{
    char *cache;
    size_t len = strlen(nx__inspect_fibers);
    struct nx__buffer old = {0};
    if (nx__cache_dir(&cache)) return false;
    int n = snprintf(path, PATH_MAX, "%s/nexus_fibers.py", cache);
    free(cache);
    /* What would end the word in lldb's command. */
    if (n >= PATH_MAX || strpbrk(path, "\"\\`")) return false;
    bool there = nx__read_small(path, len + 1, &old) == NX_OK && old.len == len &&
                 memcmp(old.data, nx__inspect_fibers, len) == 0;
    nx__buffer_free(&old);
    return there || nx__write_whole(path, nx__inspect_fibers, len) == NX_OK;
}

void nx__fibers_describe(void)
{
    char text[256];
    (void)snprintf(text, sizeof text, "%llu,%zu,%zu,%zu,%zu,%zu,%zu,%zu",
                   (unsigned long long)(uintptr_t)&nx__program_loop,
                   offsetof(struct nx_loop, running), offsetof(struct nx_loop, fibers),
                   sizeof(nx_fiber), offsetof(nx_fiber, sp), offsetof(nx_fiber, name),
                   offsetof(nx_fiber, activity), offsetof(nx_fiber, all));
    (void)setenv("NEXUS_FIBERS", text, 1);
    (void)setenv("PYTHONDONTWRITEBYTECODE", "1", 1); /* not into the cache */
}

#else

/* The script knows the stacks of x86-64 alone. */
bool nx__fibers_script(char path[PATH_MAX])
{
    path[0] = '\0';
    return false;
}

void nx__fibers_describe(void) {}

#endif
