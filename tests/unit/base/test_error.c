/* The last error: codes, messages, errno. */
#include "base/error.h"

#include <errno.h>
#include <nexus/test.h>
#include <pthread.h>

NX_TEST("error numbers are distinct exit codes")
{
    static const int numbers[] = {
#define NUMBER(name, number, text) number,
        NX_ERRORS(NUMBER)
#undef NUMBER
    };
    bool seen[126] = {false};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        nx_expect(numbers[i] >= 0 && numbers[i] <= 125);
        nx_expect(!seen[numbers[i]]);
        seen[numbers[i]] = true;
        nx_expect(nx_err_name((nx_err)numbers[i])[0] == 'N');
        nx_expect(nx_err_text((nx_err)numbers[i])[0] != '\0');
    }
    nx_expect_eq(nx_err_name(NX_ENOMEM), "NX_ENOMEM");
    nx_expect_eq(nx_err_text(NX_ENOMEM), "out of memory");
    nx_expect_eq(nx_err_text((nx_err)125), "unknown error 125");
    nx_expect_eq(nx_err_name((nx_err)125), "NX_E125");
}

NX_TEST("error set records and returns")
{
    nx_expect_eq(nx__error_set(NX_EINVAL, "id %d is unknown", 7), NX_EINVAL);
    nx_expect_eq(nx_error_last()->code, NX_EINVAL);
    nx_expect_eq(nx_error_last()->system, 0);
    nx_expect_eq(nx_error_last()->message, "id 7 is unknown");
    nx_expect_eq(nx_fail(NX_ETYPE, "%s", "mine"), NX_ETYPE);
    nx_expect_eq(nx_error_last()->message, "mine");
}

NX_TEST("error may quote the one before")
{
    NX_IGNORE(nx__error_set(NX_EIO, "inner"));
    NX_IGNORE(nx__error_set(NX_EFAILED, "outer: %s", nx_error_last()->message));
    nx_expect_eq(nx_error_last()->message, "outer: inner");
}

NX_TEST("error text is cut")
{
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    NX_IGNORE(nx__error_set(NX_EFAILED, "%s", text));
    nx_expect_eq(strlen(nx_error_last()->message), NX__ERROR_MESSAGE_MAX - 1);
    NX_IGNORE(nx__error_system(ENOENT, "%s", text));
    nx_expect_eq(strlen(nx_error_last()->message), NX__ERROR_MESSAGE_MAX - 1);
    text[NX__ERROR_MESSAGE_MAX - 6] = '\0';
    NX_IGNORE(nx__error_system(ENOENT, "%s", text));
    nx_expect_eq(strlen(nx_error_last()->message), NX__ERROR_MESSAGE_MAX - 1);
    nx_expect_eq(nx_error_last()->message + NX__ERROR_MESSAGE_MAX - 6, ": no ");
}

NX_TEST("error system maps errno")
{
    nx_expect_eq(nx__error_system(ENOENT, "cannot read \"%s\"", "config.json"), NX_ENOENT);
    nx_expect_eq(nx_error_last()->system, ENOENT);
    nx_expect_eq(nx_error_last()->message, "cannot read \"config.json\": no such file");
    static const struct {
        int system;
        nx_err code;
    } rows[] = {{0, NX_OK},
                {ENOMEM, NX_ENOMEM},
                {EPERM, NX_EACCES},
                {EACCES, NX_EACCES},
                {EADDRINUSE, NX_EADDRINUSE},
                {EMFILE, NX_EMFILE},
                {ENFILE, NX_EMFILE},
                {ENOSPC, NX_ENOSPC},
                {EPIPE, NX_ERESET},
                {ECONNRESET, NX_ERESET},
                {EAGAIN, NX_EAGAIN},
                {ENOSYS, NX_ENOTSUP},
                {ENOTTY, NX_EIO},
                {99999, NX_EIO}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_expect_eq(nx__error_from_errno(rows[i].system), rows[i].code);
    nx_expect_eq(nx__errno_text(99999), "unknown error");
    nx_expect(strstr(nx__errno_text(EMFILE), "too many open files") != NULL);
    nx_expect_eq(nx__errno_text(ENOTTY), "Inappropriate ioctl for device");
}

static void *other_thread(void *arg)
{
    (void)arg;
    nx_expect_eq(nx_error_last()->message, "");
    nx_expect_eq(nx_error_last()->code, NX_OK);
    NX_IGNORE(nx__error_set(NX_EIO, "theirs"));
    return NULL;
}

NX_TEST("error is kept per thread")
{
    NX_IGNORE(nx__error_set(NX_EFAILED, "ours"));
    pthread_t thread;
    nx_expect_eq(pthread_create(&thread, NULL, other_thread, NULL), 0);
    nx_expect_eq(pthread_join(thread, NULL), 0);
    nx_expect_eq(nx_error_last()->message, "ours");
}

NX_TEST("an error that was put aside has its own message, whatever was recorded since")
{
    struct nx__context kept;
    nx_expect_eq(nx__error_system(ECONNREFUSED, "cannot reach it"), NX_EREFUSED);
    memcpy(&kept, nx__context(), sizeof kept);
    nx_expect_eq(nx__error_set(NX_EINVAL, "something else"), NX_EINVAL);
    nx_expect_eq(nx__error_take(&kept, NX_EREFUSED), NX_EREFUSED);
    nx_expect_eq(nx_error_last()->message, "cannot reach it: connection refused");
    nx_expect_eq(nx_error_last()->system, ECONNREFUSED);
    nx_expect_eq(nx__error_take(&kept, NX_ENOMEM), NX_ENOMEM);
    nx_expect_eq(nx_error_last()->message, "out of memory");
    nx_expect_eq(nx_error_last()->system, 0);
}
