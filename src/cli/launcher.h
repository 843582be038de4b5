/* The launcher: compiles, starts the app in a process of its own, and then waits for what happens
 * to it. One thread, one poll loop (launcher.c); the app's processes are supervise.c's, the
 * processes that those ask for helpers.c's, a new program beside the old restart.c's, its questions
 * serve.c's, listening sockets held.c's, changed files watch.c's, who asks for a program that has
 * failed standin.c's.
 */
#ifndef NX__LAUNCHER_H
#define NX__LAUNCHER_H

#include "base/buffer.h"
#include "base/compiler.h"
#include "cli/inspect.h"
#include "cli/options.h"
#include "cli/profile.h"
#include "module/compdb.h"
#include "module/module.h"
#include "permission/broker.h"
#include "permission/handover.h"
#include "permission/listen.h"
#include <poll.h>
#include <signal.h>
#include <sys/types.h>

enum {
    NX__DRAINING_MAX = 8, /* old generations that finish what they have */
    NX__GENERATIONS = 2 + NX__DRAINING_MAX,
    NX__WORKERS_MAX = 64,  /* processes of a generation: a bit each in struct nx__held */
    NX__HELPERS_MAX = 256, /* process workers, of all processes */
    NX__HELD_MAX = 256,    /* listening sockets */
    NX__IMPORTED_MAX = 64, /* sources that a program imports; others are not compiled beforehand */
    NX__VISITORS_MAX = 16, /* connections that are answered at once for a program that has failed */
    NX__GUESTS_MAX = NX__VISITORS_MAX + NX__HAND_BATCH, /* with those that come in a packet */
    NX__LIVE_MAX = 32,               /* connections that wait for a change; the oldest makes room */
    NX__GUEST_HEAD_MOST = 16 * 1024, /* bytes of a request's head that are kept */
    NX__STANDIN_POLL_MAX = 2 * NX__HELD_MAX + NX__GUESTS_MAX + NX__LIVE_MAX,
};

/* One process of the app. */
struct nx__process {
    pid_t pid;                   /* 0: it does not run */
    int broker;                  /* our end of the socket pair, -1 once closed */
    bool listened;               /* has listened on something since it was started */
    bool kept;                   /* has a keeper: it asks for one before its own code runs */
    bool alive;                  /* its loop has turned since the service manager was told */
    nx_duration restart_at;      /* after a crash, 0: not */
    struct nx__profile *profile; /* what is sampled in it, NULL: nothing is */
};

/* A start of the program: one process, or as many as its workers are. */
struct nx__generation {
    uint32_t number;      /* from 1, 0: there is none */
    uint32_t count;       /* of `workers`, whether they run or not */
    bool listened;        /* has listened on something: it is a server */
    nx_duration patience; /* how long it may take to drain */
    nx_duration kill_at;  /* when that ends, 0: never */
    char *so_path;        /* the compiled program */
    int so_fd;            /* the same, open; -1 where the path is all there is */
    struct nx__process workers[NX__WORKERS_MAX];
};

/* A process worker. */
struct nx__helper {
    pid_t pid;
    int broker;  /* our end of the socket pair, -1 once closed */
    int status;  /* where its end is told to who has asked for it, and heard of that one's */
    uint32_t of; /* the generation whose program it runs */
    struct nx__run *run;         /* that program's */
    struct nx__package *package; /* whose grants it has; NULL: the program's */
    void *asker;                 /* of nexus test: the test that it is of */
    bool kept;                   /* has a keeper */
    bool killed;
};

/* Who asks: a process of the app, and what generation it is of; or a process worker, of one that
 * may be gone (NULL). */
struct nx__peer {
    struct nx__generation *generation;
    uint32_t index;
    struct nx__helper *helper; /* NULL: it is no process worker */
};

/* A listening socket that outlives the generations. */
struct nx__held {
    int fd;
    int handed_in, handed_out; /* the channel for connections from one generation to the next */
    uint16_t bound_port;
    uint32_t worker; /* that it is for, be it a process or a thread; a Unix socket may be all's */
    uint32_t generation, heir; /* that has it, and that is to have it; 0: none */
    uint64_t owners, heirs;    /* which of their workers, a bit each */
    uint32_t place;            /* among the sockets of its address, see nx__listen_among */
    bool given;                /* by a service manager, who keeps it open: not ours to end */
    bool left;                 /* it is to be closed: the system sends no new connection there */
    char address[NX__LISTEN_ADDRESS_MAX];
};

/* A source that a program has imported while it ran. */
struct nx__imported {
    char *name; /* as the program says it */
    char *path;
};

/* A connection to a program that has failed. */
struct nx__guest {
    int fd;
    bool answered;
    bool live;   /* it waits for a change */
    bool handed; /* comes from the program before, with so many requests */
    uint32_t requests;
    char address[NX__LISTEN_ADDRESS_MAX]; /* of the socket that it came by */
    nx_duration until;                    /* it is closed then, if not before */
    struct nx__buffer in, out;
};

struct nx__watcher {
    int fd; /* inotify, -1 without --watch */
    struct nx__watched {
        int directory; /* the inotify watch */
        char *name;    /* in it */
        bool imported; /* while the program ran, so not part of what it was compiled from */
        bool own;      /* the user's own, not the system's */
    } * files;
    size_t count, capacity;
    nx_duration changed_at; /* when to compile anew, 0: nothing has changed */
    bool import_changed;    /* what has changed was imported */
    char changed[64];       /* the name of the first that has */
    bool more_changed;      /* others too */
};

struct nx__launcher {
    struct nx__run *run;
    char *so_path;  /* the latest that was compiled, NULL before there is one */
    int so_fd;      /* the same, open; -1 where the path is all there is */
    bool compiled;  /* it is the latest source */
    bool unchecked; /* nobody knows yet what compilers warn of in it */
    pid_t checker;  /* finds that out, 0: nobody */
    pid_t dumper;   /* says what the program does, 0: nobody */
    pid_t pid;      /* our own */
    sigset_t mask;  /* of signals, before ours were blocked; the app gets it back */
    int signals;    /* signalfd */
    struct nx__profiling profiling;
    struct nx__generation current;
    struct nx__generation
        next; /* that has started, and does not listen yet as the current one does */
    struct nx__generation draining[NX__DRAINING_MAX];
    uint32_t generations; /* ever */
    /* In the new process of one, which is told by its control socket what to run; never returns. */
    void (*help)(const struct nx__launcher *launcher, struct nx__peer peer, int broker,
                 int control);
    void *asker;                 /* of nexus test: the test that is answered */
    struct nx__package *package; /* of the process worker that is being started */
    /* In the new process of a keeper: adds to the run's permissions what the test alone is granted.
     * NULL in a launcher. */
    void (*keep)(struct nx__launcher *launcher, void *asker);
    struct nx__helper helpers[NX__HELPERS_MAX];
    size_t helper_count;
    nx_duration next_until; /* when the next one's time to listen is over */
    bool restart_asked;     /* once more, when that is decided */
    struct nx__held held[NX__HELD_MAX];
    size_t held_count;
    nx_duration sweep_at; /* when held sockets that nobody took are closed, 0: never */
    nx_duration trim_at;  /* when memory that waiting does not need is let go of, 0: it has been */
    struct nx__watcher watcher;
    struct nx__compdb compdb;                       /* sources that editors are to be told of */
    struct nx__imported imported[NX__IMPORTED_MAX]; /* by the program that runs, with --watch */
    size_t imported_count;
    char import_error[160]; /* why its last import has failed; empty when it has not */
    char down[320];         /* with --watch: why the program does not run, while it does not */
    struct nx__guest guests[NX__GUESTS_MAX + NX__LIVE_MAX];
    size_t guest_count;
    int stop_signal;        /* that ends it all, 0: none yet */
    nx_duration stopped_at; /* when it came */
    nx_duration crashes[5]; /* when the last ones were */
    size_t crash_count;
    nx_duration begun; /* when what starts now was asked for */
    uint32_t asking;   /* the generation whose question the user is answering, 0: none */
    uint32_t asking_worker;
    nx_duration asked_at;
    enum nx__use asked_use;
    char question[NX__LISTEN_ADDRESS_MAX];
    char once[NX__LISTEN_ADDRESS_MAX]; /* what he has allowed once; empty: nothing */
    bool told_ready;                   /* the service manager knows that the program serves */
    bool ending;                       /* the program is over, and its processes are told to stop */
    bool done;
    int code;
    struct nx__dev *dev; /* nexus dev; else NULL */
};

struct nx__command;
/* `nexus run`, or what is like it: `*options` is all zero but for what the command sets. */
int nx__run_with(struct nx__run *options, const struct nx__command *command, int argc, char **argv);

/* Runs the program and everything around it until it has ended; returns the exit code. */
int nx__launch(struct nx__run *run);

/* Says, the first time, that the cache can't be used. */
void nx__launcher_warn(const struct nx__compiled *compiled);

/* Writes compile_commands.json anew where what was noted in `compdb` is not in it. Called when the
 * program runs already, so that it costs its start nothing. */
void nx__launcher_tell_editors(struct nx__launcher *launcher);

/* Compiles the program; on success it is what starts next, and its inputs are watched. `*same` says
 * whether it is the one before. Errors have been said. */
NX_MUST_CHECK nx_err nx__launcher_compile(struct nx__launcher *launcher, bool *same);

/* ---- supervise.c */

/* Number `index` of NX__GENERATIONS places; the current one is the first. */
struct nx__generation *nx__generation_at(struct nx__launcher *launcher, size_t index);

/* True while a process of it runs, or is about to be started again. */
bool nx__generation_runs(const struct nx__generation *generation);

/* Starts the latest program as a new generation in `place`, which is empty. NX_ENOMEM and others,
 * recorded. */
NX_MUST_CHECK nx_err nx__generation_start(struct nx__launcher *launcher,
                                          struct nx__generation *place);

/* Starts the processes that the generation has not got yet of `count`. NX_EINVAL, NX_ENOMEM and
 * others, recorded. */
NX_MUST_CHECK nx_err nx__generation_workers(struct nx__launcher *launcher,
                                            struct nx__generation *generation, uint32_t count);

/* Starts again the processes of the current generation that have crashed and whose time has come by
 * `now`. */
NX_MUST_CHECK nx_err nx__generation_mend(struct nx__launcher *launcher, nx_duration now);

/* Asks a generation to stop gracefully and puts it among those that drain; its place is empty then.
 * With `replaced` it hands over what it has open. */
void nx__generation_retire(struct nx__launcher *launcher, struct nx__generation *generation,
                           bool replaced);

/* Collects processes that have ended and decides what follows: an end, a restart, or waiting for a
 * change. */
void nx__generations_reap(struct nx__launcher *launcher);

/* True while a process of any generation runs. */
bool nx__generations_run(struct nx__launcher *launcher);

/* Kills generations whose patience has ended at `now`. */
void nx__generations_expire(struct nx__launcher *launcher, nx_duration now);

/* Writes what was sampled in those that are left, at the end. */
void nx__generations_profile(struct nx__launcher *launcher);

/* Sends the signal to every process of a generation. */
void nx__generation_signal(const struct nx__generation *generation, int signo);

/* ---- restart.c */

/* SIGHUP: compiles and starts the program beside the one that serves, which goes on until the new
 * one listens too. What goes wrong is said. Forwards the signal to a program that is no server. */
void nx__restart(struct nx__launcher *launcher);

/* Looks whether the next generation may take over, or is too late. */
void nx__restart_turn(struct nx__launcher *launcher, nx_duration now);

/* The next generation takes over, as it is. */
void nx__restart_promote(struct nx__launcher *launcher);

/* The next generation will not do; `why` completes "the new program …". */
void nx__restart_fail(struct nx__launcher *launcher, const char *why);

/* ---- takeover.c */

/* Where another version of nexus lies in the place of this one: executes it, with all that the
 * launcher holds. Returns where there is none, or where it will not do (which is said). */
void nx__takeover(struct nx__launcher *launcher);

/* True when the version before only asks whether this one would do. */
bool nx__takeover_is_check(void);

/* Takes over what the version before has held, if it did. NX_EINVAL, recorded. */
NX_MUST_CHECK nx_err nx__takeover_resume(struct nx__launcher *launcher, bool *resumed);

/* ---- serve.c */

/* Answers what a process has sent; closes the socket when it has closed its own. */
void nx__serve(struct nx__launcher *launcher, struct nx__peer peer);

/* The same for all that a process which has ended has sent. */
void nx__serve_rest(struct nx__launcher *launcher, struct nx__peer peer);

/* Answers one packet; false when there is none now, or no more at all, and then the socket is
 * closed. */
bool nx__serve_packet(struct nx__launcher *launcher, struct nx__peer peer);

/* Sends an answer with the last error's message, and `count` descriptors. The app is not waited
 * for. */
void nx__serve_answer(struct nx__peer peer, nx_err code, uint16_t port, const int *fds,
                      size_t count);

/* Whose processes are answered from here on, and by whose grants: a package's, or with NULL the
 * program's. A launcher has one program; `nexus test` has a run for each project. */
void nx__serve_for(struct nx__launcher *launcher, struct nx__run *run, struct nx__package *package);

/* The user has typed a line, or nobody will (`typed` false): answers the question that is open. */
void nx__serve_asked(struct nx__launcher *launcher, bool typed);

/* Has the user allowed to listen there once, and nobody has yet? */
bool nx__serve_once(struct nx__launcher *launcher, const char *address);

/* The generation numbered so, which has asked to begin, may. */
void nx__serve_begin(struct nx__launcher *launcher, uint32_t number);

/* Compiles again what the running program has imported, so that a mistake there does not end it
 * either. `fresh` is the program that would take its place, `same` when it is the same. Errors as
 * nx__module_compile. */
NX_MUST_CHECK nx_err nx__serve_reimport(struct nx__launcher *launcher,
                                        const struct nx__compiled *fresh, bool same);

/* Another program runs: what the one before has imported does not count any more. */
void nx__serve_imports_forget(struct nx__launcher *launcher);

/* ---- helpers.c */

/* Starts a process worker for who asks, and answers that one. The control socket and the status
 * socket are taken over. */
void nx__helper_start(struct nx__launcher *launcher, struct nx__peer peer, const char *text,
                      const int fds[NX__BROKER_SENT_FDS]);

/* Who it is when it asks. */
struct nx__peer nx__helper_peer(struct nx__launcher *launcher, struct nx__helper *helper);

/* A child has ended: it may be one of these. */
void nx__helpers_reaped(struct nx__launcher *launcher, pid_t pid, int status);

/* Collects those that have ended, and no other child. */
void nx__helpers_reap(struct nx__launcher *launcher);

/* What to poll for them, at most 2 * NX__HELPERS_MAX, and what has come of it. */
size_t nx__helpers_poll(const struct nx__launcher *launcher, struct pollfd *fds);
void nx__helpers_turn(struct nx__launcher *launcher, const struct pollfd *fds, size_t count);

/* Kills all that are left, and waits until they have ended. */
void nx__helpers_end(struct nx__launcher *launcher);

/* ---- held.c */

/* Takes over a listening socket that a service manager has made: who wants to listen at its address
 * gets it. NX_ELIMIT, NX_ENOTSUP and others, recorded: it is closed. */
NX_MUST_CHECK nx_err nx__held_give(struct nx__launcher *launcher, int fd);

/* Answers a process that wants to listen, or does not want to any more. */
void nx__held_listen(struct nx__launcher *launcher, struct nx__peer peer,
                     const struct nx__broker_request *request);
void nx__held_unlisten(struct nx__launcher *launcher, struct nx__peer peer, uint64_t socket);

/* What these workers of a generation had (a bit each) is free for others. */
void nx__held_forget(struct nx__launcher *launcher, uint32_t generation, uint64_t workers);

/* What the next generation has taken is its own now. */
void nx__held_inherit(struct nx__launcher *launcher);

/* An address that the current generation listens on and the next does not yet; NULL: there is none.
 */
const char *nx__held_missing(const struct nx__launcher *launcher);

/* Fewer workers than before: what comes to the sockets that are too many, until they are closed, is
 * passed on to the others. What to poll for that while the program runs; at most 2 * NX__HELD_MAX.
 */
size_t nx__held_poll(const struct nx__launcher *launcher, struct pollfd *fds);
void nx__held_turn(struct nx__launcher *launcher, nx_duration now);

/* Closes the held sockets that no generation has, or all. */
void nx__held_sweep(struct nx__launcher *launcher, bool all);

/* ---- standin.c */

/* What to poll for connections to a program that has failed; at most NX__STANDIN_POLL_MAX. */
size_t nx__standin_poll(const struct nx__launcher *launcher, struct pollfd *fds);

/* Tells them so with a 503, as long as it does not run and a change is waited for. Does not wait.
 */
void nx__standin_turn(struct nx__launcher *launcher, nx_duration now);

/* nexus dev: takes over a connection whose request is read, and answers it with the page. */
struct nx__dev_page;
void nx__standin_answer(struct nx__launcher *launcher, int fd, const struct nx__dev_page *page,
                        unsigned wants);

/* nexus dev: takes over a connection that is to be told of changes since version `since`, which may
 * be empty: from now on. */
void nx__standin_live(struct nx__launcher *launcher, int fd, const char *since);

/* Tells them that there is one. */
void nx__standin_tell(struct nx__launcher *launcher);

/* ---- dev.c: nexus dev. All but the first two and nx__dev_poll need `launcher->dev`. */

/* Makes it. NX_EMFILE and others, recorded. */
NX_MUST_CHECK nx_err nx__dev_open(struct nx__launcher *launcher);

/* Where the words of a compiler that refuses something go; NULL without nexus dev. */
struct nx__buffer *nx__dev_said(struct nx__launcher *launcher);

/* The program was compiled, or was not. */
void nx__dev_compiled(struct nx__launcher *launcher, const struct nx__compiled *compiled,
                      nx_err err);

/* It was not, after a change: the one that runs is stopped. */
void nx__dev_refused(struct nx__launcher *launcher);

/* A generation starts, listens for the first time, has ended for good (`status` from waitpid). */
void nx__dev_starting(struct nx__launcher *launcher);
void nx__dev_listening(struct nx__launcher *launcher);
void nx__dev_ended(struct nx__launcher *launcher, int status);

/* What to poll for what the program says: two descriptors. */
void nx__dev_poll(const struct nx__launcher *launcher, struct pollfd *fds);

/* Shows what it has said. */
void nx__dev_relay(struct nx__launcher *launcher);

/* The terminal has another size. */
void nx__dev_resized(const struct nx__launcher *launcher);

/* Says where the program listens. */
void nx__dev_banner(struct nx__launcher *launcher, const char *url);

/* Takes a report of the program's. True when it waits for a page: `*page` is a file with it, or -1.
 */
bool nx__dev_report(struct nx__launcher *launcher, const struct nx__generation *generation,
                    const void *packet, size_t len, int *page);

/* The connection's request has crashed the program, and its client wants a kind of answer. */
void nx__dev_crashed(struct nx__launcher *launcher, int fd, uint32_t wants);

/* In the program's process, before it is sealed: takes stderr, and `log` as the place of another
 * descriptor. */
NX_MUST_CHECK nx_err nx__dev_app_begin(const struct nx__launcher *launcher, int log);

/* ---- watch.c */

/* Starts watching the inputs of a compilation, beside those that are watched already; an input that
 * does not exist yet too. */
void nx__watch_add(struct nx__watcher *watcher, const struct nx__compiled *compiled, bool imported);

/* How many of the watched files are the user's own. */
size_t nx__watch_count(const struct nx__watcher *watcher);

/* Forgets the files, not their directories. */
void nx__watch_clear(struct nx__watcher *watcher);

/* Reads what has happened; sets changed_at, a few milliseconds after the latest change, if it
 * concerns a watched file (or, with `any`, any source in a watched directory). */
void nx__watch_read(struct nx__watcher *watcher, bool any);

/* ---- warnings.c */

/* Shows the warnings that the cache has of the program, where somebody is there to read them; else
 * sets `unchecked`. */
void nx__warnings_recall(struct nx__launcher *launcher, const struct nx__compiled *compiled);

/* Starts a process that finds out and shows those of an unchecked program; ends the one before. */
void nx__warnings_check(struct nx__launcher *launcher);

/* Waits a moment for such a process, at the end. */
void nx__warnings_finish(struct nx__launcher *launcher);

/* ---- supervise.c, again */

/* True when it has taken SIGQUIT, by which one asks what the program does: a process says it on
 * stderr. False when the program handles that signal by itself. */
bool nx__generation_tell(struct nx__launcher *launcher);

/* True when the process has a handler for the signal, or nobody knows. */
bool nx__process_catches(pid_t pid, int signo);

/* ---- app.c */

/* In the new process: seals it, loads the program, runs it and exits. `broker` is the app's end. */
NX__NORETURN void nx__app_run(const struct nx__launcher *launcher, struct nx__peer peer,
                              int broker);

/* The same for a process worker: the launcher's `help`. */
void nx__app_help(const struct nx__launcher *launcher, struct nx__peer peer, int broker,
                  int control);

/* In the new process: has the kernel hold it to these grants. `program` is its machine code, open.
 * Before the program's code is loaded, and last: nothing that comes before needs what it takes. */
NX_MUST_CHECK nx_err nx__app_hold(const struct nx__permissions *permissions, int program, bool asks,
                                  bool strict);

/* ---- service.c */

/* Takes the sockets that a service manager has made. */
void nx__service_begin(struct nx__launcher *launcher);

/* Tell the manager, where there is one, that the program serves, is being restarted, or stops. */
void nx__service_listened(struct nx__launcher *launcher);
void nx__service_reloading(struct nx__launcher *launcher);
void nx__service_stopping(void);

/* Tells it what a process wants to have told. */
void nx__service_notify(struct nx__launcher *launcher, struct nx__peer peer,
                        const struct nx__broker_request *request);

#endif
