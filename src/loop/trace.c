/* Where errors come from, by frame pointers. */
#include "loop/trace.h"

#include "loop/unwind.h"

enum { FRAMES_MOST = 24, KEPT = 8 };

/* The last errors of a few fibers: who shows one does so right after it was returned. */
static NX__THREAD_LOCAL struct trace {
    const struct nx__context *of;
    nx_err code;
    size_t count;
    uintptr_t addresses[FRAMES_MOST];
} traces[KEPT];
static NX__THREAD_LOCAL size_t next;

static struct trace *find(const struct nx__context *of)
{
    for (size_t i = 0; i < KEPT; i++)
        if (traces[i].of == of) return &traces[i];
    return NULL;
}

/* The runtime's own frames say nothing, and finding out their names would take its time. */
static bool frame(void *arg, uintptr_t pc, const struct nx__code *code, bool is_return)
{
    struct trace *t = arg;
    (void)is_return;
    if (code && code->module != 0) t->addresses[t->count++] = pc;
    return t->count < FRAMES_MOST;
}

static NX__NOINLINE void trace(nx_err code)
{
    const struct nx__context *of = nx__context();
    struct trace *t = find(of);
    if (!t) t = &traces[next++ % KEPT];
    *t = (struct trace){.of = of, .code = code};
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    const struct nx__machine m = {
        .pc = (uintptr_t)__builtin_return_address(0), .sp = here, .fp = here, .is_return = true};
    struct nx__unwind unwind = {.read = nx__unwind_read_own, .frame = frame, .arg = t};
    unwind.code = nx__crash_code(&unwind.code_count);
    nx__crash_stack(m, &unwind.low, &unwind.high);
    nx__unwind(&unwind, m);
}

void nx__trace_errors(void)
{
    nx__error_trace = trace;
}

void nx__trace_report(struct nx__crash_report *report, nx_err code, uintptr_t otherwise)
{
    const struct trace *t = find(nx__context());
    if (t && t->code == code)
        nx__crash_addresses(report, t->addresses, t->count, false);
    else
        nx__crash_addresses(report, &otherwise, 1, true);
}
