/* The launcher's side of the broker: listening sockets, questions to the user, imports, reports. */
#include "cli/launcher.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "loop/crash.h"
#include "permission/broker.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* After a generation's first socket it has this long to take the others that its forerunner had. */
static const nx_duration SWEEP_AFTER = NX_S(2);

/* Sends an answer with the last error's message, and the descriptors. The app is not waited for. */
static void answer_with(const struct nx__generation *generation, nx_err code,
                        const struct nx__listeners *fds)
{
    struct nx__broker_answer packet = {.code = (int32_t)code, .port = fds->port};
    size_t size = offsetof(struct nx__broker_answer, message);
    if (code) {
        const nx_error *last = nx__error_last();
        packet.system = last->code == code ? last->system : 0;
        const char *text = last->code == code ? last->message : nx_err_text(code);
        size_t len = strnlen(text, sizeof packet.message - 1);
        memcpy(packet.message, text, len);
        size += len + 1;
    }
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof fds->fds)];
    } control = {.header = {.cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS,
                            .cmsg_len = CMSG_LEN(fds->count * sizeof *fds->fds)}};
    struct iovec part = {.iov_base = &packet, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fds->count) {
        memcpy(CMSG_DATA(&control.header), fds->fds, fds->count * sizeof *fds->fds);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(fds->count * sizeof *fds->fds);
    }
    (void)sendmsg(generation->broker, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* With one descriptor, unless it is -1. */
static void answer(const struct nx__generation *generation, nx_err code, int fd)
{
    answer_with(generation, code, &(struct nx__listeners){.fds = {fd}, .count = fd >= 0});
}

void nx__serve_begin(struct nx__launcher *l, uint32_t number)
{
    if (l->current.pid && l->current.number == number) answer(&l->current, NX_OK, -1);
}

/* ---- Listening sockets */

static void held_close(struct nx__launcher *l, size_t index)
{
    struct nx__held *held = &l->held[index];
    (void)close(held->fd);
    *held = l->held[--l->held_count];
}

/* Removes the file of a Unix socket that nobody has any more. */
static void held_end(struct nx__launcher *l, size_t index)
{
    const char *address = l->held[index].address;
    struct stat st;
    if (strncmp(address, "unix:", 5) == 0 && lstat(address + 5, &st) == 0 && S_ISSOCK(st.st_mode))
        (void)unlink(address + 5);
    held_close(l, index);
}

void nx__serve_sweep(struct nx__launcher *l, bool all)
{
    l->sweep_at = 0;
    for (size_t i = l->held_count; i-- > 0;)
        if (all || !l->held[i].generation) held_end(l, i);
}

void nx__serve_forget(struct nx__launcher *l, const struct nx__generation *generation)
{
    for (size_t i = 0; i < l->held_count; i++)
        if (l->held[i].generation == generation->number) l->held[i].generation = 0;
}

/* Makes the socket; where the address is taken by one that the last generation had under another
 * name (127.0.0.1:3000 before, 0.0.0.0:3000 now) that one is closed, and the last generation given
 * a moment to close its own. */
static nx_err held_new(struct nx__launcher *l, const struct nx__broker_request *request, int *fd,
                       uint16_t *bound_port)
{
    enum { TRIES = 50 };
    const struct timespec moment = {.tv_nsec = 10000000};
    uint16_t port = (uint16_t)request->port;
    bool rival = false;
    for (int try = 0;; try++) {
        nx_err err = nx__listen(request->text, port, request->backlog, request->unix_mode & 0777,
                                fd, bound_port);
        if (err != NX_EADDRINUSE) return err;
        for (size_t i = l->held_count; i-- > 0;) {
            if (l->held[i].generation || l->held[i].bound_port != port) continue;
            held_close(l, i);
            rival = true;
        }
        if (!rival || try == TRIES) return err;
        (void)nanosleep(&moment, NULL);
    }
}

/* The start of a server is silent else. Not in a log, which a plain run may write; nor when a
 * restart takes the socket over. */
static void say_listening(struct nx__launcher *l, const struct nx__generation *generation,
                          const char *host, uint16_t port)
{
    char address[NX__LISTEN_ADDRESS_MAX], clean[NX__LISTEN_ADDRESS_MAX], watching[64] = "";
    bool watch = l->watcher.fd >= 0;
    if (!(watch || isatty(STDERR_FILENO)) || generation != &l->current || l->stop_signal ||
        nx__listen_address(host, port, address))
        return;
    bool local = strncmp(address, "unix:", 5) == 0;
    bool every = strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0;
    if (every) (void)snprintf(address, sizeof address, "localhost:%u", port);
    if (l->dev) {
        char url[NX__LISTEN_ADDRESS_MAX + 8];
        (void)snprintf(url, sizeof url, "%s%s", local ? "" : "http://",
                       nx__printable(clean, sizeof clean, address));
        nx__dev_banner(l, url);
        return;
    }
    size_t files = nx__watch_count(&l->watcher);
    if (watch && !generation->listened)
        (void)snprintf(watching, sizeof watching, ", watching %zu file%s", files,
                       files == 1 ? "" : "s");
    nx__cli_say("%s%s (%sstarted in %.0f ms)%s", local ? "" : "http://",
                nx__printable(clean, sizeof clean, address), every ? "on every address, " : "",
                (double)(nx__clock_monotonic() - l->begun) / 1e6, watching);
}

/* Notes the socket behind those that are counted, and counts it. */
static void held_add(struct nx__launcher *l, const struct nx__generation *generation,
                     const char address[NX__LISTEN_ADDRESS_MAX], struct nx__listeners *fds)
{
    struct nx__held *held = &l->held[l->held_count++];
    *held = (struct nx__held){
        .fd = fds->fds[fds->count++], .bound_port = fds->port, .generation = generation->number};
    memcpy(held->address, address, NX__LISTEN_ADDRESS_MAX);
}

static void serve_listen(struct nx__launcher *l, struct nx__generation *generation,
                         const struct nx__broker_request *request)
{
    char address[NX__LISTEN_ADDRESS_MAX];
    nx_err err = request->port > UINT16_MAX
                     ? nx__error_set(NX_EINVAL, "cannot listen on port %u", request->port)
                     : nx__listen_address(request->text, (uint16_t)request->port, address);
    /* Not only the app's own check: what it holds in its memory, its code can change. */
    if (!err) err = nx__permit(NX__PERMIT_NET, address);
    /* What the generation before had there, be it more than is asked for. */
    struct nx__listeners fds = {.count = 0};
    for (size_t i = 0; !err && fds.count < NX__LISTENERS_MAX && i < l->held_count; i++) {
        struct nx__held *held = &l->held[i];
        if (held->generation || strcmp(held->address, address) != 0) continue;
        held->generation = generation->number;
        fds.fds[fds.count++] = held->fd;
        fds.port = held->bound_port;
    }
    bool fresh = !fds.count;
    if (!err && fresh && l->held_count == NX__HELD_MAX)
        err = nx__error_set(NX_ELIMIT, "cannot listen on %s: %d sockets listen already", address,
                            NX__HELD_MAX);
    if (!err && fresh) err = held_new(l, request, &fds.fds[0], &fds.port);
    if (!err && fresh) held_add(l, generation, address, &fds);
    while (!err && fds.count < request->count && fds.count < NX__LISTENERS_MAX &&
           l->held_count < NX__HELD_MAX &&
           nx__listen_beside(fds.fds[0], request->backlog, &fds.fds[fds.count]) == NX_OK)
        held_add(l, generation, address, &fds);
    if (err) {
        answer(generation, err, -1);
        return;
    }
    if (fresh) say_listening(l, generation, request->text, fds.port);
    if (!generation->listened && generation == &l->current && l->generations > 1)
        l->sweep_at = nx__clock_monotonic() + SWEEP_AFTER;
    if (l->dev && generation == &l->current && !generation->listened) nx__dev_listening(l);
    generation->listened = true;
    answer_with(generation, NX_OK, &fds);
    /* While it stops, or when it is an old one, ours would only keep connections waiting. */
    for (size_t i = l->held_count; i-- > 0 && (l->stop_signal || generation != &l->current);)
        if (l->held[i].generation == generation->number && strcmp(l->held[i].address, address) == 0)
            held_close(l, i);
}

static void serve_unlisten(struct nx__launcher *l, const struct nx__generation *generation,
                           uint64_t socket)
{
    for (size_t i = 0; i < l->held_count; i++) {
        struct stat st;
        if (l->held[i].generation != generation->number || fstat(l->held[i].fd, &st) != 0 ||
            st.st_ino != socket)
            continue;
        held_end(l, i);
        return;
    }
}

/* ---- Questions to the user */

static void serve_ask(struct nx__launcher *l, struct nx__generation *generation,
                      const char *address)
{
    bool possible =
        !l->asking && !l->stop_signal && generation == &l->current && !l->run->no_prompt &&
        strlen(address) < sizeof l->question &&
        nx__permissions_verdict(&l->run->permissions, NX__PERMIT_NET, address) == NX__MISSING &&
        isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
    if (!possible) {
        answer(generation, NX_EPERM, -1);
        return;
    }
    l->asking = generation->number;
    l->asked_at = nx__clock_monotonic();
    memcpy(l->question, address, strlen(address) + 1);
    (void)tcflush(STDIN_FILENO,
                  TCIFLUSH); /* what was typed before the question does not answer it */
    char clean[NX__LISTEN_ADDRESS_MAX], file[128];
    (void)dprintf(STDERR_FILENO, "nexus: %s wants to listen on %s. Allow? [y/N] ",
                  nx__printable(file, sizeof file, l->run->file),
                  nx__printable(clean, sizeof clean, address));
}

void nx__serve_asked(struct nx__launcher *l, bool typed)
{
    char line[64];
    ssize_t n = typed ? read(STDIN_FILENO, line, sizeof line) : 0;
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    nx_err err = n > 0 && (line[0] == 'y' || line[0] == 'Y')
                     ? nx__permissions_grant(&l->run->permissions, NX__PERMIT_NET, l->question)
                     : NX_EPERM;
    if (n <= 0) (void)dprintf(STDERR_FILENO, "\n");
    l->begun += nx__clock_monotonic() - l->asked_at;
    if (l->current.pid && l->current.number == l->asking && l->current.broker >= 0)
        answer(&l->current, err, -1);
    l->asking = 0;
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

static nx_err import_compile(struct nx__launcher *l, const char *path, struct nx__compiled *out)
{
    struct nx__compile_request request = {.path = path,
                                          .release = l->run->release,
                                          .debug = l->run->inspect.on,
                                          .no_warnings = l->run->no_warnings,
                                          .compiler = l->run->compiler,
                                          .compiler_by = l->run->compiler_by,
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
        err = import_compile(l, l->imported[i].path, &compiled);
        nx__compiled_free(&compiled);
    }
    return err;
}

static nx_err import(struct nx__launcher *l, const char *name, int *fd)
{
    char *path = NULL;
    NX_TRY(nx__resolve(l->run->file, name, &path));
    const char *extension = strrchr(path, '.');
    struct nx__compiled compiled = {.so_fd = -1};
    nx_err err;
    if (extension && strcmp(extension, ".c") == 0) {
        imported_note(l, name, path);
        err = import_compile(l, path, &compiled);
        if (!err)
            *fd = compiled.so_fd >= 0 ? fcntl(compiled.so_fd, F_DUPFD_CLOEXEC, 0)
                                      : open(compiled.so_path, O_RDONLY | O_CLOEXEC);
    } else if (nx__is_library(path)) {
        err = nx__permit(NX__PERMIT_FFI, path);
        if (!err) *fd = open(path, O_RDONLY | O_CLOEXEC);
    } else {
        err = nx__error_set(NX_ENOTSUP,
                            "cannot import \"%.150s\": it is neither a .c nor a .so file", path);
    }
    if (!err && *fd < 0) err = nx__error_system(errno, "cannot open \"%.150s\"", path);
    nx__compiled_free(&compiled);
    free(path);
    return err;
}

static void serve_import(struct nx__launcher *l, const struct nx__generation *generation,
                         const char *name)
{
    int fd = -1;
    nx_err err = import(l, name, &fd);
    if (generation == &l->current)
        (void)snprintf(l->import_error, sizeof l->import_error, "%s",
                       err ? nx__error_last()->message : "");
    answer(generation, err, fd);
    if (fd >= 0) (void)close(fd);
    nx__launcher_tell_editors(l);
}

/* ---- Packets */

static void serve_request(struct nx__launcher *l, struct nx__generation *generation,
                          struct nx__broker_request *request)
{
    switch (request->kind) {
    case NX__BROKER_LISTEN: serve_listen(l, generation, request); break;
    case NX__BROKER_UNLISTEN: serve_unlisten(l, generation, request->socket); break;
    case NX__BROKER_ASK: serve_ask(l, generation, request->text); break;
    case NX__BROKER_IMPORT: serve_import(l, generation, request->text); break;
    case NX__BROKER_BEGIN: nx__inspect_begin(l, generation); break;
    case NX__BROKER_CRASHED:
    case NX__BROKER_LIVE: break; /* no descriptor has come with it, and nobody waits */
    default:
        answer(generation, nx__error_set(NX_EPROTO, "unknown request %u", request->kind), -1);
        break;
    }
}

/* A program that lies in memory has a path that cannot be opened; a report gets the one of our own
 * descriptor. What the packet holds is not checked yet. */
static void report_path(const struct nx__launcher *l, struct nx__crash_report *report, size_t len)
{
    if (len != sizeof *report || strncmp(l->so_path, "/memfd:", 7) != 0) return;
    for (size_t i = 0; i < NX__CRASH_MODULES; i++)
        if (strncmp(report->modules[i], l->so_path, NX__CRASH_PATH) == 0)
            (void)snprintf(report->modules[i], NX__CRASH_PATH, "/proc/self/fd/%d", l->so_fd);
}

/* nexus dev: takes over a connection. False when the request is another. */
static bool serve_connection(struct nx__launcher *l, const struct nx__broker_request *request,
                             int fd)
{
    if (request->kind == NX__BROKER_CRASHED)
        nx__dev_crashed(l, fd, request->wants);
    else if (request->kind == NX__BROKER_LIVE)
        nx__standin_live(l, fd, request->text);
    return request->kind == NX__BROKER_CRASHED || request->kind == NX__BROKER_LIVE;
}

static void serve_report(struct nx__launcher *l, const struct nx__generation *generation,
                         const void *report, size_t len)
{
    int page;
    if (!l->dev) {
        nx__crash_print(report, len, STDERR_FILENO);
    } else if (nx__dev_report(l, generation, report, len, &page)) {
        answer(generation, page < 0 ? NX_EIO : NX_OK, page);
        if (page >= 0) (void)close(page);
    }
}

bool nx__serve_packet(struct nx__launcher *l, struct nx__generation *generation)
{
    static union {
        struct nx__broker_request request;
        struct nx__crash_report report;
        char bytes[NX__BROKER_PACKET_MAX];
    } buffer; /* what it does not use is never touched, and so costs no memory */
    /* Without nexus dev, descriptors that come along are not taken, and the kernel closes them. */
    int came = -1;
    bool taken = false;
    ssize_t n = l->dev ? nx__dev_receive(generation->broker, buffer.bytes, sizeof buffer, &came)
                       : recv(generation->broker, buffer.bytes, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n <= 0) {
        if (came >= 0) (void)close(came);
        (void)close(generation->broker);
        generation->broker = -1;
        return false;
    }
    size_t len = (size_t)n, text = offsetof(struct nx__broker_request, text);
    if (len >= sizeof(uint32_t) && buffer.request.magic == NX__BROKER_MAGIC) {
        bool good = len > text && len <= sizeof buffer.request && buffer.bytes[len - 1] == '\0';
        taken = good && came >= 0 && serve_connection(l, &buffer.request, came);
        if (good && !taken) serve_request(l, generation, &buffer.request);
    } else {
        report_path(l, &buffer.report, len);
        serve_report(l, generation, buffer.bytes, len);
    }
    if (came >= 0 && !taken) (void)close(came);
    return true;
}

void nx__serve(struct nx__launcher *l, struct nx__generation *generation)
{
    /* A bound, so that an app that never stops sending does not keep the launcher from its signals.
     */
    for (int i = 0; i < 16 && generation->broker >= 0 && nx__serve_packet(l, generation); i++) {}
}
