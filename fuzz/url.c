/* A URL and what is relative to it, each a line: what is parsed is parsed to itself again, its
 * parts lie in it, and a query's pairs come back from what is written of them. */
#include "memory.h"
#include <nexus/url.h>

static void check_part(const nx_url *url, nx_bytes part)
{
    if (!part.data) return;
    check(part.data >= url->href.data && part.data + part.len <= url->href.data + url->href.len);
}

static void check_url(const nx_url *url)
{
    nx_url again;
    nx_bytes out;
    check_part(url, url->scheme);
    check_part(url, url->username);
    check_part(url, url->password);
    check_part(url, url->host);
    check_part(url, url->host_port);
    check_part(url, url->path);
    check_part(url, url->query);
    check_part(url, url->fragment);
    check(!url->href.data[url->href.len]);
    check(!nx_url_parse(url->href, &again) && nx_bytes_eq(url->href, again.href));
    check(!nx_url_origin(url, &out) && !nx_url_host_text(url, &out));
    if (nx_url_to_path(url, &out)) return;
    check(!nx_url_from_path(out, &again) && !nx_url_to_path(&again, &out));
}

static void check_query(nx_bytes text)
{
    nx_query query, again;
    nx_bytes written, twice;
    if (nx_query_parse(text, &query)) return;
    check(!nx_query_text(&query, &written) && !nx_query_parse(written, &again));
    check(again.count == query.count);
    for (size_t i = 0; i < query.count; i++)
        check(nx_bytes_eq(again.pairs[i].name, query.pairs[i].name) &&
              nx_bytes_eq(again.pairs[i].value, query.pairs[i].value));
    check(!nx_query_text(&again, &twice) && nx_bytes_eq(written, twice));
    check(!nx_query_sort(&again) && again.count == query.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memory_begin();
    /* Exactly this memory, so that a sanitizer sees what is read behind it. */
    char *copy = malloc(size ? size : 1);
    check(copy != NULL);
    if (size) memcpy(copy, data, size);
    const char *end = memchr(copy, '\n', size);
    nx_bytes first = nx_slice(copy, end ? (size_t)(end - copy) : size);
    nx_bytes second = end ? nx_slice(end + 1, size - first.len - 1) : nx_slice("", 0);
    nx_url url, other;
    if (!nx_url_parse(first, &url)) {
        check(nx_url_can_parse(first, NULL));
        check_url(&url);
        if (!nx_url_resolve(&url, second, &other)) check_url(&other);
        for (nx_url_part part = NX_URL_HREF; part <= NX_URL_FRAGMENT; part++) {
            other = url;
            if (!nx_url_set(&other, part, second)) check_url(&other);
        }
    } else {
        check(!nx_url_can_parse(first, NULL));
    }
    check_query(second);
    free(copy);
    memory_end();
    return 0;
}
