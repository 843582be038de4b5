/* Capabilities: what the program may do, and the one hook that every operation of the standard
 * library passes. */
#ifndef NX__PERMISSION_H
#define NX__PERMISSION_H

#include <nexus/base.h>

/* Each kind has the flags --allow-KIND and --deny-KIND. */
enum nx__permit_kind {
    NX__PERMIT_READ,  /* a path */
    NX__PERMIT_WRITE, /* a path */
    NX__PERMIT_NET,   /* an address to listen on: "host:port", "[v6]:port" or "unix:/path"; whom it
                         may talk to is in permission/connect.h */
    NX__PERMIT_ENV,   /* a variable's name */
    NX__PERMIT_RUN,   /* a program's name or path */
    NX__PERMIT_FFI,   /* a library's path */
    NX__PERMIT_KINDS
};

/* May the program do this? NX_OK, or NX_EPERM with a message that names the flag to run with:
 * `reading "a.txt" is not allowed; run with --allow-read=a.txt`. All is granted in a program that
 * was not started by `nexus run`. For the network it may ask the user through the launcher, which
 * blocks the thread until he has answered; all else returns at once (a path costs some lstat).
 * Allocates nothing. Any thread. */
NX_MUST_CHECK nx_err nx__permit(enum nx__permit_kind kind, const char *what);

/* ---- The grants of a program. */

struct nx__rule;

struct nx__rules {
    bool any;                       /* the flag came without a list */
    struct nx__rule *_Atomic first; /* grows at its head only */
};

/* All zero grants nothing. */
struct nx__permissions {
    bool all;
    struct nx__rules allow[NX__PERMIT_KINDS], deny[NX__PERMIT_KINDS];
};

/* Takes one command line argument: "--allow-read", "--allow-net=localhost:3000,:80",
 * "--deny-env=HOME", "--allow-all". Sets
 * `*taken` to whether it is such a flag. A flag given twice adds up. Paths are made absolute here,
 * against the current directory. NX_EUSAGE (recorded: what is wrong with the value), NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__permissions_parse(struct nx__permissions *permissions,
                                           const char *argument, bool *taken);

enum nx__verdict { NX__GRANTED, NX__MISSING, NX__DENIED };

/* What the flags say; a deny wins over every allow, --allow-all included. */
enum nx__verdict nx__permissions_verdict(const struct nx__permissions *permissions,
                                         enum nx__permit_kind kind, const char *what);

/* The same for a file (READ or WRITE) whose path has been resolved; NULL: it could not be. */
enum nx__verdict nx__permissions_path_verdict(const struct nx__permissions *permissions,
                                              enum nx__permit_kind kind, const char *resolved);

struct nx__endpoint;

/* The same for an address that has been read already. */
enum nx__verdict nx__permissions_endpoint_verdict(const struct nx__permissions *permissions,
                                                  const struct nx__endpoint *wanted);

/* Adds a grant, as --allow-KIND=WHAT would, to permissions that other threads may be reading.
 * NX_EUSAGE, NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__permissions_grant(struct nx__permissions *permissions,
                                           enum nx__permit_kind kind, const char *what);

/* From now on nx__permit answers by these, which must stay. NULL: all is allowed again (for tests).
 */
void nx__permissions_seal(struct nx__permissions *permissions);

/* Opens the directories that they name, in the process that is to use them: they stay those that
 * are there now, whatever takes their names. */
void nx__permissions_open(struct nx__permissions *permissions);

/* Frees the rules; for permissions that are not sealed. */
void nx__permissions_free(struct nx__permissions *permissions);

/* Copies text without its control characters, cut to `size` bytes with the NUL: for what comes from
 * outside and goes to a terminal. Returns `out`. */
char *nx__printable(char *out, size_t size, const char *text);

#endif
