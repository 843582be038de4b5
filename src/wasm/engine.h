/* The WebAssembly engine: a library of its own, loaded when a program first has to do with
 * WebAssembly. engine/runtime implements what is declared here, field by field. */
#ifndef NX__WASM_ENGINE_H
#define NX__WASM_ENGINE_H

#include "base/list.h"
#include <nexus/wasm.h>

enum {
    /* Grows with every change of this header. */
    NX__ENGINE_VERSION = 6,
    /* Grows with every change of engine/settings.rs, and of what nexus-wasmc makes of a module: an
     * artifact of another number is refused. */
    NX__ENGINE_SETTINGS = 3,
    NX__ENGINE_STACK = 512 << 10, /* bytes of its stack that guest code may use at most */
    NX__ENGINE_TRACE = 2048,
};

/* Wasmtime's own. */
struct nx__engine;       /* for all threads, one for each kind of code */
struct nx__engine_code;  /* a module's or component's machine code, for all threads */
struct nx__linker;       /* functions by name */
struct nx__linked;       /* a module with the functions that it imports; for all threads */
struct nx__service_code; /* a component that answers requests; for all threads */
struct nx__asking;       /* a request of a guest to another server */
struct nx__exchange;     /* a request to it, with its answer; one thread at a time */
struct nx__guest;        /* an instance with its store; one thread at a time */

enum nx__failure_kind {
    NX__FAILURE_NONE,
    NX__FAILURE_OTHER,
    NX__FAILURE_ARTIFACT, /* machine code of another version or processor, or none at all */
    NX__FAILURE_IMPORT,   /* it imports what is not there, or is of another type */
    NX__FAILURE_TRAP,
    NX__FAILURE_HOST,   /* a host function has returned `status` */
    NX__FAILURE_MEMORY, /* limits, from here on */
    NX__FAILURE_TABLE,
    NX__FAILURE_CPU_TIME,
    NX__FAILURE_DEADLINE,
    NX__FAILURE_STACK,
    NX__FAILURE_EXIT, /* no failure: it has ended itself, with `status` */
    NX__FAILURE_FUEL,
    NX__FAILURE_OPEN_FILES,
    NX__FAILURE_REQUEST, /* no guest could be asked that */
};

/* What went wrong; filled by calls that return another kind than NX__FAILURE_NONE. */
struct nx__failure {
    uint32_t kind, status;
    char message[512];            /* may be empty */
    char trace[NX__ENGINE_TRACE]; /* guest functions, a line each, innermost first; may be empty */
};

struct nx__engine_limits {
    uint64_t max_memory, max_table_elements;
    uint64_t fuel; /* for its start function, where its code is metered */
    bool metered;
    bool waits; /* its host functions may suspend, which its linker was told too */
    /* Asked at each tick while guest code runs: 0 goes on, 1 ends it for NX__FAILURE_CPU_TIME, 2
     * for NX__FAILURE_DEADLINE. */
    uint32_t (*tick)(void *host);
};

/* Parameters and results, an nx_wasm_type each. */
struct nx__engine_type {
    const uint8_t *params;
    size_t param_count;
    const uint8_t *results;
    size_t result_count;
};

struct nx__engine_items {
    const nx_wasm_item *imports;
    size_t import_count;
    const nx_wasm_item *exports;
    size_t export_count;
};

/* What a WASI guest gets. Directories are opened, and all is copied, before the guest is made. */
struct nx__wasi_directory {
    const char *host, *guest;
    bool read_only;
};
struct nx__wasi_options {
    const char *const *args;
    size_t arg_count;
    const char *const *env; /* NAME=VALUE */
    size_t env_count;
    const struct nx__wasi_directory *directories;
    size_t directory_count;
    uint32_t max_open_files;
    uint64_t random_seed; /* 0: the system's bytes */
    uint64_t clock;       /* ns since 1970, 0: it runs */
    bool names;           /* names may be looked up */
    /* May a socket be bound to the address ("1.2.3.4:80", "[::1]:80"), or else have it for a peer?
     * NULL: there is no network. Of components. Any thread. */
    bool (*network)(const char *address, bool bound);
};

/* Calls of the same function. `many`, which may be NULL, is what batch_find has found. */
struct nx__engine_batch {
    const uint64_t *one, *many;
    size_t params, results;
    nx_wasm_value *values;
    size_t count;
};

struct nx__service_options {
    int fd; /* of the code again; it is taken */
    bool metered;
    size_t stack;
    uint32_t instances; /* at once, at most */
    uint32_t uses;      /* requests that one of them may answer */
    /* A guest asks another server: takes the request over. `host` is the owner's of its exchange,
     * which is being polled. NULL: guests may ask nobody. */
    void (*ask)(void *host, struct nx__asking *asking);
};

struct nx__http_field {
    nx_bytes name, value;
};
struct nx__http_question {
    nx_bytes method, scheme, authority, target; /* the target is the path with the query */
    const struct nx__http_field *fields;
    size_t field_count;
};
struct nx__engine_owner {
    void *host; /* for the limits' `tick`, too */
    /* It is to be polled again. From any thread, and not any more when it was freed. */
    void (*wake)(void *host);
};
/* What there is to do with an exchange. */
enum {
    NX__EXCHANGE_HEAD = 1,  /* exchange_head has the answer's head */
    NX__EXCHANGE_PIECE = 2, /* exchange_take has a piece of it */
    NX__EXCHANGE_WANTS = 4, /* exchange_give: the guest waits for more of the request's body */
    NX__EXCHANGE_OVER = 8,  /* nothing more but what was said with it */
};

/* What a guest asks; lasts as long as the asking. */
struct nx__asking_request {
    nx_bytes method;
    nx_bytes url; /* with a NUL behind */
    const struct nx__http_field *fields;
    size_t field_count;
    bool has_body;
    uint64_t connect, head, idle; /* ns to wait, 0: as usual */
};
/* What asking_body has come to. */
enum { NX__ASKING_PIECE, NX__ASKING_WAIT, NX__ASKING_END, NX__ASKING_FAILED };
/* How asking_state finds who asks. */
enum {
    NX__ASKING_WANTS = 1, /* more of the answer's body: asking_give */
    NX__ASKING_GONE = 2,  /* nothing more */
};
enum nx__asking_failure {
    NX__ASKING_DENIED,
    NX__ASKING_NO_NAME,
    NX__ASKING_REFUSED,
    NX__ASKING_TIMED_OUT,
    NX__ASKING_RESET,
    NX__ASKING_PROTOCOL,
    NX__ASKING_URL,
    NX__ASKING_TOO_MANY,
    NX__ASKING_UNREACHABLE,
    NX__ASKING_TLS,
    NX__ASKING_OTHER, /* with a text */
};

/* A host function: as nx_wasm_fn, with what guest_new was given for the guest. */
typedef uint32_t (*nx__engine_fn)(void *arg, void *host, nx_wasm_value *values);

/* Each returns an nx__failure_kind. Texts are UTF-8; what a call gets is its caller's again when it
 * has returned. */
struct nx__engine_api {
    uint32_t version, value_size;

    uint32_t (*engine_new)(bool metered, size_t stack, struct nx__engine **out,
                           struct nx__failure *failure);
    void (*engine_free)(struct nx__engine *engine);
    /* One tick more for all guests. Any thread. */
    void (*engine_tick)(const struct nx__engine *engine);

    /* Maps machine code, which has been checked to be what the compiler has made: what it says is
     * run. Takes the descriptor. */
    uint32_t (*code_open)(const struct nx__engine *engine, int fd, struct nx__engine_code **out,
                          struct nx__failure *failure);
    void (*code_free)(struct nx__engine_code *code);
    bool (*code_is_component)(const struct nx__engine_code *code);
    /* NULL of a component. */
    struct nx__engine_items *(*code_describe)(const struct nx__engine_code *code);
    /* A component's imports and exports in the words of WIT, without a NUL behind; NULL of a
     * module. Freed by text_free. */
    char *(*component_describe)(const struct nx__engine_code *code, size_t *len);
    void (*text_free)(char *text, size_t len);
    void (*description_free)(struct nx__engine_items *items);

    struct nx__linker *(*linker_new)(const struct nx__engine *engine);
    void (*linker_free)(struct nx__linker *linker);
    /* Where it `waits`, guest code runs on a stack of the engine's, and `fn` on the one that has
     * called guest code, where it may suspend its fiber; of one guest all do or none. */
    uint32_t (*linker_func)(struct nx__linker *linker, const char *module, const char *name,
                            const struct nx__engine_type *type, nx__engine_fn fn, void *arg,
                            bool waits, struct nx__failure *failure);
    /* Adds all of WASI 0.1; its guests are made with options for it. */
    uint32_t (*linker_wasi)(struct nx__linker *linker, struct nx__failure *failure);

    uint32_t (*linked_new)(struct nx__linker *linker, const struct nx__engine_code *code,
                           struct nx__linked **out, struct nx__failure *failure);
    void (*linked_free)(struct nx__linked *linked);

    /* Runs a component that is a program of WASI 0.2 or 0.3 to its end; NX__FAILURE_EXIT with a
     * `status` where that is no success. Guest code has a stack of the engine's, and where it waits
     * this thread does. `host` is for `tick`. */
    uint32_t (*command_run)(const struct nx__engine *engine, const struct nx__engine_code *code,
                            const struct nx__engine_limits *limits,
                            const struct nx__wasi_options *wasi, void *host,
                            struct nx__failure *failure);

    /* A component that exports what wasi:http 0.2 or 0.3 asks of a server, on an engine of its own.
     */
    uint32_t (*service_new)(const struct nx__engine_code *code,
                            const struct nx__service_options *options,
                            const struct nx__service_code **out, struct nx__failure *failure);
    /* Exchanges that are under way keep it. */
    void (*service_free)(const struct nx__service_code *service);
    /* One tick more for its guests. Any thread. */
    void (*service_tick)(const struct nx__service_code *service);
    /* Copies what it gets. Nothing runs before it is polled. */
    uint32_t (*exchange_new)(const struct nx__service_code *service,
                             const struct nx__http_question *question,
                             const struct nx__engine_limits *limits,
                             const struct nx__wasi_options *wasi,
                             const struct nx__engine_owner *owner, struct nx__exchange **out,
                             struct nx__failure *failure);
    void (*exchange_free)(struct nx__exchange *exchange);
    /* Lets the guest run until it waits. */
    uint32_t (*exchange_poll)(struct nx__exchange *exchange, uint32_t *todo,
                              struct nx__failure *failure);
    /* The status, and fields that last as long as the exchange. */
    uint32_t (*exchange_head)(struct nx__exchange *exchange, const struct nx__http_field **fields,
                              size_t *count);
    /* How many fields are behind the answer's body, once it is over; they last as the head's. */
    size_t (*exchange_trailers)(struct nx__exchange *exchange,
                                const struct nx__http_field **fields);
    /* A piece, which lasts until the next one is taken. */
    const char *(*exchange_take)(struct nx__exchange *exchange, size_t *len);
    /* A piece of the request's body, which is copied; empty: its end. */
    void (*exchange_give)(struct nx__exchange *exchange, const char *data, size_t len);

    /* What is asked; from here on `wake` says that there is more of its body, or that more of the
     * answer is wanted. All of these on the loop of its exchange. */
    void (*asking_begin)(struct nx__asking *asking, const struct nx__engine_owner *owner,
                         struct nx__asking_request *out);
    /* Who asks gets no more. */
    void (*asking_free)(struct nx__asking *asking);
    /* A piece of the request's body, which lasts until the next one is taken. */
    uint32_t (*asking_body)(struct nx__asking *asking, const char **data, size_t *len);
    void (*asking_answer)(struct nx__asking *asking, uint32_t status,
                          const struct nx__http_field *fields, size_t count);
    uint32_t (*asking_state)(struct nx__asking *asking);
    /* A piece of the answer's body, which is copied, when it is wanted. */
    void (*asking_give)(struct nx__asking *asking, const char *data, size_t len);
    /* That was all, with the trailer fields behind it. */
    void (*asking_end)(struct nx__asking *asking, const struct nx__http_field *trailers,
                       size_t count);
    void (*asking_fail)(struct nx__asking *asking, uint32_t failure, const char *text, size_t len);

    /* Makes an instance and runs its start function. `wasi` may be NULL. `host` is what host
     * functions and `tick` get. */
    uint32_t (*guest_new)(const struct nx__linked *linked, const struct nx__engine_limits *limits,
                          const struct nx__wasi_options *wasi, void *host, struct nx__guest **out,
                          struct nx__failure *failure);
    void (*guest_free)(struct nx__guest *guest);
    /* The next tick asks again, whatever has been before. */
    void (*guest_rearm)(struct nx__guest *guest);
    /* Of metered code. */
    void (*fuel_set)(struct nx__guest *guest, uint64_t fuel);
    uint64_t (*fuel_get)(struct nx__guest *guest);
    /* As a failure's trace, for a host function that runs. */
    void (*guest_backtrace)(struct nx__guest *guest, char *out, size_t size);

    /* An exported function, NX__FAILURE_OTHER: none such. The handle is two words. */
    uint32_t (*func_find)(struct nx__guest *guest, const char *name, size_t len, uint64_t *handle);
    /* Stores how many parameters and results it has, and their types one behind the other as far as
     * there is room. */
    void (*func_type)(struct nx__guest *guest, const uint64_t *handle, size_t counts[2],
                      uint8_t *types, size_t room);
    /* `values` has arguments, then results; `count` is the more of both. Nobody checks types. */
    uint32_t (*call)(struct nx__guest *guest, const uint64_t *handle, nx_wasm_value *values,
                     size_t count, struct nx__failure *failure);

    /* The function that calls the export `one` of that name many times. NX__FAILURE_OTHER: none
     * such. */
    uint32_t (*batch_find)(struct nx__guest *guest, const char *name, size_t len,
                           const uint64_t *one, uint64_t *handle);
    uint32_t (*call_batch)(struct nx__guest *guest, const struct nx__engine_batch *batch,
                           size_t *done, struct nx__failure *failure);

    uint32_t (*table_func)(struct nx__guest *guest, const char *name, size_t len, uint64_t index,
                           uint64_t *handle);
    uint32_t (*table_size)(struct nx__guest *guest, const char *name, size_t len, uint64_t *out);

    /* The handle is three words. */
    uint32_t (*memory_find)(struct nx__guest *guest, const char *name, size_t len,
                            uint64_t *handle);
    void (*memory_data)(struct nx__guest *guest, const uint64_t *handle, char **data, size_t *len);
    uint32_t (*memory_grow)(struct nx__guest *guest, const uint64_t *handle, uint64_t pages,
                            struct nx__failure *failure);

    uint32_t (*global_get)(struct nx__guest *guest, const char *name, size_t len, uint8_t *type,
                           nx_wasm_value *out);
    uint32_t (*global_set)(struct nx__guest *guest, const char *name, size_t len,
                           const nx_wasm_value *value, struct nx__failure *failure);
};

/* What the library exports. */
const struct nx__engine_api *nx__engine_api(void);

/* ---- engine.c */

/* The library that was loaded; valid once nx__engine_open has succeeded, and until the program
 * ends. */
extern const struct nx__engine_api *nx__engine;

/* Loads the library, the first time. NX_ENOTSUP (built without, or it is not there: the message
 * says where it was looked for), NX_EFAILED, NX_ENOMEM. Any thread. */
NX_MUST_CHECK nx_err nx__engine_open(void);

/* The engine for such code: metered or not, with so many bytes of stack, up to NX__ENGINE_STACK;
 * `*stack` becomes what it really has. Made at first use, for ever. NX_EFAILED. Any thread. */
NX_MUST_CHECK nx_err nx__engine_get(bool metered, size_t *stack, struct nx__engine **out);

/* One tick more for the guests of all of them. Any thread. */
void nx__engine_tick(void);

/* Has it tick a service too, or no more. */
struct nx__engine_ticked {
    struct nx__list link;
    const struct nx__service_code *service;
};
void nx__engine_ticks(struct nx__engine_ticked *ticked, bool on);

#endif
