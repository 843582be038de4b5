/* Which programs a program may start. */
#include "process_test.h"

#include "permission/permission.h"
#include <nexus/env.h>

/* Runs under these flags, to what end. */
static nx_err under(const char *const *flags, const char *const *argv, const char *const *env)
{
    struct nx__permissions p = {0};
    nx_run_result r;
    for (; *flags; flags++) {
        bool taken;
        nx_require_ok(nx__permissions_parse(&p, *flags, &taken));
        nx_require(taken);
    }
    nx__permissions_seal(&p);
    nx_err err = nx_run(&r, argv, .env = env, .check = true);
    nx__permissions_seal(NULL);
    nx__permissions_free(&p);
    return err;
}

#define FLAGS(...) NX_ARGV(__VA_ARGS__)

static void setup(void)
{
    nx_require_eq(chdir(nx_test_dir()), 0);
    nx_require_eq(mkdir("bin", 0755), 0);
    nx_require_eq(mkdir("other", 0755), 0);
    (void)file("bin/nx-a", "#!/bin/sh\nexit 0\n", 0755);
    (void)file("other/nx-a", "#!/bin/sh\nexit 0\n", 0755);
    nx_require_eq(symlink("nx-a", "bin/nx-b"), 0);
    nx_require_eq(setenv("PATH", nx_format("%s:%s", at("bin"), getenv("PATH")), 1), 0);
}

NX_TEST("nothing is started without a grant, and the flag is named")
{
    setup();
    nx_expect_err(NX_EPERM, under(FLAGS(NULL), NX_ARGV("nx-a"), NULL));
    nx_expect_eq(nx_error_last()->message,
                 "starting \"nx-a\" is not allowed; run with --allow-run=nx-a");
    nx_expect_err(NX_EPERM, under(FLAGS(NULL), NX_ARGV("no-such-program"), NULL));
    nx_expect_contains(nx_error_last()->message, "--allow-run=no-such-program");
    nx_expect_err(NX_EPERM, under(FLAGS(NULL), NX_ARGV("./bin/nx-a"), NULL));
    nx_expect_contains(nx_error_last()->message, "run with --allow-run=./bin/nx-a");
    nx_expect_err(NX_EPERM, under(FLAGS(NULL), NX_SHELL("true"), NULL));
    nx_expect_contains(nx_error_last()->message, "run with --allow-run=/bin/sh");
    nx_expect_err(NX_EPERM, under(FLAGS("--allow-read", "--allow-env"), NX_ARGV("nx-a"), NULL));
}

NX_TEST("a name grants what PATH finds, a path that path")
{
    setup();
    nx_expect_ok(under(FLAGS("--allow-run"), NX_ARGV("nx-a"), NULL));
    nx_expect_ok(under(FLAGS("--allow-all"), NX_ARGV("nx-a"), NULL));
    nx_expect_ok(under(FLAGS("--allow-run=nx-a"), NX_ARGV("nx-a"), NULL));
    nx_expect_ok(under(FLAGS("--allow-run=true,nx-a"), NX_ARGV(at("bin/nx-a")), NULL));
    nx_expect_ok(under(FLAGS("--allow-run=./bin/nx-a"), NX_ARGV("nx-a"), NULL));
    nx_expect_ok(under(FLAGS("--allow-run=bin/../bin/nx-a"), NX_ARGV("./bin/nx-a"), NULL));
    nx_expect_err(NX_EPERM, under(FLAGS("--allow-run=nx-a"), NX_ARGV("true"), NULL));
    nx_expect_err(NX_EPERM, under(FLAGS("--allow-run=nx-a"), NX_ARGV("./other/nx-a"), NULL));
    nx_expect_err(NX_EPERM, under(FLAGS("--allow-run=bin"), NX_ARGV("./bin/nx-a"), NULL));
    /* One that isn't there is so to who may start it. */
    nx_expect_err(NX_ENOENT, under(FLAGS("--allow-run=nx-none"), NX_ARGV("nx-none"), NULL));
}

NX_TEST("another PATH does not put another program under a granted name")
{
    setup();
    const char *other = nx_format("PATH=%s", at("other"));
    nx_expect_err(NX_EPERM, under(FLAGS("--allow-run=nx-a"), NX_ARGV("nx-a"), NX_ARGV(other)));
    nx_expect_contains(nx_error_last()->message, nx_format("run with --allow-run=%s", at("other")));
    nx_expect_ok(under(FLAGS("--allow-run=other/nx-a"), NX_ARGV("nx-a"), NX_ARGV(other)));
    nx_expect_err(NX_EPERM, under(FLAGS("--allow-run=nx-a"), NX_ARGV("nx-a"),
                                  NX_ARGV("LD_PRELOAD=/tmp/x.so")));
    nx_expect_contains(nx_error_last()->message, "setting LD_PRELOAD for a program");
    nx_expect_ok(under(FLAGS("--allow-run=nx-a"), NX_ARGV("nx-a"), NX_ARGV("LD_PRELOAD")));
    nx_expect_ok(under(FLAGS("--allow-run"), NX_ARGV("nx-a"), NX_ARGV("LD_NX_TEST=1")));
}

/* Sets a variable of the loader in this program's environment, under these flags. */
static nx_err set_under(const char *const *flags)
{
    struct nx__permissions p = {0};
    bool taken;
    for (; *flags; flags++) nx_require_ok(nx__permissions_parse(&p, *flags, &taken));
    nx__permissions_seal(&p);
    nx_err err = nx_env_set("LD_NX_TEST", "1");
    nx__permissions_seal(NULL);
    nx__permissions_free(&p);
    (void)unsetenv("LD_NX_TEST");
    return err;
}

NX_TEST("nor does what this program sets for itself put a part into a granted program")
{
    nx_expect_err(NX_EPERM, set_under(FLAGS("--allow-env", "--allow-run=true")));
    nx_expect_contains(nx_error_last()->message, "setting LD_NX_TEST for a program");
    nx_expect_ok(set_under(FLAGS("--allow-env", "--allow-run")));
    nx_expect_ok(set_under(FLAGS("--allow-env")));
    nx_expect_ok(set_under(FLAGS("--allow-all")));
}

NX_TEST("a link is granted by its own name alone, and denied by any")
{
    setup();
    nx_expect_err(NX_EPERM, under(FLAGS("--allow-run=nx-a"), NX_ARGV("nx-b"), NULL));
    nx_expect_err(NX_EPERM, under(FLAGS("--allow-run=nx-b"), NX_ARGV("nx-a"), NULL));
    nx_expect_ok(under(FLAGS("--allow-run=nx-b"), NX_ARGV("nx-b"), NULL));
    nx_require_eq(link("bin/nx-a", "bin/nx-hard"), 0);
    static const char *const denials[] = {"--deny-run", "--deny-run=nx-a", "--deny-run=bin/nx-a"};
    for (size_t i = 0; i < sizeof denials / sizeof *denials; i++)
        nx_subtest ("%s", denials[i]) {
            nx_expect_err(NX_EPERM, under(FLAGS("--allow-all", denials[i]), NX_ARGV("nx-a"), NULL));
            nx_expect_contains(nx_error_last()->message, "\"nx-a\" is denied by --deny-run");
            nx_expect_err(NX_EPERM, under(FLAGS("--allow-run", denials[i]), NX_ARGV("nx-b"), NULL));
            nx_expect_err(NX_EPERM,
                          under(FLAGS("--allow-run", denials[i]), NX_ARGV("nx-hard"), NULL));
        }
    nx_expect_err(NX_EPERM,
                  under(FLAGS("--allow-run", "--deny-run=nx-a"), NX_ARGV("./other/nx-a"), NULL));
    nx_expect_ok(under(FLAGS("--allow-run", "--deny-run=bin/nx-a"), NX_ARGV("./other/nx-a"), NULL));
    nx_expect_ok(under(FLAGS("--allow-run", "--deny-run=nx-a"), NX_ARGV("true"), NULL));
}

NX_TEST("files that it reads and writes need grants of their own")
{
    struct nx__permissions p = {0};
    nx_run_result r;
    bool taken;
    setup();
    nx_require_ok(nx__permissions_parse(&p, "--allow-run", &taken));
    nx__permissions_seal(&p);
    nx_expect_err(NX_EPERM, nx_run(&r, NX_ARGV("cat"), .in = NX_IO_FILE("bin/nx-a")));
    nx_expect_contains(nx_error_last()->message, "--allow-read=bin/nx-a");
    nx_expect_err(NX_EPERM, nx_run(&r, NX_ARGV("true"), .out = NX_IO_FILE("log")));
    nx_expect_contains(nx_error_last()->message, "--allow-write=log");
    nx__permissions_seal(NULL);
    nx__permissions_free(&p);
}
