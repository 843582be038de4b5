/* Notes, a line each:
 *   nexus run --allow-read=. --allow-write=. app.c add buy milk --tag=shop
 *   nexus run --allow-read=. app.c list --tag=shop
 *   nexus run --allow-read=. app.c find milk -i
 * The file is notes.txt, --file=FILE, or $NOTES with --allow-env=NOTES; app.c --help says the rest.
 */
#include <nexus.h>
#include <strings.h>

static struct {
    const char *file, *tag, *text;
    int64_t most;
    bool ignore_case;
    nx_arg_list words;
} o = {.file = "notes.txt", .most = 100};

static nx_err add(void *arg)
{
    (void)arg;
    const char *line = o.tag ? nx_format("#%s", o.tag) : "#";
    for (size_t i = 0; line && i < o.words.count; i++)
        line = nx_format("%s %s", line, o.words.items[i]);
    line = line ? nx_format("%s\n", line) : NULL;
    return line ? nx_fs_append_file(o.file, nx_str(line)) : NX_ENOMEM;
}

static bool contains(const char *line, const char *text)
{
    size_t len = strlen(text);
    for (; *line; line++)
        if ((o.ignore_case ? strncasecmp : strncmp)(line, text, len) == 0) return true;
    return len == 0;
}

/* "#tag text": is it what was asked for? */
static bool is_wanted(const char *line)
{
    size_t tag = strcspn(line, " ");
    if (o.tag && (strlen(o.tag) != tag - 1 || memcmp(line + 1, o.tag, tag - 1) != 0)) return false;
    return !o.text || contains(line + tag, o.text);
}

static nx_err show(void *arg)
{
    (void)arg;
    nx_bytes text;
    NX_TRY(nx_fs_read_file(o.file, &text));
    int64_t shown = 0;
    for (const char *line = text.data; line < text.data + text.len && shown < o.most;) {
        size_t len = strcspn(line, "\n");
        const char *note = nx_copy(nx_slice(line, len));
        if (!note) return NX_ENOMEM;
        if (*note && is_wanted(note)) {
            nx_println("%3lld  %s%s%s", (long long)++shown, nx_style(NX_BOLD),
                       note + strcspn(note, " "), nx_style(NX_PLAIN));
        }
        line += len + 1;
    }
    return shown || !o.text ? NX_OK : nx_fail(NX_ENOENT, "no note has \"%s\" in it", o.text);
}

#define TAG                                                                                        \
    {                                                                                              \
        .name = "tag", .letter = 't', .to = NX_TO(&o.tag), .value = "TAG", .help = "a word for it" \
    }
#define MOST                                                                                       \
    {                                                                                              \
        .name = "most", .letter = 'n', .to = NX_TO(&o.most), .least = 1,                           \
        .help = "show no more than these"                                                          \
    }

static const nx_command notes = {
    .name = "notes",
    .summary = "keeps notes, a line each",
    .version = "1.0",
    .options = NX_ARGS({.name = "file",
                        .letter = 'f',
                        .to = NX_TO(&o.file),
                        .value = "FILE",
                        .env = "NOTES",
                        .help = "where they are"}),
    .commands = NX_COMMANDS(
        {.name = "add",
         .summary = "add a note",
         .run = add,
         .options = NX_ARGS(TAG),
         .arguments = NX_ARGS(
             {.name = "words", .to = NX_TO(&o.words), .help = "what to note", .required = true})},
        {.name = "list", .summary = "show them", .run = show, .options = NX_ARGS(TAG, MOST)},
        {.name = "find",
         .summary = "show those with a text in it",
         .run = show,
         .options = NX_ARGS({.name = "ignore-case",
                             .letter = 'i',
                             .to = NX_TO(&o.ignore_case),
                             .help = "capitals are small letters, too"},
                            TAG, MOST),
         .arguments = NX_ARGS({.name = "text", .to = NX_TO(&o.text), .required = true})}),
    .details = "Examples:\n"
               "  notes add buy milk --tag=shop\n"
               "  notes find -i milk",
};

int main(int argc, char **argv)
{
    return nx_args_run(&notes, argc, argv);
}
