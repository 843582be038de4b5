/* Fetches a URL several times, one after the other, with a pause between: URL COUNT CA. */
#include <nexus/fetch.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>

static nx_err run(char **argv)
{
    nx_client *client;
    NX_TRY(nx_client_new(&client, .ca = argv[3]));
    for (int i = 0; i < atoi(argv[2]); i++) {
        nx_fetched *answer;
        nx_bytes body;
        NX_TRY(nx_fetch(&answer, argv[1], .client = client));
        NX_TRY(nx_fetched_body(answer, &body));
        printf("%d %.*s\n", nx_fetched_status(answer), NX_FMT(body));
        NX_TRY(nx_sleep(NX_MS(30)));
    }
    nx_client_free(client);
    return NX_OK;
}

int main(int argc, char **argv)
{
    nx_err err = argc == 4 ? run(argv) : NX_EUSAGE;
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    return err;
}
