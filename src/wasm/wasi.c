/* WASI: what a guest gets by it, and programs that are made for it. */
#include "wasm/wasi.h"

#include "base/clock.h"
#include "permission/connect.h"
#include "permission/permission.h"
#include "wasm/host/host.h"
#include "wasm/internal.h"
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* All that 32 bits can address. */
#define MEMORY_MOST ((uint64_t)4 << 30)

static size_t words(const char *const *list)
{
    size_t count = 0;
    while (list && list[count]) count++;
    return count;
}

nx_err nx__wasi_options(const nx_wasm_policy *p, struct nx__wasi_options *out)
{
    size_t dirs = 0;
    while (p->allow_fs && p->allow_fs[dirs].path) dirs++;
    *out = (struct nx__wasi_options){.args = p->args,
                                     .arg_count = words(p->args),
                                     .env = p->env,
                                     .env_count = words(p->env),
                                     .directory_count = dirs,
                                     .max_open_files = p->max_open_files ? p->max_open_files
                                                                         : NX_WASM_MAX_OPEN_FILES,
                                     .random_seed = p->random_seed,
                                     .clock = p->clock > 0 ? (uint64_t)p->clock : 0};
    struct nx__wasi_directory *list = nx_alloc((dirs + 1) * sizeof *list);
    if (!list) return nx__error_set(NX_ENOMEM, "cannot use WASI: out of memory");
    for (size_t i = 0; i < dirs; i++) {
        const nx_wasm_dir *dir = &p->allow_fs[i];
        list[i] = (struct nx__wasi_directory){.host = dir->path,
                                              .guest = dir->guest ? dir->guest : dir->path,
                                              .read_only = !dir->write};
    }
    out->directories = list;
    return NX_OK;
}

/* What a socket may be bound to and have for a peer is what the program may. */
static bool network(const char *address, bool bound)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } peer = {0};
    char host[INET6_ADDRSTRLEN];
    const char *port = strrchr(address, ':');
    if (!port) return false;
    if (bound) return !nx__permit(NX__PERMIT_NET, address);
    bool is_v6 = *address == '[';
    int len = (int)(port - address) - (is_v6 ? 2 : 0);
    (void)snprintf(host, sizeof host, "%.*s", len, address + is_v6);
    uint16_t number = htons((uint16_t)strtoul(port + 1, NULL, 10));
    if (is_v6) {
        peer.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = number};
        return inet_pton(AF_INET6, host, &peer.v6.sin6_addr) == 1 && !nx__permit_send(&peer.any);
    }
    peer.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = number};
    return inet_pton(AF_INET, host, &peer.v4.sin_addr) == 1 && !nx__permit_send(&peer.any);
}

void nx__wasi_network(struct nx__wasi_options *options)
{
    /* A name may lead to any address, and the engine looks names up by itself. */
    options->names = !nx__permit_is_limited();
    options->network = network;
}

/* ---- Programs */

struct program {
    nx_wasm wasm;
    struct nx__wasi_options options;
    const char *step; /* what is being done */
    uint32_t kind;
    bool lacks_start;
};

/* What is said when it is past its deadline, however it spends its time. */
static char late_message[200];

static void run(void *arg)
{
    struct program *p = arg;
    nx_wasm *w = &p->wasm;
    const struct nx__engine_limits limits = nx__wasm_engine_limits(w);
    uint64_t start[2];
    if (nx__engine->code_is_component(w->module->code)) {
        p->step = "running";
        p->kind = nx__engine->command_run(w->module->engine, w->module->code, &limits, &p->options,
                                          w, &w->failure);
        return;
    }
    p->step = "starting";
    p->kind =
        nx__engine->guest_new(w->link->linked, &limits, &p->options, w, &w->guest, &w->failure);
    if (p->kind) return;
    p->step = "running";
    p->lacks_start = nx__engine->func_find(w->guest, "_start", 6, start) != 0;
    nx_wasm_value none;
    if (!p->lacks_start) p->kind = nx__engine->call(w->guest, start, &none, 0, &w->failure);
}

/* It is in a system call, such as a write that nobody reads, and can't be ended there. The process
 * has nothing else to do. */
static void end_late(void)
{
    struct pollfd said = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&said, 1, 0) == 1 && (said.revents & POLLOUT))
        (void)!write(STDERR_FILENO, late_message, strlen(late_message));
    _exit(NX_ETIMEDOUT);
}

/* The start and the program itself share one limit on time. */
static nx_err run_timed(struct program *p)
{
    nx_wasm *w = &p->wasm;
    if (w->policy.deadline) {
        (void)snprintf(late_message, sizeof late_message,
                       "nexus: running \"%.100s\": it was not done by its deadline of %lld ms\n",
                       w->module->name, (long long)(w->policy.deadline / NX_MS(1)));
        NX_TRY(nx__wasm_time_end_at(nx__clock_monotonic() + w->policy.deadline, end_late));
    }
    w->calls++;
    return nx__wasm_run(w, run, p);
}

/* What the process may ask for, the guest may: it is all that there is in it. */
static nx_err link_all(struct program *p, const nx_wasm_policy *policy)
{
    static const char *const any[] = {"*", NULL};
    nx_wasm *w = &p->wasm;
    nx_wasm_policy own = *policy;
    unsigned with = NX__WITH_WASI;
    if (nx__engine->code_is_component(w->module->code)) return NX_OK; /* linked where it is run */
    if (nx__host_is_wanted(w->module)) {
        if (!own.allow_net) own.allow_net = any;
        NX_TRY(nx__host_new(&w->host, w, &own));
        with |= NX__WITH_NEXUS | NX__WITH_WAITING;
        w->waits = w->limited = true;
    }
    return nx__wasm_link(w->module, NULL, with, &w->link);
}

static nx_err outcome(struct program *p, int *code)
{
    nx_wasm *w = &p->wasm;
    *code = 0;
    if (p->lacks_start)
        return nx__error_set(
            NX_ENOTSUP,
            "cannot run \"%.100s\": it exports no _start, so it is a library; a C program calls it by nx_wasm_open",
            w->module->name);
    if (!p->kind) return NX_OK;
    if (p->kind == NX__FAILURE_IMPORT) {
        bool runs = !strstr(w->failure.message, "no exported instance");
        return nx__error_set(NX_ENOENT, "cannot run \"%.50s\": %.110s%s", w->module->name,
                             w->failure.message,
                             runs ? "" : "; nexus serve takes one that answers HTTP");
    }
    if (p->kind == NX__FAILURE_EXIT) {
        *code = (int)w->failure.status;
        return NX_OK;
    }
    for (const char *at = w->failure.trace; *at;) {
        int line = (int)strcspn(at, "\n");
        (void)fprintf(stderr, "    at %.*s\n", line, at);
        at += line + (at[line] == '\n');
    }
    return nx__wasm_failed(w, p->step);
}

nx_err nx__wasi_run(int fd, const char *name, const nx_wasm_policy *policy, int *code)
{
    const nx_wasm_load_options load = {
        .size = sizeof load, .metered = policy->fuel != 0, .max_stack = policy->max_stack};
    nx_wasm_policy limits = *policy;
    struct program *p = calloc(1, sizeof *p);
    if (!p) return nx__error_set(NX_ENOMEM, "cannot run \"%.150s\": out of memory", name);
    /* A program is alone in its process, and who has started it can end it. */
    if (!limits.max_memory) limits.max_memory = MEMORY_MOST;
    if (!limits.max_cpu_time) limits.max_cpu_time = NX_FOREVER;
    nx_err err = nx__engine_open();
    if (!err) err = nx__wasm_module_new(&p->wasm.module, name, fd, &load, &p->wasm.failure);
    if (!err) err = nx__wasm_limit(&p->wasm, &limits);
    if (!err) err = nx__wasi_options(policy, &p->options);
    nx__wasi_network(&p->options);
    if (!err) err = link_all(p, policy);
    if (!err) err = run_timed(p);
    if (!err) err = outcome(p, code);
    if (p->wasm.guest) nx__engine->guest_free(p->wasm.guest);
    nx__host_free(p->wasm.host);
    nx_wasm_module_free(p->wasm.module);
    free(p);
    return err;
}
