/* nexus permissions */
#include "cli/access.h"
#include "cli/cli.h"

static int run(int argc, char **argv)
{
    static struct nx__run options;
    if (argc >= 2 && nx__cli_is_help(argv[1])) return nx__cli_help(&nx__command_permissions);
    if (argc < 2)
        return nx__cli_usage(
            "nexus permissions needs an action, as in: nexus permissions suggest app.c");
    if (strcmp(argv[1], "suggest") != 0)
        return nx__cli_usage("nexus permissions has no action \"%.60s\"; there is suggest",
                             argv[1]);
    options.suggest = true;
    int code = nx__run_with(&options, &nx__command_permissions, argc - 1, argv + 1);
    if (!options.ran) return code;
    int printed = nx__suggest_print(&options);
    return printed ? printed : code;
}

static const char *action_words(size_t index, const char **summary)
{
    *summary = "the least that a program needs, from a run of it";
    return index ? NULL : "suggest";
}

const struct nx__command nx__command_permissions = {
    .name = "permissions",
    .summary = "find out what a program needs",
    .flags = nx__run_flags,
    .argument = NX__OFFER_WORDS,
    .words = action_words,
    .help =
        "Usage: nexus permissions suggest [FLAGS OF nexus run] FILE.c [ARGUMENTS] [-- ARGUMENTS]\n"
        "\n"
        "Runs the program with everything allowed, and prints the least that would have done: as flags, and for nexus.toml.\n"
        "So run no program like that which you would not trust with all you have. What it did not come to in this run, it\n"
        "will need yet; what it does without Nexus's own calls is not seen.\n"
        "\n"
        "Examples:\n"
        "  nexus permissions suggest app.c\n"
        "  nexus permissions suggest app.c -- --port 8080\n",
    .run = run,
};
