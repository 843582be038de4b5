/* Reports of crashes and blocked loops: gathered in a signal handler, sent to the launcher or
 * printed. */
#ifndef NX__CRASH_H
#define NX__CRASH_H

#include "loop/loop.h"

enum {
    NX__CRASH_MAGIC = 0x4e584352,
    NX__CRASH_FRAMES = 48,
    NX__CRASH_MODULES = 8,
    NX__CRASH_ACTIVITY = 256,
    NX__CRASH_PATH = 256,
};

enum nx__crash_kind { NX__CRASH_SIGNAL, NX__CRASH_OVERFLOW, NX__CRASH_BLOCKED };

struct nx__crash_frame {
    uint64_t address;   /* in the module's file, 0 where no module is known */
    uint32_t module;    /* NX__CRASH_MODULES: none */
    uint32_t is_return; /* the instruction before is the one that called */
};

/* One packet, untrusted when the launcher gets it. */
struct nx__crash_report {
    uint32_t magic, kind;
    int32_t signal, code;
    uint64_t fault;
    uint64_t stack_size; /* of the fiber, bytes */
    uint64_t blocked_ms; /* NX__CRASH_BLOCKED: the limit that has passed */
    uint32_t frame_count, module_count;
    char fiber[32];
    char activity[NX__CRASH_ACTIVITY];
    char modules[NX__CRASH_MODULES][NX__CRASH_PATH];
    struct nx__crash_frame frames[NX__CRASH_FRAMES];
};

/* Handles the signals of crashes from now on, on a stack of its own. `report_fd` is the broker's
 * socket, or -1: then reports go to stderr. In an AddressSanitizer build, the sanitizer's own
 * reports stay. NX_ENOMEM, NX_EFAILED. */
NX_MUST_CHECK nx_err nx__crash_install(int report_fd);

/* Notes where the loaded modules are; call it after each dlopen, since the handler can't ask. */
void nx__crash_modules_changed(void);

/* Fills the report for the machine state of a signal handler. Async-signal-safe. */
void nx__crash_gather(struct nx__crash_report *report, const void *ucontext);

/* Sends the report, or prints it where there is no launcher. Async-signal-safe. */
void nx__crash_send(const struct nx__crash_report *report);

/* Checks the packet and prints it, with file and line, to `fd`. Anything else than a report is told
 * as such. */
void nx__crash_print(const void *report, size_t len, int fd);

#endif
