/* Tells the time to whoever sends a datagram, whatever is in it; and asks such a server:
 *
 *     nexus run app.c --allow-net=127.0.0.1:7001 -- serve 127.0.0.1:7001
 *     nexus run app.c --allow-net=127.0.0.1:7001 -- ask 127.0.0.1:7001 */
#include <nexus/date.h>
#include <nexus/fiber.h>
#include <nexus/net.h>
#include <nexus/timer.h>
#include <stdio.h>

static nx_err answer_one(nx_udp *udp)
{
    char data[512];
    size_t len;
    nx_address from;
    nx_bytes now;
    nx_err err = nx_udp_receive(udp, data, sizeof data, &len, &from);
    if (err && err != NX_ETOOBIG) return err; /* what is too long is a question all the same */
    NX_TRY(nx_date_text(nx_date_utc(nx_wall_time()), &now));
    return nx_udp_send(udp, now, &from);
}

static nx_err serve(const char *where)
{
    NX_AUTO(nx_udp) *udp = NULL;
    NX_TRY(nx_udp_open(&udp, where));
    for (;;) {
        nx_scope *scope; /* the memory of one answer */
        NX_TRY(nx_scope_open(&scope));
        nx_err err = answer_one(udp);
        NX_IGNORE(nx_scope_close(&scope));
        NX_TRY(err);
    }
}

/* Datagrams get lost: it asks three times. */
static nx_err ask(const char *where)
{
    NX_AUTO(nx_udp) *udp = NULL;
    char data[512];
    size_t len;
    NX_TRY(nx_udp_open(&udp, NULL, .read_deadline = NX_S(1)));
    NX_TRY(nx_udp_connect(udp, where));
    nx_err err = NX_ETIMEDOUT;
    for (int i = 0; i < 3 && err == NX_ETIMEDOUT; i++) {
        NX_TRY(nx_udp_send(udp, nx_str("time?"), NULL));
        err = nx_udp_receive(udp, data, sizeof data, &len, NULL);
    }
    NX_TRY(err);
    printf("%.*s\n", (int)len, data);
    return NX_OK;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0) return serve(argv[2]);
    if (argc == 3 && strcmp(argv[1], "ask") == 0) return ask(argv[2]);
    return nx_fail(NX_EUSAGE, "usage: app.c serve|ask ADDRESS");
}
