/* Buffers with a cap. */
#include "base/buffer.h"

#include "oom.h"
#include "test.h"

NX_TEST(buffer_appends_and_consumes)
{
    struct nx__buffer buffer = {0};
    EXPECT_EQ(nx__buffer_append(&buffer, NULL, 0, 100), NX_OK);
    EXPECT(!buffer.data);
    EXPECT_EQ(nx__buffer_append(&buffer, "hello ", 6, 100), NX_OK);
    EXPECT_EQ(nx__buffer_append(&buffer, "world", 5, 100), NX_OK);
    EXPECT(nx_bytes_is(nx_slice(buffer.data, buffer.len), "hello world"));
    nx__buffer_consume(&buffer, 0);
    EXPECT_EQ(buffer.len, 11);
    nx__buffer_consume(&buffer, 6);
    EXPECT(nx_bytes_is(nx_slice(buffer.data, buffer.len), "world"));
    nx__buffer_consume(&buffer, 5);
    EXPECT_EQ(buffer.len, 0);
    nx__buffer_free(&buffer);
    EXPECT(!buffer.data && !buffer.capacity);
    nx__buffer_free(&buffer);
}

NX_TEST(buffer_grows_to_its_cap_and_no_further)
{
    struct nx__buffer buffer = {0};
    enum { CAP = 1000 };
    size_t n = 0;
    while (nx__buffer_append(&buffer, "x", 1, CAP) == NX_OK) n++;
    EXPECT_EQ(n, CAP);
    EXPECT_EQ(buffer.len, CAP);
    EXPECT_EQ(buffer.capacity, CAP);
    EXPECT_EQ(nx__buffer_append(&buffer, "xx", 2, CAP), NX_ETOOBIG);
    EXPECT_EQ(nx__buffer_append(&buffer, "xx", 2, CAP - 1), NX_ETOOBIG);
    EXPECT_EQ(buffer.len, CAP);
    nx__buffer_consume(&buffer, 1);
    EXPECT_EQ(nx__buffer_append(&buffer, "x", 1, CAP), NX_OK);
    nx__buffer_free(&buffer);
}

NX_TEST(buffer_survives_sizes_that_overflow)
{
    struct nx__buffer buffer = {0};
    EXPECT_EQ(nx__buffer_append(&buffer, "abc", 3, SIZE_MAX), NX_OK);
    EXPECT_EQ(nx__buffer_reserve(&buffer, SIZE_MAX, SIZE_MAX), NX_ETOOBIG);
    EXPECT_EQ(nx__buffer_reserve(&buffer, SIZE_MAX - 2, SIZE_MAX), NX_ETOOBIG);
    EXPECT(nx_bytes_is(nx_slice(buffer.data, buffer.len), "abc"));
    nx__buffer_free(&buffer);
}

NX_TEST(buffer_keeps_what_it_has_when_memory_is_out)
{
    struct nx__buffer buffer = {0};
    oom_after = 0;
    EXPECT_EQ(nx__buffer_append(&buffer, "abc", 3, 10000), NX_ENOMEM);
    oom_after = -1;
    EXPECT_EQ(nx__buffer_append(&buffer, "abc", 3, 10000), NX_OK);
    oom_after = 0;
    EXPECT_EQ(nx__buffer_reserve(&buffer, 5000, 10000), NX_ENOMEM);
    oom_after = -1;
    EXPECT(nx_bytes_is(nx_slice(buffer.data, buffer.len), "abc"));
    nx__buffer_free(&buffer);
}

NX_TEST(buffer_formats)
{
    struct nx__buffer buffer = {0};
    EXPECT_EQ(nx__buffer_printf(&buffer, 100, "%s=%d", "a", 1), NX_OK);
    EXPECT_EQ(nx__buffer_printf(&buffer, 100, ";"), NX_OK);
    EXPECT_EQ(buffer.len, 4);
    EXPECT_STR(buffer.data, "a=1;");
    EXPECT_EQ(nx__buffer_printf(&buffer, 100, "%200d", 1), NX_ETOOBIG);
    EXPECT_STR(buffer.data, "a=1;");
    nx__buffer_free(&buffer);
}
