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
        /* Bits that say nothing are set. */
        {"Zm9=", "the base64 is wrong at character 3", {0}},
        {"Zh", "the base64 is wrong at character 2", {.no_padding = true}},
        {"Z", "the base64 ends too early", {0}},
        {"Z===", "the base64 is wrong at character 2", {0}},
        {"Zg=", "the base64 ends too early", {0}},
        {"Zg=A", "the base64 is wrong at character 4", {0}},
        {"Zg==Zg==", "the base64 is wrong at character 5", {0}},
        {"Zm9v Zg==", "the base64 is wrong at character 5", {0}},
        {"AP/+Pw==", "the base64 is wrong at character 3", {.url = true}},
        {"AP_-Pw==", "the base64 is wrong at character 3", {0}},
        {"=", "the base64 is wrong at character 1", {0}},
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
    nx_expect_ok(nx_base64_decode(nx_str(" Z g = \n= "), &out, .spaces = true));
    nx_expect_eq(out, "f");
    nx_expect_err(NX_EINVAL, nx_hex_decode(nx_str("0g"), &out));
    nx_expect_eq(nx_error_last()->message, "the hexadecimal is wrong at character 2");
    nx_expect_err(NX_EINVAL, nx_hex_decode(nx_str("012"), &out));
    nx_expect_eq(nx_error_last()->message, "the hexadecimal ends too early");
    nx_expect_ok(nx_hex_decode(nx_str("aBFf"), &out));
    nx_expect_eq(out, "\xab\xff");
}

/* The place of c in a text of digits, or one that is none. */
static size_t place(const char *digits, int c)
{
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (size_t)(at - digits) : SIZE_MAX;
}

NX_TEST("each byte is a digit or none")
{
    static const char *const alphabets[] = {
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"};
    nx_bytes out;
    for (int c = 0; c < 256; c++) {
        for (int url = 0; url < 2; url++) {
            const char text[] = {(char)c, 'A', 'A', 'A'};
            size_t value = place(alphabets[url], c);
            nx_err err = nx_base64_decode(nx_slice(text, 4), &out, .url = url);
            nx_expect_eq((int)err, value < 64 ? NX_OK : NX_EINVAL);
            if (err) continue;
            nx_expect_eq((size_t)(unsigned char)out.data[0], value << 2);
            nx_expect_ok(nx_base64_encode(out, &out, .url = url));
            nx_expect_eq(out, nx_slice(text, 4));
        }
        const char text[] = {'0', (char)c};
        size_t small = place("0123456789abcdef", c), large = place("0123456789ABCDEF", c),
               value = small < large ? small : large;
        nx_err err = nx_hex_decode(nx_slice(text, 2), &out);
        nx_expect_eq((int)err, value < 16 ? NX_OK : NX_EINVAL);
        if (!err) nx_expect_eq((size_t)(unsigned char)out.data[0], value);
    }
}
