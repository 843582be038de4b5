/* What the commands of `nexus` share: messages, help, suggestions. */
#include "cli/cli.h"

#include "permission/permission.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const struct nx__command *const nx__commands[] = {
    &nx__command_run,         &nx__command_test,
    &nx__command_init,        &nx__command_cache,
    &nx__command_doctor,      &nx__command_dump,
    &nx__command_completions, &nx__command_version,
    &nx__command_help,        NULL,
};

const struct nx__command *nx__command_find(const char *name)
{
    for (size_t i = 0; nx__commands[i]; i++)
        if (strcmp(nx__commands[i]->name, name) == 0) return nx__commands[i];
    return NULL;
}

bool nx__cli_color(int fd)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0) && isatty(fd);
}

static bool write_all(int fd, const char *data, size_t len)
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

static const char bold[] = "\033[1m", red[] = "\033[1;31m";

static void say(const char *color, const char *format, va_list args)
{
    char text[1024];
    bool colored = nx__cli_color(STDERR_FILENO);
    int head =
        snprintf(text, sizeof text, "%snexus:%s ", colored ? color : "", colored ? "\033[0m" : "");
    int n = vsnprintf(text + head, sizeof text - (size_t)head - 1, format, args);
    size_t len = (size_t)head + (n < 0 ? 0 : (size_t)n);
    if (len > sizeof text - 2) len = sizeof text - 2;
    text[len++] = '\n';
    (void)write_all(STDERR_FILENO, text, len); /* there is nowhere to say that it failed */
}

void nx__cli_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(bold, format, args);
    va_end(args);
}

static NX_PRINTF(1, 2) void complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(red, format, args);
    va_end(args);
}

int nx__cli_fail(nx_err err)
{
    const nx_error *last = nx__error_last();
    complain("%s", last->code == err && *last->message ? last->message : nx_err_text(err));
    return (int)err;
}

int nx__cli_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(red, format, args);
    va_end(args);
    return NX_EUSAGE;
}

int nx__cli_write(const char *text)
{
    if (write_all(STDOUT_FILENO, text, strlen(text))) return 0;
    return nx__cli_fail(nx__error_system(errno, "cannot write to the standard output"));
}

int nx__cli_help(const struct nx__command *command)
{
    char head[256];
    (void)snprintf(head, sizeof head, "nexus %s: %s\n\n", command->name, command->summary);
    int code = nx__cli_write(head);
    return code ? code : nx__cli_write(command->help);
}

bool nx__cli_is_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

/* Insertions, removals, replacements and swaps of neighbours between two words; words past 32 bytes
 * are far from all. */
static size_t distance(const char *a, const char *b)
{
    enum { MOST = 32 };
    size_t la = strlen(a), lb = strlen(b);
    if (la > MOST || lb > MOST) return MOST;
    size_t rows[3][MOST + 1];
    for (size_t j = 0; j <= lb; j++) rows[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best) best = above[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                above2[j - 2] + 1 < best)
                best = above2[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[la % 3][lb];
}

const char *nx__cli_suggest(const char *word, const char *const *words)
{
    const char *best = NULL;
    size_t nearest = strlen(word) < 4 ? 2 : 3; /* nearer than this */
    for (; *words; words++) {
        size_t d = distance(word, *words);
        if (d >= nearest) continue;
        nearest = d;
        best = *words;
    }
    return best;
}
