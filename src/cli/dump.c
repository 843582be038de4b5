/* nexus dump */
#include "cli/dump.h"

#include "cli/cli.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PROCESSES_MOST = 1024 };

static const struct nx__flag flags[] = {
    {.name = "--json", .summary = "for tools: every fiber by itself"},
    NX__FLAG_HELP,
    NX__FLAGS_END,
};

/* One process: gathered, named, told. `*told` counts those that have a loop. */
static nx_err process_tell(pid_t pid, bool json, bool color, struct nx__buffer *out, size_t *told)
{
    struct nx__peek *peek = malloc(sizeof *peek);
    if (!peek)
        return nx__error_set(NX_ENOMEM, "cannot look into process %d: out of memory", (int)pid);
    struct nx__dump dump = {0};
    nx_err err = nx__peek_open(peek, pid);
    if (!err && nx__peek_has_loops(peek)) {
        err = nx__dump_gather(&dump, peek);
        if (!err) {
            nx__dump_name(&dump);
            if (json && *told) err = nx__buffer_append(out, ",", 1, NX__DUMP_MOST);
            if (!err) err = json ? nx__dump_json(&dump, out) : nx__dump_text(&dump, color, out);
            if (err)
                err =
                    nx__error_set(err, "cannot tell of process %d: %s", (int)pid, nx_err_text(err));
            ++*told;
        }
        nx__dump_free(&dump);
    }
    nx__peek_close(peek);
    free(peek);
    return err;
}

/* What the process is of no Nexus program, its children may be: a shell's, or a service manager's.
 * Only what is asked for by its number has to be one. */
static nx_err tree_tell(pid_t root, bool json, bool color, struct nx__buffer *out)
{
    pid_t processes[PROCESSES_MOST];
    size_t told = 0, count = nx__peek_tree(root, processes, PROCESSES_MOST);
    nx_err first = process_tell(root, json, color, out, &told);
    if (first) return first;
    for (size_t i = 1; i < count; i++) {
        nx_err err = process_tell(processes[i], json, color, out, &told);
        /* One that has ended meanwhile, a compiler, a tool that the program has started. */
        if (err && err != NX_ENOENT && err != NX_EINVAL) return err;
    }
    if (told) return NX_OK;
    return nx__error_set(NX_EINVAL, "process %d runs no program at the moment", (int)root);
}

nx_err nx__dump_write(pid_t root, bool json, int fd)
{
    struct nx__buffer out = {0};
    nx_err err = json ? nx__buffer_append(&out, "[", 1, NX__DUMP_MOST) : NX_OK;
    if (!err) err = tree_tell(root, json, nx__cli_color(fd), &out);
    if (!err && json) err = nx__buffer_append(&out, "]\n", 2, NX__DUMP_MOST);
    for (size_t at = 0; !err && at < out.len;) {
        ssize_t n = write(fd, out.data + at, out.len - at);
        if (n > 0) at += (size_t)n;
        if (n < 0 && errno != EINTR) err = nx__error_system(errno, "cannot write what was found");
    }
    nx__buffer_free(&out);
    return err;
}

static int run(int argc, char **argv)
{
    bool json = false;
    const char *word = NULL, *value;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-') {
            if (word) return nx__cli_usage("nexus dump takes one process, as in: nexus dump 1234");
            word = argv[i];
        } else if (!nx__flag_find(flags, argv[i], &value)) {
            return nx__cli_fail(nx__flag_unknown(flags, argv[i], "see nexus dump --help"));
        } else if (value) {
            return nx__cli_usage("--json takes no value");
        } else {
            json = true;
        }
    }
    char *end = NULL;
    long pid = word ? strtol(word, &end, 10) : 0;
    if (!word || !*word || *end || pid <= 0 || pid > INT32_MAX)
        return nx__cli_usage(
            "nexus dump needs the number of a process, as in: nexus dump 1234 (pgrep nexus lists them)");
    nx_err err = nx__dump_write((pid_t)pid, json, STDOUT_FILENO);
    return err ? nx__cli_fail(err) : 0;
}

const struct nx__command nx__command_dump = {
    .name = "dump",
    .summary = "say what every fiber of a running program does",
    .flags = flags,
    .help =
        "Usage: nexus dump [--json] PID\n"
        "\n"
        "PID is that of nexus run, or of the program itself; processes below it are told too. The program is stopped for a\n"
        "few milliseconds and goes on. It works when a handler blocks the event loop or never ends. Only who has started the\n"
        "program, and root, may.\n"
        "\n"
        "  --json                   for tools: every fiber by itself, times in nanoseconds\n"
        "\n"
        "kill -QUIT on the PID of nexus run writes the same to its standard error.\n"
        "\n"
        "Exit code: 0, 7 when it is not allowed, 8 when there is no such process, or another error's number.\n"
        "\n"
        "Examples:\n"
        "  nexus dump $(pgrep -n nexus)\n"
        "  nexus dump --json 1234 | jq '.[].loops[].fibers[] | select(.state == \"running\")'\n",
    .run = run,
};
