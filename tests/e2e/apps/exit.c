/* Ends in the way that it is told to, and says what is done at the end. */
#include <nexus.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static nx_err closes(void *arg)
{
    NX_TRY(nx_sleep(NX_MS(5)));
    nx_println("closed %s", (const char *)arg);
    return NX_OK;
}

static nx_err hangs(void *arg)
{
    (void)arg;
    nx_println("hangs");
    return nx_sleep(NX_FOREVER);
}

static nx_err signals_until_term(void)
{
    NX_AUTO(nx_channel) *signals = NULL;
    NX_TRY(nx_signals(&signals, 1ull << SIGUSR1 | 1ull << SIGTERM));
    nx_println("ready");
    for (int signo = 0; signo != SIGTERM;) {
        size_t which;
        NX_TRY(nx_select(&which, nx_on_recv(signals, &signo), nx_on_timeout(NX_S(60))));
        nx_println("signal %d", signo);
    }
    return NX_OK;
}

static void asked_again(void)
{
    (void)raise(SIGTERM);
}

static nx_err serve(int port)
{
    nx_http_server *server = nx_http_server_new(.port = (uint16_t)port);
    nx_err err = nx_http_listen(server);
    nx_println("stopped");
    nx_http_server_free(server);
    return err;
}

int main(int argc, char **argv)
{
    const char *how = argv[1];
    NX_TRY(nx_at_exit(closes, "the first"));
    NX_TRY(nx_at_exit(closes, "the second"));
    if (argc > 2 && !strcmp(argv[2], "asked again")) atexit(asked_again);
    if (!strcmp(how, "cut")) NX_TRY(nx_at_exit(hangs, NULL, .within = NX_MS(10)));
    if (!strcmp(how, "hang")) NX_TRY(nx_at_exit(hangs, NULL, .within = NX_FOREVER));
    if (!strcmp(how, "exit")) nx_exit(7);
    if (!strcmp(how, "plain")) exit(5);
    if (!strcmp(how, "crash")) abort();
    if (!strcmp(how, "signals")) return signals_until_term();
    if (how[0] >= '0' && how[0] <= '9') return serve(atoi(how));
    if (!strcmp(how, "cut")) return 3;
    nx_println("ready");
    return nx_sleep(NX_FOREVER);
}
