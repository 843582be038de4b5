/* What guests have of the program by the module "nexus", as <nexus-guest.h> declares it: requests,
 * files, logs, time, keys and values. */
#ifndef NX__WASM_HOST_H
#define NX__WASM_HOST_H

#include "base/error.h"
#include "loop/loop.h"
#include "permission/permission.h"
#include <nexus/fetch.h>
#include <nexus/wasm.h>

enum {
    NX__HOST_PIECE_MOST = 1 << 20,    /* bytes that one call reads or writes */
    NX__HOST_BODY_MOST = 16 << 20,    /* of a request, which is copied */
    NX__HOST_HEADERS_MOST = 64 << 10, /* bytes of its fields, which are so many at most: */
    NX__HOST_FIELDS_MOST = 100,
    NX__HOST_LOG_MOST = 16 << 10, /* bytes of a message; the rest is cut */
};

/* What a guest has opened. Its number is its place in the table and one. */
struct nx__held {
    nx_scope scope; /* that its memory lies in */
    nx_fetched *answer;
    nx_bytes piece; /* of the answer, not given yet */
    int fd;         /* of a file, where there is no answer */
    bool append;
    uint64_t position;
};

struct nx__host_dir {
    char *guest; /* without a slash at either end; empty: what has no other directory */
    int fd;
    bool write;
};

struct nx__host {
    nx_wasm *wasm;
    struct nx__permissions net; /* whom it may ask */
    struct nx__host_dir *dirs;
    size_t dir_count;
    nx_wasm_kv *kv;
    bool kv_own;
    nx_duration clock; /* 0: it runs */
    struct nx__held **held;
    size_t held_room;
    uint32_t open, open_most;
    char message[NX__ERROR_MESSAGE_MAX]; /* of the last error that it has been told */
};

/* ---- table.c */

/* The functions, the same for all guests. NX_ENOMEM. Any thread. */
NX_MUST_CHECK nx_err nx__host_imports(const nx_wasm_imports **out);

/* Does a module import any of them? */
bool nx__host_is_wanted(nx_wasm_module *module);

/* What a policy gives. NX_EINVAL (a host that can't be), NX_ENOENT and others (a directory),
 * NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__host_new(struct nx__host **out, nx_wasm *wasm,
                                  const nx_wasm_policy *policy);
void nx__host_free(struct nx__host *host);

/* Closes what is open: the call from outside is over. */
void nx__host_close(struct nx__host *host);

/* Whom a guest may ask: the names of a policy's allow_net, which the caller frees. NX_EINVAL. */
NX_MUST_CHECK nx_err nx__host_net_read(struct nx__permissions *net, const char *const *list);

/* Whether one of that module may ask that. NX_EPERM, NX_EINVAL (it is no URL), NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__host_net_permit(const struct nx__permissions *net, const char *module,
                                         const char *url);

/* A place in the table, for `*number`. NX_ELIMIT, which ends the guest's call, NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__host_hold(struct nx__host *host, struct nx__held **out, int32_t *number);
void nx__host_drop(struct nx__host *host, int32_t number);

/* What is open under that number. NX_EINVAL. */
NX_MUST_CHECK nx_err nx__host_find(struct nx__host *host, int32_t number, struct nx__held **out);

/* The scope that the fiber allocates in, from the first to the second. */
void nx__host_scope_enter(nx_scope *scope);
void nx__host_scope_leave(nx_scope *scope);

/* ---- The functions. Each has its arguments in `values` and leaves its result there; an error is
 * told to the guest as a negative number, but for those that end its call. */

nx_err nx__host_fetch(struct nx__host *host, nx_wasm_value *values);
nx_err nx__host_request(struct nx__host *host, nx_wasm_value *values);
nx_err nx__host_status(struct nx__host *host, nx_wasm_value *values);
nx_err nx__host_header(struct nx__host *host, nx_wasm_value *values);
nx_err nx__host_answer_read(struct nx__held *held, nx_bytes into, int32_t *got);

nx_err nx__host_open(struct nx__host *host, nx_wasm_value *values);
nx_err nx__host_remove(struct nx__host *host, nx_wasm_value *values);
nx_err nx__host_size(struct nx__host *host, nx_wasm_value *values);
nx_err nx__host_file_read(struct nx__held *held, nx_bytes into, int32_t *got);
nx_err nx__host_file_write(struct nx__held *held, nx_bytes from, int32_t *done);

/* ---- kv.c */

/* Copies as much of the value as there is room for, and says how long it is. NX_ENOENT. */
NX_MUST_CHECK nx_err nx__kv_read(nx_wasm_kv *kv, nx_bytes key, nx_bytes into, size_t *len);

#endif
