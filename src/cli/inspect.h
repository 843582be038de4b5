/* nexus run --inspect: a debugger for the program, over the Debug Adapter Protocol. The launcher
 * (inspect.c) starts a bridge, a process of its own, that an editor connects to (inspect_bridge.c);
 * for each session the bridge runs an adapter, lldb's or gdb's (inspect_adapter.c), and passes on
 * what both say (inspect_session.c, inspect_dap.c), so that the editor need not know which process
 * the program is, nor that it becomes another one when it is started anew. */
#ifndef NX__INSPECT_H
#define NX__INSPECT_H

#include "base/error.h"

enum {
    NX__INSPECT_PORT = 4711, /* that VS Code's own pages take for debugServer */
    NX__INSPECT_HOST_MAX = 64
};

/* --inspect[=[HOST:]PORT] */
struct nx__inspect_options {
    bool on;
    bool wait; /* --inspect-wait */
    uint16_t port;
    char host[NX__INSPECT_HOST_MAX];
};

/* Reads the value of --inspect or --inspect-wait (`flag`), NULL without one. NX_EUSAGE, recorded.
 */
NX_MUST_CHECK nx_err nx__inspect_parse(struct nx__inspect_options *options, const char *flag,
                                       const char *value);

/* ---- The launcher's side: inspect.c */

struct nx__launcher;
struct nx__generation;
struct nx__peer;

/* Finds an adapter and binds the port. NX_ENOTSUP (no adapter), NX_EADDRINUSE and others, recorded.
 */
NX_MUST_CHECK nx_err nx__inspect_prepare(const struct nx__inspect_options *options);

/* Starts the bridge. NX_ENOMEM and others, recorded. */
NX_MUST_CHECK nx_err nx__inspect_start(struct nx__launcher *launcher);

/* What to poll for messages of the bridge, -1 without one. */
int nx__inspect_fd(void);

/* Answers what the bridge has sent. */
void nx__inspect_serve(struct nx__launcher *launcher);

/* A program is loaded and asks to begin; the answer comes when the debugger is ready, at once
 * without a bridge. Of worker processes the first is debugged. */
void nx__inspect_begin(struct nx__launcher *launcher, struct nx__peer peer);

/* The program is about to be asked to stop, since another takes its place. */
void nx__inspect_retire(const struct nx__generation *generation);

/* The program numbered so has ended with the code; `more` when there will be another. */
void nx__inspect_ended(uint32_t number, int code, bool more);

/* The run ends: the debugger lets go of the program. */
void nx__inspect_stop(void);

/* The run has ended: when it returns nothing listens on the port any more, so that the next run
 * can. */
void nx__inspect_end(void);

/* In the app's process, before its main: lets the debugger in and waits for it where that is
 * wanted. NX_EFAILED and others, recorded. */
NX_MUST_CHECK nx_err nx__inspect_enter(const struct nx__launcher *launcher);

/* ---- Between the two, over a socket pair of packets. */

enum nx__inspect_kind {
    /* To the bridge. */
    NX__INSPECT_BEGIN,  /* the program `number` is loaded and waits before its main */
    NX__INSPECT_RETIRE, /* it is about to be asked to stop */
    NX__INSPECT_ENDED,  /* it has ended with `code`; `more` when there will be another */
    NX__INSPECT_STOP,   /* so does the run */
    /* From it. */
    NX__INSPECT_GO,        /* the program may begin */
    NX__INSPECT_TERMINATE, /* the user has asked his editor to end the run */
    NX__INSPECT_FREE,      /* nothing listens on the port any more */
};

struct nx__inspect_packet {
    uint32_t kind, number;
    int32_t pid, code;
    uint32_t more;
};

#endif
