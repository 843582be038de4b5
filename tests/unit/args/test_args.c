/* Command lines: what is read, what is refused and how, and the help. */
#include <nexus/args.h>
#include <nexus/env.h>
#include <nexus/test.h>
#include <stdlib.h>

enum mode { FAST, SLOW };

static struct values {
    bool verbose, color;
    int level;
    unsigned short port;
    int8_t small;
    int64_t id;
    double ratio;
    const char *host, *format;
    int mode;
    nx_duration timeout;
    int64_t cache;
    nx_arg_list tags;
    const char *file;
    nx_arg_list more;
} v;

static const struct values defaults = {
    .color = true, .port = 3000, .host = "localhost", .timeout = NX_S(5), .cache = 64 << 20};

static nx_err ran(void *arg)
{
    return nx_fail(NX_ESTATE, "ran %s", (const char *)arg);
}

static const nx_command program = {
    .name = "tool",
    .summary = "does this and that",
    .version = "1.2",
    .details = "Examples:\n  tool serve .",
    .options =
        NX_ARGS({.name = "verbose", .letter = 'v', .to = NX_TO(&v.verbose), .help = "say more"},
                {.name = "color", .to = NX_TO(&v.color), .help = "no colours"},
                {.name = "level", .letter = 'l', .to = NX_COUNT_TO(&v.level)}),
    .commands = NX_COMMANDS(
        {.name = "serve",
         .summary = "serve a folder",
         .run = ran,
         .arg = "serve",
         .options =
             NX_ARGS({.name = "port",
                      .letter = 'p',
                      .to = NX_TO(&v.port),
                      .help = "to listen on",
                      .env = "NX_T_PORT",
                      .least = 1,
                      .most = 65535},
                     {.name = "small", .to = NX_TO(&v.small)}, {.name = "id", .to = NX_TO(&v.id)},
                     {.name = "ratio", .letter = 'r', .to = NX_TO(&v.ratio)},
                     {.name = "host", .letter = 'H', .to = NX_TO(&v.host), .value = "HOST"},
                     {.name = "format",
                      .to = NX_TO(&v.format),
                      .choices = NX_CHOICES("json", "text", "csv")},
                     {.name = "mode", .to = NX_TO(&v.mode), .choices = NX_CHOICES("fast", "slow")},
                     {.name = "timeout", .to = NX_DURATION_TO(&v.timeout), .least = NX_MS(1)},
                     {.name = "cache", .to = NX_SIZE_TO(&v.cache)},
                     {.name = "tag", .letter = 't', .to = NX_TO(&v.tags)}),
         .arguments =
             NX_ARGS({.name = "folder", .to = NX_TO(&v.file), .help = "to serve", .required = true},
                     {.name = "more", .to = NX_TO(&v.more)})},
        {.name = "list", .run = ran, .arg = "list"},
        {.name = "secret",
         .run = ran,
         .options = NX_ARGS(
             {.name = "token", .to = NX_TO(&v.host), .env = "NX_T_TOKEN", .required = true})})};

#define READ(...) read_words((const char *[]){"tool", __VA_ARGS__, NULL})

static nx_args args;

static nx_err read_words(const char **words)
{
    int argc = 0;
    while (words[argc]) argc++;
    v = defaults;
    return nx_args_parse(&program, argc, (char *const *)(uintptr_t)words, &args);
}

static const char *message(void)
{
    return nx_error_last()->message;
}

NX_TEST("options are read in all their forms")
{
    nx_require_ok(READ("serve", "-p", "80", "dir"));
    nx_expect_eq(v.port, 80);
    nx_expect_eq(v.file, "dir");
    nx_expect_eq(args.command->name, "serve");
    nx_expect_eq(args.text, NULL);
    nx_expect(!v.verbose && v.color);
    nx_require_ok(READ("serve", "--port=81", "dir"));
    nx_expect_eq(v.port, 81);
    nx_require_ok(READ("serve", "--port", "82", "dir"));
    nx_expect_eq(v.port, 82);
    nx_require_ok(READ("serve", "-p83", "dir"));
    nx_expect_eq(v.port, 83);
    nx_require_ok(READ("serve", "-p=84", "dir"));
    nx_expect_eq(v.port, 84);
    nx_require_ok(READ("serve", "-p1", "dir", "-p2")); /* the last one counts */
    nx_expect_eq(v.port, 2);
    nx_require_ok(READ("-v", "serve", "--no-color", "dir"));
    nx_expect(v.verbose && !v.color);
    nx_require_ok(
        READ("serve", "dir", "--verbose=no", "--color=off", "-l", "-ll")); /* the program's own */
    nx_expect(!v.verbose && !v.color);
    nx_expect_eq(v.level, 3);
    nx_require_ok(READ("serve", "-vlp", "85", "dir"));
    nx_expect(v.verbose && v.level == 1 && v.port == 85);
}

NX_TEST("values have types")
{
    nx_require_ok(READ("serve", "d", "--small=-128", "--id=-9223372036854775808", "-r0.5", "-Hhost",
                       "--format=csv", "--mode=slow", "--timeout=1m30s", "--cache=2G", "-ta",
                       "--tag=b"));
    nx_expect_eq(v.small, -128);
    nx_expect_eq(v.id, INT64_MIN);
    nx_expect_near(v.ratio, 0.5, 1e-9);
    nx_expect_eq(v.host, "host");
    nx_expect_eq(v.format, "csv");
    nx_expect_eq(v.mode, SLOW);
    nx_expect_eq(v.timeout, NX_S(90));
    nx_expect_eq(v.cache, (int64_t)2 << 30);
    nx_require_eq(v.tags.count, 2);
    nx_expect_eq(v.tags.items[0], "a");
    nx_expect_eq(v.tags.items[1], "b");
}

NX_TEST("arguments stand anywhere, and a list takes the rest")
{
    nx_require_ok(READ("serve", "a", "-v", "b", "-", "--", "-c", "--", "serve"));
    nx_expect_eq(v.file, "a");
    nx_require_eq(v.more.count, 5);
    nx_expect_eq(v.more.items[0], "b");
    nx_expect_eq(v.more.items[1], "-");
    nx_expect_eq(v.more.items[2], "-c");
    nx_expect_eq(v.more.items[3], "--");
    nx_expect_eq(v.more.items[4], "serve");
    nx_require_ok(READ("serve", "-5")); /* no option */
    nx_expect_eq(v.file, "-5");
    nx_expect_eq(v.more.count, 0);
}

NX_TEST("what is wrong is told")
{
    static const struct {
        const char *words[6], *message;
    } rows[] = {
        {{"tool", "serve", "--prot=1", "d"}, "unknown option --prot; did you mean --port?"},
        {{"tool", "serve", "--xyzzy", "d"}, "unknown option --xyzzy"},
        {{"tool", "serve", "-x", "d"}, "unknown option -x"},
        {{"tool", "serve", "-vx", "d"}, "unknown option -x"},
        {{"tool", "serve", "--no-port", "d"}, "unknown option --no-port"},
        {{"tool", "serve", "d", "--port"}, "--port needs a value, as in --port=N"},
        {{"tool", "serve", "d", "-H"}, "-H needs a value, as in --host=HOST"},
        {{"tool", "serve", "d", "--level=3"}, "--level takes no value"},
        {{"tool", "serve", "d", "--verbose=x"}, "cannot use --verbose=x: expected yes or no"},
        {{"tool", "serve", "d", "--port=80a"},
         "cannot use --port=80a: expected a whole number from 1 to 65535"},
        {{"tool", "serve", "d", "-p0"}, "cannot use -p 0: expected a whole number from 1 to 65535"},
        {{"tool", "serve", "d", "--small=128"},
         "cannot use --small=128: expected a whole number from -128 to 127"},
        {{"tool", "serve", "d", "--ratio=x"}, "cannot use --ratio=x: expected a number"},
        {{"tool", "serve", "d", "--format", "jsno"},
         "cannot use --format jsno: expected json, text or csv; did you mean json?"},
        {{"tool", "serve", "d", "--mode=none"}, "cannot use --mode=none: expected fast or slow"},
        {{"tool", "serve", "d", "--timeout=5"},
         "cannot use --timeout=5: expected a span such as 250ms, 5s or 1h30m of at least 1ms"},
        {{"tool", "serve", "d", "--cache=-1"},
         "cannot use --cache=-1: expected a size such as 512, 64K or 2G"},
        {{"tool", "serve"}, "FOLDER is missing"},
        {{"tool", "sevre"}, "unknown command \"sevre\"; did you mean serve?"},
        {{"tool", "what"}, "unknown command \"what\""},
        {{"tool"}, "a command is missing: one of serve, list, secret"},
        {{"tool", "list", "x\033y"}, "\"xy\" is one argument too many"},
        {{"tool", "secret"}, "--token is missing, and NX_T_TOKEN is not set"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].message) {
            const char *words[7] = {NULL};
            memcpy(words, rows[i].words, sizeof rows[i].words);
            nx_expect_err(NX_EUSAGE, read_words(words));
            nx_expect_eq(message(), rows[i].message);
            nx_expect_eq(v.port, 3000); /* nothing is stored */
        }
}

NX_TEST("the environment stands in for what isn't given")
{
    (void)setenv("NX_T_PORT", "8080", 1);
    nx_require_ok(READ("serve", "d"));
    nx_expect_eq(v.port, 8080);
    nx_require_ok(READ("serve", "d", "-p", "1"));
    nx_expect_eq(v.port, 1);
    (void)setenv("NX_T_PORT", "x", 1);
    nx_expect_err(NX_EUSAGE, READ("serve", "d"));
    nx_expect_eq(message(), "cannot use NX_T_PORT=\"x\": expected a whole number from 1 to 65535");
    nx_expect_ok(READ("serve", "d", "-p1"));
    (void)setenv("NX_T_PORT", "", 1);
    nx_require_ok(READ("serve", "d"));
    nx_expect_eq(v.port, 3000);
    (void)unsetenv("NX_T_PORT");
    (void)setenv("NX_T_TOKEN", "t", 1);
    nx_require_ok(READ("secret"));
    nx_expect_eq(v.host, "t");
    (void)unsetenv("NX_T_TOKEN");
}

NX_TEST("help comes by itself")
{
    nx_require_ok(READ("--help"));
    nx_expect_eq(args.text, "tool: does this and that\n"
                            "\n"
                            "Usage: tool [OPTIONS] COMMAND\n"
                            "\n"
                            "Commands:\n"
                            "  serve   serve a folder\n"
                            "  list\n"
                            "  secret\n"
                            "\n"
                            "Options:\n"
                            "  -v, --verbose   say more\n"
                            "      --no-color  no colours\n"
                            "  -l, --level\n"
                            "  -h, --help      show this help\n"
                            "  -V, --version   show the version\n"
                            "\n"
                            "Examples:\n"
                            "  tool serve .\n");
    const char *whole = args.text;
    nx_require_ok(READ("help"));
    nx_expect_eq(args.text, whole);
    nx_require_ok(READ("-vh", "--nonsense")); /* asked first */
    nx_expect_eq(args.text, whole);
    nx_expect(!v.verbose);

    nx_require_ok(READ("serve", "--help", "--port=9"));
    nx_expect_contains(
        args.text, "tool serve: serve a folder\n\nUsage: tool serve [OPTIONS] FOLDER [MORE...]\n");
    nx_expect_contains(args.text, "Arguments:\n  FOLDER  to serve\n");
    nx_expect_contains(
        args.text, "  -p, --port=N                to listen on (default: 3000, or $NX_T_PORT)\n");
    nx_expect_contains(args.text, "  -H, --host=HOST             (default: localhost)\n");
    nx_expect_contains(args.text, "      --format=json|text|csv\n");
    nx_expect_contains(args.text, "      --mode=fast|slow        (default: fast)\n");
    nx_expect_contains(args.text, "      --timeout=SPAN          (default: 5s)\n");
    nx_expect_contains(args.text, "      --cache=SIZE            (default: 64M)\n");
    nx_expect_contains(args.text, "  -t, --tag=TEXT ...\n");
    nx_expect_contains(args.text, "  -v, --verbose               say more\n");
    const char *serve = args.text;
    nx_require_ok(READ("help", "serve"));
    nx_expect_eq(args.text, serve);
    nx_require_ok(READ("secret", "-h"));
    nx_expect_contains(args.text, "--token=TEXT  (or $NX_T_TOKEN)");

    nx_require_ok(READ("serve", "-V"));
    nx_expect_eq(args.text, "tool 1.2\n");
    nx_require_ok(READ("--version", "--nonsense"));
    nx_expect_eq(args.text, "tool 1.2\n");
}

NX_TEST("long texts are broken between words")
{
    bool on = false;
    const nx_command one = {
        .name = "one",
        .options = NX_ARGS(
            {.name = "a-name-of-more-than-thirty-columns",
             .to = NX_TO(&on),
             .help =
                 "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"},
            {.name = "b", .to = NX_TO(&on), .help = "first\nsecond"})};
    const char *words[] = {"one", "-h", NULL};
    nx_require_ok(nx_args_parse(&one, 2, (char *const *)(uintptr_t)words, &args));
    nx_expect_contains(args.text, "  -h, --help  show this help\n");
    nx_expect_contains(
        args.text, "      --a-name-of-more-than-thirty-columns\n"
                   "              one two three four five six seven eight nine ten eleven twelve\n"
                   "              thirteen fourteen\n"
                   "      --b     first\n"
                   "              second\n");
}

NX_TEST("names that the program takes for itself are its own")
{
    bool h = false;
    const char *version = NULL;
    const nx_command own = {.name = "own",
                            .version = "1",
                            .options = NX_ARGS({.name = "human", .letter = 'h', .to = NX_TO(&h)},
                                               {.name = "version", .to = NX_TO(&version)})};
    const char *words[] = {"own", "-h", "--version=3", NULL};
    nx_require_ok(nx_args_parse(&own, 3, (char *const *)(uintptr_t)words, &args));
    nx_expect(h);
    nx_expect_eq(version, "3");
    const char *help[] = {"own", "--help", NULL};
    nx_require_ok(nx_args_parse(&own, 2, (char *const *)(uintptr_t)help, &args));
    nx_expect_contains(args.text, "      --help ");
    nx_expect(!strstr(args.text, "show the version"));
}

NX_TEST("a mistake in the table is one")
{
    const nx_command bad = {.name = "bad", .options = NX_ARGS({.name = "x"})};
    const char *words[] = {"bad", NULL};
    nx_expect_err(NX_EINVAL, nx_args_parse(&bad, 1, (char *const *)(uintptr_t)words, &args));
    nx_expect_eq(message(), "\"x\" has no variable: .to = NX_TO(&variable)");
    const nx_command nameless = {.summary = "x"};
    nx_expect_err(NX_EINVAL, nx_args_parse(&nameless, 1, (char *const *)(uintptr_t)words, &args));
    const nx_command none = {.name = "none"};
    nx_expect_ok(nx_args_parse(&none, 0, (char *const *)(uintptr_t)words, &args));
}

NX_TEST("the command runs, and its error is the program's")
{
    const char *words[] = {"tool", "list", NULL}, *wrong[] = {"tool", "lits", NULL};
    nx_expect_eq(nx_args_run(&program, 2, (char *const *)(uintptr_t)words), (int)NX_ESTATE);
    nx_expect_eq(message(), "ran list");
    nx_expect_eq(nx_args_run(&program, 2, (char *const *)(uintptr_t)wrong), (int)NX_EUSAGE);
}
