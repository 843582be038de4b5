/* The pages. What comes from outside is escaped where it goes in; and were something forgotten, the
 * policy lets no script run. */
#include "./page.h"

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>Short links</title>\n"
    "<style>\n"
    ":root{color-scheme:light dark}\n"
    "body{font:1rem/1.5 system-ui,sans-serif;margin:12vh auto;max-width:34rem;padding:0 1rem}\n"
    "label{display:block;margin:1rem 0 .2rem}\n"
    "input,button,select{font:inherit;padding:.5rem;box-sizing:border-box}\n"
    "input{width:100%}\n"
    "button{margin-top:1.2rem;padding:.5rem 1.2rem}\n"
    "dd{margin:0 0 .8rem;overflow-wrap:anywhere}\n"
    "dt{opacity:.7}\n"
    ".wrong{border-left:.25rem solid #c33;padding-left:.75rem}\n"
    "</style>\n";

static nx_err send(nx_response *res, const char *page)
{
    if (!page) return NX_ENOMEM;
    nx_response_header(res, "content-security-policy",
                       "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
                       "base-uri 'none'; frame-ancestors 'none'");
    nx_response_header(res, "x-content-type-options", "nosniff");
    nx_response_header(res, "cache-control", "no-store");
    return nx_response_html(res, page);
}

nx_err page_form(nx_response *res, const char *wrong, nx_bytes url, nx_bytes alias)
{
    const char *mistake = wrong ? nx_format("<p class=\"wrong\" role=\"alert\">%s</p>\n",
                                            nx_html_escape(nx_str(wrong)))
                                : "";
    return send(res, nx_format("%s<h1>Short links</h1>\n%s"
                               "<form method=\"post\" action=\"/\">\n"
                               "<label for=\"url\">A long URL</label>\n"
                               "<input id=\"url\" name=\"url\" type=\"url\" required "
                               "placeholder=\"https://example.com/…\" value=\"%s\">\n"
                               "<label for=\"alias\">A name of your own, if you like</label>\n"
                               "<input id=\"alias\" name=\"alias\" maxlength=\"32\" value=\"%s\">\n"
                               "<label for=\"expires_in\">It lasts</label>\n"
                               "<select id=\"expires_in\" name=\"expires_in\">"
                               "<option value=\"\">for good</option>"
                               "<option value=\"86400\">a day</option>"
                               "<option value=\"2592000\">30 days</option></select>\n"
                               "<p><button>Shorten</button>\n</form>\n",
                               head, mistake, nx_html_escape(url), nx_html_escape(alias)));
}

nx_err page_link(nx_response *res, const char *shown, const char *url, int64_t hits,
                 const char *created, const char *expires)
{
    const char *to = nx_html_escape(nx_str(url)), *at = nx_html_escape(nx_str(shown));
    return send(res, nx_format("%s<h1>A short link</h1>\n<dl>\n"
                               "<dt>Short</dt><dd><a href=\"%s\">%s</a></dd>\n"
                               "<dt>Leads to</dt><dd><a href=\"%s\" rel=\"nofollow\">%s</a></dd>\n"
                               "<dt>Followed</dt><dd>%lld ×</dd>\n"
                               "<dt>Made</dt><dd>%s</dd>\n<dt>Ends</dt><dd>%s</dd>\n</dl>\n"
                               "<p><a href=\"/\">Another one</a>\n",
                               head, at, at, to, to, (long long)hits, created,
                               expires ? expires : "never"));
}
