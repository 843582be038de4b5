/* Command lines, as their own room knows them. */
#ifndef NX__ARGS_H
#define NX__ARGS_H

#include <nexus/args.h>

enum { NX__ARGS_DEPTH_MOST = 8 }; /* of subcommands */

/* The commands from the program to the one that was named. */
struct nx__args_path {
    const nx_command *commands[NX__ARGS_DEPTH_MOST];
    size_t depth;
};

/* "--port", or "FILE" of an argument, in memory of the scope; "" where there is none. */
const char *nx__arg_title(const nx_arg *arg, bool positional);

/* What help calls its value: "N", "a|b". In memory of the scope; "" where there is none. */
const char *nx__arg_value_name(const nx_arg *arg);

/* "tool serve", in memory of the scope; "" where there is none. */
const char *nx__args_called(const struct nx__args_path *path);

/* What the variable has, for the help: "3000"; NULL where there is nothing to say. Memory of the
 * scope. */
const char *nx__arg_default(const nx_arg *arg);

/* Stores a value in the variable, once it is known to be one. `given` is how it was: "--port=x",
 * for messages. NX_EUSAGE, NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__arg_store(const nx_arg *arg, const char *text, const char *given,
                                   bool dry);

/* The page of --help, `columns` wide, in memory of the scope; NULL where there is none. */
const char *nx__args_help(const struct nx__args_path *path, size_t columns);

#endif
