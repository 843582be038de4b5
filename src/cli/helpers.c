/* Process workers: processes that the app's own ask for. They run the program of their generation,
 * and are none of it: none is started again, and each goes with who has asked for it, whose end of
 * a socket says that. */
#include "cli/launcher.h"

#include "permission/broker.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The package that a worker is to be of. One of a package's own is of the same. */
static nx_err package_find(const struct nx__launcher *l, struct nx__peer peer, const char *package,
                           const char *name, struct nx__package **out)
{
    struct nx__package *own = peer.helper ? peer.helper->package : NULL;
    *out = *package ? nx__package_named(l->run->packages, package) : own;
    if (*package && !*out)
        return nx__error_set(
            NX_ENOENT,
            "cannot start worker \"%.31s\": nexus.toml has no [permissions.packages.%.60s]", name,
            package);
    if (own && *out != own)
        return nx__error_set(NX_EPERM, "cannot start worker \"%.31s\": this is one of \"%.60s\"",
                             name, own->name);
    return NX_OK;
}

static nx_err start(struct nx__launcher *l, struct nx__peer peer, const char *package,
                    const char *name, int control, int status)
{
    int pair[2];
    NX_TRY(package_find(l, peer, package, name, &l->package));
    if (!peer.generation)
        return nx__error_set(NX_ESTATE, "cannot start worker \"%.31s\": its program has ended",
                             name);
    if (l->helper_count == NX__HELPERS_MAX)
        return nx__error_set(NX_ELIMIT,
                             "cannot start worker \"%.31s\": the program's processes have %d "
                             "process workers, which is the limit",
                             name, NX__HELPERS_MAX);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return nx__error_system(errno, "cannot start worker \"%.31s\"", name);
    pid_t pid = fork();
    int error = errno;
    if (pid == 0) l->help(l, peer, pair[1], control);
    (void)close(pair[1]);
    if (pid > 0) {
        l->helpers[l->helper_count++] = (struct nx__helper){.pid = pid,
                                                            .broker = pair[0],
                                                            .status = status,
                                                            .of = peer.generation->number,
                                                            .run = l->run,
                                                            .package = l->package,
                                                            .asker = l->asker};
        return NX_OK;
    }
    (void)close(pair[0]);
    if (error == EAGAIN)
        return nx__error_set(NX_ELIMIT,
                             "cannot start worker \"%.31s\": the system has no more processes for "
                             "this user or container (ulimit -u, pids.max)",
                             name);
    return nx__error_system(error, "cannot start worker \"%.31s\"", name);
}

void nx__helper_start(struct nx__launcher *l, struct nx__peer peer, const char *text,
                      const int fds[NX__BROKER_SENT_FDS])
{
    const char *line = strchr(text, '\n');
    char package[NX__PACKAGE_NAME_MOST] = "";
    size_t len = line ? (size_t)(line - text) : 0;
    nx_err err = len < sizeof package
                     ? NX_OK
                     : nx__error_set(NX_ENOENT, "no package has a name of %zu bytes", len);
    if (!err && len) memcpy(package, text, len);
    if (!err) err = start(l, peer, package, line ? line + 1 : text, fds[0], fds[1]);
    l->package = NULL;
    nx__serve_answer(peer, err, 0, NULL, 0);
    (void)close(fds[0]);
    if (err) (void)close(fds[1]);
}

struct nx__peer nx__helper_peer(struct nx__launcher *l, struct nx__helper *helper)
{
    struct nx__peer peer = {.helper = helper};
    for (size_t i = 0; i < NX__GENERATIONS && !peer.generation; i++)
        if (nx__generation_at(l, i)->number == helper->of)
            peer.generation = nx__generation_at(l, i);
    return peer;
}

/* `status` as of waitpid. */
static void ended(struct nx__launcher *l, struct nx__helper *helper, int status)
{
    /* Its last words. */
    if (helper->broker >= 0) {
        nx__serve_for(l, helper->run, helper->package);
        nx__serve_rest(l, nx__helper_peer(l, helper));
        nx__serve_for(l, helper->run, NULL);
    }
    if (helper->broker >= 0) (void)close(helper->broker);
    (void)send(helper->status, &status, sizeof status, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)close(helper->status);
    *helper = l->helpers[--l->helper_count];
}

void nx__helpers_reaped(struct nx__launcher *l, pid_t pid, int status)
{
    for (size_t i = 0; i < l->helper_count; i++)
        if (l->helpers[i].pid == pid) {
            ended(l, &l->helpers[i], status);
            return;
        }
}

void nx__helpers_reap(struct nx__launcher *l)
{
    int status;
    for (size_t i = l->helper_count; i-- > 0;)
        if (waitpid(l->helpers[i].pid, &status, WNOHANG) > 0) ended(l, &l->helpers[i], status);
}

size_t nx__helpers_poll(const struct nx__launcher *l, struct pollfd *fds)
{
    for (size_t i = 0; i < l->helper_count; i++) {
        const struct nx__helper *helper = &l->helpers[i];
        fds[2 * i] = (struct pollfd){.fd = helper->broker, .events = POLLIN};
        fds[2 * i + 1] =
            (struct pollfd){.fd = helper->killed ? -1 : helper->status, .events = POLLIN};
    }
    return 2 * l->helper_count;
}

void nx__helpers_turn(struct nx__launcher *l, const struct pollfd *fds, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct nx__helper *helper = &l->helpers[i];
        if (fds[2 * i].revents) {
            nx__serve_for(l, helper->run, helper->package);
            nx__serve(l, nx__helper_peer(l, helper));
            nx__serve_for(l, helper->run, NULL);
        }
        if (!fds[2 * i + 1].revents) continue;
        (void)kill(helper->pid, SIGKILL);
        helper->killed = true;
    }
}

void nx__helpers_end(struct nx__launcher *l)
{
    while (l->helper_count) {
        struct nx__helper *helper = &l->helpers[0];
        int status = 0;
        (void)kill(helper->pid, SIGKILL);
        while (waitpid(helper->pid, &status, 0) < 0 && errno == EINTR) {}
        ended(l, helper, status);
    }
}
