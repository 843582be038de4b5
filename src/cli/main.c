/* The command line: finds the command and runs it. */
#include "base/standard.h"
#include "cli/cli.h"
#include "cli/options.h"

#include <stdlib.h>
#include <unistd.h>

/* `nexus app.c` means `nexus run app.c`: what looks like a file, or is one, or is a flag. */
static bool is_program(const char *word)
{
    char *file = NULL;
    bool is = word[0] == '-' || strpbrk(word, "./") || nx__run_find(word, &file) == NX_OK;
    free(file);
    return is || access(word, F_OK) == 0;
}

static int unknown(const char *word)
{
    const char *names[32] = {0};
    for (size_t i = 0; nx__commands[i] && i + 1 < sizeof names / sizeof *names; i++)
        names[i] = nx__commands[i]->name;
    const char *near = nx__suggest(word, names);
    if (near)
        return nx__cli_usage("there is no command \"%.100s\"; did you mean nexus %s?", word, near);
    return nx__cli_usage(
        "there is no command and no file \"%.100s\"; nexus help lists the commands", word);
}

int main(int argc, char **argv)
{
    nx__standard_open();
    if (argc < 2) {
        (void)nx__command_help.run(1, (char *[]){"help", NULL});
        return NX_EUSAGE;
    }
    if (nx__cli_is_help(argv[1])) return nx__command_help.run(argc - 1, argv + 1);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-v") == 0 ||
        strcmp(argv[1], "-V") == 0)
        return nx__command_version.run(1, argv + 1);
    const struct nx__command *command = nx__command_find(argv[1]);
    if (!command) return is_program(argv[1]) ? nx__command_run.run(argc, argv) : unknown(argv[1]);
    if (command != &nx__command_run && command != &nx__command_dev)
        for (int i = 2; i < argc; i++)
            if (nx__cli_is_help(argv[i])) return nx__cli_help(command);
    return command->run(argc - 1, argv + 1);
}
