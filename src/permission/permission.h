/* Capabilities: what the program may do, and the one hook that every operation of the standard
 * library passes. */
#ifndef NX__PERMISSION_H
#define NX__PERMISSION_H

#include <nexus/base.h>

/* Each kind has the flags --allow-KIND and --deny-KIND; that of the network has two more, for a
 * part of it. */
enum nx__permit_kind {
    NX__PERMIT_READ,  /* a path */
    NX__PERMIT_WRITE, /* a path */
    NX__PERMIT_NET,   /* an address to listen on: "host:port", "[v6]:port" or "unix:/path"; whom it
                         may talk to is in permission/connect.h */
    NX__PERMIT_ENV,   /* a variable's name */
    NX__PERMIT_RUN,   /* a program's name or path */
    NX__PERMIT_FFI,   /* a library's path */
    NX__PERMIT_SYS,   /* a fact about the machine, of permission/facts.h */
    NX__PERMIT_WASM,  /* a module's path */
    NX__PERMIT_KINDS
};

/* What an entry of a list, or the lack of one, is about: all of it but for the network. */
enum nx__use { NX__USE_LISTEN = 1, NX__USE_CONNECT = 2, NX__USE_ANY = 3 };

/* May the program do this? NX_OK, or NX_EPERM with a message that names the flag to run with:
 * `reading "a.txt" is not allowed; run with --allow-read=a.txt`. All is granted in a program that
 * was not started by `nexus run`. For the network it may ask the user through the launcher, which
 * blocks the thread until he has answered; all else returns at once (a path costs some lstat).
 * Allocates nothing. Any thread. */
NX_MUST_CHECK nx_err nx__permit(enum nx__permit_kind kind, const char *what);

/* The same for what is told by its name where it is looked for, and not here: NX_EPERM where all of
 * the kind is denied. */
NX_MUST_CHECK nx_err nx__permit_kind(enum nx__permit_kind kind, const char *what);

/* ---- The grants of a program. */

struct nx__rule;

struct nx__rules {
    _Atomic uint8_t any;            /* the flag came without a list: of enum nx__use */
    struct nx__rule *_Atomic first; /* grows at its head only */
};

/* All zero grants nothing. */
struct nx__permissions {
    bool all;
    uint16_t led; /* how many addresses names have led to */
    struct nx__rules allow[NX__PERMIT_KINDS], deny[NX__PERMIT_KINDS];
};

/* A flag or a key of nexus.toml without its value. */
struct nx__permission_key {
    enum nx__permit_kind kind;
    enum nx__use use;
    bool deny;
};

/* The key of that name, as it is behind "--" or "--allow-": "read", "connect", "deny-read". False
 * where there is none. */
bool nx__permission_named(const char *name, size_t len, struct nx__permission_key *out);

/* What such a key is called, without "deny-". */
const char *nx__permission_name(enum nx__permit_kind kind, enum nx__use use);

/* Adds one entry, to permissions that other threads may be reading. Paths are made absolute here,
 * against the current directory. NX_EUSAGE, NX_ENOMEM, recorded. */
NX_MUST_CHECK nx_err nx__permissions_add(struct nx__permissions *permissions,
                                         const struct nx__permission_key *key, const char *text,
                                         size_t len);

/* What a name that is granted has led to: grants connecting to that address, at the ports that the
 * grants of the name have. NX_ENOMEM; NX_ELIMIT past NX__LED_MOST of them. */
struct nx__endpoint;
enum { NX__LED_MOST = 4096 };
NX_MUST_CHECK nx_err nx__permissions_led(struct nx__permissions *permissions,
                                         const struct nx__endpoint *name,
                                         const struct nx__endpoint *address);

/* The same for --allow-KIND=WHAT. */
NX_MUST_CHECK nx_err nx__permissions_grant(struct nx__permissions *permissions,
                                           enum nx__permit_kind kind, const char *what);

/* Adds all there are of that key. */
void nx__permissions_add_all(struct nx__permissions *permissions,
                             const struct nx__permission_key *key);

/* Takes one command line argument: "--allow-read", "--allow-net=localhost:3000,:80",
 * "--deny-env=HOME", "--allow-all". Sets
 * `*taken` to whether it is such a flag. A flag given twice adds up. Paths are made absolute here,
 * against the current directory. NX_EUSAGE (recorded: what is wrong with the value), NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__permissions_parse(struct nx__permissions *permissions,
                                           const char *argument, bool *taken);

enum nx__verdict { NX__GRANTED, NX__MISSING, NX__DENIED };

/* What the flags say; a deny wins over every allow, --allow-all included. Of the network: may it
 * listen there? */
enum nx__verdict nx__permissions_verdict(const struct nx__permissions *permissions,
                                         enum nx__permit_kind kind, const char *what);

/* The same for a file (READ or WRITE) whose path has been resolved; NULL: it could not be. */
enum nx__verdict nx__permissions_path_verdict(const struct nx__permissions *permissions,
                                              enum nx__permit_kind kind, const char *resolved);

/* The same for an address, as the program spells it, and for one that has been read already.
 * NX__USE_ANY is either of both. */
enum nx__verdict nx__permissions_net_verdict(const struct nx__permissions *permissions,
                                             enum nx__use use, const char *what);
enum nx__verdict nx__permissions_endpoint_verdict(const struct nx__permissions *permissions,
                                                  enum nx__use use,
                                                  const struct nx__endpoint *wanted);

/* From now on nx__permit answers by these, which must stay. NULL: all is allowed again (for tests).
 */
void nx__permissions_seal(struct nx__permissions *permissions);

/* Opens the directories that they name, in the process that is to use them: they stay those that
 * are there now, whatever takes their names. */
void nx__permissions_open(struct nx__permissions *permissions);

/* Frees the rules; for permissions that are not sealed. */
void nx__permissions_free(struct nx__permissions *permissions);

/* Copies text without its control characters, those that turn its direction included, cut to `size`
 * bytes with the NUL: for what comes from outside and goes to a terminal. Returns `out`. */
char *nx__printable(char *out, size_t size, const char *text);

/* The text as a shell has to be told it, so that it is one word there: itself, or quoted in `out`,
 * cut to its size. */
const char *nx__shell_word(char *out, size_t size, const char *text);

#endif
