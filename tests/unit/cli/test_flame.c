/* Flame graphs: sums, order, hostile names. */
#include <nexus/test.h>

#include "cli/flame.h"
#include <stdio.h>

static struct nx__buffer out;

static const char *svg(const char *folded)
{
    nx__buffer_free(&out);
    nx_require(nx__flame_svg(nx_str(folded), "title <&>", &out) == NX_OK);
    nx_require(nx__buffer_append(&out, "", 1, SIZE_MAX) == NX_OK);
    return out.data;
}

static const char *folded(const char *lines)
{
    nx__buffer_free(&out);
    nx_require(nx__flame_folded(nx_str(lines), &out) == NX_OK);
    nx_require(nx__buffer_append(&out, "", 1, SIZE_MAX) == NX_OK);
    return out.data;
}

NX_TEST("equal stacks are summed up, in the order of their names")
{
    nx_expect_eq(
        folded("oGET /;amain;awork 3\noGET /;amain;aalso 1\noGET /;amain;awork 4\noloop 2\n"),
        "GET /;main;also 1\nGET /;main;work 7\nloop 2\n");
}

NX_TEST("a frame counts what it calls")
{
    const char *text = svg("oGET /;amain;awork 3\noGET /;amain 1\n");
    nx_expect(strstr(text, "all (4 samples, 100.00 %)"));
    nx_expect(strstr(text, "main (4 samples, 100.00 %)"));
    nx_expect(strstr(text, "work (3 samples, 75.00 %)"));
}

NX_TEST("what is no line is passed over")
{
    nx_expect_eq(
        folded(
            "\n;\n 5\nx\nx y\naone 0\naone -1\naone 99999999999999999999999999\n;;aone;; 2\na 3"),
        "one 2\n");
}

NX_TEST("names cannot leave their text")
{
    const char *text = svg("o</title><script>alert(1)</script>;a]]>&\"'\x01\xff\xef\xbf\xbf 1\n");
    nx_expect(!strstr(text, "<script>alert"));
    nx_expect(strstr(text, "&lt;/title&gt;&lt;script&gt;alert(1)"));
    nx_expect(strstr(text, "]]&gt;&amp;&quot;&#39;??? (1 sample"));
    nx_expect(strstr(text, "<title>title &lt;&amp;&gt;</title>"));
}

NX_TEST("nothing to show is a picture too")
{
    nx_expect(strstr(svg(""), "has used no CPU time"));
    nx_expect(strstr(svg(""), "</svg>"));
}

NX_TEST("stacks deeper than a picture are cut")
{
    static char line[4096];
    size_t len = 0;
    for (int i = 0; i < 1000; i++) len += (size_t)snprintf(line + len, sizeof line - len, "af;");
    (void)snprintf(line + len - 1, sizeof line - len + 1, " 1\n");
    nx_expect(strstr(svg(line), "</svg>"));
    nx__buffer_free(&out);
}
