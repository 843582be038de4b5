/* What the program may do: asking, asking for more, and giving up. */
#ifndef NEXUS_PERMISSION_H
#define NEXUS_PERMISSION_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Each as its flag, --allow-read and so on. */
typedef enum nx_permission {
    NX_PERMISSION_READ,    /* a path, of a file or of a directory with all below it */
    NX_PERMISSION_WRITE,   /* the same */
    NX_PERMISSION_LISTEN,  /* an address: "127.0.0.1:3000", "unix:/run/app" */
    NX_PERMISSION_CONNECT, /* the same: "example.com:443" */
    NX_PERMISSION_ENV,     /* a variable's name */
    NX_PERMISSION_RUN,     /* a program's name or path */
    NX_PERMISSION_FFI,     /* a library's path */
    NX_PERMISSION_SYS,     /* a fact's name: "hostname", "memory" */
    NX_PERMISSION_WASM,    /* a module's path */
    NX_PERMISSION_COUNT
} nx_permission;

typedef enum nx_permission_state {
    NX_PERMISSION_GRANTED,
    NX_PERMISSION_PROMPT, /* not granted, but nx_permission_request would ask the user */
    NX_PERMISSION_DENIED
} nx_permission_state;

/* May the program do this to `name`, or to all there are where that is NULL? A program that was not
 * started by `nexus run` may do all that it has not given up. What is not a name of the kind is
 * denied. Of a path it may ask the disk, and block for that. Records no error, does not suspend.
 * Any thread. */
NX_API nx_permission_state nx_permission_query(nx_permission what, const char *name);

/* Has it granted: NX_OK where it is already, or where the user says so on the terminal. Asked for
 * are NX_PERMISSION_LISTEN and NX_PERMISSION_CONNECT with a name; all else can't be granted any
 * more once the program runs. NX_EPERM with the flag to run with, NX_EINVAL (no such name can be),
 * NX_ECANCELED. May suspend. */
NX_API NX_MUST_CHECK nx_err nx_permission_request(nx_permission what, const char *name);

/* Gives up for good what was granted: `name`, with what is below a path, or all there are where it
 * is NULL (which is what NX_PERMISSION_FFI and NX_PERMISSION_WASM take); a network pattern such as
 * "10.0.0.0/8" too. It binds every later call of Nexus's in this process, and there is no way back.
 * What is open stays open, a variable stays in the memory of the process, and neither other
 * processes of the program nor C code that calls the system by itself is bound. NX_EINVAL,
 * NX_ENOMEM. Does not suspend. Any thread. */
NX_API NX_MUST_CHECK nx_err nx_permission_revoke(nx_permission what, const char *name);

#ifdef __cplusplus
}
#endif

#endif
