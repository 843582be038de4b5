/* nexus run --watch: answers for a program that has failed, until a change starts it again. Its
 * listening sockets are held for the next generation, and who connects meanwhile should not wait
 * for a save. */
#include "cli/launcher.h"

#include "permission/permission.h"
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* For a request to come, and for the client to take the answer. */
static const nx_duration PATIENCE = NX_S(2);

static bool is_down(const struct nx__launcher *l)
{
    return l->watcher.fd >= 0 && !nx__generation_runs(&l->current) && !l->next.number &&
           !l->watcher.changed_at && !l->stop_signal && !l->done;
}

size_t nx__standin_poll(const struct nx__launcher *l, struct pollfd *fds)
{
    size_t count = 0;
    if (is_down(l) && l->guest_count < NX__VISITORS_MAX)
        for (size_t i = 0; i < l->held_count; i++) {
            fds[count++] = (struct pollfd){.fd = l->held[i].fd, .events = POLLIN};
            fds[count++] = (struct pollfd){.fd = l->held[i].handed_in, .events = POLLIN};
        }
    for (size_t i = 0; i < l->guest_count; i++)
        fds[count++] = (struct pollfd){.fd = l->guests[i].fd, .events = POLLIN};
    return count;
}

static struct nx__guest *guest_new(struct nx__launcher *l, const struct nx__held *held, int fd,
                                   nx_duration now)
{
    struct nx__guest *guest = &l->guests[l->guest_count++];
    *guest = (struct nx__guest){.fd = fd, .until = now + PATIENCE};
    memcpy(guest->address, held->address, sizeof guest->address);
    return guest;
}

/* Those that the program before has handed over, a packet of them. What comes is a connection, but
 * may be any. */
static void let_in_handed(struct nx__launcher *l, const struct nx__held *held, nx_duration now)
{
    struct nx__handed connections[NX__HAND_BATCH];
    int count = nx__hand_receive(held->handed_in, connections);
    for (int i = 0; i < count; i++) {
        struct nx__guest *guest = guest_new(l, held, connections[i].fd, now);
        guest->handed = true;
        guest->requests = connections[i].requests;
    }
}

/* Takes in who has connected, as far as there is room; the others wait for it. */
static void let_in(struct nx__launcher *l, nx_duration now)
{
    for (size_t i = 0; i < l->held_count && l->guest_count < NX__VISITORS_MAX;) {
        int fd = accept4(l->held[i].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            (void)guest_new(l, &l->held[i], fd, now);
        } else if (errno == EAGAIN) {
            let_in_handed(l, &l->held[i], now);
            i++;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            nx__held_sweep(l, true); /* no descriptor or memory for it: then they are refused */
        }
    }
}

/* Who was handed over and has not asked yet goes on to the new program. */
static void send_on(const struct nx__launcher *l, const struct nx__guest *guest)
{
    const struct nx__handed one = {.fd = guest->fd, .requests = guest->requests};
    for (size_t i = 0; i < l->held_count; i++) {
        if (strcmp(l->held[i].address, guest->address) != 0) continue;
        (void)nx__hand_send(l->held[i].handed_out, &one, 1);
        return;
    }
}

static void answer(const struct nx__launcher *l, int fd, bool head_only)
{
    char why[sizeof l->down], body[512], text[1024];
    int len =
        snprintf(body, sizeof body,
                 "%s.\n\nWhy is told where nexus runs. It starts again when its source is saved.\n",
                 nx__printable(why, sizeof why, l->down));
    /* A browser comes back by itself. */
    int n = snprintf(
        text, sizeof text,
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n"
        "content-length: %d\r\ncache-control: no-store\r\nrefresh: 1\r\nconnection: close\r\n\r\n%s",
        len, head_only ? "" : body);
    (void)send(fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(fd, SHUT_WR);
}

/* Reads what there is, and answers the first of it. False when the guest has gone, or is to go. */
static bool attend(const struct nx__launcher *l, struct nx__guest *guest)
{
    /* More than a request is read: a close with bytes unread would cancel the answer. */
    enum { READS_MOST = 16 };
    for (int i = 0; i < READS_MOST; i++) {
        char bytes[4096];
        ssize_t n = recv(guest->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n < 0 && errno == EAGAIN;
        if (guest->answered) continue;
        if (bytes[0] < 'A' || bytes[0] > 'Z') return false; /* it does not speak HTTP */
        answer(l, guest->fd, n >= 5 && memcmp(bytes, "HEAD ", 5) == 0);
        guest->answered = true;
    }
    return true;
}

void nx__standin_turn(struct nx__launcher *l, nx_duration now)
{
    bool down = is_down(l);
    if (down) let_in(l, now);
    for (size_t i = l->guest_count; i-- > 0;) {
        struct nx__guest *guest = &l->guests[i];
        /* Who has not asked yet may ask the new program. */
        if ((down || guest->answered) && guest->until > now && attend(l, guest)) continue;
        if (!down && !guest->answered && guest->handed) send_on(l, guest);
        (void)close(guest->fd);
        *guest = l->guests[--l->guest_count];
    }
}
