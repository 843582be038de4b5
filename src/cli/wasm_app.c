/* A program that is WebAssembly, in the app's process. */
#include "cli/wasm_app.h"

#include "cli/cli.h"
#include "wasm/wasi.h"
#include <stdio.h>

static struct {
    const struct nx__run *run;
    int fd;
} app;

/* "HOST::GUEST", or one name for both. */
static void directory(const char *text, char *copy, size_t size, struct nx__wasi_directory *out)
{
    (void)snprintf(copy, size, "%s", text);
    char *cut = strstr(copy, "::");
    if (cut) *cut = '\0';
    *out = (struct nx__wasi_directory){.host = copy, .guest = cut ? cut + 2 : copy};
}

static int wasm_main(int argc, char **argv)
{
    enum { TEXT = 4096 };
    static char copies[NX__DIRS_MOST][TEXT];
    static struct nx__wasi_directory directories[NX__DIRS_MOST];
    const struct nx__run *run = app.run;
    for (size_t i = 0; i < run->dirs_count; i++)
        directory(run->dirs[i], copies[i], TEXT, &directories[i]);
    const struct nx__wasi_options options = {.args = (const char *const *)argv,
                                             .arg_count = (size_t)argc,
                                             .env = run->env,
                                             .env_count = run->env_count,
                                             .directories = directories,
                                             .directory_count = run->dirs_count};
    int code;
    nx_err err = nx__wasi_run(app.fd, run->file, &options, &code);
    return err ? nx__cli_fail(err) : code;
}

int (*nx__wasm_app(const struct nx__run *run, int fd))(int argc, char **argv)
{
    app.run = run;
    app.fd = fd;
    return wasm_main;
}
