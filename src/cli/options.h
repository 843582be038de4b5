/* The command line of `nexus run`. */
#ifndef NX__OPTIONS_H
#define NX__OPTIONS_H

#include "cli/inspect.h"
#include "permission/package.h"
#include "permission/permission.h"
#include <nexus/runtime.h>
#include <nexus/wasm.h>

enum { NX__ENV_FILES_MOST = 16, NX__DIRS_MOST = 32, NX__ENV_MOST = 256, NX__SETS_MOST = 8 };

struct nx__run {
    const char *file;        /* found by what was given; also the app's argv[0] */
    int argc;                /* the app's own */
    char **argv;             /* ends with NULL */
    const char *compiler;    /* NULL: not given */
    const char *compiler_by; /* "--compiler" or "CC" */
    int log_level;           /* --log-level, 0: not given */
    const char *profile;     /* --profile: the file, "" where none was named, NULL: not given */
    uint32_t profile_rate;   /* --profile-rate, samples a second; 0: not given */
    nx_duration restart_deadline;              /* for a new program to listen; 0: not given */
    const char *env_files[NX__ENV_FILES_MOST]; /* --env-file, as they were given */
    size_t env_files_count;
    const char *dirs[NX__DIRS_MOST]; /* --dir and --dir-ro, "HOST::GUEST", of WebAssembly */
    bool dirs_read_only[NX__DIRS_MOST];
    size_t dirs_count;
    const char *env[NX__ENV_MOST + 1]; /* --env, "NAME=VALUE", of WebAssembly */
    size_t env_count;
    nx_wasm_policy wasm;   /* its limits, as far as they were given */
    const char *wasm_flag; /* a flag of WebAssembly alone; NULL: none was given */
    bool watch, release, refresh, no_prompt, no_warnings, help;
    bool strict; /* --permissions=strict: not without the kernel */
    struct nx__inspect_options inspect;
    bool dev; /* nexus dev, which has the next three */
    bool open, no_log, reload;
    nx_limits limits;
    struct nx__serve {
        const char *host;            /* NULL: it is another command */
        const char *cert, *key;      /* of HTTPS; NULL: plain */
        uint64_t body;               /* bytes of a request's; 0: any number */
        uint32_t workers;            /* 0: one */
        uint32_t uses;               /* requests that an instance may answer; 0: one */
        uint16_t port;               /* 0: any */
    } serve;                         /* nexus serve */
    const char *sets[NX__SETS_MOST]; /* --permissions, of nexus.toml */
    size_t sets_count;
    bool trace_permissions;             /* each access is said */
    const char *audit;                  /* --audit-permissions: the file; NULL: none */
    bool ran;                           /* the program has been started */
    bool suggest;                       /* nexus permissions suggest */
    bool no_sets;                       /* --permissions=none */
    struct nx__permissions permissions; /* of the flags, and then of the sets too */
    struct nx__package *packages;       /* [permissions.packages] */
};

/* The program that a word on the command line means: a file, one without its ".c", or the main of
 * the project in a folder. The caller frees it. NX_ENOENT, NX_EUSAGE, NX_EINVAL, NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__run_find(const char *word, char **out);

/* Reads argv[1] to argv[argc - 1] into `*run`, which is all zero but for `dev` and `watch`; strings
 * stay argv's, and argv is reordered. With `help` set nothing else counts. NX_EUSAGE (recorded),
 * NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__run_parse(struct nx__run *run, int argc, char **argv);

#endif
