/* Reports of crashes and blocked loops: gathered in a signal handler, sent to the launcher or
 * printed. */
#ifndef NX__CRASH_H
#define NX__CRASH_H

#include "loop/loop.h"
#include "loop/unwind.h"

enum {
    NX__CRASH_MAGIC = 0x4e584352,
    NX__CRASH_FRAMES = 48,
    NX__CRASH_MODULES = 32,
    NX__CRASH_ACTIVITY = 256,
    NX__CRASH_PATH = 256,
    NX__CRASH_STACK = 32 * 1024,
};

enum nx__crash_kind {
    NX__CRASH_SIGNAL,
    NX__CRASH_OVERFLOW,      /* of a fiber's stack */
    NX__CRASH_OVERFLOW_MAIN, /* of the thread's own, which the system sizes */
    NX__CRASH_BLOCKED,
    NX__CRASH_FAILED, /* no crash: a handler has returned an error, which `nexus dev` shows */
    NX__CRASH_KINDS
};

struct nx__crash_frame {
    uint64_t address;   /* in the module's file, 0 where no module is known */
    uint32_t module;    /* NX__CRASH_MODULES: none */
    uint32_t is_return; /* the instruction before is the one that called */
};

/* One packet, untrusted when the launcher gets it. */
struct nx__crash_report {
    uint32_t magic, kind;
    int32_t signal, code; /* NX__CRASH_FAILED: the status of the answer, and the error */
    uint64_t fault;
    uint64_t stack_size; /* of the fiber, bytes */
    uint64_t blocked_ms; /* NX__CRASH_BLOCKED: the limit that has passed */
    uint32_t worker,
        workers;    /* the loop is this one of so many; 0 workers: it is none of several */
    uint32_t apart; /* the process is a worker's own; `thread` is its name */
    uint32_t frame_count, module_count;
    char fiber[32];  /* empty: a thread without a loop */
    char thread[32]; /* the name of a worker of the program's own; else empty */
    char activity[NX__CRASH_ACTIVITY];
    char message[NX__ERROR_MESSAGE_MAX]; /* NX__CRASH_FAILED: the error's; may be empty */
    uint32_t wants;                      /* NX__CRASH_FAILED: an enum nx__broker_wants */
    char modules[NX__CRASH_MODULES][NX__CRASH_PATH];
    struct nx__crash_frame frames[NX__CRASH_FRAMES];
};

/* The name of the process worker that this process is; NULL: it is none. Before any thread is
 * started. */
extern const char *nx__crash_worker;

/* Handles the signals of crashes from now on, on a stack of its own. `report_fd` is the broker's
 * socket, or -1: then reports go to stderr. In an AddressSanitizer build, the sanitizer's own
 * reports stay. NX_ENOMEM, NX_EFAILED. */
NX_MUST_CHECK nx_err nx__crash_install(int report_fd);

/* The same for the calling thread, which otherwise has every signal blocked. Its handlers run in
 * the `size` bytes at `stack`, which stay valid until the thread ends; NX__CRASH_STACK will do. */
void nx__crash_thread(void *stack, size_t size);

/* The stack that the calling thread runs on, as far as it is known to be there, for the machine
 * state of a signal handler. Async-signal-safe. */
void nx__crash_stack(struct nx__machine machine, uintptr_t *low, uintptr_t *high);

/* Where the loaded modules are, as noted last. Async-signal-safe. */
const struct nx__code *nx__crash_code(size_t *count);

/* Notes where the loaded modules are; call it after each dlopen, since the handler can't ask. */
void nx__crash_modules_changed(void);

/* Called in the handler before the report is sent, so that what the program has said comes first;
 * async-signal-safe. NULL: nobody has said anything. */
extern void (*_Atomic nx__crash_flush)(void);
/* Called in the handler when the report is sent: `nexus dev` hands the connection that waits for an
 * answer to the launcher. Async-signal-safe. NULL: nobody wants it. */
extern void (*_Atomic nx__crash_farewell)(void);

/* True from the moment that a crash is being reported: what takes its time then is that. */
bool nx__crash_happens(void);

/* Fills the report for the machine state of a signal handler. Async-signal-safe. */
void nx__crash_gather(struct nx__crash_report *report, const void *ucontext);

/* Fills the frames of the report with code addresses, the innermost first; each but one of
 * `is_entry` is where a call returns to. */
void nx__crash_addresses(struct nx__crash_report *report, const uintptr_t *addresses, size_t count,
                         bool is_entry);

/* Sends the report, or prints it where there is no launcher. Async-signal-safe. */
void nx__crash_send(const struct nx__crash_report *report);

/* Copies the packet and makes it safe to read and to show: counts within bounds, texts that end and
 * are free of control characters. False when it is no report. */
bool nx__crash_check(const void *packet, size_t len, struct nx__crash_report *out);

/* True for the function of a frame that is the runtime's own machinery below the program's first
 * function: it says nothing to the reader. */
bool nx__crash_is_bottom(const char *function);
/* A frame by name. */
struct nx__crash_told {
    char function[128]; /* empty when unknown */
    char file[256];     /* empty when unknown */
    char module[64];    /* the name of the file that its code is in */
    int32_t line;
    uint32_t same; /* so many more of the same follow */
    bool runtime;
};

struct nx__crash_story {
    uint32_t count;
    struct nx__crash_told frames[NX__CRASH_FRAMES];
};

/* Prints a checked report to `fd`, unless that is -1, and tells its frames, none where they can't
 * be found out. */
void nx__crash_tell(const struct nx__crash_report *report, int fd, struct nx__crash_story *story);

/* What a signal of a crash says: "segmentation fault". Static. */
const char *nx__crash_what(int signo);

/* Checks the packet and prints it, with file and line, to `fd`. Anything else than a report is told
 * as such. Debug information is read in a process of its own, for a few seconds at most. */
void nx__crash_print(const void *report, size_t len, int fd);

#endif
