/* The command line of `nexus test`. */
#include "cli/test.h"

#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/permission_sets.h"
#include <stdlib.h>

/* All of them, those that tests of any kind have too: one that is not here is refused before it is
 * parsed. */
const struct nx__flag nx__test_flags[] = {
    {.name = "--filter", .summary = "only tests with such a name", .takes = NX__TAKES_VALUE},
    {.name = "--parallel", .summary = "tests at the same time", .takes = NX__TAKES_VALUE},
    {.name = "--deadline", .summary = "seconds, of tests that name none", .takes = NX__TAKES_VALUE},
    {.name = "--repeat", .summary = "run each test N times", .takes = NX__TAKES_VALUE},
    {.name = "--shuffle", .summary = "another order", .takes = NX__TAKES_EITHER},
    {.name = "--bail", .summary = "stop at the first failure"},
    {.name = "--watch", .summary = "run again what a changed file concerns"},
    {.name = "--list", .summary = "say which tests there are"},
    {.name = "--verbose", .summary = "a line for each test"},
    {.name = "--output", .summary = "let tests write to the terminal"},
    {.name = "--junit",
     .summary = "write the results as JUnit XML",
     .takes = NX__TAKES_VALUE,
     .offer = NX__OFFER_PATHS},
    {.name = "--tap", .summary = "write the results as TAP 14"},
    {.name = "--asan", .summary = "find bad accesses and leaks"},
    {.name = "--coverage",
     .summary = "which lines have run",
     .takes = NX__TAKES_EITHER,
     .offer = NX__OFFER_PATHS},
    {.name = "--bench", .summary = "run the benchmarks instead"},
    {.name = "--save-baseline",
     .summary = "keep what was measured",
     .takes = NX__TAKES_VALUE,
     .offer = NX__OFFER_PATHS},
    {.name = "--baseline",
     .summary = "compare with what was kept",
     .takes = NX__TAKES_VALUE,
     .offer = NX__OFFER_PATHS},
    {.name = "--slower", .summary = "fail when slower by more percent", .takes = NX__TAKES_VALUE},
    {.name = "--release", .summary = "compile for speed"},
    NX__FLAG_COMPILER,
    {.name = "--refresh", .summary = "compile even if the result is in the cache"},
    NX__FLAGS_PERMISSIONS,
    {.name = "--permissions",
     .summary = "a set of grants in nexus.toml, or none",
     .takes = NX__TAKES_VALUE},
    NX__FLAG_HELP,
    NX__FLAGS_END,
};

/* A flag with or without a value. */
static bool is_flag(const char *argument, const char *name, const char **value)
{
    size_t len = strlen(name);
    if (strncmp(argument, name, len) != 0) return false;
    *value = argument[len] == '=' ? argument + len + 1 : NULL;
    return argument[len] == '\0' || *value;
}

static NX__COLD nx_err unknown(const char *argument)
{
    return nx__flag_unknown(nx__test_flags, argument, "nexus test --help lists them");
}

static nx_err flag(struct nx__tester *t, const char *argument)
{
    const struct {
        const char *name;
        bool *value;
    } switches[] = {{"--watch", &t->watch},
                    {"--asan", &t->asan},
                    {"--release", &t->release},
                    {"--refresh", &t->refresh}};
    const char *value;
    bool taken;
    if (argument[1] == '-' && !nx__flag_find(nx__test_flags, argument, &value))
        return unknown(argument);
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
        if (!is_flag(argument, switches[i].name, &value)) continue;
        if (value) return nx__error_set(NX_EUSAGE, "%s takes no value", switches[i].name);
        *switches[i].value = true;
        return NX_OK;
    }
    if (is_flag(argument, "--coverage", &value)) {
        if (value && !*value)
            return nx__error_set(NX_EUSAGE,
                                 "--coverage takes the lcov file, as in --coverage=lcov.info");
        t->coverage = true;
        t->lcov = value ? value : "lcov.info";
        return NX_OK;
    }
    if (is_flag(argument, "--compiler", &value)) {
        if (!value || !*value)
            return nx__error_set(NX_EUSAGE,
                                 "--compiler needs a name or path, as in --compiler=gcc");
        t->compiler = value;
        return NX_OK;
    }
    if (is_flag(argument, "--permissions", &value)) {
        NX_TRY(nx__permission_sets_flag(&t->sets, value));
        return t->sets.strict ? nx__error_set(NX_EUSAGE, "--permissions=strict is for programs, "
                                                         "and not for tests")
                              : NX_OK;
    }
    NX_TRY(nx__test_option(&t->config, argument, &taken));
    if (taken) return NX_OK;
    NX_TRY(nx__permissions_parse(&t->sets.permissions, argument, &taken));
    if (taken) t->grants[t->grant_count++] = argument;
    return taken ? NX_OK : unknown(argument);
}

nx_err nx__tester_parse(struct nx__tester *t, int argc, char **argv)
{
    t->paths = calloc((size_t)argc + 1, sizeof *t->paths);
    t->grants = calloc((size_t)argc + 1, sizeof *t->grants);
    if (!t->paths || !t->grants)
        return nx__error_set(NX_ENOMEM, "cannot run the tests: out of memory");
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1])
            NX_TRY(flag(t, argv[i]));
        else
            t->paths[t->path_count++] = argv[i];
    }
    if (!t->path_count) t->paths[t->path_count++] = ".";
    if (t->config.help) return NX_OK;
    NX_TRY(nx__test_config_done(&t->config));
    if (t->config.bench && !t->asan && !t->coverage) t->release = true;
    if (t->watch && (t->config.tap || t->config.list))
        return nx__error_set(NX_EUSAGE, "--watch does not go with --tap or --list");
    if (t->asan && t->coverage)
        return nx__error_set(NX_EUSAGE, "--asan does not go with --coverage: run them in turn");
    const char *cc = getenv("CC");
    if (!t->compiler && cc && *cc) t->compiler = cc;
    return NX_OK;
}
