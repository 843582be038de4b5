/* nexus serve */
#include "cli/cli.h"
#include "cli/launcher.h"
#include "module/module.h"
#include "permission/permission.h"
#include <stdio.h>
#include <nexus/http.h>
#include <stdlib.h>

enum { HOST_MOST = 256 };

/* "127.0.0.1:8080", "[::1]:0". */
static nx_err address(const char *text, struct nx__run *run)
{
    static char host[HOST_MOST], grant[HOST_MOST + 32];
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    unsigned long port = colon && colon[1] ? strtoul(colon + 1, &end, 10) : 0;
    bool bracketed = *text == '[' && colon && colon > text + 2 && colon[-1] == ']';
    size_t len = colon ? (size_t)(colon - text) : 0;
    bool taken;
    if (!len || len >= HOST_MOST || !end || *end || colon[1] < '0' || colon[1] > '9' ||
        port > UINT16_MAX || port == NX_HTTP_ANY_PORT)
        return nx__error_set(NX_EUSAGE, "--addr takes HOST:PORT, as in 127.0.0.1:8080, not \"%.100s\"", text);
    (void)snprintf(host, sizeof host, "%.*s", (int)(bracketed ? len - 2 : len), text + bracketed);
    (void)snprintf(grant, sizeof grant, "--allow-net=%s", text);
    run->serve_host = host;
    run->serve_port = (uint16_t)port;
    return nx__permissions_parse(&run->permissions, grant, &taken);
}

/* Takes --addr out of the arguments; what is behind the file is the launcher's to read. */
static nx_err take(int *argc, char **argv, struct nx__run *run)
{
    int kept = 1;
    nx_err err = NX_OK;
    const char *where = "127.0.0.1:8080";
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--addr") == 0 && i + 1 < *argc)
            where = argv[++i];
        else if (strncmp(argv[i], "--addr=", 7) == 0)
            where = argv[i] + 7;
        else
            argv[kept++] = argv[i];
    }
    argv[kept] = NULL;
    *argc = kept;
    err = address(where, run);
    return err;
}

static int run(int argc, char **argv)
{
    static struct nx__run options;
    nx_err err = take(&argc, argv, &options);
    if (err) return nx__cli_fail(err);
    return nx__run_with(&options, &nx__command_serve, argc, argv);
}

const struct nx__command nx__command_serve = {
    .name = "serve",
    .summary = "serve HTTP by a WebAssembly component",
    .flags = nx__serve_flags,
    .argument = NX__OFFER_SOURCES,
    .help =
        "Usage: nexus serve [--addr HOST:PORT] [FLAGS] FILE.wasm\n"
        "\n"
        "Serves by a component of wasi:http, 0.2 or 0.3, of which each request has an instance of its own, and says where on\n"
        "stdout. --addr is its own grant.\n"
        "SIGTERM stops it when what is in flight is done; SIGHUP takes the file anew without a lost request.\n"
        "\n"
        "  --addr HOST:PORT         where (127.0.0.1:8080); port 0: any that is free\n"
        "  --watch                  take the file anew when it changes\n"
        "  ...                      and the flags of nexus run for WebAssembly, whose limits are for each request\n"
        "\n"
        "Examples:\n"
        "  nexus serve --addr 127.0.0.1:0 hello.wasm\n"
        "  nexus serve --deadline=5s --max-memory=64M --env LEVEL=5 hello.wasm\n",
    .run = run,
};
