/* Bytes as text. */
#include <nexus/encode.h>
#include <nexus/test.h>

/* RFC 4648, section 10, and what differs by alphabet. */
static const struct {
    nx_bytes bytes;
    const char *base64, *url, *hex;
} rows[] = {
    {{"", 0}, "", "", ""},
    {{"f", 1}, "Zg==", "Zg==", "66"},
    {{"fo", 2}, "Zm8=", "Zm8=", "666f"},
    {{"foo", 3}, "Zm9v", "Zm9v", "666f6f"},
    {{"foob", 4}, "Zm9vYg==", "Zm9vYg==", "666f6f62"},
    {{"fooba", 5}, "Zm9vYmE=", "Zm9vYmE=", "666f6f6261"},
    {{"foobar", 6}, "Zm9vYmFy", "Zm9vYmFy", "666f6f626172"},
    {{"\0\xff\xfe?", 4}, "AP/+Pw==", "AP_-Pw==", "00fffe3f"},
};

NX_TEST("both ways")
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s", rows[i].base64) {
            nx_bytes out;
            nx_expect_ok(nx_base64_encode(rows[i].bytes, &out));
            nx_expect_eq(out, rows[i].base64);
            nx_expect_ok(nx_base64_decode(out, &out));
            nx_expect_eq(out, rows[i].bytes);
            nx_expect_eq(out.data[out.len], '\0');
            nx_expect_ok(nx_base64_encode(rows[i].bytes, &out, .url = true));
            nx_expect_eq(out, rows[i].url);
            nx_expect_ok(nx_base64_decode(out, &out, .url = true));
            nx_expect_eq(out, rows[i].bytes);
            nx_expect_ok(nx_base64_encode(rows[i].bytes, &out, .no_padding = true));
            nx_expect_eq(out.len, strcspn(rows[i].base64, "="));
            nx_expect_ok(nx_base64_decode(out, &out, .no_padding = true));
            nx_expect_eq(out, rows[i].bytes);
            nx_expect_ok(nx_hex_encode(rows[i].bytes, &out));
            nx_expect_eq(out, rows[i].hex);
            nx_expect_ok(nx_hex_decode(out, &out));
            nx_expect_eq(out, rows[i].bytes);
        }
    }
}

NX_TEST("what is wrong is told with its place")
{
    static const struct {
        const char *text, *message;
        nx_base64_options how;
    } table[] = {
        {"Zm9v!", "the base64 is wrong at character 5", {0}},
        {"Zm8", "the base64 ends too early", {0}},
        {"Zm8=", "the base64 is wrong at character 4", {.no_padding = true}},
        {"Zm8==", "the base64 is wrong at character 5", {0}},
        {"Zm9=", "the base64", {0}}, /* bits that say nothing are set */
        {"Z", "the base64", {0}},
        {"Zm9v Zg==", "the base64 is wrong at character 5", {0}},
        {"AP/+Pw==", "the base64 is wrong at character 3", {.url = true}},
        {"AP_-Pw==", "the base64 is wrong at character 3", {0}},
        {"=", "the base64", {0}},
        {"Zm9v\xff\xff\xff\xff", "the base64 is wrong at character 5", {0}},
        {"\xff\xff\xff\xff", "the base64 is wrong at character 1", {.url = true}},
    };
    nx_bytes out;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        nx_subtest ("%s", table[i].text) {
            nx_base64_options how = table[i].how;
            how.size = sizeof how;
            nx_expect_err(NX_EINVAL, nx_base64_decode_with(nx_str(table[i].text), &out, &how));
            nx_expect_contains(nx_error_last()->message, table[i].message);
            nx_expect(!out.data);
        }
    }
    nx_expect_ok(nx_base64_decode(nx_str("Zm9v\r\n Zg==\n"), &out, .spaces = true));
    nx_expect_eq(out, "foof");
    nx_expect_err(NX_EINVAL, nx_hex_decode(nx_str("0g"), &out));
    nx_expect_eq(nx_error_last()->message, "the hexadecimal is wrong at character 2");
    nx_expect_err(NX_EINVAL, nx_hex_decode(nx_str("012"), &out));
    nx_expect_ok(nx_hex_decode(nx_str("aBFf"), &out));
    nx_expect_eq(out, "\xab\xff");
}
