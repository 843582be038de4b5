/* Pages: text made harmless in HTML, and HTML as an answer. */
#include "http/server.h"

#include "base/markup.h"

static const char *entity(char c)
{
    return c ? nx__markup_entity(c) : "\xef\xbf\xbd"; /* U+FFFD, as a browser would read it */
}

char *nx_html_escape(nx_bytes text)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *as = entity(text.data[i]);
        len += as ? strlen(as) : 1;
    }
    char *out = nx_alloc(len + 1), *at = out;
    if (!out) return NULL;
    for (size_t i = 0; i < text.len; i++) {
        const char *as = entity(text.data[i]);
        size_t n = as ? strlen(as) : 1;
        memcpy(at, as ? as : text.data + i, n);
        at += n;
    }
    *at = '\0';
    return out;
}

nx_err nx_response_html(nx_response *res, const char *page)
{
    NX_TRY(nx__response_ready(res));
    res->content_type = &nx__type_html;
    return res->req->driver->send(res, nx_str(page));
}
