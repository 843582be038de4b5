/* Names that the keeper looks up: those that are granted, and what they lead to is then granted. */
#include "permission/keeper_names.h"

#include "permission/connect.h"
#include "permission/keeper_ask.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* From the process that looks one up. */
struct answer {
    int status; /* of getaddrinfo */
    struct nx__keeper_names names;
};
_Static_assert(sizeof(struct answer) <= 4096, "a pipe passes on as much at once");

/* Whatever the system knows names by: its files, its name servers. It may take as long as these. */
static _Noreturn void look_up(struct answer *answer, int out)
{
    struct nx__keeper_names *names = &answer->names;
    const struct addrinfo hints = {.ai_family = names->family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    names->count = 0;
    answer->status = getaddrinfo(names->name, NULL, &hints, &found);
    for (const struct addrinfo *a = answer->status ? NULL : found; a; a = a->ai_next) {
        bool fits = (a->ai_family == AF_INET || a->ai_family == AF_INET6) &&
                    a->ai_addrlen <= sizeof names->addresses[0].bytes &&
                    names->count < NX__KEEPER_ADDRESSES;
        if (fits) memcpy(&names->addresses[names->count++], a->ai_addr, a->ai_addrlen);
    }
    ssize_t n = write(out, answer, sizeof *answer);
    _exit(n != (ssize_t)sizeof *answer);
}

/* A name, and one that is granted. */
static int name_check(const struct nx__keeper *k, const struct nx__keeper_names *names,
                      struct nx__endpoint *out)
{
    size_t len = strnlen(names->name, sizeof names->name);
    if (len == sizeof names->name || nx__endpoint_parse(names->name, len, out) ||
        out->kind != NX__HOST_NAME || out->port != NX__PORT_ANY)
        return -EINVAL;
    out->port = NX__PORT_SOME;
    bool granted =
        nx__permissions_endpoint_verdict(k->permissions, NX__USE_CONNECT, out) == NX__GRANTED;
    return granted ? 0 : -EPERM;
}

int nx__keeper_names_ask(struct nx__keeper *k, uint64_t id, pid_t caller, uint64_t at)
{
    static struct answer answer;
    static struct nx__endpoint name;
    int pipes[2];
    int error =
        nx__keeper_read(caller, at, &answer.names, sizeof answer.names, sizeof answer.names);
    if (error >= 0) error = name_check(k, &answer.names, &name);
    if (error < 0) return error;
    if (k->lookup_count == NX__KEEPER_LOOKUPS || pipe2(pipes, O_CLOEXEC) != 0) return -EAGAIN;
    pid_t pid = fork();
    if (pid == 0) look_up(&answer, pipes[1]);
    (void)close(pipes[1]);
    if (pid < 0) {
        (void)close(pipes[0]);
        return -EAGAIN;
    }
    k->lookups[k->lookup_count++] =
        (struct nx__keeper_lookup){.id = id, .at = at, .caller = caller, .answer = pipes[0]};
    return NX__KEEPER_ANSWERED;
}

size_t nx__keeper_names_poll(const struct nx__keeper *k, struct pollfd *fds)
{
    for (size_t i = 0; i < k->lookup_count; i++)
        fds[i] = (struct pollfd){.fd = k->lookups[i].answer, .events = POLLIN};
    return k->lookup_count;
}

/* Into the memory of who waits, and of nobody who has its number by now. */
static int names_give(const struct nx__keeper *k, const struct nx__keeper_lookup *l,
                      const struct nx__keeper_names *names)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/mem", (int)l->caller);
    int memory = open(path, O_WRONLY | O_CLOEXEC);
    if (memory < 0) return -EPERM;
    bool given = nx__keeper_is_waited_for(k, l->id) &&
                 pwrite(memory, names, sizeof *names, (off_t)l->at) == (ssize_t)sizeof *names;
    (void)close(memory);
    return given ? 0 : -EFAULT;
}

static int lookup_end(struct nx__keeper *k, const struct nx__keeper_lookup *l,
                      struct answer *answer)
{
    static struct nx__endpoint name, address;
    struct nx__keeper_names *names = &answer->names;
    int error = name_check(k, names, &name); /* it may have been given up meanwhile */
    for (uint32_t i = 0; i < names->count && !error; i++) {
        bool good = nx__endpoint_of(&names->addresses[i].any, &address) &&
                    nx__permissions_led(k->permissions, &name, &address) == NX_OK;
        if (!good) error = -ENOMEM;
    }
    return error ? error : names_give(k, l, names);
}

void nx__keeper_names_turn(struct nx__keeper *k, const struct pollfd *fds, size_t count)
{
    static struct answer answer;
    for (size_t i = count; i-- > 0;) {
        if (!fds[i].revents) continue;
        const struct nx__keeper_lookup l = k->lookups[i];
        /* That process has read what strangers have sent: it is believed as little as they are. */
        bool whole = read(l.answer, &answer, sizeof answer) == (ssize_t)sizeof answer &&
                     answer.names.count <= NX__KEEPER_ADDRESSES;
        int status = whole ? answer.status : EAI_FAIL;
        int error = status ? 0 : lookup_end(k, &l, &answer);
        nx__keeper_answer(k, l.id, error, error ? 0 : -status);
        (void)close(l.answer);
        k->lookups[i] = k->lookups[--k->lookup_count];
    }
}
