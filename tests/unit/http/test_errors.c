/* Errors that a client is told: the code that goes with a status, and what is kept with it. */
#include "base/error.h"

#include <nexus/http.h>
#include <nexus/test.h>

NX_TEST("codes of statuses")
{
    static const struct {
        int status;
        nx_err code;
    } rows[] = {{400, NX_EPROTO},  {401, NX_EACCES},    {403, NX_EPERM},   {404, NX_ENOENT},
                {405, NX_EPROTO},  {408, NX_ETIMEDOUT}, {409, NX_EEXIST},  {410, NX_ENOENT},
                {413, NX_ETOOBIG}, {414, NX_ETOOBIG},   {415, NX_ENOTSUP}, {422, NX_EPROTO},
                {429, NX_ELIMIT},  {431, NX_ETOOBIG},   {500, NX_EFAILED}, {501, NX_ENOTSUP},
                {502, NX_EFAILED}, {503, NX_EAGAIN},    {999, NX_EFAILED}, {504, NX_ETIMEDOUT}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_expect_eq(nx_http_error(rows[i].status, "row %zu", i), rows[i].code);
        nx_expect_eq(nx__error_status(rows[i].code), rows[i].status);
        nx_expect(nx__error_is_peers(rows[i].code));
    }
}

NX_TEST("statuses that are no errors")
{
    static const int bad[] = {-1, 0, 200, 399, 1000};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nx_expect_eq(nx_http_error(bad[i], "%s", "x"), NX_EINVAL);
        nx_expect_eq(nx__error_status(NX_EINVAL), 0);
        nx_expect(!nx__error_is_peers(NX_EINVAL));
    }
}

NX_TEST("the next error takes its place")
{
    nx_expect_eq(nx_http_error(404, "there is no item %d", 7), NX_ENOENT);
    nx_expect_eq(nx_error_last()->message, "there is no item 7");
    nx_expect_eq(nx__error_status(NX_EIO), 0);
    nx_expect_eq(nx_fail(NX_ENOENT, "a file of ours"), NX_ENOENT);
    nx_expect_eq(nx__error_status(NX_ENOENT), 0);
    nx_expect(!nx__error_is_peers(NX_ENOENT));
}
