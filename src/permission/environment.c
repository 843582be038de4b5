/* The environment of a program that has not been granted all of it. */
#include "permission/environment.h"

#include "permission/paths.h"

#include <unistd.h>

bool nx__environment_is_plain(const char *name)
{
    static const char *const names[] = {
        "COLORTERM", "COLUMNS", "FORCE_COLOR", "HOME",  "LANG", "LANGUAGE", "LINES", "LOGNAME",
        "NO_COLOR",  "PATH",    "PWD",         "SHELL", "TERM", "TMPDIR",   "TZ",    "USER"};
    static const char *const heads[] = {"LC_", "NEXUS_", "XDG_"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (name[0] == names[i][0] && strcmp(name, names[i]) == 0) return true;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (name[0] == heads[i][0] && strncmp(name, heads[i], strlen(heads[i])) == 0) return true;
    return false;
}

/* Those by which a service manager speaks to the process that it has started: the launcher. */
static bool is_launchers(const char *name)
{
    static const char *const names[] = {"LISTEN_FDNAMES", "LISTEN_FDS",   "LISTEN_PID",
                                        "NOTIFY_SOCKET",  "WATCHDOG_PID", "WATCHDOG_USEC"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static bool is_granted(const struct nx__permissions *permissions, const char *entry)
{
    char name[NX__PATH_MAX];
    size_t len = strcspn(entry, "=");
    if (len >= sizeof name) return false;
    memcpy(name, entry, len);
    name[len] = '\0';
    return !is_launchers(name) &&
           nx__permissions_verdict(permissions, NX__PERMIT_ENV, name) == NX__GRANTED;
}

void nx__environment_seal(const struct nx__permissions *permissions)
{
    char **kept = environ;
    if (!kept) return;
    for (char **entry = environ; *entry; entry++) {
        if (is_granted(permissions, *entry))
            *kept++ = *entry;
        else
            memset(*entry, 0, strlen(*entry));
    }
    *kept = NULL;
}
