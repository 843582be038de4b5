/* Two listeners at one address, each of which says which it is: 127.0.0.1:PORT */
#include <nexus.h>

static nx_err say(nx_conn *conn, void *arg)
{
    return nx_stream_write(nx_net_stream(conn), nx_str(arg));
}

static nx_err serve(void *arg)
{
    nx_listener **listener = arg;
    return nx_net_serve(*listener, say, (void *)(uintptr_t) "second");
}

int main(int argc, char **argv)
{
    NX_AUTO(nx_listener) *first = NULL, *second = NULL, *third = NULL;
    nx_fiber *fiber;
    if (argc < 2) return NX_EUSAGE;
    const char *where = nx_format("127.0.0.1:%s", argv[1]);
    NX_TRY(nx_net_listen(&first, where, .reuse = true));
    NX_TRY(nx_net_listen(&second, where, .reuse = true));
    if (nx_net_listen(&third, where) != NX_EADDRINUSE) return NX_EFAILED;
    NX_TRY(nx_spawn(&fiber, serve, &second));
    NX_TRY(nx_net_serve(first, say, (void *)(uintptr_t) "first"));
    return nx_join(fiber);
}
