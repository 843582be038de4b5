/* What is found in a running program: gathered while it is stopped (dump_gather.c), told when it
 * runs again (dump_text.c, dump_json.c). */
#ifndef NX__DUMP_H
#define NX__DUMP_H

#include "base/buffer.h"
#include "base/symbolize.h"
#include "cli/peek.h"

enum {
    NX__DUMP_FRAMES = 64,      /* of a fiber, innermost ones; more are left out, which is said */
    NX__DUMP_FIBERS = 1000000, /* of a process; more are left out, which is said */
    NX__DUMP_REQUEST = 200,    /* bytes of method and target */
    NX__DUMP_MOST = 512 * 1024 * 1024, /* bytes of what is said */
};

enum nx__dump_state {
    NX__DUMP_RUNNING, /* or stopped while it ran */
    NX__DUMP_READY,
    NX__DUMP_WAITING,
};

struct nx__dump_fiber {
    uint64_t address; /* which it is known by */
    enum nx__dump_state state;
    enum nx__wait_kind kind;
    bool main, detached, service, canceled;
    char name[32];
    char request[NX__DUMP_REQUEST]; /* "GET /path", empty: none */
    char call[32];                  /* "in nx_recv", empty: not known */
    char parent[32];                /* whose scope it is in, empty: nobody's */
    char joins[32];                 /* whom it joins, empty: nobody */
    int64_t since;                  /* ns that it has waited or run, -1: not known */
    int64_t left;                   /* ns until its timer fires, -1: there is none */
    int fd;                         /* that it waits for, -1: none */
    bool readable, writable;        /* what for */
    uint64_t channel;               /* address, 0: none */
    uint64_t queued, capacity;      /* of the channel */
    int file_kind;                  /* enum nx__file_kind */
    long system_call;               /* of a running one, -1: none */
    uint64_t op, joiner;            /* addresses of operations: who joins whom */
    uint64_t owner;                 /* address of the scope */
    size_t first_frame;
    uint32_t frame_count;
    bool deeper;   /* there are more frames */
    size_t begins; /* the frame that stands for its function, in one that may not have begun */
};

struct nx__dump_loop {
    struct nx_loop loop; /* a copy; its pointers lead into the other process */
    bool polling;        /* it waits for descriptors and timers */
    int64_t turn;        /* ns that its turn takes, -1: it waits */
    bool stuck;          /* its thread could not be stopped */
    bool cut;            /* not all fibers could be found */
    size_t first_fiber, fiber_count;
};

/* Of one process. */
struct nx__dump {
    struct nx__peek *peek;
    struct nx__dump_loop *loops;
    size_t loop_count;
    struct nx__dump_fiber *fibers;
    size_t fiber_count, fiber_capacity;
    uint32_t *frames; /* numbers of places */
    uint64_t *pcs;    /* before the places are made: the top bit says that it is a return address */
    size_t frame_count, frame_capacity;
    struct nx__place *places; /* different ones, by module and address */
    size_t place_count;
    nx_duration stopped; /* for how long the process was */
    /* While it is gathered: what was read last, which is mostly what is asked for next. */
    uintptr_t name_at, scope_at;
    char last_name[32];
    uint64_t last_owner;
};

/* Stops the process of an open `peek`, copies what its fibers do, and lets it go on. NX_EPERM,
 * NX_ENOMEM, NX_ENOENT, recorded. Free it whatever comes; the peek stays the caller's. */
NX_MUST_CHECK nx_err nx__dump_gather(struct nx__dump *dump, struct nx__peek *peek);
void nx__dump_free(struct nx__dump *dump);

/* Finds out what the addresses are called: in a process of its own, a few seconds at most. */
void nx__dump_name(struct nx__dump *dump);

/* The frames of a fiber that say something: without the runtime's own on both ends. */
void nx__dump_told(const struct nx__dump *dump, const struct nx__dump_fiber *fiber, size_t *first,
                   size_t *end);

/* What the fiber waits for, "sleeping", without numbers that differ from one to the next. */
void nx__dump_what(const struct nx__dump_fiber *fiber, char *out, size_t size);

/* Tell all of it. NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__dump_text(const struct nx__dump *dump, bool color, struct nx__buffer *out);
NX_MUST_CHECK nx_err nx__dump_json(const struct nx__dump *dump, struct nx__buffer *out);

/* Tells of the process and those below it, as text or JSON, to the descriptor. Recorded errors as
 * above; NX_EINVAL when none runs a program. */
NX_MUST_CHECK nx_err nx__dump_write(pid_t root, bool json, int fd);

/* "1.2 s", "340 µs". */
const char *nx__dump_span(int64_t ns, char *out, size_t size);

#endif
