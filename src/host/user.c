/* The user, and where his files are. */
#include "host/host.h"

#include "base/error.h"
#include "permission/facts.h"
#include "permission/permission.h"
#include <errno.h>
#include <nexus/env.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- Who */

/* The field that begins at `*at`, which then is the next one; empty at the end of the line. */
static nx_bytes field(const char **at)
{
    size_t len = strcspn(*at, ":\n");
    nx_bytes own = nx_slice(*at, len);
    *at += len + ((*at)[len] == ':');
    return own;
}

/* NAME:PASSWORD:UID:GID:COMMENT:HOME:SHELL */
nx_err nx__passwd_find(const char *text, uid_t uid, nx_user *out)
{
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *at = line;
        nx_bytes name = field(&at);
        (void)field(&at);
        nx_bytes number = field(&at);
        char *end;
        unsigned long found = number.len ? strtoul(number.data, &end, 10) : 0;
        if (!number.len || end != number.data + number.len || found != uid || !name.len) continue;
        (void)field(&at);
        (void)field(&at);
        out->name = nx_copy(name);
        out->home = nx_copy(field(&at));
        out->shell = nx_copy(field(&at));
        return out->name && out->home && out->shell ? NX_OK : NX_ENOMEM;
    }
    return NX_OK;
}

static nx_err passwd_read(nx_user *out)
{
    FILE *file = fopen("/etc/passwd", "re");
    char *line = NULL;
    size_t size = 0;
    nx_err err = NX_OK;
    if (!file) return NX_OK;
    while (!err && !out->name && getline(&line, &size, file) > 0)
        err = nx__passwd_find(line, out->uid, out);
    free(line);
    (void)fclose(file);
    return err;
}

static void fall_back(const char **text, const char *variable)
{
    if (*text && **text) return;
    const char *value = nx_env(variable);
    *text = value ? value : "";
}

nx_err nx_user_get(nx_user *out)
{
    nx_user user = {.uid = geteuid(), .gid = getegid()};
    NX_TRY(nx__permit(NX__PERMIT_SYS, NX__FACT_USER));
    NX_TRY(passwd_read(&user));
    fall_back(&user.name, "USER");
    fall_back(&user.home, "HOME");
    fall_back(&user.shell, "SHELL");
    NX__HOST_GIVE(out, user);
    return NX_OK;
}

/* ---- Where */

static const struct {
    const char *variable, *below; /* below the home directory; NULL: there is no other */
} dirs[] = {
    [NX_DIR_HOME] = {"HOME", ""},
    [NX_DIR_TEMP] = {"TMPDIR", NULL},
    [NX_DIR_CONFIG] = {"XDG_CONFIG_HOME", "/.config"},
    [NX_DIR_CACHE] = {"XDG_CACHE_HOME", "/.cache"},
    [NX_DIR_DATA] = {"XDG_DATA_HOME", "/.local/share"},
    [NX_DIR_STATE] = {"XDG_STATE_HOME", "/.local/state"},
    [NX_DIR_RUNTIME] = {"XDG_RUNTIME_DIR", NULL},
};

/* NULL where there is none. */
static nx_err base_of(nx_dir dir, const char **out)
{
    const char *own = nx_env(dirs[dir].variable);
    *out = NULL;
    if (own && own[0] == '/') {
        *out = own;
    } else if (dir == NX_DIR_TEMP) {
        *out = "/tmp";
    } else if (dirs[dir].below) {
        /* HOME goes before what /etc/passwd has, as in a shell. */
        nx_user user = {.size = sizeof user};
        const char *home = nx_env("HOME");
        if (!home || home[0] != '/') {
            NX_TRY(nx_user_get(&user));
            home = user.home;
        }
        if (home[0] != '/') return NX_OK;
        *out = nx_format("%s%s", home, dirs[dir].below);
        if (!*out) return NX_ENOMEM;
    }
    return NX_OK;
}

nx_err nx_user_dir(nx_dir dir, const char *app, const char **out)
{
    *out = NULL;
    if ((unsigned)dir >= sizeof dirs / sizeof *dirs)
        return nx__error_set(NX_EINVAL, "there is no directory number %d", (int)dir);
    if (app && (!*app || strchr(app, '/') || strcmp(app, ".") == 0 || strcmp(app, "..") == 0))
        return nx__error_set(NX_EINVAL, "cannot use \"%.60s\" as a directory's name", app);
    const char *base;
    NX_TRY(base_of(dir, &base));
    if (!base)
        return nx__error_set(NX_ENOENT, "there is no such directory: %s is not set",
                             dirs[dir].variable);
    *out = app ? nx_format("%s/%s", base, app) : base;
    return *out ? NX_OK : NX_ENOMEM;
}
