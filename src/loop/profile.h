/* Sampling where a program spends its CPU time: a timer of each thread, and a table of the stacks
 * that it found, in memory that the launcher shares. */
#ifndef NX__PROFILE_H
#define NX__PROFILE_H

#include "loop/crash.h"

enum {
    NX__PROFILE_MAGIC = 0x4e585046,
    NX__PROFILE_RATE = 997, /* samples a second of CPU time, unless told otherwise: beside the beat
                               of other timers */
    NX__PROFILE_RATE_MOST = 10000,
    NX__PROFILE_STACKS = 16384,  /* different ones; samples of more are dropped, and counted */
    NX__PROFILE_WORDS = 1 << 20, /* frames of all of them */
    NX__PROFILE_FRAMES = 128,    /* of one; what is further out is left out */
    NX__PROFILE_LABELS = 1024,   /* routes and fibers by name; more are dropped */
    NX__PROFILE_LABEL = 96,      /* bytes of one */
    NX__PROFILE_KERNEL = 0x7f,  /* module of a frame in the kernel; its address is the number of the
                                   system call and 1, or 0 where that is not known */
    NX__PROFILE_UNKNOWN = 0x7e, /* module of a frame in no known code */
};

/* A frame is one word: a bit that says that it is a return address, the module, the address. */
#define NX__PROFILE_RETURNS   (UINT64_C(1) << 63)
#define NX__PROFILE_MODULE_AT 56
#define NX__PROFILE_ADDRESS   ((UINT64_C(1) << NX__PROFILE_MODULE_AT) - 1)

struct nx__profile_stack {
    _Atomic uint64_t hash;  /* 0: free */
    _Atomic uint64_t ticks; /* periods of CPU time found there */
    _Atomic uint32_t ready; /* the rest is filled in */
    uint32_t label, first, count;
    uint32_t deeper; /* it had more frames */
};

/* Untrusted when the launcher reads it: the program may have written to it. */
struct nx__profile {
    uint32_t magic, rate;
    _Atomic uint64_t ticks, dropped; /* in all; of those, without a place in the table */
    _Atomic uint32_t words_used, labels_used, module_count;
    char modules[NX__CRASH_MODULES][NX__CRASH_PATH];
    struct {
        _Atomic uint64_t hash;
        char text[NX__PROFILE_LABEL];
    } labels[NX__PROFILE_LABELS];
    struct nx__profile_stack stacks[NX__PROFILE_STACKS];
    uint64_t words[NX__PROFILE_WORDS];
};

/* Memory for it, shared with processes that are forked from now on; what is not used takes none.
 * NULL when there is none. */
struct nx__profile *nx__profile_new(uint32_t rate);
void nx__profile_free(struct nx__profile *profile);

/* In the program's process, before it has a loop: samples go there from now on. NX_EFAILED. */
NX_MUST_CHECK nx_err nx__profile_begin(struct nx__profile *profile);

/* True in a process that is sampled. */
bool nx__profile_runs(void);

/* Each thread that runs the program's code calls it at its start, and at its end; without sampling
 * nothing happens. `name` is static, for a thread without a loop. */
void nx__profile_thread_begin(const char *name);
void nx__profile_thread_end(void);

/* What a fiber works on, for who can say more of it than its name: a request's route. Called in a
 * signal handler. NULL: nobody can. Set once for all, be it by several loops. */
extern nx_bytes (*nx__profile_label)(const nx_fiber *fiber);

/* The modules have changed. */
void nx__profile_modules(char (*paths)[NX__CRASH_PATH], uint32_t count);

#endif
