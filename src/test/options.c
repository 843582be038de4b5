/* The command line that tests of any kind have. */
#include "test/runner.h"

#include "base/clock.h"
#include <stdlib.h>
#include <unistd.h>

const char nx__test_options_help[] =
    "  --filter=TEXT            only tests whose name contains TEXT or matches it, an extended regular expression\n"
    "  --parallel=N             tests at the same time (the number of processors)\n"
    "  --deadline=SECONDS       of tests that name none (10)\n"
    "  --repeat=N               run each test N times\n"
    "  --shuffle[=SEED]         run them in another order, which SEED brings back\n"
    "  --bail                   stop at the first failure\n"
    "  --list                   say which tests there are, and run none\n"
    "  --verbose                a line for each test, in several files too\n"
    "  --output                 let tests write to the terminal, instead of showing it for failures\n"
    "  --junit=FILE             write the results as JUnit XML\n"
    "  --tap                    write them to the standard output as TAP 14\n"
    "\n"
    "  --bench                  run the benchmarks instead of the tests, compiled for speed\n"
    "  --save-baseline=FILE     keep what was measured\n"
    "  --baseline=FILE          compare with what was kept\n"
    "  --slower=PERCENT         fail when one has become slower by more\n";

static bool is_flag(const char *argument, const char *name, const char **value)
{
    size_t len = strlen(name);
    if (strncmp(argument, name, len) != 0) return false;
    *value = argument[len] == '=' ? argument + len + 1 : NULL;
    return argument[len] == '\0' || *value;
}

static nx_err number(const char *name, const char *value, double least, double most, double *out)
{
    char *end = NULL;
    *out = value && *value ? strtod(value, &end) : 0;
    if (!end || *end || !(*out >= least && *out <= most))
        return nx__error_set(NX_EUSAGE, "%s needs a number from %g to %g, as in %s=%g", name, least,
                             most, name, most < 10 ? most : 10);
    return NX_OK;
}

static nx_err whole(const char *name, const char *value, unsigned most, unsigned *out)
{
    double n;
    NX_TRY(number(name, value, 1, most, &n));
    *out = (unsigned)n;
    return NX_OK;
}

static nx_err text(const char *name, const char *value, const char *example, const char **out)
{
    if (!value || !*value)
        return nx__error_set(NX_EUSAGE, "%s needs a value, as in %s=%s", name, name, example);
    *out = value;
    return NX_OK;
}

nx_err nx__test_option(struct nx__test_config *c, const char *argument, bool *taken)
{
    const struct {
        const char *name;
        bool *value;
    } switches[] = {
        {"--list", &c->list}, {"--output", &c->output},   {"--bail", &c->bail},
        {"--tap", &c->tap},   {"--verbose", &c->verbose}, {"--bench", &c->bench},
        {"--help", &c->help}, {"-h", &c->help},           {"-v", &c->verbose},
    };
    const char *value;
    *taken = true;
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
        if (!is_flag(argument, switches[i].name, &value)) continue;
        if (value) return nx__error_set(NX_EUSAGE, "%s takes no value", switches[i].name);
        *switches[i].value = true;
        return NX_OK;
    }
    if (is_flag(argument, "--filter", &value)) return text("--filter", value, "parse", &c->filter);
    if (is_flag(argument, "--junit", &value)) return text("--junit", value, "tests.xml", &c->junit);
    if (is_flag(argument, "--baseline", &value))
        return text("--baseline", value, "bench.tsv", &c->baseline);
    if (is_flag(argument, "--save-baseline", &value))
        return text("--save-baseline", value, "bench.tsv", &c->save_baseline);
    if (is_flag(argument, "--parallel", &value))
        return whole("--parallel", value, NX__JOBS_MOST, &c->parallel);
    if (is_flag(argument, "--repeat", &value)) return whole("--repeat", value, 100000, &c->repeat);
    if (is_flag(argument, "--slower", &value))
        return number("--slower", value, 0.1, 100000, &c->slower);
    if (is_flag(argument, "--deadline", &value)) {
        double seconds;
        NX_TRY(number("--deadline", value, 0.001, 1e6, &seconds));
        c->deadline = (nx_duration)(seconds * 1e9);
        return NX_OK;
    }
    if (is_flag(argument, "--shuffle", &value)) {
        char *end = NULL;
        c->shuffle = true;
        if (value) c->seed = strtoull(value, &end, 10);
        if (value && (!*value || *end))
            return nx__error_set(NX_EUSAGE, "--shuffle takes a number, as in --shuffle=42");
        return NX_OK;
    }
    *taken = false;
    return NX_OK;
}

nx_err nx__test_config_done(struct nx__test_config *c)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    c->color =
        !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0) && isatty(STDOUT_FILENO);
    if (c->shuffle && !c->seed)
        c->seed = (uint64_t)nx__clock_wall() % 1000000 + 1; /* short enough to be typed */
    if (!c->parallel) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        c->parallel = processors < 1               ? 1
                      : processors > NX__JOBS_MOST ? NX__JOBS_MOST
                                                   : (unsigned)processors;
    }
    if (c->bench || c->output)
        c->parallel = 1; /* others would disturb it; nobody would know whose */
    if (!c->repeat) c->repeat = 1;
    if (!c->bench && (c->baseline || c->save_baseline || c->slower > 0))
        return nx__error_set(NX_EUSAGE, "--baseline, --save-baseline and --slower go with --bench");
    if (c->slower > 0 && !c->baseline)
        return nx__error_set(NX_EUSAGE, "--slower goes with --baseline=FILE");
    if (c->filter) {
        int error = regcomp(&c->pattern, c->filter, REG_EXTENDED | REG_NOSUB);
        c->has_pattern = !error;
        /* What is no expression may still be a part of a name. */
    }
    return NX_OK;
}

bool nx__test_wanted(const struct nx__test_config *c, const char *name, bool bench)
{
    if (bench != c->bench) return false;
    if (!c->filter || strstr(name, c->filter)) return true;
    return c->has_pattern && regexec(&c->pattern, name, 0, NULL, 0) == 0;
}
