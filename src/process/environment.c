/* The environment of a program. */
#include "env/env.h"
#include "permission/program.h"
#include "process/process.h"

/* Bytes of the name in "NAME=value". */
static size_t name_len(const char *entry)
{
    return strcspn(entry, "=");
}

/* Puts an entry in the place of one with its name, or behind the last. One without a value takes
 * that away. */
static void put(char **entries, size_t *count, const char *entry)
{
    size_t len = name_len(entry), at = 0;
    while (at < *count && !(name_len(entries[at]) == len && memcmp(entries[at], entry, len) == 0))
        at++;
    if (entry[len]) {
        entries[at] = (char *)(uintptr_t)entry;
        *count += at == *count;
    } else if (at < *count) {
        entries[at] = entries[--*count];
    }
}

static nx_err check(const char *entry)
{
    size_t len = name_len(entry);
    if (!len) return nx__error_set(NX_EINVAL, "an entry of .env has no name: \"%s\"", entry);
    return entry[len] ? nx__permit_program_variable(entry) : NX_OK;
}

nx_err nx__process_environment(const nx_process_options *options, char ***out)
{
    size_t count = 0, more = 0;
    char **entries;
    while (options->env && options->env[more]) more++;
    NX_TRY(nx__env_copy(more, &entries, &count));
    if (options->clear_env) count = 0;
    for (size_t i = 0; i < more; i++) {
        NX_TRY(check(options->env[i]));
        put(entries, &count, options->env[i]);
    }
    entries[count] = NULL;
    *out = entries;
    return NX_OK;
}

const char *nx__process_variable(char *const *environment, const char *name)
{
    size_t len = strlen(name);
    for (; *environment; environment++)
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
            return *environment + len + 1;
    return NULL;
}
