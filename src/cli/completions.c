/* nexus completions: a script for the shell, which asks this command at each press of the key. So
 * what is offered is what this version takes, whenever the script was made. */
#include "cli/cli.h"

#include "base/buffer.h"
#include <stdio.h>
#include <unistd.h>

enum { OUTPUT_MOST = 1 << 20 };

/* In embedded.S. */
extern const char nx__completions_bash[], nx__completions_zsh[], nx__completions_fish[];

static const struct {
    const char *name, *summary, *script;
} shells[] = {
    {"bash", "eval \"$(nexus completions bash)\" in ~/.bashrc", nx__completions_bash},
    {"zsh", "source <(nexus completions zsh) in ~/.zshrc", nx__completions_zsh},
    {"fish", "nexus completions fish | source in config.fish", nx__completions_fish},
};

enum { SHELLS = sizeof shells / sizeof *shells };

static const char *shell_words(size_t index, const char **summary)
{
    if (index >= SHELLS) return NULL;
    *summary = shells[index].summary;
    return shells[index].name;
}

/* ---- What is offered: a line each, "WORD<TAB>WHAT IT MEANS", or ":KIND<TAB>PREFIX" for what the
 * shell finds better by itself, behind a prefix of the word. */

struct offers {
    struct nx__buffer text;
    const char *word; /* that is being completed */
    nx_err err;
};

/* Offers a word made of three, if it begins as what is there. */
static void offer(struct offers *o, const char *before, const char *word, const char *behind,
                  const char *summary)
{
    size_t typed = strlen(o->word), head = strlen(before), len = strlen(word);
    if (o->err || strncmp(o->word, before, typed < head ? typed : head) != 0) return;
    if (typed > head && (typed - head > len || memcmp(o->word + head, word, typed - head) != 0))
        return;
    o->err = nx__buffer_printf(&o->text, OUTPUT_MOST, "%s%s%s\t%s\n", before, word, behind,
                               summary ? summary : "");
}

static void offer_kind(struct offers *o, const char *kind, const char *prefix)
{
    if (!o->err) o->err = nx__buffer_printf(&o->text, OUTPUT_MOST, ":%s\t%s\n", kind, prefix);
}

static void offer_variables(struct offers *o, const char *prefix)
{
    for (char **variable = environ; *variable; variable++) {
        char name[256];
        size_t len = strcspn(*variable, "=");
        /* A name with other characters than these is nobody's to type. */
        if (!len || len >= sizeof name ||
            len != strspn(*variable,
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"))
            continue;
        memcpy(name, *variable, len);
        name[len] = '\0';
        offer(o, prefix, name, "", NULL);
    }
}

static void offer_all(struct offers *o, enum nx__offer what, nx__words *words, const char *prefix)
{
    const char *summary = NULL, *word;
    switch (what) {
    case NX__OFFER_NOTHING: break;
    case NX__OFFER_WORDS:
        for (size_t i = 0; (word = words(i, &summary)); i++) offer(o, prefix, word, "", summary);
        break;
    case NX__OFFER_PATHS: offer_kind(o, "paths", prefix); break;
    case NX__OFFER_FOLDERS: offer_kind(o, "folders", prefix); break;
    case NX__OFFER_SOURCES: offer_kind(o, "sources", prefix); break;
    case NX__OFFER_PROGRAMS: offer_kind(o, "programs", prefix); break;
    case NX__OFFER_VARIABLES: offer_variables(o, prefix); break;
    }
}

/* The value of a flag; behind the last comma where it takes several. */
static void offer_value(struct offers *o, const struct nx__flag *flag, const char *value)
{
    char prefix[1024];
    const char *comma = flag->list ? strrchr(value, ',') : NULL;
    size_t len = (size_t)((comma ? comma + 1 : value) - o->word);
    if (len >= sizeof prefix) return;
    memcpy(prefix, o->word, len);
    prefix[len] = '\0';
    offer_all(o, flag->offer, flag->words, prefix);
}

static bool given(const struct nx__flag *flag, char **words, int count)
{
    const char *value;
    for (int i = 0; i < count; i++)
        if (nx__flag_find(flag, words[i], &value) == flag) return true;
    return false;
}

static void offer_flags(struct offers *o, const struct nx__flag *flags, char **words, int count)
{
    static const struct nx__flag help[] = {NX__FLAG_HELP, NX__FLAGS_END};
    for (const struct nx__flag *flag = flags ? flags : help; flag->name; flag++) {
        if (!flag->list && given(flag, words, count)) continue;
        if (flag->takes != NX__TAKES_VALUE) offer(o, "", flag->name, "", flag->summary);
        /* With a value too, once the name is there. */
        if (flag->takes == NX__TAKES_VALUE ||
            (flag->takes == NX__TAKES_EITHER && strcmp(flag->name, o->word) == 0))
            offer(o, "", flag->name, "=", flag->summary);
    }
}

/* words[count - 1] is completed; those before it follow the command's name. */
static void offer_for(struct offers *o, const struct nx__command *command, char **words, int count)
{
    const char *value;
    int arguments = 0;
    for (int i = 0; i < count - 1; i++) {
        if (strcmp(words[i], "--") == 0) { /* the rest is the program's */
            offer_kind(o, "paths", "");
            return;
        }
        arguments += words[i][0] != '-';
    }
    const struct nx__flag *flag = nx__flag_find(command->flags, o->word, &value);
    if (flag && value)
        offer_value(o, flag, value);
    else if (o->word[0] == '-')
        offer_flags(o, command->flags, words, count - 1);
    else if (arguments == 0 || command->arguments)
        offer_all(o, command->argument, command->words, "");
    else if (command == &nx__command_run)
        offer_kind(o, "paths", "");
}

static int complete(char **words, int count)
{
    struct offers o = {.word = words[count - 1]};
    const struct nx__command *command = nx__command_find(words[0]);
    if (count > 1 && command) {
        offer_for(&o, command, words + 1, count - 1);
    } else {
        if (count == 1)
            for (size_t i = 0; nx__commands[i]; i++)
                offer(&o, "", nx__commands[i]->name, "", nx__commands[i]->summary);
        if (count == 1 && o.word[0] == '-')
            offer(&o, "", "--version", "", nx__command_version.summary);
        offer_for(&o, &nx__command_run, words, count); /* nexus FILE.c */
    }
    int code = 0;
    if (!o.err) o.err = nx__buffer_append(&o.text, "", 1, OUTPUT_MOST);
    if (!o.err) code = nx__cli_write(o.text.data);
    nx__buffer_free(&o.text);
    return o.err ? nx__cli_fail(nx__error_set(o.err, "cannot complete: %s", nx_err_text(o.err)))
                 : code;
}

static int run(int argc, char **argv)
{
    const char *names[SHELLS + 1] = {NULL};
    for (size_t i = 0; i < SHELLS; i++) names[i] = shells[i].name;
    if (argc < 2)
        return nx__cli_usage(
            "nexus completions needs the shell: bash, zsh or fish, as in: eval \"$(nexus completions bash)\"");
    for (size_t i = 0; i < SHELLS; i++) {
        if (strcmp(argv[1], names[i]) != 0) continue;
        if (argc > 3 && strcmp(argv[2], "--") == 0) return complete(argv + 3, argc - 3);
        if (argc == 2) return nx__cli_write(shells[i].script);
        return nx__cli_usage("nexus completions %s takes nothing else", names[i]);
    }
    const char *near = nx__suggest(argv[1], names);
    if (near)
        return nx__cli_usage("there are no completions for \"%.64s\"; did you mean %s?", argv[1],
                             near);
    return nx__cli_usage("there are no completions for \"%.64s\", but for bash, zsh and fish",
                         argv[1]);
}

const struct nx__command nx__command_completions = {
    .name = "completions",
    .summary = "let the shell complete commands, flags and files",
    .help =
        "Usage: nexus completions bash|zsh|fish\n"
        "\n"
        "Prints a script for the shell. It asks nexus itself what there is to complete, so it need not be made anew.\n"
        "\n"
        "Examples:\n"
        "  eval \"$(nexus completions bash)\"                             in ~/.bashrc\n"
        "  source <(nexus completions zsh)                              in ~/.zshrc, behind compinit\n"
        "  nexus completions fish > ~/.config/fish/completions/nexus.fish\n",
    .argument = NX__OFFER_WORDS,
    .words = shell_words,
    .run = run,
};
