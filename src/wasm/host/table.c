/* The functions of "nexus": their names and types, what they have in common, and what is open. */
#include "wasm/host/host.h"

#include "base/clock.h"
#include "loop/fiber.h"
#include "wasm/internal.h"
#include <errno.h>
#include <fcntl.h>
#include <nexus/log.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- Scopes of their own: a guest may call as often as it likes before the call from outside
 * ends, whose scope would keep it all. */

void nx__host_scope_enter(nx_scope *scope)
{
    nx_fiber *fiber = nx__fiber_running();
    scope->fiber = fiber;
    scope->parent = fiber->scope;
    fiber->scope = scope;
}

void nx__host_scope_leave(nx_scope *scope)
{
    scope->fiber->scope = scope->parent;
}

/* ---- What is open */

nx_err nx__host_hold(struct nx__host *host, struct nx__held **out, int32_t *number)
{
    size_t at = 0;
    if (host->open == host->open_most)
        return nx__error_set(NX_ELIMIT, "\"%.80s\" wanted more than max_open_files, %u",
                             host->wasm->module->name, (unsigned)host->open_most);
    while (at < host->held_room && host->held[at]) at++;
    if (at == host->held_room) {
        size_t room = at ? 2 * at : 8;
        struct nx__held **held = realloc(host->held, room * sizeof(struct nx__held *));
        if (!held) return nx__error_set(NX_ENOMEM, "cannot open more: out of memory");
        memset(held + at, 0, (room - at) * sizeof(struct nx__held *));
        host->held = held;
        host->held_room = room;
    }
    struct nx__held *held = calloc(1, sizeof *held);
    if (!held) return nx__error_set(NX_ENOMEM, "cannot open more: out of memory");
    held->fd = -1;
    nx__scope_init(&held->scope, NULL);
    host->held[at] = held;
    host->open++;
    *out = held;
    *number = (int32_t)at + 1;
    return NX_OK;
}

nx_err nx__host_find(struct nx__host *host, int32_t number, struct nx__held **out)
{
    *out = number > 0 && (size_t)number <= host->held_room ? host->held[number - 1] : NULL;
    if (*out) return NX_OK;
    NX_IGNORE(nx__error_set(NX_EINVAL, "nothing is open by the number %d", (int)number));
    return NX_EINVAL;
}

void nx__host_drop(struct nx__host *host, int32_t number)
{
    struct nx__held *held = host->held[number - 1];
    host->held[number - 1] = NULL;
    host->open--;
    if (held->fd >= 0) (void)close(held->fd);
    nx__host_scope_enter(&held->scope);
    NX_IGNORE(nx__scope_end(&held->scope)); /* which closes an answer */
    nx__host_scope_leave(&held->scope);
    free(held);
}

void nx__host_close(struct nx__host *host)
{
    for (size_t i = 0; i < host->held_room && host->open; i++)
        if (host->held[i]) nx__host_drop(host, (int32_t)i + 1);
}

static nx_err read_some(struct nx__host *host, nx_wasm_value *v)
{
    struct nx__held *held;
    nx_bytes into = v[1].bytes;
    NX_TRY(nx__host_find(host, v[0].i32, &held));
    if (into.len > NX__HOST_PIECE_MOST) into.len = NX__HOST_PIECE_MOST;
    return held->answer ? nx__host_answer_read(held, into, &v[0].i32)
                        : nx__host_file_read(held, into, &v[0].i32);
}

static nx_err write_some(struct nx__host *host, nx_wasm_value *v)
{
    struct nx__held *held;
    nx_bytes from = v[1].bytes;
    NX_TRY(nx__host_find(host, v[0].i32, &held));
    if (from.len > NX__HOST_PIECE_MOST) from.len = NX__HOST_PIECE_MOST;
    return nx__host_file_write(held, from, &v[0].i32);
}

static nx_err close_one(struct nx__host *host, nx_wasm_value *v)
{
    struct nx__held *held;
    NX_TRY(nx__host_find(host, v[0].i32, &held));
    nx__host_drop(host, v[0].i32);
    v[0].i32 = 0;
    return NX_OK;
}

/* ---- What is short */

static nx_err message_read(struct nx__host *host, nx_wasm_value *v)
{
    nx_bytes into = v[0].bytes;
    size_t len = strlen(host->message);
    if (into.len)
        memcpy((char *)(uintptr_t)into.data, host->message, len < into.len ? len : into.len);
    v[0].i32 = (int32_t)len;
    return NX_OK;
}

static nx_err log_line(struct nx__host *host, nx_wasm_value *v)
{
    int level = v[0].i32 < NX_LOG_TRACE   ? NX_LOG_TRACE
                : v[0].i32 > NX_LOG_ERROR ? NX_LOG_ERROR
                                          : v[0].i32;
    nx_bytes text = v[1].bytes;
    if (text.len > NX__HOST_LOG_MOST) text.len = NX__HOST_LOG_MOST;
    if (!nx_log_enabled((nx_log_level)level)) return NX_OK;
    const char *message = nx_copy(text);
    if (!message) return NX_ENOMEM;
    const nx_value fields[] = {nx_value_string("guest"), nx_value_string(host->wasm->module->name)};
    nx_log_fields((nx_log_level)level, message, fields, 2);
    return NX_OK;
}

static nx_err time_now(struct nx__host *host, nx_wasm_value *v)
{
    v[0].i64 = host->clock ? 0 : nx__clock_monotonic();
    return NX_OK;
}

static nx_err time_wall(struct nx__host *host, nx_wasm_value *v)
{
    v[0].i64 = host->clock ? host->clock : nx__clock_wall();
    return NX_OK;
}

static nx_err sleep_for(struct nx__host *host, nx_wasm_value *v)
{
    (void)host;
    NX_TRY(nx_sleep(v[0].i64));
    v[0].i32 = 0;
    return NX_OK;
}

static nx_err kv_get(struct nx__host *host, nx_wasm_value *v)
{
    size_t len;
    NX_TRY(nx__kv_read(host->kv, v[0].bytes, v[1].bytes, &len));
    v[0].i32 = (int32_t)len;
    return NX_OK;
}

static nx_err kv_set(struct nx__host *host, nx_wasm_value *v)
{
    NX_TRY(nx_wasm_kv_set(host->kv, v[0].bytes, v[1].bytes));
    v[0].i32 = 0;
    return NX_OK;
}

static nx_err kv_delete(struct nx__host *host, nx_wasm_value *v)
{
    v[0].i32 = nx_wasm_kv_delete(host->kv, v[0].bytes);
    return NX_OK;
}

/* ---- All of them */

static const char module_name[] = "nexus";

static struct function {
    const char *name, *type;
    nx_err (*fn)(struct nx__host *host, nx_wasm_value *values);
} functions[] = {
    {"nexus_error", "bytes -> i32", message_read},
    {"nexus_log", "i32, str ->", log_line},
    {"nexus_time_now", "-> i64", time_now},
    {"nexus_time_wall", "-> i64", time_wall},
    {"nexus_sleep", "i64 -> i32", sleep_for},
    {"nexus_http_fetch", "str -> i32", nx__host_fetch},
    {"nexus_http_request", "str, str, str, bytes -> i32", nx__host_request},
    {"nexus_http_status", "i32 -> i32", nx__host_status},
    {"nexus_http_header", "i32, str, bytes -> i32", nx__host_header},
    {"nexus_fs_open", "str, i32 -> i32", nx__host_open},
    {"nexus_fs_remove", "str -> i32", nx__host_remove},
    {"nexus_size", "i32 -> i64", nx__host_size},
    {"nexus_read", "i32, bytes -> i32", read_some},
    {"nexus_write", "i32, bytes -> i32", write_some},
    {"nexus_close", "i32 -> i32", close_one},
    {"nexus_kv_get", "bytes, bytes -> i32", kv_get},
    {"nexus_kv_set", "bytes, bytes -> i32", kv_set},
    {"nexus_kv_delete", "bytes -> i32", kv_delete},
};

/* What is no answer to the guest: it is out of what it may take, or has been told to end. */
static bool ends(nx_err err)
{
    return err == NX_ECANCELED || err == NX_ELIMIT || err == NX_ENOMEM || err == NX_EWOULDSUSPEND;
}

static nx_err entry(nx_wasm *w, void *arg, nx_wasm_value *values)
{
    const struct function *function = arg;
    nx_scope scope = {0};
    nx__scope_init(&scope, NULL);
    nx__host_scope_enter(&scope);
    nx_err err = function->fn(w->host, values);
    if (err)
        (void)snprintf(w->host->message, sizeof w->host->message, "%s", nx__error_last()->message);
    NX_IGNORE(nx__scope_end(&scope));
    nx__host_scope_leave(&scope);
    if (!err) return NX_OK;
    if (ends(err)) return nx__error_set(err, "%s", w->host->message);
    values[0].i64 = -(int64_t)err;
    return NX_OK;
}

static nx_wasm_imports *shared;

static void shared_make(void)
{
    shared = nx_wasm_imports_new();
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        nx_wasm_import(shared, module_name, functions[i].name, functions[i].type, entry,
                       &functions[i]);
}

nx_err nx__host_imports(const nx_wasm_imports **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, shared_make);
    *out = shared;
    return shared ? NX_OK : nx__error_set(NX_ENOMEM, "cannot let a guest call \"nexus\"");
}

bool nx__host_is_wanted(nx_wasm_module *module)
{
    const nx_wasm_item *items;
    size_t count;
    if (nx_wasm_module_imports(module, &items, &count)) return false;
    for (size_t i = 0; i < count; i++)
        if (nx_bytes_is(items[i].module, module_name)) return true;
    return false;
}

/* ---- One guest's */

nx_err nx__host_net_read(struct nx__permissions *net, const char *const *list)
{
    static const struct nx__permission_key connect = {.kind = NX__PERMIT_NET,
                                                      .use = NX__USE_CONNECT};
    for (; list && *list; list++) {
        nx_err err = NX_OK;
        if (strcmp(*list, "*") == 0)
            nx__permissions_add_all(net, &connect);
        else
            err = nx__permissions_add(net, &connect, *list, strlen(*list));
        if (err)
            return nx__error_set(err == NX_ENOMEM ? NX_ENOMEM : NX_EINVAL,
                                 "cannot give a guest allow_net \"%.80s\": %.120s", *list,
                                 nx_error_last()->message);
    }
    return NX_OK;
}

static nx_err dirs_open(struct nx__host *host, const nx_wasm_dir *list)
{
    size_t count = 0;
    while (list && list[count].path) count++;
    host->dirs = calloc(count + 1, sizeof *host->dirs);
    if (!host->dirs) return nx__error_set(NX_ENOMEM, "cannot give a guest files: out of memory");
    for (; host->dir_count < count; host->dir_count++) {
        struct nx__host_dir *dir = &host->dirs[host->dir_count];
        const nx_wasm_dir *from = &list[host->dir_count];
        const char *name = from->guest ? from->guest : from->path;
        while (*name == '/' || (name[0] == '.' && (name[1] == '/' || !name[1]))) name++;
        size_t len = strlen(name);
        while (len && name[len - 1] == '/') len--;
        dir->write = from->write;
        dir->fd = open(from->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dir->fd < 0)
            return nx__error_system(errno, "cannot open the directory \"%.150s\"", from->path);
        dir->guest = strndup(name, len);
        if (!dir->guest) {
            (void)close(dir->fd);
            return nx__error_set(NX_ENOMEM, "cannot give a guest files: out of memory");
        }
    }
    return NX_OK;
}

nx_err nx__host_new(struct nx__host **out, nx_wasm *w, const nx_wasm_policy *policy)
{
    struct nx__host *host = calloc(1, sizeof *host);
    *out = host;
    if (!host)
        return nx__error_set(NX_ENOMEM, "cannot use \"%.100s\": out of memory", w->module->name);
    host->wasm = w;
    host->clock = policy->clock > 0 ? policy->clock : 0;
    host->open_most = w->policy.max_open_files;
    host->kv = policy->kv;
    host->kv_own = !policy->kv;
    if (host->kv_own) NX_TRY(nx_wasm_kv_new(&host->kv, policy->max_kv));
    NX_TRY(nx__host_net_read(&host->net, policy->allow_net));
    return dirs_open(host, policy->allow_fs);
}

void nx__host_free(struct nx__host *host)
{
    if (!host) return;
    for (size_t i = 0; i < host->dir_count; i++) {
        (void)close(host->dirs[i].fd);
        free(host->dirs[i].guest);
    }
    free(host->dirs);
    if (host->kv_own) nx_wasm_kv_free(host->kv);
    nx__permissions_free(&host->net);
    free(host->held);
    free(host);
}
