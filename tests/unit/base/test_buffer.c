/* Buffers with a cap. */
#include "base/buffer.h"

#include "faults.h"
#include <nexus/test.h>

NX_TEST("buffer appends and consumes")
{
    struct nx__buffer buffer = {0};
    nx_expect_eq(nx__buffer_append(&buffer, NULL, 0, 100), NX_OK);
    nx_expect(!buffer.data);
    nx_expect_eq(nx__buffer_append(&buffer, "hello ", 6, 100), NX_OK);
    nx_expect_eq(nx__buffer_append(&buffer, "world", 5, 100), NX_OK);
    nx_expect(nx_bytes_is(nx_slice(buffer.data, buffer.len), "hello world"));
    nx__buffer_consume(&buffer, 0);
    nx_expect_eq(buffer.len, 11);
    nx__buffer_consume(&buffer, 6);
    nx_expect(nx_bytes_is(nx_slice(buffer.data, buffer.len), "world"));
    nx__buffer_consume(&buffer, 5);
    nx_expect_eq(buffer.len, 0);
    nx__buffer_free(&buffer);
    nx_expect(!buffer.data && !buffer.capacity);
    nx__buffer_free(&buffer);
}

NX_TEST("buffer grows to its cap and no further")
{
    struct nx__buffer buffer = {0};
    enum { CAP = 1000 };
    size_t n = 0;
    while (nx__buffer_append(&buffer, "x", 1, CAP) == NX_OK) n++;
    nx_expect_eq(n, CAP);
    nx_expect_eq(buffer.len, CAP);
    nx_expect_eq(buffer.capacity, CAP);
    nx_expect_eq(nx__buffer_append(&buffer, "xx", 2, CAP), NX_ETOOBIG);
    nx_expect_eq(nx__buffer_append(&buffer, "xx", 2, CAP - 1), NX_ETOOBIG);
    nx_expect_eq(buffer.len, CAP);
    nx__buffer_consume(&buffer, 1);
    nx_expect_eq(nx__buffer_append(&buffer, "x", 1, CAP), NX_OK);
    nx__buffer_free(&buffer);
}

NX_TEST("buffer survives sizes that overflow")
{
    struct nx__buffer buffer = {0};
    nx_expect_eq(nx__buffer_append(&buffer, "abc", 3, SIZE_MAX), NX_OK);
    nx_expect_eq(nx__buffer_reserve(&buffer, SIZE_MAX, SIZE_MAX), NX_ETOOBIG);
    nx_expect_eq(nx__buffer_reserve(&buffer, SIZE_MAX - 2, SIZE_MAX), NX_ETOOBIG);
    nx_expect(nx_bytes_is(nx_slice(buffer.data, buffer.len), "abc"));
    nx__buffer_free(&buffer);
}

NX_TEST("buffer keeps what it has when memory is out")
{
    struct nx__buffer buffer = {0};
    faults_begin(FAULTS_NO_MEMORY, 1);
    nx_expect_eq(nx__buffer_append(&buffer, "abc", 3, 10000), NX_ENOMEM);
    faults_stop();
    nx_expect_eq(nx__buffer_append(&buffer, "abc", 3, 10000), NX_OK);
    faults_begin(FAULTS_NO_MEMORY, 1);
    nx_expect_eq(nx__buffer_reserve(&buffer, 5000, 10000), NX_ENOMEM);
    faults_stop();
    nx_expect(nx_bytes_is(nx_slice(buffer.data, buffer.len), "abc"));
    nx__buffer_free(&buffer);
}

NX_TEST("buffer formats")
{
    struct nx__buffer buffer = {0};
    nx_expect_eq(nx__buffer_printf(&buffer, 100, "%s=%d", "a", 1), NX_OK);
    nx_expect_eq(nx__buffer_printf(&buffer, 100, ";"), NX_OK);
    nx_expect_eq(buffer.len, 4);
    nx_expect_eq(buffer.data, "a=1;");
    nx_expect_eq(nx__buffer_printf(&buffer, 100, "%200d", 1), NX_ETOOBIG);
    nx_expect_eq(buffer.data, "a=1;");
    nx__buffer_free(&buffer);
}
