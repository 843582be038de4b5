/* nexus init */
#include "cli/cli.h"

#include "base/buffer.h"
#include "cli/templates.h"
#include "module/compdb.h"
#include "permission/permission.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 64, PLACE_MAX = 256 };

/* What is put in for the marks. */
struct project {
    const struct nx__template *template;
    char name[NAME_MAX_BYTES], ident[NAME_MAX_BYTES + 8], capitals[NAME_MAX_BYTES + 8];
    char main[PLACE_MAX];
};

static const char *template_words(size_t index, const char **summary)
{
    *summary = nx__templates[index].summary;
    return nx__templates[index].name;
}

static const struct nx__flag flags[] = {
    {.name = "--template",
     .summary = "what to begin with",
     .takes = NX__TAKES_VALUE,
     .offer = NX__OFFER_WORDS,
     .words = template_words},
    NX__FLAG_HELP,
    NX__FLAGS_END,
};

/* The project's name, from the directory's: what TOML and a package registry both take. */
static void project_name(const char *directory, char out[NAME_MAX_BYTES])
{
    char real[PATH_MAX];
    const char *path = realpath(directory, real) ? real : directory;
    const char *slash = strrchr(path, '/');
    size_t n = 0;
    for (const char *s = slash ? slash + 1 : path; *s && n + 1 < NAME_MAX_BYTES; s++) {
        char c = *s >= 'A' && *s <= 'Z' ? (char)(*s + ('a' - 'A')) : *s;
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (plain || n) out[n++] = plain ? c : '-';
    }
    out[n] = '\0';
    if (!n) memcpy(out, "app", 4);
}

/* The name as C takes it: my-lib becomes my_lib, 3d becomes lib_3d. */
static void project_idents(struct project *p)
{
    bool digit = p->name[0] >= '0' && p->name[0] <= '9';
    int n = snprintf(p->ident, sizeof p->ident, "%s%s", digit ? "lib_" : "", p->name);
    for (int i = 0; i <= n; i++) {
        char c = p->ident[i] == '-' ? '_' : p->ident[i];
        p->ident[i] = c;
        p->capitals[i] = c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
    }
}

/* The text with its marks replaced. */
static nx_err fill(struct nx__buffer *out, const char *text, const struct project *p)
{
    const struct {
        const char *mark, *text;
    } marks[] = {{"{{name}}", p->name},
                 {"{{ident}}", p->ident},
                 {"{{IDENT}}", p->capitals},
                 {"{{main}}", p->main}};
    enum { MARKS = sizeof marks / sizeof *marks, TEXT_MOST = 1 << 20 };
    while (*text) {
        const char *next = strstr(text, "{{");
        size_t len = next ? (size_t)(next - text) : strlen(text), used = 0;
        NX_TRY(nx__buffer_append(out, text, len, TEXT_MOST));
        text += len;
        for (size_t i = 0; next && i < MARKS && !used; i++) {
            if (strncmp(text, marks[i].mark, strlen(marks[i].mark)) != 0) continue;
            used = strlen(marks[i].mark);
            NX_TRY(nx__buffer_append(out, marks[i].text, strlen(marks[i].text), TEXT_MOST));
        }
        if (next && !used) NX_TRY(nx__buffer_append(out, text, used = 1, TEXT_MOST)); /* C's own */
        text += used;
    }
    return NX_OK;
}

/* The same for the short text of a path. */
static nx_err fill_path(char out[PLACE_MAX], const char *text, const struct project *p)
{
    struct nx__buffer path = {0};
    nx_err err = fill(&path, text, p);
    if (!err && path.len >= PLACE_MAX) err = NX_ETOOBIG;
    if (!err && path.len) memcpy(out, path.data, path.len);
    if (!err) out[path.len] = '\0';
    nx__buffer_free(&path);
    return err ? nx__error_set(err, "cannot make \"%s\": %s", text, nx_err_text(err)) : NX_OK;
}

static bool write_bytes(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* Writes a file of the template. Never over another. */
static nx_err file_write(int directory, const char *path, const char *text, const struct project *p)
{
    struct nx__buffer filled = {0};
    nx_err err = fill(&filled, text, p);
    if (err) {
        nx__buffer_free(&filled);
        return nx__error_set(err, "cannot make \"%s\": %s", path, nx_err_text(err));
    }
    const char *slash = strchr(path, '/');
    char folder[PLACE_MAX];
    int system = 0, fd = -1;
    if (slash) {
        (void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
        if (mkdirat(directory, folder, 0777) != 0 && errno != EEXIST) system = errno;
    }
    if (!system) fd = openat(directory, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && !system) system = errno;
    if (fd >= 0 && !write_bytes(fd, filled.data, filled.len)) system = errno;
    if (fd >= 0 && close(fd) != 0 && !system) system = errno;
    nx__buffer_free(&filled);
    return system ? nx__error_system(system, "cannot write \"%s\"", path) : NX_OK;
}

static nx_err make(const char *directory_path, int directory, struct project *p)
{
    char paths[NX__TEMPLATE_FILES][PLACE_MAX];
    size_t count = 0;
    struct stat st;
    project_name(directory_path, p->name);
    project_idents(p);
    NX_TRY(fill_path(p->main, p->template->main, p));
    for (; count < NX__TEMPLATE_FILES && p->template->files[count].path; count++)
        NX_TRY(fill_path(paths[count], p->template->files[count].path, p));
    for (size_t i = 0; i < count; i++)
        if (fstatat(directory, paths[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
            return nx__error_set(
                NX_EEXIST,
                "\"%s\" is here already, and nothing is overwritten: take an empty directory, as in: nexus init hello",
                paths[i]);
    for (size_t i = 0; i < count; i++)
        NX_TRY(file_write(directory, paths[i], p->template->files[i].text, p));
    return NX_OK;
}

/* compile_commands.json, for editors. Without it the project is whole as well. */
static void tell_editors(const char *directory_path, const struct project *p)
{
    char *root = realpath(directory_path, NULL), source[PATH_MAX + PLACE_MAX], path[PLACE_MAX];
    struct nx__compdb db = {0};
    for (size_t i = 0; root && i < NX__TEMPLATE_FILES && p->template->files[i].path; i++) {
        if (fill_path(path, p->template->files[i].path, p)) continue;
        const char *extension = strrchr(path, '.');
        if (!extension || strcmp(extension, ".c") != 0) continue;
        (void)snprintf(source, sizeof source, "%s/%s", root, path);
        nx__compdb_add(&db, source);
    }
    if (db.count && nx__compdb_write(&db, db.sources[0]))
        nx__cli_say("editors may not find the headers: %s", nx__error_last()->message);
    free(root);
}

/* ---- The command */

/* Makes the folder and those above it that are not there. */
static bool folders_make(const char *path)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof part) {
        errno = ENAMETOOLONG;
        return false;
    }
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) return false;
    }
    return true;
}

static const struct nx__template *template_find(const char *name)
{
    for (const struct nx__template *t = nx__templates; t->name; t++)
        if (strcmp(t->name, name) == 0) return t;
    return NULL;
}

static int no_template(const char *name)
{
    enum { NAMES_MOST = 16 };
    const char *names[NAMES_MOST] = {NULL};
    char list[1024] = "", clean[64];
    size_t len = 0;
    for (size_t i = 0; nx__templates[i].name && i + 1 < NAMES_MOST; i++) {
        names[i] = nx__templates[i].name;
        int n = snprintf(list + len, sizeof list - len, "\n  %-11s %s", nx__templates[i].name,
                         nx__templates[i].summary);
        if (n > 0 && (size_t)n < sizeof list - len) len += (size_t)n;
    }
    const char *near = nx__suggest(name, names);
    nx__printable(clean, sizeof clean, name);
    if (near)
        return nx__cli_usage("there is no template \"%s\"; did you mean %s? There are:%s", clean,
                             near, list);
    return nx__cli_usage("there is no template \"%s\"; there are:%s", clean, list);
}

/* What has been made, and what to try. */
static int report(const char *path, const struct project *p)
{
    char text[2048], clean[256];
    bool here = strcmp(path, ".") == 0,
         quoted = path[strcspn(path, " \t'\"$&;()*?[]<>|\\`")] != '\0';
    nx__printable(clean, sizeof clean, path);
    int n = snprintf(text, sizeof text, "Made %s%s%s:", p->template->summary, here ? "" : " in ",
                     here ? "" : clean);
    for (size_t i = 0; i < NX__TEMPLATE_FILES && p->template->files[i].path; i++) {
        char file[PLACE_MAX];
        if (fill_path(file, p->template->files[i].path, p)) continue;
        n += snprintf(text + n, sizeof text - (size_t)n, "%s %s", i ? "," : "", file);
    }
    n += snprintf(text + n, sizeof text - (size_t)n, ". Now run:\n\n");
    if (!here)
        n += snprintf(text + n, sizeof text - (size_t)n, quoted ? "  cd \"%s\"\n" : "  cd %s\n",
                      clean);
    (void)snprintf(text + n, sizeof text - (size_t)n, "%s", p->template->next);
    return nx__cli_write(text);
}

static int run(int argc, char **argv)
{
    const char *path = NULL, *value;
    struct project project = {.template = nx__templates};
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-') {
            if (path)
                return nx__cli_usage("nexus init takes one directory, as in: nexus init hello");
            path = argv[i];
            continue;
        }
        const struct nx__flag *flag = nx__flag_find(flags, argv[i], &value);
        if (!flag)
            return nx__cli_fail(
                nx__flag_unknown(flags, argv[i], "nexus init --help says what there is"));
        project.template = template_find(value ? value : "");
        if (!project.template) return no_template(value ? value : "");
    }
    if (!path) path = ".";
    char clean[256];
    nx__printable(clean, sizeof clean, path);
    if (!folders_make(path))
        return nx__cli_fail(nx__error_system(errno, "cannot make the directory \"%s\"", clean));
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return nx__cli_fail(nx__error_system(errno, "cannot open the directory \"%s\"", clean));
    nx_err err = make(path, directory, &project);
    (void)close(directory);
    if (err) return nx__cli_fail(err);
    tell_editors(path, &project);
    return report(path, &project);
}

const struct nx__command nx__command_init = {
    .name = "init",
    .summary = "make a project that runs at once",
    .help =
        "Usage: nexus init [--template=NAME] [DIRECTORY]\n"
        "\n"
        "Writes a project that runs at once into the directory, by default the current one. It makes the directory, and those\n"
        "above it, if need be, and overwrites nothing.\n"
        "\n"
        "  --template=http         a web server (the default)\n"
        "  --template=api          a JSON API, with tests\n"
        "  --template=cli          a program for the command line, with tests\n"
        "  --template=lib          a library for other programs, with an example and tests\n"
        "  --template=wasm-c       a WebAssembly program in C; wasm-go, wasm-js, wasm-python: in Go, JavaScript, Python\n"
        "\n"
        "Examples:\n"
        "  nexus init hello\n"
        "  nexus init --template=api notes\n"
        "  mkdir hello && cd hello && nexus init\n",
    .flags = flags,
    .argument = NX__OFFER_FOLDERS,
    .run = run,
};
