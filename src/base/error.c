/* The last error, kept per fiber. */
#include "base/error.h"

#include "base/utf8.h"
#include <errno.h>
#include <stdio.h>

NX__THREAD_LOCAL struct nx__context *nx__context_current;
bool nx__memory_limited;
void (*nx__error_trace)(nx_err code);

/* For threads that run no fiber. */
static NX__THREAD_LOCAL struct nx__context thread_context;

struct nx__context *nx__context(void)
{
    if (nx__unlikely(!nx__context_current)) nx__context_current = &thread_context;
    return nx__context_current;
}

const nx_error *nx__error_last(void)
{
    struct nx__context *context = nx__context();
    if (!context->error.message) context->error.message = "";
    return &context->error;
}

const nx_error *nx_error_last(void)
{
    nx__context()->looked_at = true;
    return nx__error_last();
}

/* For a number that is none of ours: the thread's until the next one. */
static NX__COLD NX_PRINTF(1, 2) const char *unknown(const char *format, ...)
{
    static NX__THREAD_LOCAL char text[32];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return text;
}

const char *nx_err_name(nx_err code)
{
    switch (code) {
#define NX__ERROR_NAME(name, number, text)                                                         \
    case name: return #name;
        NX_ERRORS(NX__ERROR_NAME)
#undef NX__ERROR_NAME
    }
    return unknown("NX_E%d", (int)code);
}

const char *nx_err_text(nx_err code)
{
    switch (code) {
#define NX__ERROR_TEXT(name, number, text)                                                         \
    case name: return text;
        NX_ERRORS(NX__ERROR_TEXT)
#undef NX__ERROR_TEXT
    }
    return unknown("unknown error %d", (int)code);
}

/* Is it the machine that has no more, or the flag? */
static NX__COLD void limit_name(struct nx__context *context, size_t len)
{
    static const char hint[] = " (see --max-memory)";
    if (!strstr(context->message, hint))
        (void)snprintf(context->message + len, NX__ERROR_MESSAGE_MAX - len, "%s", hint);
}

/* Formats into the context and returns the length used. */
static size_t record(nx_err code, int system, const char *format, va_list args)
{
    struct nx__context *context = nx__context();
    /* The message may quote the one before, so it is made aside. */
    char text[NX__ERROR_MESSAGE_MAX];
    int n = vsnprintf(text, sizeof text, format, args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    memcpy(context->message, text, len);
    context->message[len] = '\0';
    if (nx__unlikely(code == NX_ENOMEM) && nx__memory_limited && !system) limit_name(context, len);
    context->looked_at = false;
    context->error = (nx_error){.code = code, .system = system, .message = context->message};
    context->of_peer = false;
    context->status = 0;
    if (nx__unlikely(nx__error_trace != NULL)) nx__error_trace(code);
    return len;
}

nx_err nx__error_set(nx_err code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    record(code, 0, format, args);
    va_end(args);
    return code;
}

nx_err nx_fail(nx_err code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    record(code, 0, format, args);
    va_end(args);
    return code;
}

nx_err nx__error_peer_v(nx_err code, const char *format, va_list args)
{
    record(code, 0, format, args);
    struct nx__context *context = nx__context();
    context->of_peer = true;
    /* Cut in the middle of a character it could not be told. */
    if (!nx__utf8_valid(context->message, strlen(context->message)))
        for (char *c = context->message; *c; c++)
            if ((unsigned char)*c >= 0x80) *c = '?';
    return code;
}

nx_err nx__error_peer(nx_err code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    nx__error_peer_v(code, format, args);
    va_end(args);
    return code;
}

bool nx__error_is_peers(nx_err code)
{
    const struct nx__context *context = nx__context();
    return context->of_peer && context->error.code == code;
}

nx_err nx__error_status_set(unsigned status)
{
    struct nx__context *context = nx__context();
    context->status = (uint16_t)status;
    return context->error.code;
}

unsigned nx__error_status(nx_err code)
{
    const struct nx__context *context = nx__context();
    return context->error.code == code ? context->status : 0;
}

nx_err nx__error_take(const struct nx__context *from, nx_err code)
{
    /* A copy of a context has its message in itself, and points to that of what it is a copy of. */
    bool its = from->error.code == code && from->error.message;
    int system = its ? from->error.system : 0;
    nx__error_set(code, "%s", its ? from->message : nx_err_text(code));
    struct nx__context *context = nx__context();
    context->error.system = system;
    context->looked_at = its && from->looked_at;
    context->of_peer = its && from->of_peer;
    context->status = its ? from->status : 0;
    return code;
}

const char *nx__quoted(char out[NX__QUOTED], nx_bytes text)
{
    enum { MOST = 40 };
    size_t len = text.len <= MOST ? text.len : MOST;
    for (size_t i = 0; i < len; i++)
        out[i] = text.data[i] >= 0x20 && text.data[i] < 0x7f ? text.data[i] : '?';
    memcpy(out + len, text.len <= MOST ? "" : "...", text.len <= MOST ? 1 : 4);
    return out;
}

nx_err nx__error_system(int system, const char *format, ...)
{
    nx_err code = nx__error_from_errno(system);
    va_list args;
    va_start(args, format);
    size_t len = record(code, system, format, args);
    va_end(args);
    char *end = nx__context()->message + len;
    int n = snprintf(end, NX__ERROR_MESSAGE_MAX - len, ": %s", nx__errno_text(system));
    if (nx__unlikely(code == NX_ENOMEM) && nx__memory_limited && n > 0) {
        len += (size_t)n;
        limit_name(nx__context(), len < NX__ERROR_MESSAGE_MAX ? len : NX__ERROR_MESSAGE_MAX - 1);
    }
    return code;
}

nx_err nx__error_from_errno(int system)
{
    switch (system) {
    case 0: return NX_OK;
    case ENOMEM: return NX_ENOMEM;
    case EINVAL:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EBADF:
    case ESPIPE: return NX_EINVAL;
    case ENOTEMPTY:
    case EBUSY:
    case ETXTBSY:
    case EXDEV: return NX_ESTATE;
    case ECANCELED: return NX_ECANCELED;
    case ETIMEDOUT: return NX_ETIMEDOUT;
    case ECONNREFUSED: return NX_EREFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH: return NX_EUNREACH;
    case ENOENT:
    case ENOTDIR: return NX_ENOENT;
    case EEXIST: return NX_EEXIST;
    case EACCES:
    case EPERM:
    case EROFS: return NX_EACCES;
    case EADDRINUSE: return NX_EADDRINUSE;
    case EMFILE:
    case ENFILE: return NX_EMFILE;
    case ENOSPC:
    case EDQUOT: return NX_ENOSPC;
    case EMSGSIZE:
    case EFBIG: return NX_ETOOBIG;
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED: return NX_ERESET;
    case ENOSYS:
    case EOPNOTSUPP: return NX_ENOTSUP;
    case EAGAIN: return NX_EAGAIN;
    default: return NX_EIO;
    }
}

const char *nx__errno_text(int system)
{
    switch (system) {
    case ENOENT: return "no such file";
    case ENOTDIR: return "a part of the path is no directory";
    case EISDIR: return "is a directory";
    case EEXIST: return "it is there already";
    case ENOTEMPTY: return "the directory is not empty";
    case ELOOP: return "too many links, or one where none may be";
    case ENAMETOOLONG: return "the path is too long";
    case EXDEV: return "it is on another file system";
    case EROFS: return "the file system is read-only";
    case EBADF: return "it is not open for that";
    case ESPIPE: return "a pipe or terminal has no positions";
    case EACCES: return "access denied by the system";
    case EADDRINUSE: return "address in use";
    case EMSGSIZE: return "the message is too long";
    case EPIPE: return "nobody reads it any more";
    case EAFNOSUPPORT: return "the socket has no such addresses";
    case ECONNREFUSED: return "connection refused";
    case ENETUNREACH: return "no way to that network";
    case EHOSTUNREACH: return "no way to that host";
    case ECONNRESET: return "connection reset";
    case ETIMEDOUT: return "no answer in time";
    case EADDRNOTAVAIL: return "no such address on this machine";
    case EMFILE: return "too many open files in this process (see --max-open-files)";
    case ENFILE: return "too many open files on this machine";
    case ENOMEM: return "out of memory";
    case ENOSPC: return "no space left on the disk";
    default: {
        const char *text = strerrordesc_np(system);
        return text ? text : "unknown error";
    }
    }
}
