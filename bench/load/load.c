/* The load generator: HTTP/1.1 requests on keep-alive connections from one thread; prints what it
 * saw as JSON.
 *
 * Three ways to load a server:
 *   closed loop (default): each connection asks `depth` requests at once, waits for all the
 * answers, asks again
 *   --rate R: open loop. R requests a second are due at even distances, whatever the server does,
 * and a latency counts from when its request was due: a server that stalls is charged for all who
 * had to wait
 *   --idle N: opens N connections, asks one request on each, and holds them until stdin ends
 * It spins on its sockets instead of sleeping: it has a core to itself, and the server is not to
 * pay for waking it. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "histogram.h"

#define MAX_CONNECTIONS 1000000
#define MAX_EVENTS      256
#define STALL_NS        10000000000LL /* no answer for so long: the server is stuck */

typedef struct options {
    uint16_t port;
    const char *path;
    const char *expect;
    const char *body; /* a file to POST; NULL: GET */
    uint32_t connections;
    uint32_t depth;
    double seconds;
    uint64_t requests; /* to stop after; 0 for none */
    double rate;       /* requests a second of the open loop; 0 for the closed loop */
    uint32_t idle;     /* connections to hold; 0 for none */
} options;

typedef struct load {
    client client;
    options options;
    connection *connections;
    int epoll;
    uint64_t answers;
    int64_t last_answer; /* when, for noticing a stall */
    histogram latency;
} load;

static void watch(load *l, connection *con)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = con};
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, con->fd, &event) < 0)
        client_die("cannot watch a connection: %s", strerror(errno));
}

static void open_or_die(load *l, connection *con)
{
    if (!client_open(&l->client, con))
        client_die("cannot connect to 127.0.0.1:%u: %s", l->options.port, strerror(errno));
}

/* Replaces a connection that the server has closed. What was asked on it is lost and counted. */
static void reopen(load *l, connection *con)
{
    l->client.lost++;
    client_close(con);
    open_or_die(l, con);
    watch(l, con);
}

/* Waits a turn for answers; `ready` gets those connections whose last answer has come. Returns how
 * many. */
static size_t turn(load *l, connection **ready)
{
    struct epoll_event events[MAX_EVENTS];
    size_t count = 0;
    int got = epoll_wait(l->epoll, events, MAX_EVENTS, 0);
    if (got < 0 && errno != EINTR) client_die("cannot wait: %s", strerror(errno));
    for (int i = 0; i < got; i++) {
        connection *con = events[i].data.ptr;
        int answers = client_read(&l->client, con);
        if (answers < 0) {
            reopen(l, con);
            ready[count++] = con;
            continue;
        }
        if (answers == 0) continue;
        int64_t now = client_now();
        histogram_add(&l->latency, now - con->asked, (uint64_t)answers);
        l->answers += (uint64_t)answers;
        l->last_answer = now;
        if (con->waiting == 0) ready[count++] = con;
    }
    return count;
}

static void check_stall(const load *l, int64_t now)
{
    if (now - l->last_answer > STALL_NS)
        client_die("the server has not answered for %lld s, after %" PRIu64 " answers",
                   STALL_NS / 1000000000, l->answers);
}

static void ask(load *l, connection *con, uint32_t count, int64_t asked)
{
    con->asked = asked;
    while (!client_ask(&l->client, con, count)) reopen(l, con);
}

/* Waits up to a second for the answers that are still on the way, so that the server is left quiet.
 */
static void drain(load *l, connection **ready)
{
    int64_t until = client_now() + 1000000000;
    for (;;) {
        uint64_t waiting = 0;
        for (uint32_t i = 0; i < l->options.connections; i++) waiting += l->connections[i].waiting;
        if (waiting == 0 || client_now() > until) return;
        turn(l, ready);
    }
}

/* Each connection asks again as soon as it has been answered. Returns the seconds that it took. */
static double closed_loop(load *l, connection **ready)
{
    int64_t start = client_now();
    int64_t end = start + (int64_t)(l->options.seconds * 1e9);
    l->last_answer = start;
    for (uint32_t i = 0; i < l->options.connections; i++)
        ask(l, &l->connections[i], l->options.depth, client_now());
    for (;;) {
        size_t count = turn(l, ready);
        int64_t now = client_now();
        if (now >= end || (l->options.requests > 0 && l->answers >= l->options.requests)) break;
        for (size_t i = 0; i < count; i++) ask(l, ready[i], l->options.depth, client_now());
        if (count == 0) check_stall(l, now);
    }
    drain(l, ready);
    return (double)(client_now() - start) / 1e9;
}

/* Requests fall due at even distances; one that finds no free connection waits, and its clock runs.
 */
static double open_loop(load *l, connection **ready)
{
    uint32_t size = l->options.connections;
    connection **queue = calloc(size, sizeof(connection *)); /* free ones, longest free first */
    if (!queue) client_die("out of memory");
    for (uint32_t i = 0; i < size; i++) queue[i] = &l->connections[i];
    uint32_t first = 0;
    uint32_t spare = size;

    double gap = 1e9 / l->options.rate;
    uint64_t total = (uint64_t)(l->options.seconds * l->options.rate);
    uint64_t asked = 0;
    int64_t start = client_now();
    l->last_answer = start;
    while (asked < total) {
        int64_t now = client_now();
        int64_t due = start + (int64_t)((double)asked * gap);
        while (due <= now && spare > 0 && asked < total) {
            ask(l, queue[first], 1, due);
            first = (first + 1) % size;
            spare--;
            due = start + (int64_t)((double)++asked * gap);
        }
        size_t count = turn(l, ready);
        for (size_t i = 0; i < count; i++) queue[(first + spare++) % size] = ready[i];
        if (spare < size) check_stall(l, now);
    }
    drain(l, ready);
    free(queue);
    return (double)(client_now() - start) / 1e9;
}

/* Opens the connections one after another, each asking once; then holds them. */
static int hold_idle(load *l)
{
    for (uint32_t i = 0; i < l->options.idle; i++) {
        connection *con = &l->connections[i];
        open_or_die(l, con);
        if (!client_ask(&l->client, con, 1))
            client_die("cannot ask on connection %u: %s", i, strerror(errno));
        int64_t asked = client_now();
        while (con->waiting > 0) {
            if (client_read(&l->client, con) < 0) client_die("the server closed connection %u", i);
            if (client_now() - asked > STALL_NS) client_die("no answer on connection %u", i);
        }
    }
    printf("{\"open\":%u,\"wrong\":%" PRIu64 "}\n", l->options.idle, l->client.wrong);
    fflush(stdout);

    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) continue;
    uint32_t closed = 0;
    for (uint32_t i = 0; i < l->options.idle; i++) {
        if (recv(l->connections[i].fd, &byte, 1, MSG_PEEK) >= 0 || errno != EAGAIN) closed++;
        client_close(&l->connections[i]);
    }
    printf("{\"closed\":%u}\n", closed);
    return 0;
}

/* Reads what fits of the file; returns how much. */
static size_t read_file(const char *path, char *data, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (!file) client_die("cannot read %s: %s", path, strerror(errno));
    size_t len = fread(data, 1, size, file);
    fclose(file);
    return len;
}

static int run(load *l)
{
    /* The descriptors of 10,000 connections are more than a shell gives. */
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    static char body[CLIENT_MAX_SENT];
    size_t body_len = l->options.body ? read_file(l->options.body, body, sizeof body) : 0;
    client_init(&l->client, l->options.port, l->options.path, l->options.body ? body : NULL,
                body_len, l->options.depth, l->options.expect);
    uint32_t count = l->options.idle > 0 ? l->options.idle : l->options.connections;
    l->connections = calloc(count, sizeof(connection));
    if (!l->connections) client_die("out of memory");
    if (l->options.idle > 0) return hold_idle(l);

    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0) client_die("cannot create an epoll: %s", strerror(errno));
    for (uint32_t i = 0; i < count; i++) {
        open_or_die(l, &l->connections[i]);
        watch(l, &l->connections[i]);
    }
    static connection *ready[MAX_EVENTS];
    double seconds = l->options.rate > 0 ? open_loop(l, ready) : closed_loop(l, ready);
    for (uint32_t i = 0; i < count; i++) client_close(&l->connections[i]);
    free(l->connections);

    printf("{\"requests\":%" PRIu64 ",\"seconds\":%.6f,\"rate\":%.1f,\"wrong\":%" PRIu64
           ",\"lost\":%" PRIu64 ",\"latency_us\":",
           l->answers, seconds, (double)l->answers / seconds, l->client.wrong, l->client.lost);
    histogram_print(&l->latency, stdout);
    puts("}");
    return 0;
}

/* The number in `text`, within low to high; else the program ends with a message. */
static double number(const char *name, const char *text, double low, double high)
{
    char *end;
    double value = strtod(text, &end);
    if (*text == '\0' || *end != '\0' || !(value >= low && value <= high))
        client_die("--%s wants a number from %g to %g, not \"%s\"", name, low, high, text);
    return value;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"port", required_argument, NULL, 'p'},
        {"path", required_argument, NULL, 'u'},
        {"expect", required_argument, NULL, 'e'},
        {"connections", required_argument, NULL, 'c'},
        {"depth", required_argument, NULL, 'd'},
        {"seconds", required_argument, NULL, 's'},
        {"requests", required_argument, NULL, 'n'},
        {"rate", required_argument, NULL, 'r'},
        {"idle", required_argument, NULL, 'i'},
        {"body", required_argument, NULL, 'b'},
        {NULL, 0, NULL, 0},
    };
    static load l = {.options = {.path = "/", .connections = 64, .depth = 1, .seconds = 5}};
    options *o = &l.options;
    int option;
    int index = 0;
    while ((option = getopt_long(argc, argv, "", names, &index)) != -1) {
        const char *name = option == '?' ? "" : names[index].name;
        switch (option) {
        case 'p': o->port = (uint16_t)number(name, optarg, 1, 65535); break;
        case 'u': o->path = optarg; break;
        case 'e': o->expect = optarg; break;
        case 'b': o->body = optarg; break;
        case 'c': o->connections = (uint32_t)number(name, optarg, 1, MAX_CONNECTIONS); break;
        case 'd': o->depth = (uint32_t)number(name, optarg, 1, CLIENT_MAX_DEPTH); break;
        case 's': o->seconds = number(name, optarg, 0.001, 86400); break;
        case 'n': o->requests = (uint64_t)number(name, optarg, 1, 1e15); break;
        case 'r': o->rate = number(name, optarg, 1, 1e8); break;
        case 'i': o->idle = (uint32_t)number(name, optarg, 1, MAX_CONNECTIONS); break;
        default:
            o->port = 0;
            optind = argc;
            break;
        }
    }
    if (o->port == 0 || optind != argc) {
        fputs(
            "usage: bench_load --port PORT [--path /] [--body FILE] [--expect BODY] [--connections 64]\n"
            "                  [--depth 1] [--seconds 5] [--requests N] [--rate R] [--idle N]\n",
            stderr);
        return 2;
    }
    return run(&l);
}
