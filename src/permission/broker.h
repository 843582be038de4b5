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

/* The app's end, -1 in a program without a launcher. */
int nx__broker_fd(void);

/* Listens, after the check of permissions. The launcher keeps the socket, so that the next
 * generation of the app gets the same one and no connection is lost. `host` may be "unix:/path";
 * port 0 lets the system choose. Parameters and errors as nx__listen, NX_EPERM too. `want` sockets
 * share the address, or as few as one where more can't be had; there are more where the generation
 * before had more, whose connections are to be served too. The caller gives each back with
 * nx__broker_unlisten. */
NX_MUST_CHECK nx_err nx__broker_listen(const char *host, uint16_t port, unsigned backlog,
                                       unsigned unix_mode, unsigned want,
                                       struct nx__listeners *listeners);

/* Lets the launcher close its own of a descriptor of nx__broker_listen, which the caller is about
 * to close: nobody listens there any more then, unless the next generation does. Removes the file
 * of a Unix socket. Does not block. Never shut such a socket down: it is shared. */
void nx__broker_leave(int fd);

/* The same, and closes it. */
void nx__broker_unlisten(int fd);

/* Asks the user to allow listening on `address`, where he can be asked; false at once where not. */
bool nx__broker_ask(const char *address);

/* Has the launcher resolve and compile (or open) what the program imports by this name, relative to
 * the program's file. The caller closes `*so_fd`. NX_ENOENT, NX_EPERM, NX_ECOMPILE (the compiler's
 * words are on stderr already); NX_ENOTSUP without a launcher: the caller compiles by itself then.
 */
NX_MUST_CHECK nx_err nx__broker_import(const char *name, int *so_fd);

/* Asks the launcher whether the program may begin, and waits until it may: a debugger may have to
 * attach before. NX_ECONNRESET and others, recorded. */
NX_MUST_CHECK nx_err nx__broker_begin(void);

/* Sends a report of a crash or a blocked loop for the launcher to print; at most
 * NX__BROKER_PACKET_MAX bytes. Never blocks, async-signal-safe. False when there is no launcher or
 * it does not take it. */
bool nx__broker_report(const void *report, size_t len);

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

enum nx__broker_kind {
    NX__BROKER_LISTEN = 1,
    NX__BROKER_UNLISTEN,
    NX__BROKER_ASK,
    NX__BROKER_IMPORT,
    NX__BROKER_BEGIN,
    NX__BROKER_CRASHED, /* a connection whose request has crashed the program */
    NX__BROKER_LIVE     /* one that wants to be told of changes */
};

/* From the app. The text ends with a NUL and the packet with it. */
struct nx__broker_request {
    uint32_t magic, kind;
    uint32_t backlog, unix_mode, port, count;
    uint32_t wants;  /* NX__BROKER_CRASHED: an enum nx__broker_wants */
    uint64_t socket; /* which is given back: its inode */
    char text[NX__PATH_MAX];
};

/* To the app, with descriptors where they were asked for. The message too ends the packet. */
struct nx__broker_answer {
    int32_t code, system;
    uint32_t port;
    char message[NX__ERROR_MESSAGE_MAX];
};

#endif
