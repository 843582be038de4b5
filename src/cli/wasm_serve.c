/* nexus serve */
#include "cli/cli.h"
#include "cli/launcher.h"
#include "env/values.h"
#include "module/module.h"
#include "permission/permission.h"
#include <nexus/http.h>
#include <stdio.h>
#include <stdlib.h>

enum { HOST_MOST = 256, INSTANCES_MOST = 100000 };

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
        return nx__error_set(
            NX_EUSAGE, "--addr takes HOST:PORT, as in --addr 127.0.0.1:8080, not \"%.100s\"", text);
    (void)snprintf(host, sizeof host, "%.*s", (int)(bracketed ? len - 2 : len), text + bracketed);
    (void)snprintf(grant, sizeof grant, "--allow-listen=%s", text);
    run->serve.host = host;
    run->serve.port = (uint16_t)port;
    return nx__permissions_parse(&run->permissions, grant, &taken);
}

/* A file of HTTPS, which is its own grant. */
static nx_err file(const char *flag, const char *value, struct nx__run *run, const char **out)
{
    char grant[4096];
    bool taken;
    int n = snprintf(grant, sizeof grant, "--allow-read=%s", value ? value : "");
    if (!value || !*value || n >= (int)sizeof grant)
        return nx__error_set(NX_EUSAGE, "%s needs a file, as in %s=%s.pem", flag, flag, flag + 2);
    *out = value;
    return nx__permissions_parse(&run->permissions, grant, &taken);
}

static nx_err number(const char *flag, const char *text, enum nx__value_kind kind, int64_t most,
                     const char *example, int64_t *out)
{
    union nx__value value;
    if (!text ||
        !nx__value_parse(kind, text, (struct nx__value_range){.least = 1, .most = most}, &value))
        return nx__error_set(NX_EUSAGE, "%s needs a number from 1 to %lld%s, as in %s=%s", flag,
                             (long long)most, strcmp(flag, "--workers") == 0 ? ", or \"all\"" : "",
                             flag, example);
    *out = value.number;
    return NX_OK;
}

/* One of the command's own flags. */
static nx_err flag_parse(const char *flag, const char *value, struct nx__run *run)
{
    int64_t n = 0;
    if (strcmp(flag, "--addr") == 0) return address(value ? value : "", run);
    if (strcmp(flag, "--cert") == 0) return file(flag, value, run, &run->serve.cert);
    if (strcmp(flag, "--key") == 0) return file(flag, value, run, &run->serve.key);
    if (strcmp(flag, "--workers") == 0) {
        if (value && strcmp(value, "all") == 0) {
            run->serve.workers = NX_ALL_CORES;
            return NX_OK;
        }
        NX_TRY(number(flag, value, NX__VALUE_INT, NX_HTTP_MAX_WORKERS, "4", &n));
        run->serve.workers = (uint32_t)n;
    } else if (strcmp(flag, "--reuse") == 0) {
        NX_TRY(number(flag, value, NX__VALUE_INT, UINT32_MAX, "1000", &n));
        run->serve.uses = (uint32_t)n;
    } else if (strcmp(flag, "--max-body") == 0) {
        NX_TRY(number(flag, value, NX__VALUE_SIZE, INT64_MAX, "1M", &n));
        run->serve.body = (uint64_t)n;
    } else {
        NX_TRY(number(flag, value, NX__VALUE_INT, INSTANCES_MOST, "10000", &n));
        run->wasm.max_instances = (uint64_t)n;
    }
    return NX_OK;
}

/* Takes its own flags out of the arguments; the others are those of nexus run. */
static nx_err take(int *argc, char **argv, struct nx__run *run)
{
    static const char *const own[] = {"--addr",  "--cert",     "--key",          "--workers",
                                      "--reuse", "--max-body", "--max-instances"};
    int kept = 1;
    nx_err err = NX_OK;
    for (int i = 1; i < *argc; i++) {
        const char *flag = NULL;
        for (size_t f = 0; !flag && f < sizeof own / sizeof *own; f++) {
            size_t len = strlen(own[f]);
            if (strncmp(argv[i], own[f], len) == 0 && (argv[i][len] == '=' || !argv[i][len]))
                flag = own[f];
        }
        if (strcmp(argv[i], "--") == 0) {
            while (i < *argc) argv[kept++] = argv[i++];
            break;
        }
        if (!flag) {
            argv[kept++] = argv[i];
            continue;
        }
        const char *value = argv[i][strlen(flag)] ? argv[i] + strlen(flag) + 1 : argv[i + 1];
        if (!argv[i][strlen(flag)]) i++;
        if (!err) err = flag_parse(flag, value, run);
    }
    argv[kept] = NULL;
    *argc = kept;
    if (!err && !run->serve.cert != !run->serve.key)
        err = nx__error_set(NX_EUSAGE, "HTTPS takes both, --cert and --key");
    if (!err && !run->serve.host) err = address("127.0.0.1:8080", run);
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
        "Usage: nexus serve [--addr HOST:PORT] [FLAGS] FILE.wasm [FLAGS] [-- ARGUMENTS]\n"
        "\n"
        "Serves by a component of wasi:http, 0.2 or 0.3, and says where on stdout. Each request has an instance of its own.\n"
        "SIGTERM stops it when what is in flight is done; SIGHUP takes the file anew without a lost request.\n"
        "\n"
        "  --addr HOST:PORT         where (127.0.0.1:8080), which is its own grant; port 0: any that is free\n"
        "  --cert=FILE, --key=FILE  serve HTTPS, HTTP/2 too; they are their own grants\n"
        "  --workers=N              loops that serve, a thread each (1); all: one for each CPU\n"
        "  --watch                  take the file anew when it changes\n"
        "  --max-instances=N        requests at once; more get 503 (1000)\n"
        "  --reuse=N                requests that an instance may answer, one after the other (1)\n"
        "  --max-body=SIZE          of a request, such as 1M; more get 413 (none)\n"
        "  --deadline=TIME          of a request; then it gets 504 (120s)\n"
        "  --max-cpu-time=TIME, --max-memory=SIZE, --fuel=N: of a request\n"
        "  --dir, --dir-ro, --env, --allow-net and the other flags of nexus run for WebAssembly\n"
        "\n"
        "Examples:\n"
        "  nexus serve --addr 127.0.0.1:0 hello.wasm\n"
        "  nexus serve --workers=all --deadline=5s --max-memory=64M --env LEVEL=5 hello.wasm\n",
    .run = run,
};
