/* The server of the static rows: static.c PORT DIRECTORY */
#include <nexus/http.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    long port = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
    if (port < 1 || port > 65534) {
        fprintf(stderr, "usage: static.c PORT DIRECTORY\n");
        return NX_EUSAGE;
    }
    NX_AUTO(nx_http_server) *server = nx_http_server_new(.port = (uint16_t)port);
    nx_http_static(server, "/", argv[2]);
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    return err;
}
