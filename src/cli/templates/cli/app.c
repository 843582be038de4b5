/* Counts what is in files: nexus run app.c --allow-read=. -- --words README.md */
#include <nexus/fs.h>
#include <stdio.h>

static const char help[] =
    "Usage: {{name}} [FLAGS] FILE...\n"
    "\n"
    "Counts lines, words and bytes.\n"
    "\n"
    "  -l, --lines   lines only\n"
    "  -w, --words   words only\n"
    "  -c, --bytes   bytes only\n"
    "  -h, --help    this\n"
    "\n"
    "Exit code: 0, 2 for wrong usage, or the number of the first error (8: no such file).\n";

typedef struct options {
    bool lines, words, bytes, help;
    const char **files;
    size_t count;
} options;

typedef struct counts {
    size_t lines, words, bytes;
} counts;

/* Reads the command line. NX_EUSAGE says what is wrong with it. */
static nx_err options_parse(options *o, int argc, char **argv)
{
    const struct {
        const char *name, *letter;
        bool *value;
    } flags[] = {{"--lines", "-l", &o->lines},
                 {"--words", "-w", &o->words},
                 {"--bytes", "-c", &o->bytes},
                 {"--help", "-h", &o->help}};
    bool only_files = false;
    o->files = nx_alloc_zero((size_t)argc, sizeof *o->files);
    if (!o->files) return NX_ENOMEM;
    for (int i = 1; i < argc; i++) {
        bool known = false;
        if (!only_files && strcmp(argv[i], "--") == 0) {
            only_files = true; /* a file may begin with a dash */
            continue;
        }
        if (only_files || argv[i][0] != '-') {
            o->files[o->count++] = argv[i];
            continue;
        }
        for (size_t f = 0; f < sizeof flags / sizeof *flags && !known; f++) {
            known = strcmp(argv[i], flags[f].name) == 0 || strcmp(argv[i], flags[f].letter) == 0;
            if (known) *flags[f].value = true;
        }
        if (!known) return nx_fail(NX_EUSAGE, "there is no flag %s; --help lists them", argv[i]);
    }
    if (!o->count && !o->help) return nx_fail(NX_EUSAGE, "name a file, or say --help");
    if (!o->lines && !o->words && !o->bytes) o->lines = o->words = o->bytes = true;
    return NX_OK;
}

static counts count(nx_bytes text)
{
    counts c = {0, 0, text.len};
    bool inside = false;
    for (size_t i = 0; i < text.len; i++) {
        bool blank = memchr(" \t\r\n", text.data[i], 4) != NULL;
        c.lines += text.data[i] == '\n';
        c.words += !blank && !inside;
        inside = !blank;
    }
    return c;
}

static void print(const options *o, const char *name, counts c)
{
    if (o->lines) printf("%8zu", c.lines);
    if (o->words) printf("%8zu", c.words);
    if (o->bytes) printf("%8zu", c.bytes);
    printf(" %s\n", name);
}

static nx_err run(int argc, char **argv)
{
    options o = {0};
    NX_TRY(options_parse(&o, argc, argv));
    if (o.help) {
        printf("%s", help);
        return NX_OK;
    }
    for (size_t i = 0; i < o.count; i++) {
        nx_bytes text;
        NX_TRY(nx_fs_read_file(o.files[i], &text));
        print(&o, o.files[i], count(text));
    }
    return NX_OK;
}

int main(int argc, char **argv)
{
    nx_err err = run(argc, argv);
    if (err) fprintf(stderr, "{{name}}: %s\n", nx_error_last()->message);
    return err; /* its number is the exit code */
}
