/* The module loader where memory runs out or system calls fail: an error, or the program as it is
 * meant, compiled without the cache if need be; never half of one. */
#include "faults.h"

#include "module/module.h"
#include <errno.h>
#include <fcntl.h>
#include <nexus/fs.h>
#include <nexus/test.h>
#include <stdlib.h>
#include <unistd.h>

static const char *path;

static nx_err compile(void)
{
    struct nx__compiled out;
    struct nx__compile_request request = {.path = path, .compiler = "tcc"};
    nx_err err = nx__module_compile(&request, &out);
    if (!err) nx_expect(out.so_fd >= 0 && out.so_path && out.input_count >= 3);
    nx__compiled_free(&out);
    return err;
}

static nx_err resolve(void)
{
    char *found, *main = NULL;
    NX_TRY(nx__resolve(path, "./part.c", &found));
    free(found);
    nx_err err = nx__project_main(nx_test_dir(), &main);
    free(main);
    return err;
}

/* What a failure has left in the cache is no trouble. */
static void compile_again(const struct faults_scenario *scenario, nx_err err, const char *failed)
{
    (void)scenario, (void)err, (void)failed;
    nx_expect_ok(compile());
}

static const struct faults_scenario scenarios[] = {
    {.name = "the cache has it", .run = compile, .after = compile_again},
    {.name = "what a name means", .run = resolve}};
enum { COUNT = sizeof scenarios / sizeof *scenarios };

static void begin(void)
{
    const char *dir = nx_test_dir();
    nx_require_eq(setenv("NEXUS_CACHE", nx_format("%s/cache", dir), 1), 0);
    path = nx_format("%s/app.c", dir);
    nx_require_ok(nx_fs_write_file(
        path, nx_str("#include \"./part.h\"\nint main(void) { return part(); }\n")));
    nx_require_ok(nx_fs_write_file(nx_format("%s/part.h", dir), nx_str("int part(void);\n")));
    nx_require_ok(
        nx_fs_write_file(nx_format("%s/part.c", dir), nx_str("int part(void) { return 7; }\n")));
    nx_require_ok(nx_fs_write_file(nx_format("%s/nexus.toml", dir), nx_str("main = \"app.c\"\n")));
}

NX_TEST("one allocation fails", .deadline = NX_S(80))
{
    begin();
    faults_run(FAULTS_MEMORY, scenarios, COUNT);
}

NX_TEST("memory runs out", .deadline = NX_S(80))
{
    begin();
    faults_run(FAULTS_NO_MEMORY, scenarios, COUNT);
}

NX_TEST("system calls fail", .deadline = NX_S(80))
{
    static const int all[] = {EIO, EMFILE, ENOSPC, EINTR, FAULTS_SHORT};
    begin();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) faults_run(all[i], scenarios, COUNT);
}
