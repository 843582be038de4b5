/* Gives back whatever it is sent, line by line or in megabytes, to any number of peers at once:
 *
 *     nexus run app.c --allow-net=127.0.0.1:7000
 *     nc 127.0.0.1 7000
 *
 * SIGTERM ends it when those who are connected have gone, or after ten seconds. */
#include <nexus/log.h>
#include <nexus/net.h>

static nx_err echo(nx_conn *conn, void *arg)
{
    nx_stream *source, *sink;
    nx_address peer = nx_net_peer(conn);
    (void)arg;
    nx_log_info("connected", "peer", nx_address_text(&peer));
    NX_TRY(nx_stream_split(nx_net_stream(conn), &source, &sink));
    return nx_pipe(source, sink); /* nobody is ahead: who does not read is not read from */
}

int main(int argc, char **argv)
{
    NX_AUTO(nx_listener) *listener = NULL;
    NX_TRY(nx_net_listen(&listener, argc > 1 ? argv[1] : "127.0.0.1:7000",
                         .read_deadline = NX_S(60), .write_deadline = NX_S(10),
                         .max_connections = 1000));
    return nx_net_serve(listener, echo, NULL);
}
