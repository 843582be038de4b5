/* What the parts of the WebAssembly front share. */
#ifndef NX__WASM_INTERNAL_H
#define NX__WASM_INTERNAL_H

#include "base/compiler.h"
#include "base/error.h"
#include "wasm/engine.h"
#include <pthread.h>
#include <stdatomic.h>

enum {
    NX__WASM_VALUES_MOST = 1000, /* parameters or results of a function; the engine's own limit */
    NX__WASM_TYPE_TEXT = 160,    /* of a type in a message; longer ones are cut */
    NX__WASM_RECORDS_MOST = 64,  /* in the type of a function */
    NX__WASM_FIELDS_MOST = 256,  /* of a record */
};

struct nx_wasm_module {
    atomic_size_t users;
    atomic_uint_least64_t instances;
    struct nx__engine *engine;
    size_t stack; /* bytes that its guests have */
    bool metered;
    struct nx__engine_code *code;
    pthread_mutex_t lock; /* for what is below */
    struct nx__engine_items *items;
    struct nx__link *links;
    char name[]; /* for messages */
};

/* What a guest may import beside the program's own functions, and that all of them may wait. */
enum { NX__WITH_WASI = 1, NX__WITH_NEXUS = 2, NX__WITH_WAITING = 4 };

/* A module with certain imports. It lasts as long as the module, or as its own nx_wasm. */
struct nx__link {
    struct nx__link *next;
    uint64_t imports, imports_count; /* which they are, and how many of them there were */
    unsigned with;                   /* NX__WITH_... */
    struct nx__linked *linked;
    bool kept; /* by the module */
};

struct nx_wasm {
    struct nx__guest *guest;
    struct nx__link *link;
    bool timed;              /* there is a limit on its time */
    bool counted;            /* among its module's instances */
    bool limited;            /* that, or one on its fuel, or it waits: a call has to be prepared */
    bool waits;              /* its host functions may suspend */
    bool away;               /* one of them runs: what the thread does is none of its */
    nx_duration away_since;  /* then: the thread's time of the processor */
    unsigned depth;          /* calls into it, where it is timed, that have not returned */
    unsigned calls;          /* from outside, so far; may wrap */
    unsigned looked_at_call; /* the one that a tick has found first, at that time of the thread */
    nx_duration looked_at;
    unsigned inside;   /* host functions that it has called and that have not returned */
    const void *frame; /* of the outermost of those: the engine measures what the guest uses of the
                          stack, so nested calls have to be on the same */
    nx_wasm_module *module;
    nx_wasm_policy policy;             /* with all defaults; without pointers */
    nx_duration cpu_until, wall_until; /* of the outermost call; NX_FOREVER: none */
    nx_err host_error;                 /* of a host function that has ended the call */
    char host_message[NX__ERROR_MESSAGE_MAX];
    struct nx__host *host;      /* NULL: it has nothing of "nexus" */
    struct nx__failure failure; /* the last */
};

/* ---- instance.c */

/* Takes the limits of a policy, with defaults for what it leaves open. NX_EINVAL. */
NX_MUST_CHECK nx_err nx__wasm_limit(nx_wasm *wasm, const nx_wasm_policy *policy);

/* A guest has no more than the program, nor than its package: what its policy gives. NX_EPERM. */
NX_MUST_CHECK nx_err nx__wasm_permit(const char *module, const nx_wasm_policy *policy);

/* Those of them that the engine keeps. */
struct nx__engine_limits nx__wasm_engine_limits(const nx_wasm *wasm);

/* ---- wasi.c */

/* What a policy gives to a guest over WASI; its lists are memory of the current scope. NX_EPERM,
 * NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__wasi_options(const nx_wasm_policy *policy, struct nx__wasi_options *out);

/* And what components may have of the network: what the program itself may. */
void nx__wasi_network(struct nx__wasi_options *options);

/* ---- call.c */

/* nx_wasm_find, false without a record where it would fail. */
bool nx__wasm_find_quietly(nx_wasm_func *out, nx_wasm *wasm, const char *name, const char *type);

/* Records what has ended a call into the guest, which `doing` names: "calling \"add\" of a.wasm".
 */
NX_MUST_CHECK nx_err nx__wasm_failed(nx_wasm *wasm, const char *doing);

/* The same of a failure that is not the guest's last, such as one of many that share its limits. */
NX_MUST_CHECK nx_err nx__wasm_failed_by(const nx_wasm *wasm, const struct nx__failure *failure,
                                        const char *doing);

/* Runs guest code, which fn(arg) enters, held to its time: on the stack that it needs or, of a
 * guest that waits, on this one and in a scope. Errors of what comes before and after it. May
 * suspend, where the guest waits. */
NX_MUST_CHECK nx_err nx__wasm_run(nx_wasm *wasm, void (*fn)(void *arg), void *arg);

/* Runs it with enough stack for guest code, on another one where this one has too little left.
 * NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__wasm_enter(void (*fn)(void *arg), void *arg);

/* True when guest code may be run on the stack at hand. */
bool nx__wasm_stack_suffices(void);

/* True when the address lies in the stack at hand. */
bool nx__wasm_stack_has(const void *address);

/* ---- time.c */

/* Begins and ends the time that a call may take; of nested ones the outermost counts. NX_ENOMEM and
 * others. */
NX_MUST_CHECK nx_err nx__wasm_time_begin(nx_wasm *wasm);
void nx__wasm_time_end(nx_wasm *wasm);

/* Ticks until as many calls have ended it as have begun it. NX_ENOMEM and others. Any thread. */
NX_MUST_CHECK nx_err nx__wasm_ticks_begin(void);
void nx__wasm_ticks_end(void);

/* Of a guest that waits: what the thread does from the first to the second is not the guest's. */
void nx__wasm_time_leave(nx_wasm *wasm);
void nx__wasm_time_return(nx_wasm *wasm);

/* Whether the deadline of the call under way, or of the last, has passed. */
bool nx__wasm_time_is_over(const nx_wasm *wasm);

/* For the engine, while a guest runs. */
uint32_t nx__wasm_tick(void *wasm);

/* What a call may take of the processor while it blocks a loop, where the policy does not say. */
extern nx_duration nx__wasm_cpu_most;

/* Calls `end`, on another thread, half a second after that time: what waits in a system call is
 * reached by no tick. Once a process. NX_ENOMEM and others. */
NX_MUST_CHECK nx_err nx__wasm_time_end_at(nx_duration at, void (*end)(void));

/* ---- type.c */

/* A function's type in words: "i32, str -> i64". */
struct nx__wasm_signature {
    uint8_t params[NX__WASM_VALUES_MOST], results[NX__WASM_VALUES_MOST]; /* nx_wasm_type each */
    size_t param_count, result_count;
    struct nx__wasm_record {
        uint16_t size;
        uint8_t align;
    } records[NX__WASM_RECORDS_MOST]; /* in the order in which the type has them */
    size_t record_count;
};
/* Behind the nx_wasm_types, for host functions: views of the guest's memory. */
enum {
    NX__WASM_STR = 100,
    NX__WASM_BYTES,
    NX__WASM_LIST_I32,
    NX__WASM_LIST_I64,
    NX__WASM_LIST_F32,
    NX__WASM_LIST_F64,
    /* A structure of C, and a list of such: with the number of it added. */
    NX__WASM_RECORD = 128,
    NX__WASM_LIST_RECORD = NX__WASM_RECORD + NX__WASM_RECORDS_MOST
};

/* Reads it; `host` allows views, of results a single one. NX_EINVAL, recorded: what is wrong, in
 * which text. */
NX_MUST_CHECK nx_err nx__wasm_type_parse(const char *text, bool host,
                                         struct nx__wasm_signature *out);

/* The word for an nx_wasm_type; static. */
const char *nx__wasm_type_name(uint8_t type);

/* Writes it, cut where it is long. */
void nx__wasm_type_print(const uint8_t *params, size_t param_count, const uint8_t *results,
                         size_t result_count, char out[NX__WASM_TYPE_TEXT]);

/* ---- marshal.c */

/* Allocates in the guest, which may run for that, and copies there. NX_ENOENT (it can't allocate),
 * NX_ENOMEM, NX_ETOOBIG, NX_EINVAL (it gave what is not in its memory) and others as a call. */
NX_MUST_CHECK nx_err nx__wasm_give(nx_wasm *wasm, nx_bytes bytes, size_t align, uint32_t *at);

/* The call that it was for is over. */
void nx__wasm_take_back(nx_wasm *wasm, uint32_t at);

/* A pointer and a length that lie in the guest's memory: as a slice of it, NX_EINVAL; and written.
 */
NX_MUST_CHECK nx_err nx__wasm_pair_read(nx_wasm *wasm, uint32_t at, nx_bytes *out);
NX_MUST_CHECK nx_err nx__wasm_pair_write(nx_wasm *wasm, uint32_t at, uint32_t data, uint32_t count);

/* True where a single pointer stands for it, without a count. */
static inline bool nx__wasm_is_record(uint8_t type)
{
    return type >= NX__WASM_RECORD && type < NX__WASM_LIST_RECORD;
}

/* An item of a view, and what it is a view of if that is a record. */
struct nx__wasm_record nx__wasm_item(const struct nx__wasm_signature *signature, uint8_t type);

/* What is wrong with it, NULL if nothing is. */
const char *nx__wasm_view_wrong(const struct nx__wasm_signature *signature, uint8_t type,
                                nx_bytes view);

/* ---- imports.c */

/* Links the module with what it may import, or finds that it is already. NX_ENOENT, NX_ETYPE,
 * NX_ENOMEM and what was wrong with the imports. */
NX_MUST_CHECK nx_err nx__wasm_link(nx_wasm_module *module, const nx_wasm_imports *imports,
                                   unsigned with, struct nx__link **out);
void nx__wasm_link_free(struct nx__link *link);

/* ---- module.c */

/* nx_wasm_load, of a component too. Where `kept` is not NULL, it is -1 and becomes a descriptor of
 * the machine code, the caller's to close, also where this fails. */
NX_MUST_CHECK nx_err nx__wasm_load(nx_wasm_module **out, const char *path,
                                   const nx_wasm_load_options *options, int *kept);

/* A module of machine code that has been checked; takes the descriptor. `name` is for messages, and
 * tells a file that says itself whether it is metered. NX_EINVAL, NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__wasm_module_new(nx_wasm_module **out, const char *name, int fd,
                                         const nx_wasm_load_options *options,
                                         struct nx__failure *failure);

#endif
