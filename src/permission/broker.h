/* What the app asks of its launcher, over a socket pair of packets; a program without a launcher
 * serves itself. */
#ifndef NX__BROKER_H
#define NX__BROKER_H

#include "base/error.h"
#include "permission/listen.h"
#include "permission/paths.h"

/* ---- The app's side. Each call that waits for an answer blocks the calling thread: they are rare
 * and at a program's start, and the launcher answers at once but for a question to the user or a
 * compilation. Any thread. */

/* Hands the app its end of the socket pair, which stays open. Before any thread is started. */
void nx__broker_connect(int fd);

/* Says which of the program's processes this is, cf. nx_worker_index. Before any thread is started.
 */
void nx__broker_worker(uint32_t index);
uint32_t nx__broker_worker_index(void);

/* The app's end, -1 in a program without a launcher. */
int nx__broker_fd(void);

/* Whether the launcher asks the user about the network. Set before any thread is started. */
extern bool nx__broker_asks;

/* Where to listen. */
struct nx__listen_options {
    const char *host; /* as for nx__listen; may be "unix:/path" */
    uint16_t port;    /* 0 lets the system choose */
    uint32_t backlog, unix_mode;
    uint32_t sockets;  /* that share the address, for the threads of this process; 0 and 1: one. A
                          Unix socket is one in any case */
    uint32_t workers;  /* processes that are to listen there, each with a socket of its own but for
                          Unix; 0 and 1: this one, UINT32_MAX: one for each processor. Not more than
                          one together with `sockets` */
    bool reuse;        /* others may listen there too, whoever they are (SO_REUSEPORT) */
    bool tls;          /* for what is said about it */
    nx_duration drain; /* how long the app may take to finish what it has; the launcher waits */
};

/* A listening socket, and the channel for connections that come from the program before this one
 * and go to the one after (permission/handover.h). -1 in a program without a launcher. */
struct nx__listener {
    int fd;
    int handed_in, handed_out;
};

/* The sockets of one address. */
enum { NX__LISTENERS_MAX = 64 };
struct nx__listeners {
    struct nx__listener items[NX__LISTENERS_MAX];
    unsigned count;
    uint16_t port; /* that it is, 0 for Unix */
};

/* Is it allowed to listen there? Asks the user where that is to be asked, and waits for the answer.
 * NX_EPERM; errors as nx__listen for the address. */
NX_MUST_CHECK nx_err nx__broker_may_listen(const struct nx__listen_options *options);

/* Listens, after the same check. The launcher keeps the sockets, so that the next
 * generation of the app gets the same ones and no connection is lost; where more workers are asked
 * for than there are, it starts them. At least one socket comes, and as many as were asked for
 * unless no more can be had. Errors as nx__listen, NX_EPERM, and NX_ENOTSUP for workers without a
 * launcher. The caller gives the descriptors back with nx__broker_unlisten. */
NX_MUST_CHECK nx_err nx__broker_listen(const struct nx__listen_options *options,
                                       struct nx__listeners *out);

/* Lets the launcher close its own of a listening socket, which the caller is about to close: nobody
 * listens there any more then, unless the next generation does. Removes the file of a Unix socket.
 * Does not block. Never shut such a socket down: it is shared. */
void nx__broker_leave(int fd);

/* The same, and closes the descriptors. Those of the channel may be -1: closed, or wanted for
 * longer. */
void nx__broker_unlisten(struct nx__listener *listener);

/* Asks the user to allow listening on `address`, or connecting to it, where he can be asked; no at
 * once where not. What he allows is this once, or from now on. */
enum nx__ask { NX__ASK_LISTEN, NX__ASK_CONNECT };
enum nx__asked { NX__ASKED_NO, NX__ASKED_ONCE, NX__ASKED_YES };
enum nx__asked nx__broker_ask(const char *address, enum nx__ask what);

/* Has the launcher resolve and compile (or open) what the program imports by this name, relative to
 * the program's file; NX__IMPORT_METERED is WebAssembly that counts fuel. The caller closes
 * `*so_fd`. NX_ENOENT, NX_EPERM, NX_ECOMPILE (the compiler's words are on stderr already);
 * NX_ENOTSUP without a launcher: the caller compiles by itself then.
 */
enum nx__import { NX__IMPORT_PLAIN, NX__IMPORT_METERED };
NX_MUST_CHECK nx_err nx__broker_import(const char *name, enum nx__import how, int *so_fd);

/* Asks the launcher whether the program may begin, and waits until it may: a debugger may have to
 * attach before. NX_ECONNRESET and others, recorded. */
NX_MUST_CHECK nx_err nx__broker_begin(void);

/* Has the launcher start a process worker of this program, with what `package` may (NULL: with what
 * the program may), which gets its end of the control
 * socket; its end is told by a packet on `status`, as an int of waitpid, and it is killed when the
 * other side of that is closed, or says anything. Both stay the caller's. NX_ELIMIT, NX_ENOTSUP,
 * NX_ENOENT (nexus.toml says nothing of the package) and others. */
NX_MUST_CHECK nx_err nx__broker_fork(const char *name, const char *package, int control,
                                     int status);

/* Has the launcher start who answers for the calls that a filter tells of, seccomp's listener, by
 * this process's grants (permission/keeper.h). The descriptor stays the caller's. False when it
 * can't be reached. */
bool nx__broker_keep(int listener);

/* Sends a report of a crash or a blocked loop for the launcher to print; at most
 * NX__BROKER_PACKET_MAX bytes. Never blocks, async-signal-safe. False when there is no launcher or
 * it does not take it. */
bool nx__broker_report(const void *report, size_t len);

/* Has the launcher tell the service manager something, an enum nx__notify. Never blocks: where the
 * launcher is behind, it is not told. */
void nx__broker_notify(unsigned what, const char *text);

/* What the program has asked for. */
struct nx__broker_access {
    uint32_t kind, use; /* an enum nx__permit_kind, an enum nx__use */
    bool granted;
    uint64_t address;          /* of the code that has asked, in its module's file; 0: unknown */
    const char *module, *what; /* the first of less than NX__BROKER_MODULE_MAX bytes */
};
enum { NX__BROKER_MODULE_MAX = 256 };

/* Tells the launcher of it; waits until it takes that. */
void nx__broker_access(struct nx__broker_access access);

/* ---- nexus dev */

/* What the client of a request likes to read. */
enum nx__broker_wants { NX__WANTS_TEXT, NX__WANTS_JSON, NX__WANTS_HTML };

/* Hands the launcher a connection, NX__BROKER_CRASHED or NX__BROKER_LIVE, with a word about it; the
 * descriptor stays the caller's. Never blocks, async-signal-safe. False when it does not take it.
 */
bool nx__broker_hand(unsigned kind, int fd, unsigned wants, const char *text);

/* Sends a report (NX__CRASH_FAILED) and gets the page that shows it, in a file that the caller
 * closes. Waits for the launcher. NX_ENOTSUP without one, NX_EIO and others. */
NX_MUST_CHECK nx_err nx__broker_page(const void *report, size_t len, int *fd);

/* ---- The packets, for the launcher. What does not begin with the magic number is a report. */

enum { NX__BROKER_MAGIC = 0x4e58424b, NX__BROKER_PACKET_MAX = 65536 };

/* The value of the SIGTERM that tells the app that the program after it listens already, or is
 * about to: what is open is handed over. */
enum { NX__BROKER_REPLACED = 0x4e58 };

/* Descriptors that come with a request at most. */
enum { NX__BROKER_SENT_FDS = 2 };

/* Descriptors of an answer at most: a listener has three. The kernel takes 253. */
enum { NX__BROKER_FDS = 3 * NX__LISTENERS_MAX };

enum nx__broker_kind {
    NX__BROKER_LISTEN = 1,
    NX__BROKER_UNLISTEN,
    NX__BROKER_ASK,
    NX__BROKER_IMPORT,
    NX__BROKER_BEGIN,
    NX__BROKER_CRASHED, /* a connection whose request has crashed the program */
    NX__BROKER_LIVE,    /* one that wants to be told of changes */
    NX__BROKER_NOTIFY,  /* a word for the service manager; is not answered */
    NX__BROKER_FORK,    /* a process worker, with its control socket and its status; the text is its
                           package's name or nothing, a line's end, and its own */
    NX__BROKER_ACCESS,  /* what the program has asked for; is not answered */
    NX__BROKER_KEEP     /* a listener of seccomp's; is not answered */
};

/* From the app. The text ends with a NUL and the packet with it. */
enum nx__broker_listens {
    NX__LISTENS_TLS = 1, /* for what is said about it */
    NX__LISTENS_REUSE = 2,
};

struct nx__broker_request {
    uint32_t magic, kind;
    uint32_t backlog, unix_mode, port, sockets, workers;
    uint32_t wants; /* NX__BROKER_CRASHED: an enum nx__broker_wants; NX__BROKER_NOTIFY: an enum
                       nx__notify; NX__BROKER_ASK: an enum nx__ask; NX__BROKER_LISTEN: of
                       enum nx__broker_listens; NX__BROKER_IMPORT: an enum nx__import;
                       NX__BROKER_ACCESS: 1 where it was granted, its kind in `port`, its use in
                       `sockets`, and the text is its module's name, a NUL, and what it is */
    union {
        uint64_t socket;   /* which is given back: its inode */
        uint64_t drain_ms; /* of who listens; UINT64_MAX: for as long as it takes */
        uint64_t address;  /* NX__BROKER_ACCESS: of the code */
    };
    char text[NX__PATH_MAX];
};

/* To the app, with descriptors where they were asked for. The message too ends the packet. */
struct nx__broker_answer {
    int32_t code, system;
    uint32_t port; /* of NX__BROKER_ASK: 1 where it is allowed once */
    char message[NX__ERROR_MESSAGE_MAX];
};

#endif
