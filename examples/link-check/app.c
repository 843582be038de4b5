/* The links of a page, as the URLs that they lead to:
 *
 *     nexus run app.c --allow-read=page.html -- page.html https://example.com/docs/ */
#include <nexus/fs.h>
#include <nexus/regex.h>
#include <nexus/url.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc != 3) return nx_fail(NX_EUSAGE, "usage: app.c PAGE URL");
    nx_url base, url;
    nx_bytes page;
    nx_regex *link;
    size_t bad = 0;
    NX_TRY(nx_url_parse(nx_str(argv[2]), &base));
    NX_TRY(nx_fs_read_file(argv[1], &page));
    NX_TRY(nx_regex_compile(&link, "\\s(?:href|src)\\s*=\\s*[\"'](?<to>[^\"']*)",
                            .ignore_case = true));

    nx_regex_each each = nx_regex_begin(link, page);
    while (nx_regex_next(&each)) {
        nx_bytes to = nx_match_group(&each.match, "to");
        if (nx_url_resolve(&base, to, &url) == NX_OK) {
            printf("%.*s\n", NX_FMT(url.href));
        } else {
            printf("bad: %s\n", nx_error_last()->message);
            bad++;
        }
    }
    NX_TRY(each.err);
    return bad ? nx_fail(NX_EFAILED, "%zu links lead nowhere", bad) : NX_OK;
}
