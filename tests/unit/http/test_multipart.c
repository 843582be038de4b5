/* multipart/form-data: in any pieces the same parts, and nothing that two readers could read in two
 * ways. */
#include "parts.h"
#include <nexus/test.h>

#define TYPE       "multipart/form-data; boundary=X"
#define NAMED(n)   "--X\r\nContent-Disposition: form-data; name=\"" n "\"\r\n\r\n"
#define HEAD(text) "--X\r\n" text "\r\n\r\nv\r\n--X--"

/* Whether the body, cut anywhere, gives the parts that are wanted, or is refused because of `why`.
 */
static bool gives(const char *type, const char *body, size_t len, const char *wanted,
                  const char *why)
{
    struct parts p;
    bool good = true;
    for (size_t cut = 0; cut <= len && good; cut++)
        for (size_t step = 0; step < 3 && good; step++) {
            parts_take(&p, type, body, len, cut, step);
            good = why ? p.event == NX__MULTIPART_ERROR && strstr(p.reason, why) != NULL
                       : p.event == NX__MULTIPART_END && p.text.len == strlen(wanted) &&
                             (!p.text.len || memcmp(p.text.data, wanted, p.text.len) == 0);
            if (!good)
                nx_test_log("cut at %zu, steps of %zu: \"%.*s\" (%s)", cut, step, (int)p.text.len,
                            p.text.data ? p.text.data : "", p.reason ? p.reason : "no error");
            nx__buffer_free(&p.text);
        }
    return good;
}
#define EXPECT_PARTS(body, wanted) nx_expect(gives(TYPE, body, sizeof(body) - 1, wanted, NULL))
#define EXPECT_REFUSED(body, why)  nx_expect(gives(TYPE, body, sizeof(body) - 1, NULL, why))
#define EXPECT_TYPE(type, why)     nx_expect(gives(type, "", 0, NULL, why))

NX_TEST("multipart parts")
{
    EXPECT_PARTS(NAMED("a") "value\r\n--X--", "<a||:value>");
    EXPECT_PARTS("\r\n" NAMED("a") "\r\n--X--\r\n", "<a||:>");
    EXPECT_PARTS(NAMED("a") "1\r\n" NAMED("b") "2\r\n--X--epilogue\r\n--X\r\n", "<a||:1><b||:2>");
    EXPECT_PARTS("--X--", "");
    EXPECT_PARTS("--X \t\r\ncontent-disposition:form-data;name=a\r\n\r\n1\r\n--X--", "<a||:1>");
    EXPECT_PARTS("--X\r\nContent-Type:  text/plain; charset=utf-8 \r\nX-Other: 1\r\n"
                 "Content-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\n1\r\n--X--",
                 "<f|a.txt|text/plain; charset=utf-8:1>");
}

NX_TEST("multipart data that looks like a boundary")
{
    EXPECT_PARTS(NAMED("a") "\r\r\n\r\n-\r\n--\r\n--Y\n--X\r--X --X\r\n--X--",
                 "<a||:\r\r\n\r\n-\r\n--\r\n--Y\n--X\r--X --X>");
    EXPECT_PARTS(NAMED("a") "\r\n\r\n\r\n--X--", "<a||:\r\n\r\n>");
    EXPECT_REFUSED(NAMED("a") "1\r\n--XY\r\n", "followed by something else");
    EXPECT_REFUSED(NAMED("a") "1\r\n--X\n", "followed by something else");
    EXPECT_REFUSED(NAMED("a") "1\r\n--X\rx", "followed by something else");
    EXPECT_REFUSED(NAMED("a") "1\r\n--X-x", "followed by something else");
    EXPECT_REFUSED(NAMED("a") "1\r\n--X --\r\n", "followed by something else");
    EXPECT_REFUSED("preamble\r\n--X--", "does not begin with its boundary");
    EXPECT_REFUSED("-X--", "does not begin with its boundary");
    EXPECT_REFUSED("\n--X--", "does not begin with its boundary");
    EXPECT_REFUSED("--Y--", "does not begin with its boundary");
}

NX_TEST("multipart heads")
{
    EXPECT_PARTS(HEAD("Content-Disposition: form-data; name=f; filename=\"C:\\dir\\a b.txt\""),
                 "<f|a b.txt|:v>");
    EXPECT_PARTS(HEAD("Content-Disposition: form-data; name=f; filename=\"../../etc/passwd\""),
                 "<f|passwd|:v>");
    EXPECT_PARTS(HEAD("Content-Disposition: form-data; name=f; filename=\"..\""), "<f||:v>");
    EXPECT_PARTS(HEAD("Content-Disposition: form-data; name=f; filename=\"a/.\""), "<f||:v>");
    EXPECT_PARTS(HEAD("Content-Disposition: form-data; name=f; filename=\"\""), "<f||:v>");
    EXPECT_PARTS(HEAD("Content-Disposition: form-data; name=\"a\\\"b\\\\c\"; filename=\"q\\\"\""),
                 "<a\"b\\c|q\"|:v>");
    EXPECT_PARTS(HEAD("Content-Disposition: form-data; name=f; filename*=UTF-8'en'%e2%82%ac.txt"),
                 "<f|\xe2\x82\xac.txt|:v>");
    EXPECT_PARTS(HEAD("Content-Disposition: form-data; name=f; filename=a; filename*=UTF-8''b"),
                 "<f|a|:v>");
    EXPECT_PARTS(HEAD("Content-Disposition: form-data; name=f; filename*=UTF-8''..%2f..%2fx"),
                 "<f|x|:v>");
    EXPECT_PARTS(HEAD("Content-Disposition: form-data; name=\"\xc3\xa9\""), "<\xc3\xa9||:v>");
    EXPECT_PARTS(HEAD("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: 8BIT"),
                 "<a||:v>");

    EXPECT_REFUSED("--X\r\n\r\n", "no content-disposition");
    EXPECT_REFUSED(HEAD("Content-Type: text/plain"), "no content-disposition");
    EXPECT_REFUSED(HEAD("Content-Disposition: form-data"), "no name");
    EXPECT_REFUSED(HEAD("Content-Disposition: attachment; name=a"), "not form-data");
    EXPECT_REFUSED(HEAD("Content-Disposition: form-data; name=a; name=b"), "twice");
    EXPECT_REFUSED(HEAD("Content-Disposition: form-data; name=a; filename=b; filename=c"), "twice");
    EXPECT_REFUSED(
        HEAD("Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b"),
        "two content-dispositions");
    EXPECT_REFUSED(
        HEAD("Content-Disposition: form-data; name=a\r\nContent-Type: a/b\r\nContent-Type: a/b"),
        "two content-types");
    EXPECT_REFUSED(HEAD("Content-Disposition: form-data; name=\"a"), "cannot be read");
    EXPECT_REFUSED(HEAD("Content-Disposition: form-data; name=a; filename*=latin1''a"),
                   "cannot be read");
    EXPECT_REFUSED(HEAD("Content-Disposition: form-data; name=a; filename*=UTF-8''%00"),
                   "cannot be read");
    EXPECT_REFUSED(HEAD("Content-Disposition: form-data; name=\"\xff\""), "not UTF-8");
    EXPECT_REFUSED(HEAD("Content-Disposition: form-data; name=\"a\0b\""), "control character");
    EXPECT_REFUSED(HEAD("Content-Disposition: form-data; name=a;\r\n filename=b"), "malformed");
    EXPECT_REFUSED(HEAD("Content-Disposition : form-data; name=a"), "malformed");
    EXPECT_REFUSED(HEAD("no colon"), "malformed");
    EXPECT_REFUSED(
        HEAD("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64"),
        "transfer encoding");
    EXPECT_REFUSED("--X\r\nContent-Disposition: form-data; name=a\n\nv", "does not end in CR LF");
    EXPECT_REFUSED("--X\r\nContent-Disposition: form-data\rx", "does not end in CR LF");
}

NX_TEST("multipart caps")
{
    EXPECT_REFUSED(
        HEAD("Content-Disposition: form-data; name=\"a name that has more than thirty-two bytes\""),
        "too long");
    EXPECT_REFUSED(
        HEAD(
            "Content-Disposition: form-data; name=a; filename=\"a name that has more than thirty-two bytes\""),
        "too long");
    char body[600] = "--X\r\nx: ";
    memset(body + 8, 'a', sizeof body - 9);
    nx_expect(gives(TYPE, body, sizeof body - 1, NULL, "too large"));
    char padded[128] = "--X";
    memset(padded + 3, ' ', 100);
    nx_expect(gives(TYPE, padded, 103, NULL, "followed by something else"));
}

NX_TEST("multipart content types")
{
    EXPECT_TYPE("text/plain", "no multipart/form-data");
    EXPECT_TYPE("multipart/mixed; boundary=X", "no multipart/form-data");
    EXPECT_TYPE("", "no multipart/form-data");
    EXPECT_TYPE("multipart/form-data", "no good boundary");
    EXPECT_TYPE("multipart/form-data; boundary=", "no good boundary");
    EXPECT_TYPE("multipart/form-data; boundary=\"\"", "no good boundary");
    EXPECT_TYPE("multipart/form-data; boundary=\"a \"", "no good boundary");
    EXPECT_TYPE("multipart/form-data; boundary=\"a\\\"b\"", "no good boundary");
    EXPECT_TYPE("multipart/form-data; boundary=a; boundary=b", "no good boundary");
    EXPECT_TYPE(
        "multipart/form-data; boundary=12345678901234567890123456789012345678901234567890123456789012345678901",
        "no good boundary");
    static const char body[] =
        "--a b:'c\r\nContent-Disposition: form-data; name=x\r\n\r\n1\r\n--a b:'c--";
    nx_expect(gives("Multipart/Form-Data; charset=utf-8; Boundary=\"a b:'c\"", body,
                    sizeof body - 1, "<x||:1>", NULL));
}
