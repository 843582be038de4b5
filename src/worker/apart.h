/* The process that a process worker has for itself: how it is started, what is said to it, and how
 * it ends. */
#ifndef NX__APART_H
#define NX__APART_H

#include "process/ending.h"
#include "process/living.h"
#include <nexus/worker.h>

/* ---- What goes over the control socket, a pair of packets. */

enum {
    NX__APART_MAGIC = 0x4e58574b,
    NX__APART_NAME = 32,
    NX__APART_FDS = 4, /* of an order to start: the port, standard input, output and error */
};

enum nx__apart_kind { NX__APART_START = 1, NX__APART_CANCEL };

/* To the worker. */
struct nx__apart_order {
    uint32_t magic, kind;
    int64_t entry; /* of its function, from nx__program_landmark */
    uint64_t most; /* of a message, bytes */
    char name[NX__APART_NAME];
};

/* From it, when its function has returned. */
struct nx__apart_result {
    uint32_t magic;
    int32_t code;
    char message[NX__ERROR_MESSAGE_MAX];
};

/* By which a program without a launcher is told that it is one: "PID:CONTROL", the number of who
 * has started it and the descriptor. */
#define NX__APART_VARIABLE "NEXUS_PROCESS_WORKER"

/* ---- On the side of who starts it */

/* A process that runs. All zero, but for `fd`, is none. */
struct nx__apart {
    struct nx_loop *loop;
    void (*ended)(struct nx__apart *apart); /* in the loop's context; `status` says how */
    int status;                             /* as of waitpid; -1: nobody knows */
    /* One that the launcher has started: its end is told here, and it is killed when this side
     * closes or says a word. */
    struct nx__watch watch;
    int fd; /* -1: it is a child of this process */
    /* A child of this process */
    struct nx__ending ending;
    struct nx__tree tree;
    nx__living *living;
};

/* Starts it, with what a package may if one is named; `control` is its end of the control socket,
 * which has the order already, and stays the caller's. NX_ELIMIT, NX_ENOMEM, NX_ENOTSUP and others,
 * recorded. Suspends. */
NX_MUST_CHECK nx_err nx__apart_start(struct nx__apart *apart, const char *name, const char *package,
                                     int control);

/* `ended` is called once from now on. NX_ENOMEM, NX_ELIMIT: then it has been killed. */
NX_MUST_CHECK nx_err nx__apart_watch(struct nx__apart *apart,
                                     void (*ended)(struct nx__apart *apart));

/* Its end comes soon. */
void nx__apart_kill(struct nx__apart *apart);

/* One that has ended, or is not to be heard of. */
void nx__apart_free(struct nx__apart *apart);

/* ---- On its own */

/* An address in the program's code, the same in each of its processes: functions are told by how
 * far they are from it. 0: nobody has set it, and there are no process workers. Before any thread
 * is started. */
extern uintptr_t nx__program_landmark;

/* Where a program without a launcher was started to be a process worker: its control socket; else
 * -1. First thing in main: takes what says so out of the environment. */
int nx__apart_asked(void);

/* Runs the worker; the exit code of its process. */
int nx__apart_run(int control, int argc, char **argv);

#endif
