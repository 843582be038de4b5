/* A program that is WebAssembly, in the app's process. */
#include "cli/wasm_app.h"

#include "cli/serve_output.h"
#include "cli/wasm_policy.h"
#include "module/artifact.h"
#include "permission/broker.h"
#include "wasm/service.h"
#include "wasm/wasi.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
    const struct nx__run *run;
    int fd;
} app;

/* "HOST::GUEST", or one name for both. */
static void directory(const char *text, char *copy, size_t size, nx_wasm_dir *out)
{
    (void)snprintf(copy, size, "%s", text);
    char *cut = strstr(copy, "::");
    if (cut) *cut = '\0';
    *out = (nx_wasm_dir){.path = copy, .guest = cut ? cut + 2 : copy};
}

/* What its nexus.toml says about fuel comes after it was compiled. */
static nx_err code_open(const struct nx__run *run, bool metered, int *fd)
{
    char real[4096];
    *fd = app.fd;
    if (metered || !run->wasm.fuel || nx__is_artifact(run->file)) return NX_OK;
    if (!realpath(run->file, real))
        return nx__error_system(errno, "cannot read \"%.150s\"", run->file);
    (void)close(app.fd);
    return nx__broker_import(real, NX__IMPORT_METERED, fd);
}

static nx_err program(int argc, char **argv, int *code)
{
    enum { TEXT = 4096 };
    static char copies[NX__DIRS_MOST][TEXT];
    static nx_wasm_dir dirs[NX__DIRS_MOST + 1];
    static struct nx__run run;
    (void)argc;
    run = *app.run;
    int fd;
    NX_TRY(nx__wasm_policy_read(&run));
    for (size_t i = 0; i < run.dirs_count; i++) {
        directory(run.dirs[i], copies[i], TEXT, &dirs[i]);
        dirs[i].write = !run.dirs_read_only[i];
    }
    run.env[run.env_count] = NULL;
    run.wasm.args = (const char *const *)argv;
    run.wasm.env = run.env;
    run.wasm.allow_fs = dirs;
    NX_TRY(code_open(&run, app.run->wasm.fuel != 0, &fd));
    const struct nx__wasm_serving serving = {.name = run.file,
                                             .host = run.serve.host,
                                             .port = run.serve.port,
                                             .cert = run.serve.cert,
                                             .key = run.serve.key,
                                             .workers = run.serve.workers,
                                             .max_body = run.serve.body,
                                             .uses = run.serve.uses,
                                             .policy = &run.wasm};
    *code = 0;
    if (!run.serve.host) return nx__wasi_run(fd, run.file, &run.wasm, code);
    nx__serve_output_begin();
    nx_err err = nx__wasm_serve(fd, &serving);
    nx__serve_output_end();
    return err;
}

static int wasm_main(int argc, char **argv)
{
    int code;
    nx_err err = program(argc, argv, &code);
    return err ? (int)err : code; /* what has failed is said behind it */
}

int (*nx__wasm_app(const struct nx__run *run, int fd))(int argc, char **argv)
{
    app.run = run;
    app.fd = fd;
    return wasm_main;
}
