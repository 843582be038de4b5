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
};

struct nx_wasm_module {
    atomic_size_t users;
    struct nx__engine_code *code;
    pthread_mutex_t lock; /* for what is below */
    struct nx__engine_items *items;
    struct nx__link *links;
    char name[]; /* for messages */
};

/* A module with certain imports. It lasts as long as the module, or as its own nx_wasm. */
struct nx__link {
    struct nx__link *next;
    uint64_t imports, imports_count; /* which they are, and how many of them there were */
    struct nx__linked *linked;
    bool kept; /* by the module */
};

struct nx_wasm {
    struct nx__guest *guest;
    struct nx__link *link;
    bool timed;        /* there is a limit on its time */
    unsigned depth;    /* calls into it, where it is timed, that have not returned */
    unsigned inside;   /* host functions that it has called and that have not returned */
    const void *frame; /* of the outermost of those: the engine measures what the guest uses of the
                          stack, so nested calls have to be on the same */
    nx_wasm_module *module;
    nx_duration max_cpu_time, deadline;
    nx_duration cpu_until, wall_until; /* of the outermost call; NX_FOREVER: none */
    uint64_t max_memory, max_table_elements;
    nx_err host_error; /* of a host function that has ended the call */
    char host_message[NX__ERROR_MESSAGE_MAX];
    struct nx__failure failure; /* the last */
};

/* ---- call.c */

/* Records what has ended a call into the guest, which `doing` names: "calling \"add\" of a.wasm".
 */
NX_MUST_CHECK nx_err nx__wasm_failed(nx_wasm *wasm, const char *doing);

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

/* For the engine, while a guest runs. */
uint32_t nx__wasm_tick(void *wasm);

/* ---- type.c */

/* A function's type in words: "i32, str -> i64". */
struct nx__wasm_signature {
    uint8_t params[NX__WASM_VALUES_MOST], results[NX__WASM_VALUES_MOST]; /* nx_wasm_type each */
    size_t param_count, result_count;
};
enum { NX__WASM_STR = 100, NX__WASM_BYTES }; /* behind the nx_wasm_types, for host functions */

/* Reads it; `host` allows `str` and `bytes`. NX_EINVAL, recorded: what is wrong, in which text. */
NX_MUST_CHECK nx_err nx__wasm_type_parse(const char *text, bool host,
                                         struct nx__wasm_signature *out);

/* The word for an nx_wasm_type; static. */
const char *nx__wasm_type_name(uint8_t type);

/* Writes it, cut where it is long. */
void nx__wasm_type_print(const uint8_t *params, size_t param_count, const uint8_t *results,
                         size_t result_count, char out[NX__WASM_TYPE_TEXT]);

/* ---- imports.c */

/* Links the module with what it may import, or finds that it is already. NX_ENOENT, NX_ETYPE,
 * NX_ENOMEM and what was wrong with the imports. */
NX_MUST_CHECK nx_err nx__wasm_link(nx_wasm_module *module, const nx_wasm_imports *imports,
                                   struct nx__link **out);
void nx__wasm_link_free(struct nx__link *link);

/* ---- module.c */

/* A module of machine code that has been checked; takes the descriptor. `name` is for messages.
 * NX_EINVAL, NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__wasm_module_new(nx_wasm_module **out, const char *name, int fd,
                                         struct nx__failure *failure);

#endif
