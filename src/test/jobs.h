/* Processes that run at the same time, what they say, and how they end. */
#ifndef NX__TEST_JOBS_H
#define NX__TEST_JOBS_H

#include "base/buffer.h"
#include "test/process.h"
#include <signal.h>
#include <sys/types.h>

enum {
    NX__JOBS_MOST = 64,   /* at the same time */
    NX__BESIDE_MOST = 512 /* descriptors of what runs beside them */
};

struct pollfd;

struct nx__job {
    /* Set before it starts. In the new process, with the packets' descriptor; never returns. */
    void (*enter)(struct nx__job *job, int packets);
    /* A packet has come. */
    void (*packet)(struct nx__job *job, const struct nx__test_packet *packet);
    /* Something else waits on `packets`, to be received; NULL: nothing else is expected. */
    void (*request)(struct nx__job *job);
    /* It has ended: the fields below say how. */
    void (*ended)(struct nx__job *job);
    nx_duration limit; /* from its start; then it is ended. 0: none */
    bool uncaptured;   /* its output goes where ours goes */

    pid_t pid;   /* 0: does not run */
    int packets; /* our end */
    int pipe;    /* of its output */
    nx_duration started, took, kill_at;
    bool timed_out, killed;
    int status;                  /* as of waitpid */
    struct nx__buffer output;    /* the beginning of what it has written, and the end */
    size_t output_head, dropped; /* bytes of the beginning; bytes that are not kept, behind it */
    struct nx__buffer report;    /* of its crash, for the terminal */
};

struct nx__pool {
    unsigned parallel;
    /* The next one to start; NULL: none now. It is asked again when one has ended. */
    struct nx__job *(*next)(struct nx__pool *pool);
    /* What runs beside the jobs, for the two that follow: what to poll for, NX__BESIDE_MOST at
     * most, and what has come of it, `ended` when a process has. NULL: nothing does. */
    void *beside;
    size_t (*beside_poll)(void *beside, struct pollfd *fds);
    void (*beside_turn)(void *beside, const struct pollfd *fds, size_t count, bool ended);
    struct nx__job *running[NX__JOBS_MOST];
    unsigned count;
    bool stop;       /* start no more, end those that run */
    int stop_signal; /* SIGINT or SIGTERM has come */
    int signals;     /* signalfd */
    sigset_t mask;   /* as it was before; the processes get it back */
};

/* Prepares for signals; once, before the first fork. NX_EMFILE and others, recorded. */
NX_MUST_CHECK nx_err nx__pool_init(struct nx__pool *pool);

/* Runs all that `next` gives. */
void nx__pool_run(struct nx__pool *pool);

/* Takes in the signals that have come: `stop` and `stop_signal`. True when a process has ended. */
bool nx__pool_signals(struct nx__pool *pool);

/* Frees what a job has gathered. */
void nx__job_free(struct nx__job *job);

/* Makes a folder for `what` in $TMPDIR, or in /tmp where that is none or too long, and stores its
 * path; empty after an error. */
enum { NX__TEMP_FOLDER = 256 };
NX_MUST_CHECK nx_err nx__temp_folder(char out[NX__TEMP_FOLDER], const char *what);

/* Removes a folder with all in it, if it is there. */
void nx__remove_tree(const char *path);

#endif
