/* The rows net_…: both ends in one program on one core, over loopback.
 *
 * usage: net.c SCALE. Prints {"echo":…,"connect":…,"udp":…}: microseconds of a round trip of 64
 * bytes over TCP, connections a second, datagrams of 1,200 bytes a second. */
#include <nexus/fiber.h>
#include <nexus/net.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>

enum { MESSAGE = 64, DATAGRAM = 1200, BATCH = 32 };

static nx_err echo(nx_conn *conn, void *arg)
{
    nx_stream *stream = nx_net_stream(conn);
    char data[4096];
    size_t got;
    (void)arg;
    for (;;) {
        NX_TRY(nx_stream_read(stream, data, sizeof data, &got));
        if (!got) return NX_OK;
        NX_TRY(nx_stream_write(stream, nx_slice(data, got)));
    }
}

static nx_err serve(void *arg)
{
    return nx_net_serve(arg, echo, NULL);
}

static nx_err round_trips(const char *where, long count, double *us)
{
    NX_AUTO(nx_conn) *conn = NULL;
    char data[MESSAGE] = "";
    NX_TRY(nx_net_connect(&conn, where));
    nx_stream *stream = nx_net_stream(conn);
    nx_duration begun = nx_now();
    for (long i = 0; i < count; i++) {
        NX_TRY(nx_stream_write(stream, nx_slice(data, sizeof data)));
        NX_TRY(nx_stream_read_exact(stream, data, sizeof data));
    }
    *us = (double)(nx_now() - begun) / 1000 / (double)count;
    return NX_OK;
}

static nx_err connections(const char *where, long count, double *rate)
{
    nx_duration begun = nx_now();
    for (long i = 0; i < count; i++) {
        NX_AUTO(nx_conn) *conn = NULL;
        NX_TRY(nx_net_connect(&conn, where));
    }
    *rate = (double)count * 1e9 / (double)(nx_now() - begun);
    return NX_OK;
}

static nx_err datagrams(long count, double *rate)
{
    NX_AUTO(nx_udp) *from = NULL, *to = NULL;
    static char out[BATCH][DATAGRAM], in[BATCH][DATAGRAM];
    nx_datagram sent[BATCH], got[BATCH];
    NX_TRY(nx_udp_open(&to, "127.0.0.1:0", .receive_buffer = 1 << 20, .read_deadline = NX_S(5)));
    NX_TRY(nx_udp_open(&from, NULL));
    nx_address there = nx_udp_address(to);
    NX_TRY(nx_udp_connect(from, nx_address_text(&there)));
    nx_duration begun = nx_now();
    for (long done = 0; done < count; done += BATCH) {
        for (int i = 0; i < BATCH; i++)
            sent[i] = (nx_datagram){.data = out[i], .len = sizeof out[i]};
        NX_TRY(nx_udp_send_many(from, sent, BATCH, NULL));
        for (size_t all = 0, n; all < BATCH; all += n) {
            for (int i = 0; i < BATCH; i++)
                got[i] = (nx_datagram){.data = in[i], .len = sizeof in[i]};
            NX_TRY(nx_udp_receive_many(to, got, BATCH - all, &n));
        }
    }
    *rate = (double)(count / BATCH * BATCH) * 1e9 / (double)(nx_now() - begun);
    return NX_OK;
}

static nx_err measure(long scale)
{
    NX_AUTO(nx_listener) *listener = NULL;
    nx_fiber *server;
    double us, rate, packets;
    NX_TRY(nx_net_listen(&listener, "127.0.0.1:0"));
    NX_TRY(nx_spawn(&server, serve, listener));
    nx_address at = nx_listener_address(listener);
    const char *where = nx_address_text(&at);
    NX_TRY(round_trips(where, 2000 * scale, &us));
    NX_TRY(connections(where, 500 * scale, &rate));
    NX_TRY(datagrams(20000 * scale, &packets));
    nx_listener_stop(listener);
    NX_TRY(nx_join(server));
    printf("{\"echo\":%.3f,\"connect\":%.0f,\"udp\":%.0f}\n", us, rate, packets);
    return NX_OK;
}

int main(int argc, char **argv)
{
    long scale = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    if (scale < 1) return nx_fail(NX_EUSAGE, "usage: net.c SCALE");
    return measure(scale);
}
