/* Flags by their tables. */
#include "cli/flags.h"

#include "cli/cli.h"
#include "permission/facts.h"
#include "permission/permission.h"

enum { FLAGS_MOST = 96, NAME_SIZE = 64 };

const char *nx__compiler_words(size_t index, const char **summary)
{
    static const char *const words[][2] = {{"tcc", "compiles at once"},
                                           {"gcc", "optimises for --release"},
                                           {"clang", "optimises for --release"},
                                           {"zig", "zig cc"}};
    if (index >= sizeof words / sizeof *words) return NULL;
    *summary = words[index][1];
    return words[index][0];
}

const char *nx__fact_words(size_t index, const char **summary)
{
    *summary = NULL;
    return nx__fact_name(index);
}

const struct nx__flag *nx__flag_find(const struct nx__flag *flags, const char *argument,
                                     const char **value)
{
    for (; flags && flags->name; flags++) {
        size_t len = strlen(flags->name);
        if (strncmp(argument, flags->name, len) != 0) continue;
        if (argument[len] != '\0' && argument[len] != '=') continue;
        *value = argument[len] ? argument + len + 1 : NULL;
        return flags;
    }
    return NULL;
}

NX__COLD nx_err nx__flag_unknown(const struct nx__flag *flags, const char *argument,
                                 const char *otherwise)
{
    const char *names[FLAGS_MOST] = {NULL};
    char name[NAME_SIZE], clean[NAME_SIZE];
    size_t count = 0, len = strcspn(argument, "=");
    for (; flags && flags->name && count + 1 < FLAGS_MOST; flags++) names[count++] = flags->name;
    if (len >= sizeof name) len = sizeof name - 1;
    memcpy(name, argument, len);
    name[len] = '\0';
    nx__printable(clean, sizeof clean, name);
    const char *near = nx__suggest(name, names);
    if (near) return nx__error_set(NX_EUSAGE, "unknown flag %s; did you mean %s?", clean, near);
    return nx__error_set(NX_EUSAGE, "unknown flag %s; %s", clean, otherwise);
}
