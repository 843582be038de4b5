/* Programs in one call: what goes in and comes out, how they end, and what keeps them from it. */
#include "process_test.h"

#include <fcntl.h>
#include <sys/resource.h>

NX_TEST("a program is run, and what it has written comes back")
{
    nx_run_result r;
    nx_expect_ok(nx_run(&r, NX_ARGV("echo", "hello", "wide  world")));
    nx_expect(r.end.ok && r.end.code == 0 && r.end.signal == 0);
    nx_expect_eq(r.out, "hello wide  world\n");
    nx_expect_eq(r.out.data[r.out.len], '\0');
    nx_expect_eq(r.err, "");
    nx_expect_ok(nx_run(&r, NX_SHELL("echo out; echo err >&2; exit 3")));
    nx_expect(!r.end.ok);
    nx_expect_eq(r.end.code, 3);
    nx_expect_eq(r.out, "out\n");
    nx_expect_eq(r.err, "err\n");
    nx_expect_ok(nx_run(&r, NX_SHELL("kill -9 $$")));
    nx_expect(!r.end.ok && r.end.code == -1 && r.end.signal == SIGKILL);
    nx_expect_ok(nx_run(&r, NX_SHELL("echo 1; echo 2 >&2; echo 3"), .err = NX_IO_OUT));
    nx_expect_eq(r.out, "1\n2\n3\n");
    nx_expect_eq(r.err, "");
    nx_expect(no_zombie());
}

NX_TEST("an argument is never a shell's")
{
    nx_run_result r;
    nx_expect_ok(nx_run(&r, NX_ARGV("printf", "[%s]", "$HOME; `id` \"*", "")));
    nx_expect_eq(r.out, "[$HOME; `id` \"*][]");
    nx_expect_ok(nx_run(&r, NX_ARGV("sh", "-c", "printf %s \"$1\"", "sh", "a'; exit 9; '")));
    nx_expect_eq(r.out, "a'; exit 9; '");
}

NX_TEST("what a program reads is given to it, as much as it wants")
{
    enum { SIZE = 3 << 20 };
    char *text = nx_alloc(SIZE);
    nx_run_result r;
    for (size_t i = 0; i < SIZE; i++) text[i] = (char)('a' + i * 7 % 26);
    nx_expect_ok(nx_run(&r, NX_ARGV("cat"), .input = nx_slice(text, SIZE)));
    nx_expect(nx_bytes_eq(r.out, nx_slice(text, SIZE)));
    nx_expect_ok(nx_run(&r, NX_ARGV("head", "-c", "3"), .input = nx_slice(text, SIZE)));
    nx_expect(r.end.ok);
    nx_expect_eq(r.out, "aho");
    nx_expect_ok(nx_run(&r, NX_ARGV("cat"))); /* nothing */
    nx_expect_eq(r.out, "");
    nx_expect_ok(nx_run(&r, NX_ARGV("true"), .input = nx_slice(text, SIZE)));
    nx_expect(r.end.ok);
}

NX_TEST("with check a bad end is an error that says why")
{
    nx_run_result r;
    nx_expect_ok(nx_run(&r, NX_ARGV("true"), .check = true));
    nx_expect_err(NX_EFAILED, nx_run(&r, NX_ARGV("false"), .check = true));
    nx_expect_eq(nx_error_last()->message, "\"false\" ended with code 1");
    nx_expect_err(NX_EFAILED,
                  nx_run(&r, NX_SHELL("echo a >&2; echo 'b c' >&2; exit 2"), .check = true));
    nx_expect_eq(nx_error_last()->message, "\"/bin/sh\" ended with code 2: b c");
    nx_expect_eq(r.end.code, 2);
    nx_expect_err(NX_EFAILED,
                  nx_run(&r, NX_SHELL("printf 'a\\033[2Jb\\r\\n' >&2; exit 1"), .check = true));
    nx_expect_eq(nx_error_last()->message, "\"/bin/sh\" ended with code 1: a[2Jb");
    nx_expect_err(NX_EFAILED, nx_run(&r, NX_SHELL("echo said; kill -TERM $$"), .check = true));
    nx_expect_eq(nx_error_last()->message, "\"/bin/sh\" was ended by SIGTERM: said");
}

NX_TEST("where it runs, and in which environment")
{
    nx_run_result r;
    const char *dir = realpath(nx_test_dir(), NULL);
    nx_require_eq(setenv("NX_TEST_INHERITED", "yes", 1), 0);
    nx_require_eq(setenv("NX_TEST_OTHER", "old", 1), 0);
    nx_expect_ok(nx_run(&r, NX_ARGV("pwd"), .cwd = nx_test_dir()));
    nx_expect_eq(nx_slice(r.out.data, r.out.len - 1), dir);
    free((char *)dir);
    const char *show = "echo $NX_TEST_INHERITED,$NX_TEST_OTHER,$NX_TEST_ADDED,${NX_TEST_GONE-none}";
    nx_require_eq(setenv("NX_TEST_GONE", "there", 1), 0);
    nx_expect_ok(nx_run(
        &r, NX_SHELL(show),
        .env = NX_ARGV("NX_TEST_OTHER=new", "NX_TEST_ADDED=a=b", "NX_TEST_GONE", "NX_TEST_NEVER")));
    nx_expect_eq(r.out, "yes,new,a=b,none\n");
    nx_expect_ok(nx_run(&r, NX_ARGV("env"), .clear_env = true, .env = NX_ARGV("A=1", "A=2")));
    nx_expect_eq(r.out, "A=2\n");
    nx_expect_ok(nx_run(&r, NX_ARGV("env"), .clear_env = true));
    nx_expect_eq(r.out, "");
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV("env"), .env = NX_ARGV("=x")));
    nx_expect_contains(nx_error_last()->message, "has no name");
}

NX_TEST("a name is looked for in the PATH that the program gets")
{
    nx_run_result r;
    (void)file("nx-tool", "#!/bin/sh\necho tool \"$0\"\n", 0755);
    (void)file("plain", "#!/bin/sh\n", 0644);
    nx_require_eq(mkdir(at("sub"), 0755), 0);
    nx_require_eq(mkdir(at("sub/echo"), 0755), 0);
    nx_expect_err(NX_ENOENT, nx_run(&r, NX_ARGV("nx-tool")));
    nx_expect_contains(nx_error_last()->message,
                       "cannot run \"nx-tool\": no such program in PATH (");
    nx_expect_ok(nx_run(&r, NX_ARGV("nx-tool"),
                        .env = NX_ARGV(nx_format("PATH=:rel:%s:/bin", nx_test_dir()))));
    nx_expect_eq(r.out, nx_format("tool %s\n", at("nx-tool")));
    /* What is no absolute path is passed over, and a directory is no program. */
    nx_expect_err(NX_ENOENT,
                  nx_run(&r, NX_ARGV("nx-tool"), .cwd = nx_test_dir(), .env = NX_ARGV("PATH=:.")));
    nx_expect_contains(nx_error_last()->message, "no such program in PATH (:.)");
    nx_expect_ok(nx_run(&r, NX_ARGV("echo", "a"),
                        .env = NX_ARGV(nx_format("PATH=%s:/usr/bin:/bin", at("sub")))));
    nx_expect_err(NX_EACCES, nx_run(&r, NX_ARGV("plain"),
                                    .env = NX_ARGV(nx_format("PATH=%s", nx_test_dir()))));
    nx_expect_contains(nx_error_last()->message, "is not executable");
    nx_expect_err(NX_ENOENT, nx_run(&r, NX_ARGV("nx-tool"), .clear_env = true));
    nx_expect_contains(nx_error_last()->message, "(/usr/local/bin:/usr/bin:/bin)");
    /* A path is taken from where it runs. */
    nx_expect_ok(nx_run(&r, NX_ARGV("./nx-tool"), .cwd = nx_test_dir()));
    nx_require_eq(chdir(nx_test_dir()), 0);
    nx_expect_ok(nx_run(&r, NX_ARGV("./nx-tool"), .check = true));
    nx_expect_ok(nx_run(&r, NX_ARGV("../nx-tool"), .cwd = "sub", .check = true));
    nx_expect_err(NX_ENOENT, nx_run(&r, NX_ARGV("./nx-tool"), .cwd = "sub"));
}

NX_TEST("what can't be run says why")
{
    nx_run_result r;
    nx_expect_err(NX_EINVAL, nx_run(&r, NULL));
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV(NULL)));
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV("")));
    nx_expect_eq(nx_error_last()->message, "cannot run a program without a name");
    nx_expect_err(NX_ENOENT, nx_run(&r, NX_ARGV(at("none"))));
    nx_expect_contains(nx_error_last()->message, "none\": no such file");
    nx_expect_err(NX_EACCES, nx_run(&r, NX_ARGV(file("plain", "#!/bin/sh\n", 0644))));
    nx_expect_contains(nx_error_last()->message, "it is not executable (chmod +x)");
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV(nx_test_dir())));
    nx_expect_contains(nx_error_last()->message, "it is a directory");
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV(file("words", "echo hello\n", 0755))));
    nx_expect_contains(nx_error_last()->message, "no script with an interpreter");
    if (under_valgrind()) nx_skip("valgrind says something else of a lost interpreter");
    nx_expect_err(NX_ENOENT, nx_run(&r, NX_ARGV(file("lost", "#!/no/such/sh\n", 0755))));
    nx_expect_contains(nx_error_last()->message, "its interpreter, which");
    nx_expect_err(NX_ENOENT, nx_run(&r, NX_ARGV(at("plain/x"))));
    nx_expect_err(NX_ENOENT, nx_run(&r, NX_ARGV("true"), .cwd = at("none")));
    nx_expect_contains(nx_error_last()->message, "none\", its directory: no such file");
    nx_expect_err(NX_ENOENT, nx_run(&r, NX_ARGV("true"), .cwd = at("plain")));
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV("true"), .cwd = ""));
    char *longest = nx_alloc(5000);
    memset(longest, 'x', 4999);
    longest[0] = '/';
    longest[4999] = '\0';
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV(longest)));
    nx_expect(no_zombie());
}

NX_TEST("arguments that are too long are refused by the system")
{
    nx_run_result r;
    enum { LONG = 200 * 1024 };
    if (under_valgrind()) nx_skip("valgrind has its own limit");
    char *argument = nx_alloc(LONG);
    memset(argument, 'x', LONG - 1);
    argument[LONG - 1] = '\0';
    nx_expect_err(NX_ETOOBIG, nx_run(&r, NX_ARGV("true", argument)));
    nx_expect_contains(nx_error_last()->message, "its arguments and environment are too long");
    nx_expect_ok(nx_run(&r, NX_ARGV("true"))); /* the system is as well as before */
}

NX_TEST("options that don't go together")
{
    nx_run_result r;
    nx_process *p;
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV("cat"), .input = nx_str("a"), .in = NX_IO_NULL));
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV("cat"), .in = NX_IO_OUT));
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV("cat"), .out = NX_IO_FROM(NULL)));
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV("cat"), .in = NX_IO_FROM(NULL)));
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV("cat"), .in = NX_IO_APPEND("x")));
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV("cat"), .in = NX_IO_FILE(NULL)));
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV("cat"), .in = NX_IO_FD(-1)));
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV("cat"), .in = {.kind = (nx_io_kind)99}));
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV("cat"), .timeout = -1));
    nx_expect_err(NX_EINVAL,
                  nx_run(&r, NX_ARGV("cat"), .terminal = {.rows = 20}, .out = NX_IO_NULL));
    nx_expect_err(NX_EINVAL,
                  nx_process_start(&p, NX_ARGV("cat"), .detached = true, .timeout = NX_S(1)));
    nx_expect_err(NX_EINVAL, nx_process_start(&p, NX_ARGV("cat"), .check = true));
    nx_expect_contains(nx_error_last()->message, "nx_run's alone");
    nx_expect(p == NULL);
}

NX_TEST("files stand in for what it reads and writes")
{
    nx_run_result r;
    nx_bytes text;
    (void)file("in", "b\na\n", 0644);
    nx_expect_ok(nx_run(&r, NX_ARGV("sort"), .in = NX_IO_FILE(at("in")),
                        .out = NX_IO_FILE(at("out")), .check = true));
    nx_expect_eq(r.out, "");
    nx_require_ok(nx_fs_read_file(at("out"), &text));
    nx_expect_eq(text, "a\nb\n");
    nx_expect_ok(nx_run(&r, NX_SHELL("echo c; echo d >&2"), .out = NX_IO_APPEND(at("out")),
                        .err = NX_IO_OUT));
    nx_require_ok(nx_fs_read_file(at("out"), &text));
    nx_expect_eq(text, "a\nb\nc\nd\n");
    nx_expect_ok(nx_run(&r, NX_ARGV("echo", "e"), .out = NX_IO_FILE(at("out"))));
    nx_require_ok(nx_fs_read_file(at("out"), &text));
    nx_expect_eq(text, "e\n");
    int fd = open(at("in"), O_RDONLY | O_CLOEXEC);
    nx_expect_ok(nx_run(&r, NX_ARGV("cat"), .in = NX_IO_FD(fd), .err = NX_IO_NULL));
    nx_expect_eq(r.out, "b\na\n");
    nx_expect_eq(close(fd), 0); /* still the caller's */
    nx_expect_err(NX_ENOENT, nx_run(&r, NX_ARGV("cat"), .in = NX_IO_FILE(at("none"))));
    nx_expect_contains(nx_error_last()->message, "none\": no such file");
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV("cat"), .in = NX_IO_FD(fd)));
    nx_expect_contains(nx_error_last()->message, "cannot open its .in");
}

NX_TEST("more than is wanted ends the program")
{
    nx_run_result r;
    nx_expect_err(NX_ETOOBIG, nx_run(&r, NX_ARGV("yes"), .most = 1000));
    nx_expect_contains(nx_error_last()->message, "writes more than 1000 bytes to its standard out");
    nx_expect_eq(r.out.len, 1000);
    nx_expect_eq(r.end.signal, SIGKILL);
    nx_expect_err(NX_ETOOBIG, nx_run(&r, NX_SHELL("yes >&2"), .most = 1));
    nx_expect_contains(nx_error_last()->message, "standard error");
    nx_expect_ok(nx_run(&r, NX_ARGV("printf", "1234"), .most = 4));
    nx_expect_eq(r.out, "1234");
    nx_expect(no_zombie());
}

NX_TEST("time that is up ends all of the tree, and what came is there")
{
    nx_run_result r;
    const char *line = "sleep 1000 & echo $!; exec sleep 1000";
    nx_expect_err(NX_ETIMEDOUT, nx_run(&r, NX_SHELL(line), .timeout = NX_S(3)));
    nx_expect_contains(nx_error_last()->message, "\"/bin/sh\" was stopped: its time was up");
    nx_expect_eq(r.end.signal, SIGKILL);
    nx_require_gt(r.out.len, 1);
    nx_expect(gone(atoi(r.out.data)));
    /* With a grace it may say goodbye. */
    line = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    nx_expect_err(NX_ETIMEDOUT, nx_run(&r, NX_SHELL(line), .timeout = NX_S(3), .grace = NX_S(60)));
    nx_expect_eq(r.end.code, 7);
    nx_expect_eq(r.out, "ready\nbye\n");
    line = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    nx_expect_err(NX_ETIMEDOUT,
                  nx_run(&r, NX_SHELL(line), .timeout = NX_S(3), .grace = NX_MS(100)));
    nx_expect_eq(r.end.signal, SIGKILL);
    nx_expect(no_zombie());
}

NX_TEST("what is left behind with the pipe does not hold the call")
{
    nx_run_result r;
    nx_time begun = nx_now();
    nx_expect_ok(nx_run(&r, NX_SHELL("sleep 1000 & echo $!"), .linger = NX_MS(50)));
    nx_expect(r.end.ok);
    nx_expect_lt(nx_now() - begun, NX_S(100));
    nx_expect(gone(atoi(r.out.data)));
    /* What is late by less is still heard. */
    nx_expect_ok(nx_run(&r, NX_SHELL("(sleep 0.1; echo late) & echo early"), .linger = NX_S(60)));
    nx_expect_eq(r.out, "early\nlate\n");
    /* One that has left the group lives on, and holds nobody. */
    nx_expect_ok(nx_run(&r, NX_SHELL("setsid sh -c 'echo $$; exec sleep 1000' & sleep 0.2"),
                        .linger = NX_MS(50)));
    nx_expect_eq(kill(atoi(r.out.data), SIGKILL), 0);
}

static nx_err runs(void *arg)
{
    nx_run_result *r = arg;
    return nx_run(r, NX_SHELL("sleep 1000 & echo $!; wait"));
}

NX_TEST("a cancelled call ends the program")
{
    nx_run_result r;
    nx_fiber *fiber;
    nx_require_ok(nx_spawn(&fiber, runs, &r));
    nx_require_ok(nx_sleep(NX_MS(200)));
    nx_cancel(fiber);
    nx_expect_err(NX_ECANCELED, nx_join(fiber));
    nx_expect_eq(r.end.signal, SIGKILL);
    nx_expect(no_zombie());
    nx_require_ok(nx_spawn(&fiber, runs, &r));
    nx_cancel(fiber); /* before it has begun */
    nx_expect_err(NX_ECANCELED, nx_join(fiber));
    nx_scope *scope;
    nx_require_ok(nx_scope_open(&scope, .deadline = NX_MS(200)));
    nx_expect_err(NX_ECANCELED, nx_run(&r, NX_ARGV("sleep", "1000")));
    nx_expect_err(NX_ETIMEDOUT, nx_scope_close(&scope));
    nx_expect(no_zombie());
}

enum { MANY = 200 };

static nx_err one_of_many(void *arg)
{
    nx_run_result r;
    const char *number = nx_format("%d", (int)(intptr_t)arg);
    NX_TRY(nx_run(&r, NX_SHELL("read n; sleep 0.2; echo $n; echo $n >&2"), .check = true,
                  .input = nx_str(nx_format("%s\n", number))));
    return nx_bytes_is(r.out, nx_format("%s\n", number)) && nx_bytes_eq(r.out, r.err)
               ? NX_OK
               : nx_fail(NX_EFAILED, "%s came back as %s", number, r.out.data);
}

static size_t descriptors(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 4096; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

NX_TEST("two hundred at once", .deadline = NX_S(120))
{
    nx_scope *scope;
    nx_run_result r;
    nx_require_ok(nx_run(&r, NX_ARGV("true")));
    size_t before = descriptors();
    struct rlimit limit;
    nx_require_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int count = under_valgrind() ? 8 : MANY;
    if (limit.rlim_cur < (rlim_t)count * 8) count = (int)(limit.rlim_cur / 8);
    nx_require_ok(nx_scope_open(&scope));
    for (int i = 0; i < count; i++) nx_require_ok(nx_spawn(NULL, one_of_many, (void *)(intptr_t)i));
    nx_expect_ok(nx_scope_close(&scope));
    nx_expect_eq(descriptors(), before);
    nx_expect(no_zombie());
}

NX_TEST("the child has its three descriptors, and signals as they were")
{
    nx_run_result r;
    int kept = open("/dev/null", O_RDONLY); /* NOLINT(android-cloexec-open): that is the test */
    nx_require_gt(kept, 2);
    nx_require(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR2);
    nx_require_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    nx_expect_ok(nx_run(&r, NX_SHELL("ls /proc/self/fd | tr '\\n' ' '")));
    nx_expect_eq(r.out, "0 1 2 3 "); /* the last is its own, of the folder */
    nx_expect_ok(nx_run(&r, NX_ARGV("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"),
                        .input = nx_str("a")));
    unsigned long long blocked = 1, ignored = 0;
    const unsigned long long libc = 3ull << (32 - 1); /* its own two: posix_spawn ignores them */
    nx_expect_eq(sscanf(r.out.data, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
    nx_expect_eq(blocked, 0u);
    nx_expect_eq(ignored & ~libc, 1u << (SIGUSR1 - 1));
    nx_require_eq(close(kept), 0);
    /* A program that writes to nobody ends by itself. */
    nx_expect_ok(nx_run(&r, NX_ARGV("sh", "-c", "(yes; kill -l $? >&2) | head -n 1")));
    nx_expect_eq(r.err, "PIPE\n");
}

NX_TEST("descriptors that are few, and processes")
{
    nx_run_result r;
    struct rlimit limit, few;
    nx_require_ok(nx_run(&r, NX_ARGV("true"))); /* the loop has what it needs */
    nx_require_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    size_t open_now = descriptors();
    int lowest = dup(0); /* of the free ones: above it there may be some of who started this */
    nx_require_ge(lowest, 0);
    nx_require_eq(close(lowest), 0);
    /* Each descriptor that the call makes is the one too many once. */
    for (rlim_t more = 0; more < 12; more++) {
        few = (struct rlimit){(rlim_t)lowest + more, limit.rlim_max};
        nx_require_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        nx_err err = nx_run(&r, NX_ARGV("true"));
        nx_require_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        if (err) nx_expect_eq(err, NX_EMFILE);
        if (more == 0) nx_expect_eq(err, NX_EMFILE);
        nx_expect_eq(descriptors(), open_now);
    }
    nx_expect_ok(nx_run(&r, NX_ARGV("true"), .check = true));
    nx_expect(no_zombie());
}
