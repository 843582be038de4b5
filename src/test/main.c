/* A program that is a test by itself. */
#include "test/runner.h"

#include "loop/crash.h"
#include <stdlib.h>
#include <unistd.h>

/* The registered tests as a suite; nothing is loaded, so there is no need of a process to ask. */
static nx_err list(struct nx__suite *suite, const struct nx__test_config *config)
{
    unsigned index = 0;
    for (const nx_test *t = nx__tests(); t; t = t->next, index++) {
        if (!nx__test_wanted(config, t->name, t->bench)) continue;
        struct nx__test_packet packet = {.line = t->line,
                                         .numbers = {(double)t->deadline, t->serial, t->bench}};
        size_t name = strnlen(t->name, 512), file = strnlen(t->file, 4096);
        memcpy(packet.text, t->name, name);
        memcpy(packet.text + name + 1, t->file, file);
        packet.first_size = (uint32_t)name + 1;
        packet.second_size = (uint32_t)file + 1;
        NX_TRY(nx__suite_add(suite, &packet, index));
    }
    return NX_OK;
}

static const struct nx__test_config *config_in_force;

static void enter(struct nx__case *c, int packets)
{
    nx_test *test = nx__tests();
    for (unsigned i = 0; test && i < c->index; i++) test = test->next;
    if (!test) _exit(NX_EFAILED);
    const struct nx__test_options options = {
        .fd = packets, .dir = c->dir, .deadline = config_in_force->deadline};
    NX_IGNORE(nx__crash_install(-1)); /* without it the test runs as well */
    nx__test_run(test, &options);
}

int nx_test_main(int argc, char **argv)
{
    static struct nx__test_config config;
    static struct nx__run_of_tests run;
    config_in_force = &config;
    const char *slash = strrchr(argc ? argv[0] : "test", '/');
    nx_err err = NX_OK;
    for (int i = 1; i < argc && !err; i++) {
        bool taken;
        err = nx__test_option(&config, argv[i], &taken);
        if (!err && !taken && argv[i][0] != '-' && !config.filter) {
            config.filter = argv[i]; /* a word is a filter */
            taken = true;
        }
        if (!err && !taken)
            err =
                nx__error_set(NX_EUSAGE, "unknown argument \"%.100s\"; --help lists them", argv[i]);
    }
    if (!err && config.help) {
        (void)printf("Usage: %s [FLAGS] [FILTER]\n\n%s", argc ? argv[0] : "test",
                     nx__test_options_help);
        return 0;
    }
    if (!err) err = nx__test_config_done(&config);
    static struct nx__suite suite;
    suite = (struct nx__suite){.path = strdup(slash ? slash + 1 : argv[0])};
    if (!err) err = list(&suite, &config);
    if (!err && !suite.count)
        err = nx__error_set(
            NX_ENOENT, "there are no %s%s%.100s", config.bench ? "benchmarks" : "tests",
            config.filter ? " that match " : "", config.filter ? config.filter : "");
    run.config = &config;
    run.suites = &suite;
    run.suite_count = 1;
    run.enter = enter;
    int code = 0;
    if (!err && config.list)
        nx__report_list(&run);
    else if (!err && !(err = nx__pool_init(&run.pool)))
        code = nx__tests_run(&run);
    if (err) (void)fprintf(stderr, "nexus: %s\n", nx_error_last()->message);
    nx__suite_free(&suite);
    return err ? (int)err : code;
}
