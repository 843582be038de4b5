/* The launcher's side of the broker: questions to the user, imports, reports. */
#include "cli/access.h"
#include "cli/launcher.h"
#include "cli/permission_always.h"

#include "base/clock.h"
#include "base/descriptors.h"
#include "cli/cli.h"
#include "loop/crash.h"
#include "module/artifact.h"
#include "permission/broker.h"
#include "permission/keeper.h"
#include "permission/rules.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static int *broker_of(struct nx__peer peer)
{
    return peer.helper ? &peer.helper->broker : &peer.generation->workers[peer.index].broker;
}

void nx__serve_answer(struct nx__peer peer, nx_err code, uint16_t port, const int *fds,
                      size_t count)
{
    struct nx__broker_answer packet = {.code = (int32_t)code, .port = port};
    size_t size = offsetof(struct nx__broker_answer, message);
    if (code) {
        const nx_error *last = nx__error_last();
        packet.system = last->code == code ? last->system : 0;
        const char *text = last->code == code ? last->message : nx_err_text(code);
        size_t len = strnlen(text, sizeof packet.message - 1);
        memcpy(packet.message, text, len);
        size += len + 1;
    }
    const struct iovec part = {&packet, size};
    (void)nx__descriptors_send(*broker_of(peer), &part, 1, fds, count, MSG_DONTWAIT);
}

void nx__serve_for(struct nx__launcher *l, struct nx__run *run, struct nx__package *package)
{
    struct nx__permissions *permissions = package ? &package->permissions : &run->permissions;
    l->run = run;
    if (nx__permissions_sealed() != permissions) nx__permissions_seal(permissions);
}

/* Whose grants the process has. */
static struct nx__permissions *permissions_of(const struct nx__launcher *l, struct nx__peer peer)
{
    bool of_package = peer.helper && peer.helper->package;
    return of_package ? &peer.helper->package->permissions : &l->run->permissions;
}

void nx__serve_begin(struct nx__launcher *l, uint32_t number)
{
    struct nx__generation *generation = number == l->next.number ? &l->next : &l->current;
    if (generation->number == number && generation->workers[0].broker >= 0)
        nx__serve_answer((struct nx__peer){.generation = generation}, NX_OK, 0, NULL, 0);
}

/* ---- Questions to the user */

static void serve_ask(struct nx__launcher *l, struct nx__peer peer, const char *address,
                      bool connecting)
{
    enum nx__use use = connecting ? NX__USE_CONNECT : NX__USE_LISTEN;
    /* One who asks before he listens is not asked about twice. */
    if (!connecting && l->once[0] && strcmp(l->once, address) == 0) {
        nx__serve_answer(peer, NX_OK, 1, NULL, 0);
        return;
    }
    bool possible =
        !l->asking && !l->stop_signal && peer.generation == &l->current && !l->run->no_prompt &&
        strlen(address) < sizeof l->question &&
        nx__permissions_net_verdict(&l->run->permissions, use, address) == NX__MISSING &&
        isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
    if (!possible) {
        nx__serve_answer(peer, NX_EPERM, 0, NULL, 0);
        return;
    }
    l->asking = peer.generation->number;
    l->asking_worker = peer.index;
    l->asked_at = nx__clock_monotonic();
    l->asked_use = use;
    memcpy(l->question, address, strlen(address) + 1);
    (void)tcflush(STDIN_FILENO,
                  TCIFLUSH); /* what was typed before the question does not answer it */
    char clean[NX__LISTEN_ADDRESS_MAX], file[128];
    (void)dprintf(
        STDERR_FILENO, "nexus: %s wants to %s %s. Allow? [y/N], o for once, a for always: ",
        nx__printable(file, sizeof file, l->run->file), connecting ? "connect to" : "listen on",
        nx__printable(clean, sizeof clean, address));
}

void nx__serve_asked(struct nx__launcher *l, bool typed)
{
    char line[64];
    ssize_t n = typed ? read(STDIN_FILENO, line, sizeof line) : 0;
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    char answer = n > 0 ? line[0] : 'n';
    bool once = answer == 'o' || answer == 'O', always = answer == 'a' || answer == 'A';
    nx_err err = NX_EPERM;
    if (once) {
        /* Listening is ours to do; connecting is the program's. */
        if (l->asked_use == NX__USE_LISTEN) memcpy(l->once, l->question, sizeof l->once);
        err = NX_OK;
    } else if (always || answer == 'y' || answer == 'Y') {
        const struct nx__permission_key key = {.kind = NX__PERMIT_NET, .use = l->asked_use};
        err = nx__permissions_add(&l->run->permissions, &key, l->question, strlen(l->question));
    }
    if (always && !err && nx__permission_always(l->run, l->asked_use, l->question))
        nx__cli_say("allowed for this run alone, and not always: %s", nx__error_last()->message);
    if (n <= 0) (void)dprintf(STDERR_FILENO, "\n");
    l->begun += nx__clock_monotonic() - l->asked_at;
    if (l->current.number == l->asking && l->current.workers[l->asking_worker].broker >= 0)
        nx__serve_answer((struct nx__peer){.generation = &l->current, .index = l->asking_worker},
                         err, once, NULL, 0);
    l->asking = 0;
}

bool nx__serve_once(struct nx__launcher *l, const char *address)
{
    bool allowed = l->once[0] && strcmp(l->once, address) == 0;
    if (allowed) l->once[0] = '\0';
    return allowed;
}

/* ---- Imports */

void nx__serve_imports_forget(struct nx__launcher *l)
{
    for (size_t i = 0; i < l->imported_count; i++) {
        free(l->imported[i].name);
        free(l->imported[i].path);
    }
    l->imported_count = 0;
}

static void imported_note(struct nx__launcher *l, const char *name, const char *path)
{
    for (size_t i = 0; i < l->imported_count; i++)
        if (strcmp(l->imported[i].name, name) == 0) return;
    if (l->watcher.fd < 0 || l->imported_count == NX__IMPORTED_MAX) return;
    struct nx__imported imported = {.name = strdup(name), .path = strdup(path)};
    if (imported.name && imported.path) {
        l->imported[l->imported_count++] = imported;
        return;
    }
    free(imported.name);
    free(imported.path);
}

static nx_err import_compile(struct nx__launcher *l, const char *path, bool metered,
                             struct nx__compiled *out)
{
    struct nx__compile_request request = {.path = path,
                                          .release = l->run->release,
                                          .debug = l->run->inspect.on,
                                          .no_warnings = l->run->no_warnings,
                                          .compiler = l->run->compiler,
                                          .compiler_by = l->run->compiler_by,
                                          .flags = metered ? nx__wasm_metered : NULL,
                                          .said = nx__dev_said(l)};
    nx_err err = nx__module_compile(&request, out);
    nx__launcher_warn(out);
    nx__compdb_note(&l->compdb, out);
    if (l->watcher.fd >= 0) nx__watch_add(&l->watcher, out, true);
    return err;
}

/* True when the compiled program has the text in it, as one that imports it has, unless it makes
 * the name. */
static bool mentions(const struct nx__compiled *compiled, const char *text)
{
    struct stat st;
    if (compiled->so_fd < 0 || fstat(compiled->so_fd, &st) != 0 || st.st_size <= 0) return false;
    size_t len = (size_t)st.st_size;
    void *bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE, compiled->so_fd, 0);
    if (bytes == MAP_FAILED) return false;
    bool found = memmem(bytes, len, text, strlen(text)) != NULL;
    (void)munmap(bytes, len);
    return found;
}

nx_err nx__serve_reimport(struct nx__launcher *l, const struct nx__compiled *fresh, bool same)
{
    nx_err err = NX_OK;
    for (size_t i = 0; i < l->imported_count && !err; i++) {
        struct nx__compiled compiled = {.so_fd = -1};
        if (!same && !mentions(fresh, l->imported[i].name)) continue;
        err = import_compile(l, l->imported[i].path, false, &compiled);
        nx__compiled_free(&compiled);
    }
    return err;
}

static nx_err permit_import(struct nx__launcher *l, struct nx__peer peer, enum nx__permit_kind kind,
                            const char *path)
{
    nx_err err = nx__permit(kind, path);
    nx__access_note(l, peer, kind, path, !err);
    return err;
}

/* What is isolated is loaded by a worker of its own alone. */
static nx_err isolated_check(const struct nx__launcher *l, struct nx__peer peer, const char *path)
{
    const struct nx__package *package = nx__package_of(l->run->packages, path);
    if (!package || !package->isolate || (peer.helper && peer.helper->package == package))
        return NX_OK;
    return nx__error_set(
        NX_EPERM,
        "the package \"%.60s\" is isolated by nexus.toml: import it in a process worker of its own, with .package = \"%.60s\"",
        package->name, package->name);
}

static nx_err import(struct nx__launcher *l, struct nx__peer peer, const char *name, bool metered,
                     int *fd)
{
    char *path = NULL;
    NX_TRY(nx__resolve(l->run->file, name, &path));
    nx_err isolated = isolated_check(l, peer, path);
    if (isolated) {
        free(path);
        return isolated;
    }
    const char *extension = strrchr(path, '.');
    struct nx__compiled compiled = {.so_fd = -1};
    nx_err err;
    if (nx__is_wasm(path) || (extension && strcmp(extension, ".c") == 0)) {
        /* What was compiled elsewhere is native code, whatever it was made of. */
        err = nx__is_artifact(path) ? permit_import(l, peer, NX__PERMIT_FFI, path) : NX_OK;
        if (!err && nx__is_wasm(path)) err = permit_import(l, peer, NX__PERMIT_WASM, path);
        imported_note(l, name, path);
        if (!err) err = import_compile(l, path, metered, &compiled);
        if (!err)
            *fd = compiled.so_fd >= 0 ? fcntl(compiled.so_fd, F_DUPFD_CLOEXEC, 0)
                                      : open(compiled.so_path, O_RDONLY | O_CLOEXEC);
    } else if (nx__is_library(path)) {
        err = permit_import(l, peer, NX__PERMIT_FFI, path);
        if (!err) *fd = open(path, O_RDONLY | O_CLOEXEC);
    } else {
        err = nx__error_set(NX_ENOTSUP, "cannot import \"%.150s\": it is no .c, .so or .wasm file",
                            path);
    }
    if (!err && *fd < 0) err = nx__error_system(errno, "cannot open \"%.150s\"", path);
    nx__compiled_free(&compiled);
    free(path);
    return err;
}

static void serve_import(struct nx__launcher *l, struct nx__peer peer,
                         const struct nx__broker_request *request)
{
    bool metered = request->wants == NX__IMPORT_METERED;
    int fd = -1;
    nx_err err = import(l, peer, request->text, metered, &fd);
    if (peer.generation == &l->current && !peer.helper)
        (void)snprintf(l->import_error, sizeof l->import_error, "%s",
                       err ? nx__error_last()->message : "");
    nx__serve_answer(peer, err, 0, &fd, fd >= 0);
    if (fd >= 0) (void)close(fd);
    nx__launcher_tell_editors(l);
}

/* ---- Packets */

/* What is the program's own. */
static void refuse_helper(struct nx__peer peer, const struct nx__broker_request *request)
{
    if (request->kind != NX__BROKER_LISTEN && request->kind != NX__BROKER_ASK) return;
    nx__serve_answer(peer, nx__error_set(NX_ENOTSUP, "a process worker can't listen"), 0, NULL, 0);
}

static void serve_request(struct nx__launcher *l, struct nx__peer peer,
                          struct nx__broker_request *request)
{
    bool of_helper = request->kind == NX__BROKER_IMPORT || request->kind == NX__BROKER_ACCESS;
    if (peer.helper && !of_helper) {
        refuse_helper(peer, request);
        return;
    }
    switch (request->kind) {
    case NX__BROKER_LISTEN: nx__held_listen(l, peer, request); break;
    case NX__BROKER_UNLISTEN: nx__held_unlisten(l, peer, request->socket); break;
    case NX__BROKER_ASK:
        serve_ask(l, peer, request->text, request->wants == NX__ASK_CONNECT);
        break;
    case NX__BROKER_IMPORT: serve_import(l, peer, request); break;
    case NX__BROKER_ACCESS: nx__access_serve(l, peer, request); break;
    case NX__BROKER_NOTIFY: nx__service_notify(l, peer, request); break;
    case NX__BROKER_BEGIN: nx__inspect_begin(l, peer); break;
    case NX__BROKER_CRASHED:
    case NX__BROKER_KEEP:
    case NX__BROKER_LIVE: break; /* no descriptor has come with it, and nobody waits */
    case NX__BROKER_FORK:
        nx__serve_answer(peer, nx__error_set(NX_EPROTO, "no sockets have come"), 0, NULL, 0);
        break;
    default:
        nx__serve_answer(peer, nx__error_set(NX_EPROTO, "unknown request %u", request->kind), 0,
                         NULL, 0);
        break;
    }
}

/* A program that lies in memory has a path that cannot be opened; a report gets the one of our own
 * descriptor. What the packet holds is not checked yet. */
static void report_path(const struct nx__generation *generation, struct nx__crash_report *report,
                        size_t len)
{
    if (!generation) return;
    const char *path = generation->so_path;
    if (len != sizeof *report || !path || strncmp(path, "/memfd:", 7) != 0) return;
    for (size_t i = 0; i < NX__CRASH_MODULES; i++)
        if (strncmp(report->modules[i], path, NX__CRASH_PATH) == 0)
            (void)snprintf(report->modules[i], NX__CRASH_PATH, "/proc/self/fd/%d",
                           generation->so_fd);
}

/* Descriptors that have come with a request. */
struct handed {
    int fds[NX__BROKER_SENT_FDS];
    size_t count;
};

/* A process of its own: what it reads lies in the program's memory and may be anything. */
static void serve_keep(struct nx__launcher *l, struct nx__peer peer, int listener)
{
    bool *kept = peer.helper ? &peer.helper->kept : &peer.generation->workers[peer.index].kept;
    int closed[2];
    char none;
    if (!*kept && pipe2(closed, O_CLOEXEC) == 0) {
        *kept = true;
        pid_t pid = fork();
        if (pid == 0 && l->keep) l->keep(l, peer.helper ? peer.helper->asker : l->asker);
        if (pid == 0) nx__keeper_run(listener, permissions_of(l, peer), l->pid);
        (void)close(closed[1]);
        /* Until it has let go of what it has from here, listening sockets among it: one that is to
         * be made anew would else find its port taken. */
        while (pid > 0 && read(closed[0], &none, 1) < 0 && errno == EINTR) {}
        (void)close(closed[0]);
    }
    (void)close(listener); /* without a keeper the calls fail */
}

/* What descriptors come with: takes them over, or returns false. */
static bool serve_handed(struct nx__launcher *l, struct nx__peer peer,
                         const struct nx__broker_request *request, const struct handed *handed)
{
    if (request->kind == NX__BROKER_FORK && handed->count == NX__BROKER_SENT_FDS)
        nx__helper_start(l, peer, request->text, handed->fds);
    else if (request->kind == NX__BROKER_KEEP && handed->count == 1)
        serve_keep(l, peer, handed->fds[0]);
    else if (request->kind == NX__BROKER_CRASHED && handed->count == 1 && l->dev && !peer.helper)
        nx__dev_crashed(l, handed->fds[0], request->wants);
    else if (request->kind == NX__BROKER_LIVE && handed->count == 1 && l->dev && !peer.helper)
        nx__standin_live(l, handed->fds[0], request->text);
    else
        return false;
    return true;
}

static void serve_report(struct nx__launcher *l, struct nx__peer peer, const void *report,
                         size_t len)
{
    int page;
    if (!l->dev || peer.helper) { /* a page would say that the program has crashed */
        nx__crash_print(report, len, STDERR_FILENO);
    } else if (nx__dev_report(l, peer.generation, report, len, &page)) {
        nx__serve_answer(peer, page < 0 ? NX_EIO : NX_OK, 0, &page, page >= 0);
        if (page >= 0) (void)close(page);
    }
}

/* Bytes, 0 at the end, or -errno. */
static long receive(int broker, void *packet, size_t size, struct handed *handed)
{
    const struct iovec part = {packet, size};
    handed->count = sizeof handed->fds / sizeof *handed->fds;
    return nx__descriptors_receive(broker, &part, 1, handed->fds, &handed->count, NULL,
                                   MSG_DONTWAIT);
}

bool nx__serve_packet(struct nx__launcher *l, struct nx__peer peer)
{
    int *broker = broker_of(peer);
    static union {
        struct nx__broker_request request;
        struct nx__crash_report report;
        char bytes[NX__BROKER_PACKET_MAX + 1];
    } buffer; /* what it does not use is never touched, and so costs no memory */
    struct handed handed;
    bool taken = false;
    long n = receive(*broker, buffer.bytes, NX__BROKER_PACKET_MAX, &handed);
    if (n == -EAGAIN || n == -EINTR) return false;
    if (n <= 0) {
        (void)close(*broker);
        *broker = -1;
        return false;
    }
    size_t len = (size_t)n, text = offsetof(struct nx__broker_request, text);
    buffer.bytes[len] = '\0'; /* what is left of the packet before says nothing */
    if (len >= sizeof(uint32_t) && buffer.request.magic == NX__BROKER_MAGIC) {
        bool good = len > text && len <= sizeof buffer.request && buffer.bytes[len - 1] == '\0';
        taken = good && handed.count && serve_handed(l, peer, &buffer.request, &handed);
        if (good && !taken) serve_request(l, peer, &buffer.request);
    } else {
        report_path(peer.generation, &buffer.report, len);
        serve_report(l, peer, buffer.bytes, len);
    }
    if (!taken) nx__descriptors_close(handed.fds, handed.count);
    return true;
}

void nx__serve(struct nx__launcher *l, struct nx__peer peer)
{
    /* A bound, so that an app that never stops sending does not keep the launcher from its signals.
     */
    const int *broker = broker_of(peer);
    for (int i = 0; i < 16 && *broker >= 0 && nx__serve_packet(l, peer); i++) {}
}

void nx__serve_rest(struct nx__launcher *l, struct nx__peer peer)
{
    enum { REST_MOST = 4096 }; /* a child of its own may have the socket, and go on */
    const int *broker = broker_of(peer);
    for (int i = 0; i < REST_MOST && *broker >= 0 && nx__serve_packet(l, peer); i++) {}
}
