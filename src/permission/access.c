/* What the program has asked for. */
#include "permission/access.h"

#include "base/error.h"
#include "loop/crash.h"
#include "loop/unwind.h"
#include "permission/broker.h"
#include <unistd.h>

bool nx__access_told;

/* The first frame of the program's own. */
static bool frame(void *arg, uintptr_t pc, const struct nx__code *code, bool is_return)
{
    uintptr_t *found = arg;
    if (!code || code->module == 0 || !(code->kind & NX__CODE_PROGRAM)) return true;
    *found = is_return ? pc - 1 : pc; /* of the call, and not of what follows it */
    return false;
}

/* The line that has asked, as a place in the file of a module; empty on a thread of the pool. */
static NX__NOINLINE void place_find(struct nx__crash_report *report)
{
    uintptr_t found = 0, here = (uintptr_t)__builtin_frame_address(0);
    /* A frame counts from two words above the stack pointer on. */
    const struct nx__machine m = {.pc = (uintptr_t)__builtin_return_address(0),
                                  .sp = here - 2 * sizeof here,
                                  .fp = here,
                                  .is_return = true};
    struct nx__unwind unwind = {.read = nx__unwind_read_own, .frame = frame, .arg = &found};
    unwind.code = nx__crash_code(&unwind.code_count);
    nx__crash_stack(m, &unwind.low, &unwind.high);
    nx__unwind(&unwind, m);
    nx__crash_addresses(report, &found, found != 0, true);
}

void nx__access_tell(enum nx__permit_kind kind, enum nx__use use, const char *what, bool granted)
{
    char text[NX__PATH_MAX];
    struct nx__crash_report report; /* large, and only where somebody asks for this */
    bool is_path = kind == NX__PERMIT_READ || kind == NX__PERMIT_WRITE || kind == NX__PERMIT_FFI ||
                   kind == NX__PERMIT_WASM;
    size_t at = 0, len = strlen(what);
    if (is_path && what[0] != '/' && getcwd(text, sizeof text)) {
        at = strlen(text);
        if (at + 1 < sizeof text) text[at++] = '/';
    }
    if (len >= sizeof text - at) len = sizeof text - at - 1;
    memcpy(text + at, what, len);
    text[at + len] = '\0';
    place_find(&report);
    const struct nx__crash_frame *own = report.frame_count ? report.frames : NULL;
    bool known = own && own->module < report.module_count;
    nx__broker_access((struct nx__broker_access){.kind = kind,
                                                 .use = use,
                                                 .granted = granted,
                                                 .address = known ? own->address : 0,
                                                 .module = known ? report.modules[own->module] : "",
                                                 .what = text});
}
