/* Measures how fast a program starts: from before it is spawned to its first byte of output, or its
 * first HTTP answer.
 *
 * usage: bench_start [--port PORT] REPEAT PROGRAM [ARGUMENT...]
 * Prints the milliseconds of each start, as a JSON list. What it starts is dead before the next
 * start. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"

#define DEADLINE_NS 15000000000LL /* a start that takes longer has failed */
#define RETRY_US    20            /* between two tries to connect */

extern char **environ;

/* Kills all children, and theirs, which fall to us when their parents die; returns when none is
 * left. */
static void kill_children(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    for (;;) {
        FILE *list = fopen(path, "re");
        int pid;
        while (list && fscanf(list, "%d", &pid) == 1) kill(pid, SIGKILL);
        if (list) fclose(list);
        if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD) return;
    }
}

/* Spawns the program with its output going to `out`. */
static void start(char **argv, int out)
{
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0) client_die("out of memory");
    pid_t pid;
    int error = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (error == 0) error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    if (error != 0) client_die("cannot start %s: %s", argv[0], strerror(error));
    posix_spawn_file_actions_destroy(&actions);
}

/* Waits for the first byte of output. */
static bool first_byte(int in, int64_t deadline)
{
    struct pollfd wait = {.fd = in, .events = POLLIN};
    int64_t left = (deadline - client_now()) / 1000000;
    char byte;
    return left > 0 && poll(&wait, 1, (int)left) == 1 && read(in, &byte, 1) == 1;
}

/* Connects until somebody listens, asks, and waits for the whole answer. */
static bool first_answer(client *c, int64_t deadline)
{
    connection con = {.fd = -1};
    bool answered = false;
    while (!answered && client_now() < deadline) {
        if (!client_open(c, &con)) {
            usleep(RETRY_US);
            continue;
        }
        int answers = 0;
        if (client_ask(c, &con, 1)) {
            struct pollfd wait = {.fd = con.fd, .events = POLLIN};
            while (answers == 0 && client_now() < deadline)
                if (poll(&wait, 1, 100) > 0) answers = client_read(c, &con);
        }
        answered = answers == 1;
        client_close(&con);
    }
    return answered && c->wrong == 0;
}

int main(int argc, char **argv)
{
    int at = 1;
    long port = 0;
    if (argc > 2 && strcmp(argv[1], "--port") == 0) {
        port = strtol(argv[2], NULL, 10);
        at = 3;
    }
    long repeat = argc > at + 1 ? strtol(argv[at], NULL, 10) : 0;
    if (repeat < 1 || port < 0 || port > 65535) {
        fputs("usage: bench_start [--port PORT] REPEAT PROGRAM [ARGUMENT...]\n", stderr);
        return 2;
    }
    char **program = argv + at + 1;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_TIMERSLACK, 1);
    static client c;
    client_init(&c, (uint16_t)port, "/", NULL, 0, 1, NULL);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    for (long i = 0; i < repeat; i++) {
        int pipes[2];
        if (pipe2(pipes, O_CLOEXEC) < 0 || null < 0)
            client_die("cannot open a pipe: %s", strerror(errno));
        int64_t began = client_now();
        start(program, port > 0 ? null : pipes[1]);
        close(pipes[1]);
        bool fine = port > 0 ? first_answer(&c, began + DEADLINE_NS)
                             : first_byte(pipes[0], began + DEADLINE_NS);
        int64_t took = client_now() - began;
        kill_children();
        close(pipes[0]);
        if (!fine)
            client_die("%s did not %s", program[0], port > 0 ? "answer with 200" : "write a byte");
        printf("%s%.4f", i ? "," : "[", (double)took / 1e6);
    }
    puts("]");
    return 0;
}
