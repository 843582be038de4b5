/* What the commands of `nexus` share: messages, help, suggestions. */
#include "cli/cli.h"

#include "permission/permission.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const struct nx__command *const nx__commands[] = {
    &nx__command_run,         &nx__command_serve,   &nx__command_dev,  &nx__command_test,
    &nx__command_compile,     &nx__command_init,    &nx__command_cert, &nx__command_cache,
    &nx__command_doctor,      &nx__command_dump,    &nx__command_wasm, &nx__command_permissions,
    &nx__command_completions, &nx__command_version, &nx__command_help, NULL,
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
