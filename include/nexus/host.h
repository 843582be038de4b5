/* The machine, the user, and the process itself. */
#ifndef NEXUS_HOST_H
#define NEXUS_HOST_H

#include <nexus/base.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* None of these suspends: they read small files of the kernel's. What tells of the machine or its
 * user takes --allow-sys. What they return is memory of the current scope. Text that can't be found
 * out, or was not granted, is "", a number 0. */

/* ---- The machine */

typedef struct nx_host {
    size_t size;
    const char *name;         /* the host's own, as it calls itself */
    const char *kernel;       /* "Linux" */
    const char *release;      /* of the kernel: "6.1.0-18-amd64" */
    const char *architecture; /* "x86_64" */
    const char *system;       /* os-release, ID: "debian" */
    const char *version;      /* VERSION_ID: "12" */
    const char *title;        /* PRETTY_NAME: "Debian GNU/Linux 12 (bookworm)" */
    unsigned cpus; /* that the process may use at once: by its affinity and control groups */
    /* In bytes, and no more than its control groups, of either version, leave the process. */
    uint64_t memory, memory_available;
    size_t page_size;
    nx_duration uptime; /* since the machine has started, its sleep included */
    double load[3];     /* fibers play no part: processes that run or wait, over 1, 5, 15 minutes */
} nx_host;

/* Fills `*host`, whose `size` is set: nx_host host = {.size = sizeof host}. With as much as
 * --allow-sys grants of hostname, os (release, system, version, title), cpus, memory, uptime and
 * load; the kernel's name, the architecture and the page size come with any of them. NX_EPERM (none
 * is granted), NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_host_get(nx_host *host);

/* ---- The network */

typedef struct nx_interface_address {
    const char *address; /* "192.168.1.7", "fe80::1" */
    unsigned prefix;     /* bits of the network: 24 */
    bool v6;
} nx_interface_address;

typedef struct nx_interface {
    const char *name; /* "eth0" */
    unsigned index;
    bool up, loopback;
    const char *mac; /* "52:54:00:12:34:56", "" where it has none */
    const nx_interface_address *addresses;
    size_t address_count;
} nx_interface;

/* All there are, in the kernel's order. NX_EPERM (--allow-sys=network), NX_ENOMEM, NX_EMFILE and
 * others of the system. */
NX_API NX_MUST_CHECK nx_err nx_host_interfaces(nx_interface **out, size_t *count);

/* ---- The user */

typedef struct nx_user {
    size_t size;
    uid_t uid; /* in effect */
    gid_t gid;
    const char *name, *home, *shell;
} nx_user;

/* The user that the process runs as, as /etc/passwd has it; one who is not there (he comes from a
 * directory service, say) is what USER, HOME and SHELL say. Libc's name service is not asked: it
 * blocks, and a program that is linked statically doesn't have it. NX_EPERM (--allow-sys=user),
 * NX_ENOMEM.
 */
NX_API NX_MUST_CHECK nx_err nx_user_get(nx_user *user);

typedef enum nx_dir {
    NX_DIR_HOME,
    NX_DIR_TEMP,    /* $TMPDIR, or /tmp */
    NX_DIR_CONFIG,  /* $XDG_CONFIG_HOME, or ~/.config */
    NX_DIR_CACHE,   /* $XDG_CACHE_HOME, or ~/.cache */
    NX_DIR_DATA,    /* $XDG_DATA_HOME, or ~/.local/share */
    NX_DIR_STATE,   /* $XDG_STATE_HOME, or ~/.local/state */
    NX_DIR_RUNTIME, /* $XDG_RUNTIME_DIR, or none */
} nx_dir;

/* Where the user keeps such files, with "/APP" behind it unless `app` is NULL: absolute, and not
 * made (nx_fs_mkdir does). As the XDG Base Directory Specification has it: a variable that isn't an
 * absolute path doesn't count. NX_ENOENT (there is none), NX_EINVAL (of `app`), NX_ENOMEM.
 *   NX_TRY(nx_user_dir(NX_DIR_CACHE, "notes", &folder)); */
NX_API NX_MUST_CHECK nx_err nx_user_dir(nx_dir dir, const char *app, const char **out);

/* ---- The process */

typedef struct nx_self {
    size_t size;
    pid_t pid, ppid;
    const char *executable; /* the file that the kernel has started: under `nexus run`, nexus */
    const char *program;    /* the program's own: its .c file, or again the executable */
    uint64_t memory;        /* in use now, shared pages included, in bytes */
    uint64_t memory_peak;
    nx_duration cpu_user, cpu_system; /* of all threads, so far */
    nx_duration uptime;               /* since the process has started */
} nx_self;

/* Fills `*self`, whose `size` is set. A program that leaves the directory in which it was started
 * asks before for `program`. NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_self_get(nx_self *self);

#ifdef __cplusplus
}
#endif

#endif
