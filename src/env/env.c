/* Environment variables. */
#include "env/env.h"

#include "base/error.h"
#include "permission/permission.h"
#include "permission/program.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* Between the calls here; what else reads the environment doesn't ask. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static nx_err name_check(const char *name, const char *doing)
{
    if (!name || !*name || strchr(name, '='))
        return nx__error_set(NX_EINVAL, "cannot %s \"%.100s\": that is no name of a variable",
                             doing, name ? name : "");
    return nx__permit(NX__PERMIT_ENV, name);
}

/* What is set for this program those that it starts have too. */
static nx_err set_check(const char *name)
{
    NX_TRY(name_check(name, "set"));
    return nx__permit_program_variable(name);
}

const char *nx_env(const char *name)
{
    if (name_check(name, "read")) return NULL;
    (void)pthread_mutex_lock(&turn);
    const char *value = getenv(name);
    char *copy = value ? nx_copy(nx_str(value)) : NULL;
    (void)pthread_mutex_unlock(&turn);
    if (!value) NX_IGNORE(nx__error_set(NX_ENOENT, "%.100s is not set", name));
    return copy;
}

nx_err nx_env_set(const char *name, const char *value)
{
    NX_TRY(set_check(name));
    (void)pthread_mutex_lock(&turn);
    int failed = setenv(name, value, 1);
    (void)pthread_mutex_unlock(&turn);
    return failed ? nx__error_system(errno, "cannot set %.100s", name) : NX_OK;
}

nx_err nx_env_unset(const char *name)
{
    NX_TRY(name_check(name, "remove"));
    (void)pthread_mutex_lock(&turn);
    int failed = unsetenv(name);
    (void)pthread_mutex_unlock(&turn);
    return failed ? nx__error_system(errno, "cannot remove %.100s", name) : NX_OK;
}

nx_err nx__env_apply(const nx_env_variable *variables, size_t count, bool override)
{
    for (size_t i = 0; i < count; i++) NX_TRY(set_check(variables[i].name));
    for (size_t i = 0; i < count; i++) {
        /* Of two in one list the later one counts, whether or not the first was set before. */
        bool again = false;
        for (size_t j = i + 1; j < count && !again; j++)
            again = strcmp(variables[i].name, variables[j].name) == 0;
        if (again || (!override && getenv(variables[i].name))) continue;
        NX_TRY(nx_env_set(variables[i].name, variables[i].value));
    }
    return NX_OK;
}

/* ---- Listing */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const nx_env_variable *)a)->name, ((const nx_env_variable *)b)->name);
}

/* Is it to be listed? What has no name is nobody's to read. */
static nx_err entry_take(const char *entry, nx_env_variable *out, bool *taken)
{
    const char *equals = strchr(entry, '=');
    *taken = false;
    if (!equals || equals == entry) return NX_OK;
    char *name = nx_copy(nx_slice(entry, (size_t)(equals - entry)));
    if (!name) return NX_ENOMEM;
    if (nx__permit(NX__PERMIT_ENV, name)) return NX_OK;
    *out = (nx_env_variable){.name = name, .value = nx_copy(nx_str(equals + 1))};
    *taken = true;
    return out->value ? NX_OK : NX_ENOMEM;
}

static nx_err list(nx_env_variable **out, size_t *count)
{
    size_t all = 0;
    while (environ && environ[all]) all++;
    nx_env_variable *variables = nx_alloc_zero(all + 1, sizeof *variables);
    if (!variables) return NX_ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < all; i++) {
        bool taken;
        NX_TRY(entry_take(environ[i], &variables[n], &taken));
        n += taken;
    }
    if (n) qsort(variables, n, sizeof *variables, by_name);
    *out = variables;
    *count = n;
    return NX_OK;
}

nx_err nx_env_list(nx_env_variable **out, size_t *count)
{
    *out = NULL;
    *count = 0;
    (void)pthread_mutex_lock(&turn);
    nx_err err = list(out, count);
    (void)pthread_mutex_unlock(&turn);
    return err;
}

static nx_err copy(size_t more, char ***out, size_t *count)
{
    size_t n = 0;
    while (environ && environ[n]) n++;
    char **entries = nx_alloc_zero(n + more + 1, sizeof *entries);
    if (!entries) return NX_ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (!(entries[i] = nx_copy(nx_str(environ[i])))) return NX_ENOMEM;
    *out = entries;
    *count = n;
    return NX_OK;
}

nx_err nx__env_copy(size_t more, char ***out, size_t *count)
{
    (void)pthread_mutex_lock(&turn);
    nx_err err = copy(more, out, count);
    (void)pthread_mutex_unlock(&turn);
    return err;
}
