/* nexus init */
#include "cli/cli.h"

#include "permission/permission.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* In templates.S. */
extern const char nx__template_app[], nx__template_manifest[], nx__template_gitignore[],
    nx__template_readme[];

static const struct {
    const char *name, *text;
} files[] = {
    {"app.c", nx__template_app},
    {"nexus.toml", nx__template_manifest},
    {".gitignore", nx__template_gitignore},
    {"README.md", nx__template_readme},
};

enum { FILES = sizeof files / sizeof *files, NAME_MAX_BYTES = 64 };

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

/* Writes the template, with {{name}} replaced. Never over a file. */
static nx_err file_write(int directory, const char *name, const char *text, const char *project)
{
    static const char mark[] = "{{name}}";
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return nx__error_system(errno, "cannot make \"%s\"", name);
    bool written = true;
    for (const char *next; written && (next = strstr(text, mark)); text = next + sizeof mark - 1)
        written = write_bytes(fd, text, (size_t)(next - text)) &&
                  write_bytes(fd, project, strlen(project));
    written = written && write_bytes(fd, text, strlen(text));
    int system = written ? 0 : errno;
    if (close(fd) != 0 && !system) system = errno;
    return system ? nx__error_system(system, "cannot write \"%s\"", name) : NX_OK;
}

static nx_err make(const char *path, int directory)
{
    struct stat st;
    for (size_t i = 0; i < FILES; i++)
        if (fstatat(directory, files[i].name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            return nx__error_set(
                NX_EEXIST,
                "\"%s\" is here already, and nothing is overwritten: take an empty directory, as in: nexus init hello",
                files[i].name);
    char project[NAME_MAX_BYTES];
    project_name(path, project);
    for (size_t i = 0; i < FILES; i++)
        NX_TRY(file_write(directory, files[i].name, files[i].text, project));
    return NX_OK;
}

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

static int run(int argc, char **argv)
{
    if (argc > 2) return nx__cli_usage("nexus init takes one directory, as in: nexus init hello");
    const char *path = argc == 2 ? argv[1] : ".";
    if (path[0] == '-')
        return nx__cli_usage("unknown flag %.64s; nexus init --help says what there is", path);
    char clean[256];
    nx__printable(clean, sizeof clean, path);
    if (!folders_make(path))
        return nx__cli_fail(nx__error_system(errno, "cannot make the directory \"%s\"", clean));
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return nx__cli_fail(nx__error_system(errno, "cannot open the directory \"%s\"", clean));
    nx_err err = make(path, directory);
    (void)close(directory);
    if (err) return nx__cli_fail(err);
    char text[1024];
    bool here = strcmp(path, ".") == 0;
    (void)snprintf(
        text, sizeof text,
        "Made app.c, nexus.toml, .gitignore and README.md%s%s. Now run:\n\n%s%s%s  nexus run app.c --allow-net=127.0.0.1:3000 --watch\n",
        here ? "" : " in ", here ? "" : clean, here ? "" : "  cd ", here ? "" : clean,
        here ? "" : "\n");
    return nx__cli_write(text);
}

const struct nx__command nx__command_init = {
    .name = "init",
    .summary = "make a project that runs at once",
    .help =
        "Usage: nexus init [DIRECTORY]\n"
        "\n"
        "Writes app.c (a web server), nexus.toml, .gitignore and README.md into the directory, by default the current one. It makes\n"
        "the directory, and those above it, if need be, and overwrites nothing.\n"
        "\n"
        "Examples:\n"
        "  nexus init hello\n"
        "  mkdir hello && cd hello && nexus init\n",
    .run = run,
};
