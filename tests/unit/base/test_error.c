/* The last error: codes, messages, errno. */
#include "base/error.h"

#include "test.h"
#include <errno.h>
#include <pthread.h>

NX_TEST(error_numbers_are_distinct_exit_codes)
{
    static const int numbers[] = {
#define NUMBER(name, number, text) number,
        NX_ERRORS(NUMBER)
#undef NUMBER
    };
    bool seen[126] = {false};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        EXPECT(numbers[i] >= 0 && numbers[i] <= 125);
        EXPECT(!seen[numbers[i]]);
        seen[numbers[i]] = true;
        EXPECT(nx_err_name((nx_err)numbers[i])[0] == 'N');
        EXPECT(nx_err_text((nx_err)numbers[i])[0] != '\0');
    }
    EXPECT_STR(nx_err_name(NX_ENOMEM), "NX_ENOMEM");
    EXPECT_STR(nx_err_text(NX_ENOMEM), "out of memory");
    EXPECT_STR(nx_err_text((nx_err)125), "unknown error 125");
    EXPECT_STR(nx_err_name((nx_err)125), "NX_E125");
}

NX_TEST(error_set_records_and_returns)
{
    EXPECT_EQ(nx__error_set(NX_EINVAL, "id %d is unknown", 7), NX_EINVAL);
    EXPECT_EQ(nx_error_last()->code, NX_EINVAL);
    EXPECT_EQ(nx_error_last()->system, 0);
    EXPECT_STR(nx_error_last()->message, "id 7 is unknown");
    EXPECT_EQ(nx_fail(NX_ETYPE, "%s", "mine"), NX_ETYPE);
    EXPECT_STR(nx_error_last()->message, "mine");
}

NX_TEST(error_may_quote_the_one_before)
{
    NX_IGNORE(nx__error_set(NX_EIO, "inner"));
    NX_IGNORE(nx__error_set(NX_EFAILED, "outer: %s", nx_error_last()->message));
    EXPECT_STR(nx_error_last()->message, "outer: inner");
}

NX_TEST(error_text_is_cut)
{
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    NX_IGNORE(nx__error_set(NX_EFAILED, "%s", text));
    EXPECT_EQ(strlen(nx_error_last()->message), NX__ERROR_MESSAGE_MAX - 1);
    NX_IGNORE(nx__error_system(ENOENT, "%s", text));
    EXPECT_EQ(strlen(nx_error_last()->message), NX__ERROR_MESSAGE_MAX - 1);
    text[NX__ERROR_MESSAGE_MAX - 6] = '\0';
    NX_IGNORE(nx__error_system(ENOENT, "%s", text));
    EXPECT_EQ(strlen(nx_error_last()->message), NX__ERROR_MESSAGE_MAX - 1);
    EXPECT_STR(nx_error_last()->message + NX__ERROR_MESSAGE_MAX - 6, ": no ");
}

NX_TEST(error_system_maps_errno)
{
    EXPECT_EQ(nx__error_system(ENOENT, "cannot read \"%s\"", "config.json"), NX_ENOENT);
    EXPECT_EQ(nx_error_last()->system, ENOENT);
    EXPECT_STR(nx_error_last()->message, "cannot read \"config.json\": no such file");
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
        EXPECT_EQ(nx__error_from_errno(rows[i].system), rows[i].code);
    EXPECT_STR(nx__errno_text(99999), "unknown error");
    EXPECT(strstr(nx__errno_text(EMFILE), "too many open files") != NULL);
    EXPECT_STR(nx__errno_text(ENOTTY), "Inappropriate ioctl for device");
}

static void *other_thread(void *arg)
{
    (void)arg;
    EXPECT_STR(nx_error_last()->message, "");
    EXPECT_EQ(nx_error_last()->code, NX_OK);
    NX_IGNORE(nx__error_set(NX_EIO, "theirs"));
    return NULL;
}

NX_TEST(error_is_kept_per_thread)
{
    NX_IGNORE(nx__error_set(NX_EFAILED, "ours"));
    pthread_t thread;
    EXPECT_EQ(pthread_create(&thread, NULL, other_thread, NULL), 0);
    EXPECT_EQ(pthread_join(thread, NULL), 0);
    EXPECT_STR(nx_error_last()->message, "ours");
}
