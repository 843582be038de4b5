/* nexus doctor: probes what Nexus stands on, and says what would make it better. */
#include "cli/doctor.h"

#include "base/buffer.h"
#include "base/json.h"
#include "cli/cli.h"
#include "permission/permission.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { OUTPUT_MOST = 1 << 20 };

struct nx__finding *nx__doctor_add(struct nx__doctor *d, enum nx__health health, const char *name,
                                   const char *why, const char *format, ...)
{
    struct nx__finding *f = &d->findings[d->count];
    if (d->count + 1 < NX__FINDINGS_MOST) d->count++;
    *f = (struct nx__finding){.health = health, .group = d->group, .name = name, .why = why};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(f->what, sizeof f->what, format, args);
    va_end(args);
    (void)nx__printable(f->what, sizeof f->what, f->what);
    return f;
}

void nx__doctor_fix(struct nx__finding *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(f->fix, sizeof f->fix, format, args);
    va_end(args);
    (void)nx__printable(f->fix, sizeof f->fix, f->fix);
}

bool nx__doctor_read(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
    if (fd >= 0) (void)close(fd);
    if (n < 0) return false;
    out[n] = '\0';
    if (n && out[n - 1] == '\n') out[n - 1] = '\0';
    return true;
}

void nx__doctor_install(const struct nx__doctor *d, struct nx__finding *f,
                        const char *const packages[5])
{
    static const char *const managers[5][2] = {{"/usr/bin/apt-get", "apt-get install -y"},
                                               {"/usr/bin/dnf", "dnf install -y"},
                                               {"/sbin/apk", "apk add"},
                                               {"/usr/bin/pacman", "pacman -S --noconfirm"},
                                               {"/usr/bin/zypper", "zypper install -y"}};
    for (size_t i = 0; i < 5; i++)
        if (packages[i] && access(managers[i][0], X_OK) == 0) {
            nx__doctor_fix(f, "%s%s %s", d->sudo, managers[i][1], packages[i]);
            return;
        }
}

/* ---- Nexus itself, and the terminal */

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool nx__doctor_find(const char *name, char *out, size_t size)
{
    const char *path = getenv("PATH");
    for (const char *next; path && *path; path = next) {
        size_t len = strcspn(path, ":");
        next = path[len] ? path + len + 1 : path + len;
        int n = snprintf(out, size, "%.*s/%s", (int)len, path, name);
        if (len && n > 0 && (size_t)n < size && access(out, X_OK) == 0) return true;
    }
    return false;
}

static void probe_nexus(struct nx__doctor *d)
{
    static const char why[] = "the shell, editors and scripts find it by the PATH";
    char self[PATH_MAX], found[PATH_MAX];
    d->group = "nexus";
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) {
        nx__doctor_fix(nx__doctor_add(d, NX__HEALTH_PROBLEM, "/proc",
                                      "programs are loaded through it", "is not mounted"),
                       "%smount -t proc proc /proc", d->sudo);
        return;
    }
    self[n] = '\0';
    nx__doctor_add(d, NX__HEALTH_OK, "version", "programs and headers are of one version",
                   "%s, %.200s", nx_version(), self);
    if (!nx__doctor_find("nexus", found, sizeof found)) {
        struct nx__finding *f =
            nx__doctor_add(d, NX__HEALTH_NOTE, "PATH", why, "there is no nexus on it");
        nx__doctor_fix(f, "export PATH=\"%.*s:$PATH\"", (int)(strrchr(self, '/') - self), self);
    } else if (!same_file(found, self)) {
        struct nx__finding *f =
            nx__doctor_add(d, NX__HEALTH_NOTE, "PATH", why, "has another one first: %.180s", found);
        nx__doctor_fix(f, "export PATH=\"%.*s:$PATH\"", (int)(strrchr(self, '/') - self), self);
    } else {
        nx__doctor_add(d, NX__HEALTH_OK, "PATH", why, "%.200s", found);
    }
}

static void probe_terminal(struct nx__doctor *d)
{
    d->group = "terminal";
    bool in = isatty(STDIN_FILENO), err = isatty(STDERR_FILENO);
    struct winsize size;
    const char *term = getenv("TERM");
    nx__doctor_add(d, NX__HEALTH_OK, "questions",
                   "a missing permission is asked for on a terminal, and refused off one",
                   in && err ? "can be asked" : "can't be asked: %s is no terminal",
                   in ? "the standard error" : "the standard input");
    if (!err)
        nx__doctor_add(d, NX__HEALTH_OK, "colour", "errors are easier to see in it",
                       "off: the standard error is no terminal");
    else if (nx__cli_color(STDERR_FILENO))
        nx__doctor_add(d, NX__HEALTH_OK, "colour", "errors are easier to see in it",
                       "on, TERM is %.60s, %u columns", term ? term : "not set",
                       ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0u);
    else
        nx__doctor_add(d, NX__HEALTH_OK, "colour", "errors are easier to see in it",
                       "off, by NO_COLOR or TERM");
}

/* ---- What is printed */

static const char *const health_names[] = {"ok", "note", "problem"};

static size_t count_of(const struct nx__doctor *d, enum nx__health health)
{
    size_t n = 0;
    for (size_t i = 0; i < d->count; i++) n += d->findings[i].health == health;
    return n;
}

static nx_err print_text(const struct nx__doctor *d, struct nx__buffer *out)
{
    static const char *const colors[] = {"\033[32m", "\033[33m", "\033[1;31m"};
    bool color = nx__cli_color(STDOUT_FILENO);
    const char *dim = color ? "\033[2m" : "", *bold = color ? "\033[1m" : "",
               *plain = color ? "\033[0m" : "";
    for (size_t i = 0; i < d->count; i++) {
        const struct nx__finding *f = &d->findings[i];
        if (!i || strcmp(f->group, f[-1].group) != 0)
            NX_TRY(nx__buffer_printf(out, OUTPUT_MOST, "%s%s%s%s\n", i ? "\n" : "", bold, f->group,
                                     plain));
        NX_TRY(nx__buffer_printf(out, OUTPUT_MOST, "  %s%-7s%s  %s: %s %s(%s)%s\n",
                                 color ? colors[f->health] : "", health_names[f->health], plain,
                                 f->name, f->what, dim, f->why, plain));
        if (f->fix[0]) NX_TRY(nx__buffer_printf(out, OUTPUT_MOST, "           %s\n", f->fix));
    }
    size_t notes = count_of(d, NX__HEALTH_NOTE), problems = count_of(d, NX__HEALTH_PROBLEM);
    NX_TRY(nx__buffer_printf(out, OUTPUT_MOST, "\n%zu problem%s, %zu note%s\n", problems,
                             problems == 1 ? "" : "s", notes, notes == 1 ? "" : "s"));
    return NX_OK;
}

static nx_err put_json(struct nx__buffer *out, nx_value value)
{
    nx_err err;
    size_t size = nx__json_write(value, NULL, 0, &err);
    if (!err) err = nx__buffer_reserve(out, size, OUTPUT_MOST);
    if (err) return err;
    (void)nx__json_write(value, out->data + out->len, size, &err);
    out->len += size;
    return err;
}

/* Bytes that are no UTF-8, such as of a path, become question marks. */
static const char *json_text(char out[256], const char *text)
{
    (void)snprintf(out, 256, "%s", text);
    for (char *at = out; *at; at++)
        if ((unsigned char)*at >= 0x80) *at = '?';
    return out;
}

static nx_err print_json(const struct nx__doctor *d, struct nx__buffer *out)
{
    size_t problems = count_of(d, NX__HEALTH_PROBLEM), notes = count_of(d, NX__HEALTH_NOTE);
    NX_TRY(nx__buffer_printf(out, OUTPUT_MOST,
                             "{\"version\":\"%s\",\"problems\":%zu,\"notes\":%zu,\"findings\":[",
                             nx_version(), problems, notes));
    for (size_t i = 0; i < d->count; i++) {
        const struct nx__finding *f = &d->findings[i];
        char what[256], fix[256];
        const nx_value members[] = {
            nx_value_string("group"),  nx_value_string(f->group),
            nx_value_string("name"),   nx_value_string(f->name),
            nx_value_string("health"), nx_value_string(health_names[f->health]),
            nx_value_string("what"),   nx_value_string(json_text(what, f->what)),
            nx_value_string("why"),    nx_value_string(f->why),
            nx_value_string("fix"),    nx_value_string(f->fix[0] ? json_text(fix, f->fix) : NULL)};
        NX_TRY(nx__buffer_printf(out, OUTPUT_MOST, i ? ",\n" : "\n"));
        NX_TRY(put_json(out, nx_value_object(members, sizeof members / sizeof *members)));
    }
    return nx__buffer_printf(out, OUTPUT_MOST, "\n]}\n");
}

static const struct nx__flag flags[] = {
    {.name = "--json", .summary = "for other programs to read"},
    NX__FLAG_HELP,
    NX__FLAGS_END,
};

static int run(int argc, char **argv)
{
    static struct nx__doctor doctor; /* large, and there is one */
    struct nx__doctor *d = &doctor;
    const char *value;
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (!nx__flag_find(flags, argv[i], &value))
            return nx__cli_fail(nx__flag_unknown(flags, argv[i], "nexus doctor takes only --json"));
        if (value) return nx__cli_usage("--json takes no value");
        json = true;
    }
    d->sudo = geteuid() == 0 ? "" : "sudo ";
    probe_nexus(d);
    nx__doctor_compilers(d);
    nx__doctor_cache(d);
    nx__doctor_building(d);
    nx__doctor_debugger(d);
    nx__doctor_kernel(d);
    nx__doctor_limits(d);
    probe_terminal(d);
    struct nx__buffer out = {0};
    nx_err err = json ? print_json(d, &out) : print_text(d, &out);
    if (!err) err = nx__buffer_append(&out, "", 1, OUTPUT_MOST);
    int code =
        err ? nx__cli_fail(nx__error_set(err, "cannot say what was found: %s", nx_err_text(err)))
            : nx__cli_write(out.data);
    nx__buffer_free(&out);
    return code ? code : count_of(d, NX__HEALTH_PROBLEM) ? NX_EFAILED : 0;
}

const struct nx__command nx__command_doctor = {
    .name = "doctor",
    .summary = "find out what is missing here, and how to get it",
    .help =
        "Usage: nexus doctor [--json]\n"
        "\n"
        "Tries out what Nexus needs: compilers (each compiles and loads a program), cache, kernel, limits, terminal. Each line says\n"
        "what was found and why it matters; below it stands the command that makes it better.\n"
        "\n"
        "  ok        as it should be\n"
        "  note      works, and could do more\n"
        "  problem   something will fail\n"
        "\n"
        "  --json    for other programs to read\n"
        "\n"
        "Exit code: 0, 1 when there is a problem.\n"
        "\n"
        "Examples:\n"
        "  nexus doctor\n"
        "  nexus doctor --json | jq '.findings[] | select(.health != \"ok\")'\n",
    .flags = flags,
    .run = run,
};
