/* nexus cache */
#include "cli/cli.h"
#include "module/module.h"

#include <stdio.h>
#include <stdlib.h>

static int report(void)
{
    size_t entries;
    uint64_t bytes;
    char *dir = NULL, text[512];
    nx_err err = nx__cache_info(&entries, &bytes);
    if (!err) err = nx__cache_dir(&dir);
    if (err) return nx__cli_fail(err);
    (void)snprintf(
        text, sizeof text, "%zu compiled program%s, %.1f MiB of at most %.1f, in %.300s\n", entries,
        entries == 1 ? "" : "s", (double)bytes / 1048576, (double)nx__cache_limit() / 1048576, dir);
    free(dir);
    return nx__cli_write(text);
}

static int print_dir(void)
{
    char *dir;
    nx_err err = nx__cache_dir(&dir);
    if (err) return nx__cli_fail(err);
    int code = nx__cli_write(dir);
    free(dir);
    return code ? code : nx__cli_write("\n");
}

static int clear(void)
{
    nx_err err = nx__cache_clear();
    return err ? nx__cli_fail(err) : 0;
}

static int prune(void)
{
    nx_err err = nx__cache_prune(nx__cache_limit());
    return err ? nx__cli_fail(err) : 0;
}

static const struct {
    const char *name, *summary;
    int (*run)(void);
} actions[] = {{"info", "how many there are and how large", report},
               {"dir", "where they are", print_dir},
               {"prune", "remove what was used longest ago", prune},
               {"clear", "remove all", clear}};

static const char *action_words(size_t index, const char **summary)
{
    if (index >= sizeof actions / sizeof *actions) return NULL;
    *summary = actions[index].summary;
    return actions[index].name;
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "info";
    if (argc > 2) return nx__cli_usage("nexus cache takes one action: info, dir, prune or clear");
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(name, actions[i].name) == 0) return actions[i].run();
    static const char *const names[] = {"info", "dir", "prune", "clear", NULL};
    const char *near = nx__suggest(name, names);
    if (near)
        return nx__cli_usage("nexus cache has no action \"%.64s\"; did you mean nexus cache %s?",
                             name, near);
    return nx__cli_usage(
        "nexus cache has no action \"%.64s\"; there are info, dir, prune and clear", name);
}

const struct nx__command nx__command_cache = {
    .name = "cache",
    .summary = "look at the compiled programs, or remove them",
    .argument = NX__OFFER_WORDS,
    .words = action_words,
    .help =
        "Usage: nexus cache [info|dir|prune|clear]\n"
        "\n"
        "  info    how many there are and how large (the default)\n"
        "  dir     where they are\n"
        "  prune   remove what was used longest ago, down to the limit ($NEXUS_CACHE_MAX, 512 MiB)\n"
        "  clear   remove all; the next run compiles anew\n"
        "\n"
        "Examples:\n"
        "  nexus cache\n"
        "  nexus cache clear\n"
        "  du -h \"$(nexus cache dir)\"\n",
    .run = run,
};
