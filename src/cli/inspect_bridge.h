/* The bridge between an editor and a debugger, and its parts. One process, one thread, one poll
 * loop.
 */
#ifndef NX__INSPECT_BRIDGE_H
#define NX__INSPECT_BRIDGE_H

#include "base/buffer.h"
#include "base/compiler.h"
#include "json/tree.h"
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/types.h>

/* ---- inspect_adapter.c */

enum nx__adapter_kind { NX__ADAPTER_LLDB, NX__ADAPTER_GDB };

struct nx__adapter {
    enum nx__adapter_kind kind;
    char path[PATH_MAX];
};

/* Finds the one that $NEXUS_DEBUGGER names, else the newest lldb-dap or lldb-vscode on the PATH,
 * else a gdb that speaks the protocol (14 and later). NX_ENOTSUP with what to install, NX_ENOENT.
 */
NX_MUST_CHECK nx_err nx__adapter_find(struct nx__adapter *out);

/* A process that runs it: its standard streams, non-blocking. */
struct nx__adapter_process {
    pid_t pid; /* 0: none */
    int in, out;
};

/* NX_ENOMEM and others, recorded. */
NX_MUST_CHECK nx_err nx__adapter_start(const struct nx__adapter *adapter, const sigset_t *mask,
                                       struct nx__adapter_process *out);

/* ---- inspect_dap.c: messages of the Debug Adapter Protocol. */

enum {
    NX__DAP_HEAD_MOST = 256,          /* bytes before a message */
    NX__DAP_CLIENT_MOST = 4 << 20,    /* of one of an editor's */
    NX__DAP_STRANGER_MOST = 64 << 10, /* of one that is refused anyway */
    NX__DAP_ADAPTER_MOST = 64 << 20,  /* of one of an adapter's */
    NX__DAP_DEPTH_MOST = 64,          /* arrays and objects in each other */
    NX__DAP_OWN = 0x40000000,         /* ours are numbered from here on */
};

enum nx__dap_frame { NX__DAP_MORE, NX__DAP_WHOLE, NX__DAP_BAD };

/* Whether the bytes begin with a whole message of `most` bytes at most; `*head` and `*body` are its
 * parts' lengths. BAD as soon as they can't become one: a request of HTTP is by its first byte. */
enum nx__dap_frame nx__dap_frame(const char *data, size_t len, size_t most, size_t *head,
                                 size_t *body);

enum nx__dap_type { NX__DAP_REQUEST, NX__DAP_RESPONSE, NX__DAP_EVENT };

struct nx__dap_message {
    enum nx__dap_type type;
    int64_t seq;   /* of the request: its own, or the one that is answered */
    bool success;  /* of a response */
    char name[64]; /* the command, or the event */
    nx_bytes text; /* all of it, in the memory that it was read from */
    nx_json root;  /* until it is freed */
    struct nx__json_doc doc;
};

/* Reads a message. NX_EPROTO, NX_ENOMEM, recorded. Frees it by nx__dap_free, on failure too. */
NX_MUST_CHECK nx_err nx__dap_read(struct nx__dap_message *message, nx_bytes text);
void nx__dap_free(struct nx__dap_message *message);

/* Adds a framed message to `out`. Each NX_ETOOBIG, NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__dap_put(struct nx__buffer *out, nx_bytes text);

/* The request of a client, `command` and arguments as they are to be: those of `message` without
 * the names in `without` (NULL at the end), and behind them `more`, members as JSON text. */
NX_MUST_CHECK nx_err nx__dap_put_request(struct nx__buffer *out, int64_t seq, const char *command,
                                         nx_json arguments, const char *const *without,
                                         const char *more);

/* The response to a request that another than the adapter gives. `message` is NULL for success. */
NX_MUST_CHECK nx_err nx__dap_put_response(struct nx__buffer *out, int64_t request,
                                          const char *command, const char *message);

/* A response of the adapter under another command, and with `more` behind its body's members. */
NX_MUST_CHECK nx_err nx__dap_put_changed(struct nx__buffer *out,
                                         const struct nx__dap_message *response,
                                         const char *command, const char *const *without,
                                         const char *more);

/* An event, its body as JSON text. */
NX_MUST_CHECK nx_err nx__dap_put_event(struct nx__buffer *out, const char *event, const char *body);

/* Adds a string as JSON, in quotes. */
NX_MUST_CHECK nx_err nx__dap_put_string(struct nx__buffer *out, nx_bytes text);

/* ---- inspect_fibers.c: fibers as lldb's threads. */

/* Lays the script that lldb is to load into the cache; false where there is none to be had. */
bool nx__fibers_script(char path[PATH_MAX]);

/* Puts into the environment what it has to know: where fibers are in the app, which is a fork of
 * the launcher as the calling process is. */
void nx__fibers_describe(void);

/* ---- inspect_lldb.c */

struct nx__bridge;
struct nx__session;

/* Before the program goes on for the first time, and before it goes on with a signal. Each
 * NX_ETOOBIG, NX_ENOMEM; with gdb nothing. */
NX_MUST_CHECK nx_err nx__lldb_prepare(struct nx__bridge *bridge);
NX_MUST_CHECK nx_err nx__lldb_deliver(struct nx__bridge *bridge);

/* The client has asked for a pause, with those arguments; something has stopped, or is to go on;
 * the adapter is asked once more if that is due. */
void nx__lldb_pause(struct nx__bridge *bridge, nx_json arguments);
void nx__lldb_pause_end(struct nx__session *session);
void nx__lldb_pause_again(struct nx__session *session, nx_duration now);

/* ---- inspect_peer.c */

/* True when a connection of the loopback interface was made by this user (or by root). Where the
 * system does not tell, it was. */
bool nx__peer_is_own(int fd);

/* ---- inspect_session.c: one debugger that is connected. */

enum nx__session_state {
    NX__SESSION_NONE,
    NX__SESSION_OPEN,
    NX__SESSION_CLOSING /* the adapter lets go of the program, the client says good-bye */
};

struct nx__session {
    enum nx__session_state state;
    int client; /* -1 once closed */
    struct nx__buffer from_client, to_client;
    struct nx__adapter_process adapter;
    struct nx__buffer from_adapter, to_adapter;
    unsigned asked;    /* requests of the adapter's that the client has not answered */
    unsigned pauses;   /* how often it was asked once more to pause */
    int64_t own;       /* the last request of ours, from NX__DAP_OWN on */
    int64_t attach;    /* the client's request for the program; 0: none is under way */
    char attach_as[8]; /* what it has called that: attach or launch */
    uint32_t target;   /* the program that the adapter was given, 0: none */
    bool signaled;     /* it has stopped for a signal */
    bool plain;        /* fibers are not shown any more */
    bool on_entry;     /* it is to be stopped there */
    bool attached, configured;
    bool holding;           /* the client has asked for a program, and there is none */
    struct nx__buffer held; /* what it has said since */
    bool terminated;        /* so says the adapter */
    bool ended, more;       /* so says the launcher, and whether another program comes */
    int code;               /* with which it has ended */
    int64_t letting_go;     /* our request to detach; 0: none */
    bool released;          /* the adapter has the program no more */
    int64_t goodbye;        /* the client's request to disconnect, not yet answered; 0: none */
    bool answered;          /* it has been: when that is out, the client is closed */
    bool terminate;         /* it wants the run to end, too */
    nx_duration idle_at;    /* a client that asks for nothing keeps no program waiting after that */
    nx_duration finish_at;  /* what is missing of the end is not waited for any more; 0: not yet */
    nx_duration pause_at;   /* the adapter is asked to pause once more; 0: it has, or runs on */
    int64_t pausing;        /* the thread that the client wants paused */
    nx_duration close_at;   /* the client is closed then, the adapter killed; 0: not yet */
};

/* A client has connected. Nothing else is open. */
void nx__session_open(struct nx__session *session, int fd);

/* What to poll; at most NX__SESSION_FDS. */
enum { NX__SESSION_FDS = 3 };
size_t nx__session_poll(const struct nx__session *session, struct pollfd *fds);

/* Reads, passes on and writes what there is, and does what is due. */
void nx__session_turn(struct nx__bridge *bridge);

/* When something is due, NX_FOREVER when nothing is. */
nx_duration nx__session_due(const struct nx__session *session);

/* A program has come to its main: a client that waits for one gets it. */
void nx__session_begin(struct nx__bridge *bridge);

/* True while a client is about to debug the program that waits. */
bool nx__session_prepares(const struct nx__session *session);

/* Tells the client that it is over, or with `restart` to begin anew, and lets go of the program. */
void nx__session_finish(struct nx__bridge *bridge, bool restart);

/* The launcher says that the program has ended. */
void nx__session_ended(struct nx__bridge *bridge, int code, bool more);

/* ---- inspect_bridge.c */

struct nx__bridge_start {
    struct nx__adapter adapter;
    int launcher, listener;
    bool loopback; /* others than this user are refused */
    bool wait;
    sigset_t mask;         /* of signals, for the adapter */
    char fibers[PATH_MAX]; /* nx__fibers_script; empty: none */
};

/* The bridge's process, to its end. Descriptors from 3 on but for the two named are closed. */
NX__NORETURN void nx__bridge_run(const struct nx__bridge_start *start);

enum { NX__STRANGERS_MOST = 4 };

/* How long a program that takes another one's place waits for the client to come again. */
#define NX__INSPECT_AGAIN NX_S(5)

/* A connection that is told that there is another already. */
struct nx__stranger {
    int fd;
    struct nx__buffer in;
    bool answered;
    nx_duration until;
};

struct nx__bridge {
    const struct nx__bridge_start *start;
    uint32_t program; /* the newest one that is loaded, by number; 0: none */
    pid_t pid;
    bool gated;              /* it waits before its main */
    bool waited;             /* --inspect-wait has been done justice */
    bool stopping;           /* the run ends */
    bool warned;             /* of a peer that says something else */
    nx_duration again_until; /* a client that was told to begin anew is waited for */
    struct nx__session session;
    struct nx__stranger strangers[NX__STRANGERS_MOST];
    size_t stranger_count;
};

/* The debugger is ready for the program that waits before its main. */
void nx__bridge_go(struct nx__bridge *bridge);

/* The user wants the run to end. */
void nx__bridge_terminate(struct nx__bridge *bridge);

#endif
