/* The debugger's adapter: which there is, and a process of it. */
#include "cli/inspect_bridge.h"

#include "cli/doctor.h"
#include "cli/test.h"
#include "permission/permission.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    GDB_FIRST = 14,    /* the first gdb that speaks the protocol */
    UNNUMBERED = 1000, /* "lldb-dap" without a number is the system's choice */
    SAID_MOST = 4096
};

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* How new an adapter of this name is: "lldb-dap", "lldb-dap-19", "lldb-vscode-14"; 0 for others. */
static unsigned rank(const char *name)
{
    static const char *const names[] = {"lldb-dap", "lldb-vscode"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t len = strlen(names[i]);
        if (strncmp(name, names[i], len) != 0) continue;
        if (!name[len]) return UNNUMBERED - (unsigned)i;
        if (name[len] != '-' || strlen(name + len) > 4) return 0;
        char *end;
        unsigned long number = strtoul(name + len + 1, &end, 10);
        return *end ? 0 : (unsigned)number;
    }
    return 0;
}

/* lldb's newest in the folder, if it is newer than `best`. */
static void look_in(const char *folder, struct nx__adapter *out, unsigned *best)
{
    DIR *dir = opendir(folder);
    if (!dir) return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[PATH_MAX];
        unsigned found = rank(entry->d_name);
        if (found <= *best ||
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path ||
            !is_program(path))
            continue;
        *best = found;
        memcpy(out->path, path, sizeof path);
    }
    (void)closedir(dir);
}

static bool find_lldb(struct nx__adapter *out)
{
    const char *path = getenv("PATH");
    unsigned best = 0;
    for (const char *next; path && *path; path = next) {
        size_t len = strcspn(path, ":");
        next = path[len] ? path + len + 1 : path + len;
        char folder[PATH_MAX];
        /* Never a relative one: it would be the project's own. */
        if (path[0] != '/' || len >= sizeof folder) continue;
        memcpy(folder, path, len);
        folder[len] = '\0';
        look_in(folder, out, &best);
    }
    out->kind = NX__ADAPTER_LLDB;
    return best != 0;
}

/* The number behind the last space of "GNU gdb (Debian 13.1-3) 13.1"; 0 where there is none. */
static unsigned gdb_version(const char *path)
{
    struct nx__buffer said = {0};
    const char *argv[] = {path, "--version", NULL};
    unsigned long version = 0;
    if (nx__tool_output(argv, &said) == NX_OK && said.len) {
        char line[128];
        (void)snprintf(line, sizeof line, "%.*s", (int)strcspn(said.data, "\n"), said.data);
        const char *space = strrchr(line, ' ');
        if (space) version = strtoul(space + 1, NULL, 10);
    }
    nx__buffer_free(&said);
    return (unsigned)version;
}

/* The one that the user names, by name or path. */
static nx_err find_named(const char *name, struct nx__adapter *out)
{
    const char *slash = strrchr(name, '/');
    char clean[128];
    bool there = slash ? realpath(name, out->path) && is_program(out->path)
                       : nx__doctor_find(name, out->path, sizeof out->path);
    if (!there)
        return nx__error_set(NX_ENOENT, "cannot find \"%s\", which NEXUS_DEBUGGER names",
                             nx__printable(clean, sizeof clean, name));
    out->kind = strstr(slash ? slash + 1 : name, "gdb") ? NX__ADAPTER_GDB : NX__ADAPTER_LLDB;
    unsigned version = out->kind == NX__ADAPTER_GDB ? gdb_version(out->path) : GDB_FIRST;
    if (version >= GDB_FIRST) return NX_OK;
    return nx__error_set(
        NX_ENOTSUP,
        "%.128s, which NEXUS_DEBUGGER names, is gdb %u; the Debug Adapter Protocol takes %d or later",
        out->path, version, GDB_FIRST);
}

nx_err nx__adapter_find(struct nx__adapter *out)
{
    const char *named = getenv("NEXUS_DEBUGGER");
    if (named && *named) return find_named(named, out);
    if (find_lldb(out)) return NX_OK;
    unsigned version = 0;
    if (nx__doctor_find("gdb", out->path, sizeof out->path)) version = gdb_version(out->path);
    out->kind = NX__ADAPTER_GDB;
    if (version >= GDB_FIRST) return NX_OK;
    char old[64] = "";
    if (version) (void)snprintf(old, sizeof old, " (gdb %u is too old)", version);
    return nx__error_set(
        NX_ENOTSUP,
        "cannot find a debugger for --inspect: neither lldb-dap nor gdb %d%s; install one (Debian, Ubuntu: apt install lldb; "
        "Fedora: dnf install lldb; Arch: pacman -S lldb; Alpine: apk add lldb)",
        GDB_FIRST, old);
}

/* ---- Its process */

/* Only what may be called between fork and exec. */
static NX__NORETURN void become(const struct nx__adapter *adapter, const sigset_t *mask, int in,
                                int out)
{
    /* The terminal's Ctrl-C is for the program. */
    (void)setpgid(0, 0);
    (void)sigprocmask(SIG_SETMASK, mask, NULL);
    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0) _exit(127);
    /* What reaches the program as ever must not stop it. */
    char *gdb[] = {
        (char *)(uintptr_t)adapter->path,
        "--quiet",
        "--interpreter=dap",
        "--init-eval-command=handle SIGTERM SIGHUP SIGQUIT SIGPIPE SIGUSR1 SIGUSR2 nostop noprint pass",
        "--init-eval-command=set debuginfod enabled off",
        NULL};
    char *lldb[] = {(char *)(uintptr_t)adapter->path, NULL};
    (void)execv(adapter->path, adapter->kind == NX__ADAPTER_GDB ? gdb : lldb);
    _exit(127);
}

nx_err nx__adapter_start(const struct nx__adapter *adapter, const sigset_t *mask,
                         struct nx__adapter_process *out)
{
    int to[2] = {-1, -1}, from[2] = {-1, -1};
    pid_t pid = -1;
    if (pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0 &&
        fcntl(to[1], F_SETFL, O_NONBLOCK) == 0 && fcntl(from[0], F_SETFL, O_NONBLOCK) == 0)
        pid = fork();
    if (pid == 0) become(adapter, mask, to[0], from[1]);
    nx_err err = pid < 0 ? nx__error_system(errno, "cannot start %.150s", adapter->path) : NX_OK;
    if (to[0] >= 0) (void)close(to[0]);
    if (from[1] >= 0) (void)close(from[1]);
    if (err) {
        if (to[1] >= 0) (void)close(to[1]);
        if (from[0] >= 0) (void)close(from[0]);
        return err;
    }
    *out = (struct nx__adapter_process){.pid = pid, .in = to[1], .out = from[0]};
    return NX_OK;
}
