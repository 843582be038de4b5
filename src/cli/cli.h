/* What the commands of `nexus` share. */
#ifndef NX__CLI_H
#define NX__CLI_H

#include "base/compiler.h"
#include "base/error.h"
#include "base/suggest.h"
#include "cli/flags.h"

/* A command. `help` is what --help prints below the summary: usage, options, examples. */
struct nx__command {
    const char *name, *summary, *help;
    const struct nx__flag *flags;      /* NULL: none but --help */
    enum nx__offer argument;           /* what its first argument may be */
    nx__words *words;                  /* with NX__OFFER_WORDS */
    bool arguments;                    /* those behind it may be the same */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code */
};

extern const struct nx__command nx__command_run, nx__command_dev, nx__command_test,
    nx__command_compile, nx__command_init, nx__command_cert, nx__command_cache, nx__command_doctor,
    nx__command_dump, nx__command_wasm, nx__command_permissions, nx__command_completions,
    nx__command_version, nx__command_serve, nx__command_help;

/* All of them, NULL at the end, in the order of the help page. */
extern const struct nx__command *const nx__commands[];

/* The command of that name, NULL if there is none. */
const struct nx__command *nx__command_find(const char *name);

/* Writes "nexus: …" and a newline to stderr, in one write and with the prefix bold on a terminal
 * (red in the two below). Cut at 1,000 bytes. */
void nx__cli_say(const char *format, ...) NX_PRINTF(1, 2);

/* Says the last error and returns its number, the exit code. */
int nx__cli_fail(nx_err err);

/* Says what is wrong with the command line and returns NX_EUSAGE. */
int nx__cli_usage(const char *format, ...) NX_PRINTF(1, 2);

/* Writes text to stdout as it is. Returns the exit code: 0, or NX_EIO (said) when it can't be
 * written. */
int nx__cli_write(const char *text);

/* Prints a command's help; returns the exit code. */
int nx__cli_help(const struct nx__command *command);

/* True for -h and --help. */
bool nx__cli_is_help(const char *argument);

/* True when colour is wanted on the descriptor: a terminal, NO_COLOR unset and TERM not "dumb". */
bool nx__cli_color(int fd);

#endif
