/* nexus help */
#include "cli/cli.h"

#include <stdio.h>

static const char *commands(size_t index, const char **summary)
{
    if (!nx__commands[index]) return NULL; /* nobody asks past the end */
    *summary = nx__commands[index]->summary;
    return nx__commands[index]->name;
}

static int run(int argc, char **argv)
{
    if (argc > 2) return nx__cli_usage("nexus help takes one command, as in: nexus help run");
    if (argc == 2 && !nx__cli_is_help(argv[0])) {
        const struct nx__command *command = nx__command_find(argv[1]);
        return command ? nx__cli_help(command)
                       : nx__cli_usage("there is no command \"%.100s\"; nexus help lists them",
                                       argv[1]);
    }
    char text[2048];
    int n = snprintf(
        text, sizeof text,
        "Nexus %s runs C programs as fast as they are.\n\nUsage: nexus COMMAND [ARGUMENTS]\n       nexus FILE.c [ARGUMENTS]      the same as nexus run FILE.c\n\nCommands:\n",
        nx_version());
    for (size_t i = 0; nx__commands[i]; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "  %-12s %s\n", nx__commands[i]->name,
                      nx__commands[i]->summary);
    (void)snprintf(text + n, sizeof text - (size_t)n,
                   "\nExamples:\n"
                   "  nexus init hello                        make a project that runs\n"
                   "  nexus app.c --allow-net=:3000           run it, free to listen on port 3000\n"
                   "  nexus dev app.c --allow-net=:3000       the same while you work on it\n"
                   "\nnexus COMMAND --help says more about a command.\n");
    return nx__cli_write(text);
}

const struct nx__command nx__command_help = {
    .name = "help",
    .summary = "say what the commands do",
    .argument = NX__OFFER_WORDS,
    .words = commands,
    .help = "Usage: nexus help [COMMAND]\n"
            "\n"
            "Examples:\n"
            "  nexus help\n"
            "  nexus help run\n",
    .run = run,
};
