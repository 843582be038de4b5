/* Looking into another process that runs a Nexus program: its memory, its code, the registers of
 * its threads. Linux: ptrace and /proc. */
#ifndef NX__PEEK_H
#define NX__PEEK_H

#include "loop/loops.h"
#include "loop/unwind.h"
#include <sys/types.h>

enum {
    NX__PEEK_WINDOW = 8192, /* of memory that is read at once */
    NX__PEEK_CODE = 256,    /* executable mappings that are known */
    NX__PEEK_MODULES = 128,
};

struct nx__peek {
    pid_t pid, parent;
    uid_t owner;
    gid_t group;
    char name[32]; /* of the process */
    char state;    /* as in /proc/PID/stat: R, S, D, T (stopped), Z */
    unsigned threads;
    uint64_t memory; /* resident, bytes */
    uint64_t cpu_ms; /* used so far, user and system */
    nx_duration up;
    size_t descriptors;
    uint64_t descriptors_most; /* its limit; 0: unknown */
    bool alone;                /* the program is linked with the runtime: there is no launcher */
    struct nx__loops loops;
    struct nx__code code[NX__PEEK_CODE];
    size_t code_count;
    char *modules[NX__PEEK_MODULES]; /* paths to open */
    char *shown[NX__PEEK_MODULES];   /* and as they are shown */
    uint32_t module_count;
    struct {
        pid_t thread;
        int signo; /* that came before it stopped, and is still owed to it */
    } stopped[NX__LOOPS_MOST];
    size_t stopped_count;
    nx_duration stopped_at;
    uintptr_t window_at;
    size_t window_len;
    char window[NX__PEEK_WINDOW];
};

/* Finds out whether the process runs a Nexus program, and what may be known without stopping it.
 * NX_ENOENT: there is no such process; NX_EPERM: it is not ours; NX_EINVAL: no Nexus program, or
 * one of another version; all recorded. Close it whatever comes. */
NX_MUST_CHECK nx_err nx__peek_open(struct nx__peek *peek, pid_t pid);
void nx__peek_close(struct nx__peek *peek);

/* Finds its executable mappings: before it is stopped, since it takes a while. */
void nx__peek_code(struct nx__peek *peek);

/* True when it has a loop, and so fibers. */
bool nx__peek_has_loops(const struct nx__peek *peek);

/* Copies memory of the process; false where there is none. What is read while it is not stopped may
 * be old. */
bool nx__peek_read(struct nx__peek *peek, uintptr_t at, void *out, size_t len);

/* Reads ahead: what is asked for next lies in these `len` bytes, NX__PEEK_WINDOW at most. */
void nx__peek_ahead(struct nx__peek *peek, uintptr_t at, size_t len);

/* The same for a text that ends with a NUL, cut at `size`; "" where there is none. Clean. */
void nx__peek_text(struct nx__peek *peek, uintptr_t at, char *out, size_t size);

/* Stops the thread and stores where it is; `*system_call` is the number of the one that it is in,
 * -1 in none. NX_EPERM and others, recorded; NX_ETIMEDOUT: it does not stop, as in some waits for a
 * disk. What has been stopped goes on at nx__peek_resume, or when this process ends. No handler of
 * the program runs, and no system call of it fails but those that signal(7) lists for stops. */
NX_MUST_CHECK nx_err nx__peek_stop(struct nx__peek *peek, pid_t thread, struct nx__machine *machine,
                                   long *system_call);

/* Lets all stopped threads go on; returns for how long the first was stopped, 0 if none was. */
nx_duration nx__peek_resume(struct nx__peek *peek);

/* Processes below `root`, itself first, at most `most`; how many there are. */
size_t nx__peek_tree(pid_t root, pid_t *out, size_t most);

#endif
