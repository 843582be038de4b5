/* Command lines. */
#include "args/args.h"

#include "base/error.h"
#include "base/suggest.h"
#include "permission/permission.h"
#include <nexus/console.h>
#include <nexus/env.h>

enum { NAMES_MOST = 128, CLEAN_MOST = 80 };

/* What was given for an option or an argument. */
struct given {
    const nx_arg *arg;
    const char *text;
    const char *as; /* for messages: "--port=x" */
};

struct parser {
    struct nx__args_path path;
    struct given *given;
    size_t given_count;
    const char *const *words; /* what is left of argv */
    size_t words_count;
    size_t arguments; /* that were given, a list's counted once */
    bool help, version, literal;
};

static const nx_command *command_of(const struct parser *p)
{
    return p->path.commands[p->path.depth - 1];
}

static const char *clean(char out[CLEAN_MOST], const char *text)
{
    return nx__printable(out, CLEAN_MOST, text);
}

static nx_err give(struct parser *p, const nx_arg *arg, const char *text, const char *as)
{
    if (!as) return NX_ENOMEM;
    p->given[p->given_count++] = (struct given){.arg = arg, .text = text, .as = as};
    return nx__arg_store(arg, text, as, true);
}

static const char *next_word(struct parser *p)
{
    if (!p->words_count) return NULL;
    p->words_count--;
    return *p->words++;
}

/* ---- Options */

/* The nearest command's first, then those above it. */
static const nx_arg *option_find(const struct parser *p, const char *name, size_t len, char letter)
{
    for (size_t i = p->path.depth; i-- > 0;)
        for (const nx_arg *arg = p->path.commands[i]->options; arg && arg->name; arg++)
            if (name ? strlen(arg->name) == len && memcmp(arg->name, name, len) == 0
                     : arg->letter == letter)
                return arg;
    return NULL;
}

static nx_err unknown_option(const struct parser *p, const char *word)
{
    const char *names[NAMES_MOST] = {"help", p->path.commands[0]->version ? "version" : "help"};
    char shown[CLEAN_MOST];
    size_t count = 2, len = strcspn(word, "=");
    for (size_t i = p->path.depth; i-- > 0;)
        for (const nx_arg *arg = p->path.commands[i]->options; arg && arg->name; arg++)
            if (count + 1 < NAMES_MOST) names[count++] = arg->name;
    names[count] = NULL;
    char *name = nx_copy(nx_slice(word, len));
    if (!name) return NX_ENOMEM;
    const char *near = strncmp(name, "--", 2) == 0 ? nx__suggest(name + 2, names) : NULL;
    return near ? nx__error_set(NX_EUSAGE, "unknown option %s; did you mean --%s?",
                                clean(shown, name), near)
                : nx__error_set(NX_EUSAGE, "unknown option %s", clean(shown, name));
}

static bool takes_value(const nx_arg *arg)
{
    return arg->to.kind != NX_ARG_FLAG && arg->to.kind != NX_ARG_COUNT;
}

/* The value is the word behind it. */
static nx_err give_next(struct parser *p, const nx_arg *arg, const char *title)
{
    const char *text = next_word(p);
    if (!text)
        return nx__error_set(NX_EUSAGE, "%s needs a value, as in --%s=%s", title, arg->name,
                             nx__arg_value_name(arg));
    return give(p, arg, text, nx_format("%s %s", title, text));
}

/* "--name", "--name=VALUE", "--no-name" */
static nx_err long_read(struct parser *p, const char *word)
{
    const char *name = word + 2;
    size_t len = strcspn(name, "=");
    const char *value = name[len] ? name + len + 1 : NULL;
    const nx_arg *arg = option_find(p, name, len, 0);
    if (arg && takes_value(arg)) return value ? give(p, arg, value, word) : give_next(p, arg, word);
    if (arg && arg->to.kind == NX_ARG_COUNT && value)
        return nx__error_set(NX_EUSAGE, "--%s takes no value", arg->name);
    if (arg) return give(p, arg, value ? value : "yes", word);
    if (!value && strcmp(name, "help") == 0) {
        p->help = true;
        return NX_OK;
    }
    if (!value && strcmp(name, "version") == 0 && p->path.commands[0]->version) {
        p->version = true;
        return NX_OK;
    }
    if (!value && strncmp(name, "no-", 3) == 0) {
        arg = option_find(p, name + 3, len - 3, 0);
        if (arg && arg->to.kind == NX_ARG_FLAG) return give(p, arg, "no", word);
    }
    return unknown_option(p, word);
}

/* "-a", "-abc", "-oVALUE" */
static nx_err short_read(struct parser *p, const char *word)
{
    for (const char *c = word + 1; *c; c++) {
        const nx_arg *arg = option_find(p, NULL, 0, *c);
        const char title[] = {'-', *c, '\0'};
        if (arg && takes_value(arg)) {
            if (!c[1]) return give_next(p, arg, title);
            const char *value = c + 1 + (c[1] == '=');
            return give(p, arg, value, nx_format("%s %s", title, value));
        }
        if (arg) {
            NX_TRY(give(p, arg, "yes", nx_copy(nx_str(title))));
        } else if (*c == 'h') {
            p->help = true;
        } else if (*c == 'V' && p->path.commands[0]->version) {
            p->version = true;
        } else {
            return unknown_option(p, title);
        }
    }
    return NX_OK;
}

/* ---- Arguments and subcommands */

static const nx_command *command_find(const nx_command *commands, const char *name)
{
    for (; commands && commands->name; commands++)
        if (strcmp(commands->name, name) == 0) return commands;
    return NULL;
}

static nx_err unknown_command(const struct parser *p, const char *word)
{
    const char *names[NAMES_MOST] = {NULL};
    char shown[CLEAN_MOST];
    size_t count = 0;
    for (const nx_command *c = command_of(p)->commands; c && c->name && count + 1 < NAMES_MOST; c++)
        names[count++] = c->name;
    const char *near = nx__suggest(word, names);
    return near ? nx__error_set(NX_EUSAGE, "unknown command \"%s\"; did you mean %s?",
                                clean(shown, word), near)
                : nx__error_set(NX_EUSAGE, "unknown command \"%s\"", clean(shown, word));
}

static nx_err command_read(struct parser *p, const char *word)
{
    const nx_command *command = command_find(command_of(p)->commands, word);
    if (!command && strcmp(word, "help") == 0) {
        p->help = true;
        return NX_OK;
    }
    if (!command) return unknown_command(p, word);
    if (p->path.depth == NX__ARGS_DEPTH_MOST)
        return nx__error_set(NX_EINVAL, "\"%.60s\" is more than %d commands deep", word,
                             NX__ARGS_DEPTH_MOST);
    p->path.commands[p->path.depth++] = command;
    return NX_OK;
}

static nx_err argument_read(struct parser *p, const char *word)
{
    const nx_command *command = command_of(p);
    const nx_arg *arg = command->arguments;
    char shown[CLEAN_MOST];
    bool names = command->commands && !p->arguments && !p->literal;
    if (names && (!arg || command_find(command->commands, word))) return command_read(p, word);
    for (size_t i = 0; arg && arg->name && i < p->arguments; i++) arg++;
    if (!arg || !arg->name)
        return nx__error_set(NX_EUSAGE, "\"%s\" is one argument too many", clean(shown, word));
    if (arg->to.kind != NX_ARG_LIST) p->arguments++;
    return give(p, arg, word, nx_format("%s \"%s\"", nx__arg_title(arg, true), word));
}

/* "-5" is a number where no option has that letter. */
static bool is_option(const struct parser *p, const char *word)
{
    if (p->literal || word[0] != '-' || !word[1]) return false;
    bool digit = word[1] >= '0' && word[1] <= '9';
    return !digit || option_find(p, NULL, 0, word[1]);
}

static nx_err words_read(struct parser *p)
{
    for (const char *word; (word = next_word(p));) {
        if (!p->literal && strcmp(word, "--") == 0)
            p->literal = true;
        else if (!is_option(p, word))
            NX_TRY(argument_read(p, word));
        else if (word[1] == '-')
            NX_TRY(long_read(p, word));
        else
            NX_TRY(short_read(p, word));
        if (p->version) return NX_OK;
    }
    return NX_OK;
}

/* ---- What wasn't given */

static bool was_given(const struct parser *p, const nx_arg *arg)
{
    for (size_t i = 0; i < p->given_count; i++)
        if (p->given[i].arg == arg) return true;
    return false;
}

static nx_err fall_back(struct parser *p, const nx_arg *arg, bool positional)
{
    if (was_given(p, arg)) return NX_OK;
    nx_err err = NX_OK;
    if (arg->env) {
        const char *text = nx_env(arg->env);
        err = text ? NX_OK : nx__error_last()->code;
        if (text && *text) return give(p, arg, text, nx_format("%s=\"%s\"", arg->env, text));
    }
    if (!arg->required) return NX_OK;
    const char *title = nx__arg_title(arg, positional);
    /* Who has set the variable, and not granted it, is to know. */
    if (err == NX_EPERM)
        return nx__error_set(NX_EUSAGE, "%s is missing, and %s", title, nx__error_last()->message);
    return arg->env ? nx__error_set(NX_EUSAGE, "%s is missing, and %s is not set", title, arg->env)
                    : nx__error_set(NX_EUSAGE, "%s is missing", title);
}

static nx_err rest_read(struct parser *p)
{
    const nx_command *command = command_of(p);
    for (size_t i = 0; i < p->path.depth; i++)
        for (const nx_arg *arg = p->path.commands[i]->options; arg && arg->name; arg++)
            NX_TRY(fall_back(p, arg, false));
    for (const nx_arg *arg = command->arguments; arg && arg->name; arg++)
        NX_TRY(fall_back(p, arg, true));
    if (!command->commands || command->run) return NX_OK;
    const char *names = "";
    for (const nx_command *c = command->commands; names && c->name; c++)
        names = nx_format("%s%s%s", names, c == command->commands ? "" : ", ", c->name);
    return nx__error_set(NX_EUSAGE, "a command is missing: one of %.180s", names ? names : "");
}

/* ---- The whole */

/* How many entries the tables have; an error for one that can't be used. */
static nx_err table_check(const nx_command *command, size_t depth, size_t *count)
{
    const nx_arg *tables[] = {command->options, command->arguments};
    if (depth > NX__ARGS_DEPTH_MOST || !command->name)
        return nx__error_set(NX_EINVAL, "a command without a name, or too many in each other");
    for (size_t i = 0; i < 2; i++)
        for (const nx_arg *arg = tables[i]; arg && arg->name; arg++, ++*count)
            if (!arg->to.at || arg->to.kind == NX_ARG_NONE)
                return nx__error_set(NX_EINVAL, "\"%.60s\" has no variable: .to = NX_TO(&variable)",
                                     arg->name);
    for (const nx_command *sub = command->commands; sub && sub->name; sub++)
        NX_TRY(table_check(sub, depth + 1, count));
    return NX_OK;
}

/* A short option takes a byte and may be given often, so bytes count. */
static size_t bytes_of(int argc, char *const *argv)
{
    size_t bytes = 0;
    for (int i = 1; i < argc; i++) bytes += strlen(argv[i]) + 1;
    return bytes;
}

static nx_err store_all(const struct parser *p)
{
    for (size_t i = 0; i < p->given_count; i++)
        NX_TRY(nx__arg_store(p->given[i].arg, p->given[i].text, p->given[i].as, false));
    return NX_OK;
}

static nx_err parse(struct parser *p, const nx_command *program, int argc, char *const *argv,
                    nx_args *out)
{
    size_t entries = 0;
    *out = (nx_args){.command = program};
    p->path = (struct nx__args_path){.commands = {program}, .depth = 1};
    NX_TRY(table_check(program, 1, &entries));
    p->given = nx_alloc_zero(entries + bytes_of(argc, argv) + 1, sizeof *p->given);
    if (!p->given) return NX_ENOMEM;
    p->words = (const char *const *)argv + 1;
    p->words_count = argc > 1 ? (size_t)argc - 1 : 0;
    nx_err err = words_read(p);
    out->command = command_of(p);
    /* Who asks for help gets it, whatever else is wrong behind. */
    if (p->version)
        out->text = nx_format("%s %s\n", program->name, program->version);
    else if (p->help)
        out->text = nx__args_help(&p->path, nx_terminal_width(NX_STDOUT));
    if (p->version || p->help) return out->text ? NX_OK : NX_ENOMEM;
    NX_TRY(err);
    NX_TRY(rest_read(p));
    return store_all(p);
}

nx_err nx_args_parse(const nx_command *program, int argc, char *const *argv, nx_args *out)
{
    struct parser parser = {0};
    return parse(&parser, program, argc, argv, out);
}

int nx_args_run(const nx_command *program, int argc, char *const *argv)
{
    struct parser parser = {0};
    nx_args args;
    nx_err err = parse(&parser, program, argc, argv, &args);
    if (err == NX_EUSAGE) {
        /* Looked at: `main` returns it, and it is said already. */
        (void)nx_eprintln("%s: %s\nTry \"%s --help\".", program->name, nx_error_last()->message,
                          nx__args_called(&parser.path));
        return (int)err;
    }
    if (!err && args.text)
        err = nx_print("%s", args.text);
    else if (!err && args.command->run)
        err = args.command->run(args.command->arg);
    return (int)err;
}
