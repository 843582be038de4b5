/* nexus run --watch and nexus dev: answers for a program that has failed, until a change starts it
 * again. Its listening sockets are held for the next generation, and who connects meanwhile should
 * not wait for a save. Under nexus dev it also has the connections that the program hands over. */
#include "cli/dev.h"

#include "base/clock.h"
#include "permission/permission.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* For a request to come, and for the client to take the answer. */
static const nx_duration PATIENCE = NX_S(2);

static bool is_down(const struct nx__launcher *l)
{
    return l->watcher.fd >= 0 && !nx__generation_runs(&l->current) && !l->next.number &&
           !l->watcher.changed_at && !l->stop_signal && !l->done;
}

/* ---- Guests */

static size_t count_live(const struct nx__launcher *l)
{
    size_t count = 0;
    for (size_t i = 0; i < l->guest_count; i++) count += l->guests[i].live && l->guests[i].until;
    return count;
}

enum { PLACES = NX__GUESTS_MAX + NX__LIVE_MAX };

/* For one who connects, or a packet of those who have. */
static bool has_room(const struct nx__launcher *l)
{
    return l->guest_count - count_live(l) < NX__VISITORS_MAX &&
           l->guest_count <= PLACES - NX__HAND_BATCH;
}

/* For one whom the program hands over by himself. */
static bool has_place(const struct nx__launcher *l)
{
    return l->guest_count - count_live(l) < NX__GUESTS_MAX && l->guest_count < PLACES;
}

static void leave(struct nx__launcher *l, size_t index)
{
    struct nx__guest *guest = &l->guests[index];
    (void)close(guest->fd);
    nx__buffer_free(&guest->in);
    nx__buffer_free(&guest->out);
    /* In order: the oldest comes first. */
    memmove(guest, guest + 1, (--l->guest_count - index) * sizeof *guest);
}

static struct nx__guest *enter(struct nx__launcher *l, int fd)
{
    struct nx__guest *guest = &l->guests[l->guest_count++];
    *guest = (struct nx__guest){.fd = fd, .until = nx__clock_monotonic() + PATIENCE};
    return guest;
}

size_t nx__standin_poll(const struct nx__launcher *l, struct pollfd *fds)
{
    size_t count = 0;
    if (is_down(l) && has_room(l))
        for (size_t i = 0; i < l->held_count; i++) {
            fds[count++] = (struct pollfd){.fd = l->held[i].fd, .events = POLLIN};
            fds[count++] = (struct pollfd){.fd = l->held[i].handed_in, .events = POLLIN};
        }
    for (size_t i = 0; i < l->guest_count; i++) {
        short events = l->guests[i].out.len ? POLLIN | POLLOUT : POLLIN;
        fds[count++] = (struct pollfd){.fd = l->guests[i].fd, .events = events};
    }
    return count;
}

/* Those that the program before has handed over, a packet of them. What comes is a connection, but
 * may be any. */
static void let_in_handed(struct nx__launcher *l, const struct nx__held *held)
{
    struct nx__handed connections[NX__HAND_BATCH];
    int count = nx__hand_receive(held->handed_in, connections);
    for (int i = 0; i < count; i++) {
        struct nx__guest *guest = enter(l, connections[i].fd);
        guest->handed = true;
        memcpy(guest->address, held->address, sizeof guest->address);
        guest->requests = connections[i].requests;
    }
}

/* Takes in who has connected, as far as there is room; the others wait for it. */
static void let_in(struct nx__launcher *l)
{
    for (size_t i = 0; i < l->held_count && has_room(l);) {
        int fd = accept4(l->held[i].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            (void)enter(l, fd);
        } else if (errno == EAGAIN) {
            let_in_handed(l, &l->held[i]);
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

/* ---- Answers */

/* Without memory for it there is no answer, and the connection is closed when its time is over. */
static void put(struct nx__guest *guest, const char *head, size_t head_len, nx_bytes body)
{
    if (nx__buffer_append(&guest->out, head, head_len, NX__DEV_PAGE_MOST) ||
        nx__buffer_append(&guest->out, body.data, body.len, 2 * NX__DEV_PAGE_MOST))
        nx__buffer_free(&guest->out);
}

/* Why is told where nexus runs. */
static void answer_shortly(const struct nx__launcher *l, struct nx__guest *guest, bool head_only)
{
    char why[sizeof l->down], body[512], head[512];
    int len =
        snprintf(body, sizeof body,
                 "%s.\n\nWhy is told where nexus runs. It starts again when its source is saved.\n",
                 nx__printable(why, sizeof why, l->down));
    /* A browser comes back by itself. */
    int n = snprintf(
        head, sizeof head,
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n"
        "content-length: %d\r\ncache-control: no-store\r\nrefresh: 1\r\nconnection: close\r\n\r\n",
        len);
    put(guest, head, (size_t)n, nx_slice(body, head_only ? 0 : (size_t)len));
}

static void answer_page(struct nx__guest *guest, const struct nx__dev_page *page,
                        enum nx__broker_wants wants, bool head_only)
{
    static const char *const types[] = {"text/plain", "application/json", "text/html"};
    char head[1024], policy[320] = "";
    struct nx__dev_text body = {0};
    nx__dev_render(page, wants, &body);
    if (wants == NX__WANTS_HTML)
        (void)snprintf(policy, sizeof policy, "content-security-policy: " NX__DEV_POLICY "\r\n",
                       page->nonce, page->nonce);
    int n =
        snprintf(head, sizeof head,
                 "HTTP/1.1 %s\r\ncontent-type: %s; charset=utf-8\r\ncontent-length: %zu\r\n"
                 "cache-control: no-store\r\nvary: accept\r\nx-content-type-options: nosniff\r\n%s"
                 "connection: close\r\n\r\n",
                 page->status == 500 ? "500 Internal Server Error" : "503 Service Unavailable",
                 types[wants], body.buffer.len, policy);
    if (!body.err)
        put(guest, head, (size_t)n, nx_slice(body.buffer.data, head_only ? 0 : body.buffer.len));
    nx__buffer_free(&body.buffer);
}

void nx__standin_answer(struct nx__launcher *l, int fd, const struct nx__dev_page *page,
                        unsigned wants)
{
    if (!has_place(l)) {
        (void)close(fd);
        return;
    }
    struct nx__guest *guest = enter(l, fd);
    guest->answered = true;
    answer_page(guest, page, (enum nx__broker_wants)wants, nx_bytes_is(page->method, "HEAD"));
}

/* ---- Who waits for a change */

static void tell(struct nx__guest *guest, uint64_t version)
{
    char event[64];
    int n =
        snprintf(event, sizeof event, "event: change\ndata: %llu\n\n", (unsigned long long)version);
    put(guest, event, (size_t)n, (nx_bytes){0});
    guest->live = false;
    guest->answered = true;
    guest->until = nx__clock_monotonic() + PATIENCE;
}

static void become_live(struct nx__launcher *l, struct nx__guest *guest, const char *since)
{
    static const char head[] =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\n"
        "connection: close\r\n\r\nretry: 2000\n\n";
    char *end;
    unsigned long long version = strtoull(since, &end, 10);
    put(guest, head, sizeof head - 1, (nx_bytes){0});
    if (end != since && version < l->dev->version) {
        tell(guest, l->dev->version);
        return;
    }
    guest->live = true;
    guest->until = NX_FOREVER;
    if (count_live(l) <= NX__LIVE_MAX) return;
    /* The one that has waited the longest makes room, in the next turn. */
    size_t oldest = 0;
    while (!l->guests[oldest].live || !l->guests[oldest].until) oldest++;
    l->guests[oldest].until = 0;
}

void nx__standin_live(struct nx__launcher *l, int fd, const char *since)
{
    if (!has_place(l)) {
        (void)close(fd);
        return;
    }
    become_live(l, enter(l, fd), since);
}

void nx__standin_tell(struct nx__launcher *l)
{
    for (size_t i = 0; i < l->guest_count; i++)
        if (l->guests[i].live) tell(&l->guests[i], l->dev->version);
}

/* ---- Requests */

/* The value of the first field of that name, in whatever case that is; empty where there is none.
 */
static nx_bytes field_of(const char *head, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    for (const char *line = head, *end = head + len; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((newline ? newline : end) - line);
        if (n > name_len && line[name_len] == ':' && strncasecmp(line, name, name_len) == 0) {
            const char *value = line + name_len + 1, *stop = line + n;
            while (value < stop && (*value == ' ' || *value == '\t')) value++;
            while (stop > value && (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t'))
                stop--;
            return nx_slice(value, (size_t)(stop - value));
        }
        line += n + 1;
    }
    return (nx_bytes){0};
}

static bool has(nx_bytes text, const char *word)
{
    return text.len && memmem(text.data, text.len, word, strlen(word));
}

/* What follows the path in the target, where the target has it: a query or nothing; else NULL. */
static const char *query_of(nx_bytes target, const char *path)
{
    size_t len = strlen(path);
    if (target.len <= len || memcmp(target.data, path, len) != 0) return NULL;
    return strchr("? ", target.data[len]) ? target.data + len : NULL;
}

/* The digits behind the "?" of a query. */
static void version_copy(char out[24], const char *query, const char *end)
{
    size_t len = 0;
    for (query++; query < end && len < 20 && *query >= '0' && *query <= '9'; query++)
        out[len++] = *query;
    out[len] = '\0';
}

/* For a page of the program before: it is not to miss the change. */
static void answer_script(struct nx__guest *guest, const char *version)
{
    char head[256], script[160];
    int len = snprintf(script, sizeof script, NX__DEV_LIVE_CODE, (int)strlen(version), version);
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 200 OK\r\ncontent-type: text/javascript; charset=utf-8\r\n"
                     "content-length: %d\r\ncache-control: no-store\r\nconnection: close\r\n\r\n",
                     len);
    put(guest, head, (size_t)n, nx_slice(script, (size_t)len));
    guest->answered = true;
}

static void answer_request(struct nx__launcher *l, struct nx__guest *guest)
{
    const char *head = guest->in.data, *end = head + guest->in.len;
    const char *space = memchr(head, ' ', guest->in.len);
    nx_bytes target = space ? nx_slice(space + 1, (size_t)(end - space - 1)) : (nx_bytes){0};
    const char *query;
    char version[24];
    if ((query = query_of(target, NX__DEV_LIVE)) != NULL) {
        version_copy(version, query, end);
        become_live(l, guest, version);
        return;
    }
    if ((query = query_of(target, NX__DEV_LIVE_SCRIPT)) != NULL) {
        version_copy(version, query, end);
        answer_script(guest, version);
        return;
    }
    struct nx__dev_page page;
    if (!nx__http_dev_shows(field_of(head, guest->in.len, "host"),
                            field_of(head, guest->in.len, "origin"))) {
        answer_shortly(l, guest,
                       space && nx_bytes_is(nx_slice(head, (size_t)(space - head)), "HEAD"));
        guest->answered = true;
        return;
    }
    nx_bytes accept = field_of(head, guest->in.len, "accept");
    enum nx__broker_wants wants = has(accept, "text/html") ? NX__WANTS_HTML
                                  : has(accept, "json")    ? NX__WANTS_JSON
                                                           : NX__WANTS_TEXT;
    nx__dev_page_now(l, &page);
    page.method = nx_slice(head, (size_t)((space ? space : end) - head));
    answer_page(guest, &page, wants, nx_bytes_is(page.method, "HEAD"));
    nx__dev_page_free(&page);
    guest->answered = true;
}

/* Reads what there is, and answers the first of it. False when the guest has gone, or is to go. */
static bool attend(struct nx__launcher *l, struct nx__guest *guest)
{
    /* More than a request is read: a close with bytes unread would cancel the answer. */
    enum { READS_MOST = 16 };
    for (int i = 0; i < READS_MOST; i++) {
        char bytes[4096];
        ssize_t n = recv(guest->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n < 0 && errno == EAGAIN;
        if (guest->answered || guest->live) continue;
        if (!guest->in.len && (bytes[0] < 'A' || bytes[0] > 'Z')) return false; /* no HTTP */
        if (!l->dev) {
            answer_shortly(l, guest, n >= 5 && memcmp(bytes, "HEAD ", 5) == 0);
            guest->answered = true;
            continue;
        }
        bool full = nx__buffer_append(&guest->in, bytes, (size_t)n, NX__GUEST_HEAD_MOST) != NX_OK;
        if (full || memmem(guest->in.data, guest->in.len, "\r\n\r\n", 4)) answer_request(l, guest);
    }
    return true;
}

/* Sends what it takes; its end is the end of an answer. */
static bool serve(struct nx__guest *guest)
{
    while (guest->out.len) {
        ssize_t n = send(guest->fd, guest->out.data, guest->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN;
        nx__buffer_consume(&guest->out, (size_t)n);
        if (!guest->out.len && guest->answered) (void)shutdown(guest->fd, SHUT_WR);
    }
    return true;
}

void nx__standin_turn(struct nx__launcher *l, nx_duration now)
{
    bool down = is_down(l);
    if (down) let_in(l);
    for (size_t i = l->guest_count; i-- > 0;) {
        struct nx__guest *guest = &l->guests[i];
        /* Who has not asked yet may ask the new program. */
        bool asked = guest->answered || guest->live || guest->in.len;
        if ((down || guest->answered || guest->live) && guest->until > now && attend(l, guest) &&
            serve(guest))
            continue;
        if (!down && !asked && guest->handed) send_on(l, guest);
        leave(l, i);
    }
}
