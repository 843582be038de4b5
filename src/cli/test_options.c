/* The command line of `nexus test`. */
#include "cli/test.h"

#include "cli/cli.h"
#include <stdlib.h>

static const char *const own[] = {"--watch",       "--asan",      "--coverage",   "--compiler",
                                  "--release",     "--refresh",   "--allow-all",  "--allow-read",
                                  "--allow-write", "--allow-net", "--allow-env",  "--allow-run",
                                  "--allow-ffi",   "--deny-read", "--deny-write", "--deny-net",
                                  "--deny-env",    "--deny-run",  "--deny-ffi",   NULL};

static NX__COLD nx_err unknown(const char *argument)
{
    char name[64], clean[64];
    size_t len = strcspn(argument, "=");
    if (len >= sizeof name) len = sizeof name - 1;
    memcpy(name, argument, len);
    name[len] = '\0';
    nx__printable(clean, sizeof clean, name);
    const char *near = nx__cli_suggest(name, own);
    if (!near) near = nx__cli_suggest(name, nx__test_option_names);
    if (near) return nx__error_set(NX_EUSAGE, "unknown flag %s; did you mean %s?", clean, near);
    return nx__error_set(NX_EUSAGE, "unknown flag %s; nexus test --help lists them", clean);
}

/* A flag with or without a value. */
static bool is_flag(const char *argument, const char *name, const char **value)
{
    size_t len = strlen(name);
    if (strncmp(argument, name, len) != 0) return false;
    *value = argument[len] == '=' ? argument + len + 1 : NULL;
    return argument[len] == '\0' || *value;
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
    NX_TRY(nx__test_option(&t->config, argument, &taken));
    if (!taken) NX_TRY(nx__permissions_parse(&t->permissions, argument, &taken));
    return taken ? NX_OK : unknown(argument);
}

nx_err nx__tester_parse(struct nx__tester *t, int argc, char **argv)
{
    t->paths = calloc((size_t)argc + 1, sizeof *t->paths);
    if (!t->paths) return nx__error_set(NX_ENOMEM, "cannot run the tests: out of memory");
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
