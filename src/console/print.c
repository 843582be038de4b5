/* Printing: formatted text, and bytes. */
#include <nexus/console.h>

#include "console/outlet.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST = 1024 /* on the stack */ };

static nx_err failed(nx_err err, int fd)
{
    const char *name = fd == STDOUT_FILENO ? "standard output" : "standard error";
    switch (err) {
    case NX_OK: return NX_OK;
    case NX_ECANCELED: return nx__error_set(err, "cancelled while the %s takes nothing", name);
    case NX_ELIMIT: return nx__error_operations();
    case NX_ECLOSED: return nx__error_set(err, "cannot print: the %s is closed", name);
    case NX_ERESET: return nx__error_set(err, "cannot print: nobody reads the %s any more", name);
    case NX_ENOMEM: return nx__error_set(err, "cannot print: out of memory");
    default: return nx__error_set(err, "cannot print to the %s: %s", name, nx_err_text(err));
    }
}

static nx_err send(int fd, const char *data, size_t len)
{
    struct nx__outlet *o = nx__outlet_standard(fd);
    if (!o) return failed(NX_ENOMEM, fd);
    if (nx__unlikely(!atomic_load_explicit(&o->patient, memory_order_relaxed))) {
        atomic_store(&o->patient, true);
        if (fd == STDOUT_FILENO) atomic_store(&o->ends_program, true);
    }
    return failed(nx__outlet_put(o, data, len, NX__FULL_WAIT), fd);
}

static nx_err print(int fd, bool line, const char *format, va_list args)
{
    char text[FIRST], *at = text, *more = NULL;
    int saved = errno;
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(text, sizeof text, format, args);
    nx_err err = NX_OK;
    if (n < 0) {
        err = nx__error_set(NX_EINVAL, "cannot print: the text can't be formatted");
    } else if ((size_t)n + 1 >= sizeof text) { /* room for the newline */
        at = more = malloc((size_t)n + 2);
        errno = saved;
        if (!more || vsnprintf(more, (size_t)n + 1, format, again) < 0) {
            at = NULL;
            err = failed(NX_ENOMEM, fd);
        }
    }
    va_end(again);
    if (at && !err) {
        size_t len = (size_t)n;
        if (line) at[len++] = '\n';
        err = send(fd, at, len);
    }
    free(more);
    errno = saved;
    return err;
}

nx_err nx_print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    nx_err err = print(STDOUT_FILENO, false, format, args);
    va_end(args);
    return err;
}

nx_err nx_println(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    nx_err err = print(STDOUT_FILENO, true, format, args);
    va_end(args);
    return err;
}

nx_err nx_eprint(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    nx_err err = print(STDERR_FILENO, false, format, args);
    va_end(args);
    return err;
}

nx_err nx_eprintln(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    nx_err err = print(STDERR_FILENO, true, format, args);
    va_end(args);
    return err;
}

nx_err nx_print_bytes(nx_standard stream, nx_bytes bytes)
{
    if (stream != NX_STDOUT && stream != NX_STDERR)
        return nx__error_set(NX_EINVAL, "cannot print to that stream");
    return send((int)stream, bytes.data, bytes.len);
}

nx_err nx_flush(void)
{
    nx_err first = NX_OK;
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
        struct nx__outlet *o = nx__outlet_standard(fd);
        nx_err err = o ? nx__outlet_flush(o) : NX_OK;
        if (err && !first) first = failed(err, fd);
    }
    return first;
}
