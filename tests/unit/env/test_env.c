/* Environment variables: typed, set, listed, granted, and out of files. */
#include "env/env.h"
#include "permission/environment.h"
#include "permission/permission.h"
#include <nexus/env.h>
#include <nexus/fs.h>
#include <nexus/test.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *message(void)
{
    return nx_error_last()->message;
}

NX_TEST("a variable is read, set and removed")
{
    nx_expect_eq(nx_env("NX_T"), NULL);
    nx_expect_eq(nx_error_last()->code, NX_ENOENT);
    nx_expect_eq(message(), "NX_T is not set");
    nx_expect_ok(nx_env_set("NX_T", "one"));
    const char *one = nx_env("NX_T");
    nx_expect_ok(nx_env_set("NX_T", "two"));
    nx_expect_eq(one, "one"); /* a copy */
    nx_expect_eq(nx_env("NX_T"), "two");
    nx_expect_eq(getenv("NX_T"), "two");
    nx_expect_ok(nx_env_unset("NX_T"));
    nx_expect_ok(nx_env_unset("NX_T"));
    nx_expect_eq(getenv("NX_T"), NULL);
}

NX_TEST("what is no name is refused")
{
    nx_expect_err(NX_EINVAL, nx_env_set("", "x"));
    nx_expect_err(NX_EINVAL, nx_env_set("A=B", "x"));
    nx_expect_contains(message(), "cannot set \"A=B\"");
    nx_expect_err(NX_EINVAL, nx_env_unset("A=B"));
    nx_expect_eq(nx_env(NULL), NULL);
    nx_expect_eq(nx_error_last()->code, NX_EINVAL);
}

NX_TEST("values are typed, and a default stays where there is none")
{
    int64_t n = 3000;
    bool yes = true;
    double x = 0.5;
    nx_duration span = NX_S(5);
    int64_t size = 42;
    const char *text = "fallback";
    nx_expect_ok(nx_env_int("NX_T", &n));
    nx_expect_ok(nx_env_bool("NX_T", &yes));
    nx_expect_ok(nx_env_number("NX_T", &x));
    nx_expect_ok(nx_env_duration("NX_T", &span));
    nx_expect_ok(nx_env_size("NX_T", &size));
    nx_expect_ok(nx_env_text("NX_T", &text));
    nx_expect(n == 3000 && yes && x == 0.5 && span == NX_S(5) && size == 42);
    nx_expect_eq(text, "fallback");

    (void)setenv("NX_T", "80", 1);
    nx_expect_ok(nx_env_int("NX_T", &n, .least = 1, .most = 65535));
    nx_expect_ok(nx_env_size("NX_T", &size));
    nx_expect_ok(nx_env_number("NX_T", &x));
    nx_expect_ok(nx_env_text("NX_T", &text));
    nx_expect(n == 80 && size == 80 && x == 80);
    nx_expect_eq(text, "80");
    (void)setenv("NX_T", "off", 1);
    nx_expect_ok(nx_env_bool("NX_T", &yes));
    nx_expect(!yes);
    (void)setenv("NX_T", "1m", 1);
    nx_expect_ok(nx_env_duration("NX_T", &span));
    nx_expect_eq(span, NX_S(60));
    nx_expect_ok(nx_env_size("NX_T", &size));
    nx_expect_eq(size, 1 << 20);

    (void)setenv("NX_T", "", 1);
    nx_expect_ok(nx_env_int("NX_T", &n));
    nx_expect_eq(n, 80);
    nx_expect_ok(nx_env_text("NX_T", &text));
    nx_expect_eq(text, "");
    (void)unsetenv("NX_T");
}

NX_TEST("a wrong value is told, and changes nothing")
{
    int64_t n = 7;
    (void)setenv("NX_T", "80a", 1);
    nx_expect_err(NX_EINVAL, nx_env_int("NX_T", &n));
    nx_expect_eq(message(), "cannot use NX_T=\"80a\": expected a whole number");
    (void)setenv("NX_T", "70000", 1);
    nx_expect_err(NX_EINVAL, nx_env_int("NX_T", &n, .least = 1, .most = 65535));
    nx_expect_contains(message(), "expected a whole number from 1 to 65535");
    (void)setenv("NX_T", "\033[31m", 1);
    nx_expect_err(NX_EINVAL, nx_env_duration("NX_T", &n));
    nx_expect_eq(message(), "cannot use NX_T=\"[31m\": expected a span such as 250ms, 5s or 1h30m");
    nx_expect_err(NX_EINVAL, nx_env_size("NX_T", &n));
    bool yes = false;
    double x = 0;
    nx_expect_err(NX_EINVAL, nx_env_bool("NX_T", &yes));
    nx_expect_err(NX_EINVAL, nx_env_number("NX_T", &x));
    nx_expect_eq(n, 7);
    (void)setenv("NX_T", "", 1);
    nx_expect_err(NX_ENOENT, nx_env_int("NX_T", &n, .required = true));
    nx_expect_eq(message(), "NX_T is empty, and is required");
    (void)unsetenv("NX_T");
    const char *text;
    nx_expect_err(NX_ENOENT, nx_env_text("NX_T", &text, .required = true));
    nx_expect_eq(message(), "NX_T is not set, and is required");
}

NX_TEST("what is not granted is refused by its flag, and is not listed")
{
    struct nx__permissions p = {0};
    bool taken;
    nx_require_ok(nx__permissions_parse(&p, "--allow-env=NX_T_GRANTED", &taken));
    (void)setenv("NX_T_GRANTED", "yes", 1);
    (void)setenv("NX_T_OTHER", "no", 1);
    nx__permissions_seal(&p);
    const char *granted = nx_env("NX_T_GRANTED"), *other = nx_env("NX_T_OTHER");
    nx_err code = nx_error_last()->code;
    const char *said = nx_copy(nx_str(message()));
    int64_t n;
    nx_err typed = nx_env_int("NX_T_OTHER", &n), set = nx_env_set("NX_T_OTHER", "1"),
           unset = nx_env_unset("NX_T_OTHER");
    nx_env_variable *list;
    size_t count, found = 0, foreign = 0;
    nx_err listed = nx_env_list(&list, &count);
    nx__permissions_seal(NULL);
    nx__permissions_free(&p);
    nx_expect_eq(granted, "yes");
    nx_expect_eq(other, NULL);
    nx_expect_eq(code, NX_EPERM);
    nx_expect_eq(said, "the environment variable NX_T_OTHER is not allowed; run with "
                       "--allow-env=NX_T_OTHER");
    nx_expect_eq(typed, NX_EPERM);
    nx_expect_eq(set, NX_EPERM);
    nx_expect_eq(unset, NX_EPERM);
    nx_require_ok(listed);
    for (size_t i = 0; i < count; i++) {
        found += strcmp(list[i].name, "NX_T_GRANTED") == 0;
        foreign += strcmp(list[i].name, "NX_T_OTHER") == 0;
        if (i) nx_expect(strcmp(list[i - 1].name, list[i].name) < 0);
    }
    nx_expect_eq(found, 1);
    nx_expect_eq(foreign, 0);
}

/* In a process of its own, since nothing brings back what is wiped. */
NX_TEST("a sealed environment has what is granted, and what says no more than where it runs")
{
    (void)setenv("NX_T_GRANTED", "yes", 1);
    (void)setenv("NX_T_SECRET", "no", 1);
    (void)setenv("HOME", "/home/ada", 1);
    (void)setenv("LC_TIME", "C", 1);
    (void)setenv("TZ", "UTC", 1);
    char *secret = getenv("NX_T_SECRET");
    pid_t child = fork();
    if (child == 0) {
        struct nx__permissions p = {0};
        bool taken;
        nx_require_ok(nx__permissions_parse(&p, "--allow-env=NX_T_GRANTED", &taken));
        nx_require_ok(nx__permissions_parse(&p, "--deny-env=TZ", &taken));
        nx__environment_seal(&p);
        nx_expect_eq(getenv("NX_T_GRANTED"), "yes");
        nx_expect_eq(getenv("NX_T_SECRET"), NULL);
        nx_expect_eq(secret, ""); /* its text too */
        nx_expect_eq(getenv("HOME"), "/home/ada");
        nx_expect_eq(getenv("LC_TIME"), "C");
        nx_expect_eq(getenv("TZ"), NULL); /* a deny wins */
        struct nx__permissions all = {.all = true};
        nx__environment_seal(&all);
        nx_expect_eq(getenv("HOME"), "/home/ada");
        _exit(0);
    }
    int status;
    nx_require_eq(waitpid(child, &status, 0), child);
    nx_expect_eq(status, 0);
    nx_expect_eq(secret, "no");
    (void)unsetenv("NX_T_GRANTED");
    (void)unsetenv("NX_T_SECRET");
}

/* ---- Files */

static const char *parsed(const char *text)
{
    nx_env_variable *list;
    size_t count;
    if (nx_env_parse(nx_str(text), &list, &count)) return message();
    const char *all = "";
    for (size_t i = 0; i < count; i++)
        all = nx_format("%s%s<%s>", all, list[i].name, list[i].value);
    return all;
}

NX_TEST("the text of a file is read by its rules")
{
    static const struct {
        const char *text, *result;
    } rows[] = {
        {"", ""},
        {"\n# nothing\n   \n", ""},
        {"A=1", "A<1>"},
        {"A=1\nB=2\n", "A<1>B<2>"},
        {"A=1\r\nB=2\r\n", "A<1>B<2>"},
        {"\xef\xbb\xbf"
         "A=1",
         "A<1>"},
        {"  A \t= one two \t # why\n", "A<one two>"},
        {"A=one#two", "A<one#two>"},
        {"A=#two", "A<>"},
        {"A=", "A<>"},
        {"A=\nB=2", "A<>B<2>"},
        {"A==b=", "A<=b=>"},
        {"export A=1\nexport\tB=2", "A<1>B<2>"},
        {"exportA=1", "exportA<1>"},
        {"export=1", "export<1>"},
        {"A='$HOME `x` \\n # no'", "A<$HOME `x` \\n # no>"},
        {"A=\"a\\nb\\t\\\"\\\\\\$x\\q\" # c", "A<a\nb\t\"\\$x\\q>"},
        {"A=`it's \"so\"`", "A<it's \"so\">"},
        {"A=\"one\ntwo\"\nB=3", "A<one\ntwo>B<3>"},
        {"A='x'", "A<x>"},
        {"A=it's", "A<it's>"},
        {"A=$(id) ${B}", "A<$(id) ${B}>"},
        {"A=1\nA=2", "A<1>A<2>"},
        {"A", "line 1: expected NAME=VALUE, not \"A\""},
        {"A=1\n\n\033oh\n", "line 3: expected NAME=VALUE, not \"?oh\""},
        {"=1", "line 1: \"\" is no name of a variable"},
        {"1A=1", "line 1: \"1A\" is no name of a variable"},
        {"A-B=1", "line 1: \"A-B\" is no name of a variable"},
        {"A='\n\nB=1\n", "line 1: the quote that begins here never ends"},
        {"A='x\ny' z\n", "line 2: there is more behind the quote's end"},
        {"A=\"\\\"", "line 1: the quote that begins here never ends"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("row %zu", i) {
            nx_expect_eq(parsed(rows[i].text), rows[i].result);
        }
    nx_env_variable *list;
    size_t count;
    nx_expect_err(NX_EINVAL, nx_env_parse(nx_slice("A=1\nB=\0", 7), &list, &count));
    nx_expect_eq(message(), "line 2: a zero byte, which no variable can have");
    char *large = nx_alloc(NX_ENV_FILE_MOST + 1);
    memset(large, '#', NX_ENV_FILE_MOST + 1);
    nx_expect_ok(nx_env_parse(nx_slice(large, NX_ENV_FILE_MOST), &list, &count));
    nx_expect_err(NX_ETOOBIG, nx_env_parse(nx_slice(large, NX_ENV_FILE_MOST + 1), &list, &count));
}

NX_TEST("a file of more variables than may be set sets none")
{
    enum { LINE = 16, MORE = NX_ENV_FILE_VARIABLES_MOST + 1 };
    const char *path = nx_format("%s/.env", nx_test_dir());
    char *text = nx_alloc(MORE * LINE);
    size_t len = 0;
    for (int i = 0; i < MORE; i++) len += (size_t)snprintf(text + len, LINE, "NX_T_%d=\n", i);
    nx_require_ok(nx_fs_write_file(path, nx_slice(text, len)));
    nx_expect_err(NX_ETOOBIG, nx_env_load(path));
    nx_expect_contains(message(), "it has 4097 variables, and may have 4096");
    nx_expect(!getenv("NX_T_0"));
}

NX_TEST("a file sets what isn't set, unless it is to override")
{
    const char *path = nx_format("%s/.env", nx_test_dir());
    nx_require_ok(nx_fs_write_file(path, nx_str("NX_T_A=1\nNX_T_B=2\nNX_T_B=3\n")));
    (void)setenv("NX_T_A", "mine", 1);
    nx_expect_ok(nx_env_load(path));
    nx_expect_eq(getenv("NX_T_A"), "mine");
    nx_expect_eq(getenv("NX_T_B"), "3");
    nx_expect_ok(nx_env_load(path, .override = true));
    nx_expect_eq(getenv("NX_T_A"), "1");

    nx_require_ok(nx_fs_write_file(path, nx_str("NX_T_C=1\noh\n")));
    nx_expect_err(NX_EINVAL, nx_env_load(path));
    nx_expect_contains(message(), "/.env\": line 2: expected NAME=VALUE");
    nx_expect_eq(getenv("NX_T_C"), NULL);
    nx_expect_err(NX_ENOENT, nx_env_load(nx_format("%s/none", nx_test_dir())));
    (void)unsetenv("NX_T_A");
    (void)unsetenv("NX_T_B");
}

NX_TEST("of several files the last one counts, behind what is set")
{
    const char *a = nx_format("%s/a", nx_test_dir()), *b = nx_format("%s/b", nx_test_dir()),
               *none = nx_format("%s/none", nx_test_dir());
    nx_require_ok(nx_fs_write_file(a, nx_str("NX_T_A=a\nNX_T_B=a\nNX_T_C=a\n")));
    nx_require_ok(nx_fs_write_file(b, nx_str("NX_T_A=b\nNX_T_B=b\n")));
    (void)setenv("NX_T_A", "mine", 1);
    const char *files[] = {a, b};
    nx_expect_ok(nx__env_files(files, 2));
    nx_expect_eq(getenv("NX_T_A"), "mine");
    nx_expect_eq(getenv("NX_T_B"), "b");
    nx_expect_eq(getenv("NX_T_C"), "a");
    files[1] = none;
    nx_expect_err(NX_ENOENT, nx__env_files(files, 2));
    nx_expect_contains(message(), "none\": no such file");
    files[0] = nx_test_dir();
    nx_expect_err(NX_EINVAL, nx__env_files(files, 1));
    nx_expect_contains(message(), "is a directory");
    (void)unsetenv("NX_T_A");
    (void)unsetenv("NX_T_B");
    (void)unsetenv("NX_T_C");
}
