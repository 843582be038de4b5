/* JSON bodies of requests. */
#include "http/data.h"

#include "http/h1/syntax.h"
#include "json/tree.h"

/* application/json, or anything that ends in +json (RFC 6839 3.1). */
static bool is_json(nx_bytes content_type)
{
    nx_bytes type = nx__attribute_head(&content_type);
    return nx__text_ieq(type, "application/json") ||
           (type.len > 5 && NX__ASCII_IS(type.data + type.len - 5, 5, "+json"));
}

nx_err nx_request_json_with(nx_request *req, nx_json *out, const nx_json_options *options)
{
    *out = (nx_json){0};
    nx_json_options o = {0};
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    o.size = sizeof o;
    nx_bytes type = nx_request_header(req, "content-type");
    if (!o.any_type && !is_json(type)) {
        char quoted[NX__QUOTED];
        nx__response_accept(req, "application/json");
        return nx__error_peer(
            NX_ENOTSUP,
            "cannot read the JSON body: its content-type is %s%s%s, not application/json",
            type.data ? "\"" : "", type.data ? nx__quoted(quoted, type) : "missing",
            type.data ? "\"" : "");
    }
    nx_bytes body;
    NX_TRY(nx_request_body(req, &body));
    return nx__json_parse(body, out, &o, "the JSON body", true);
}

static nx_err read_body(void *from, nx_bytes *piece)
{
    return nx_request_read(from, piece);
}

nx_err nx_request_json_reader_with(nx_request *req, nx_json_reader **out,
                                   const nx_json_reader_options *options)
{
    return nx__json_reader_new(out, read_body, req, options, "the JSON body", true);
}
