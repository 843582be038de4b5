/* What a request's body is made of. */
#include "http/client/client.h"

#include "base/buffer.h"

#include <stdio.h>
#include <sys/random.h>

enum { PARTS_MOST = 1000, BOUNDARY = 32 };

static nx_err invalid(const char *why)
{
    return nx__error_set(NX_EINVAL, "cannot make the request's body: %s", why);
}

static nx_err no_memory(void)
{
    return nx__error_set(NX_ENOMEM, "cannot make the request's body: out of memory");
}

/* ---- multipart/form-data (RFC 7578): the names as browsers write them (section 4.2) */

static size_t quoted_len(const char *text)
{
    size_t len = 2;
    for (; *text; text++) len += *text == '"' || *text == '\r' || *text == '\n' ? 3 : 1;
    return len;
}

static void quoted(struct nx__buffer *out, const char *text)
{
    out->data[out->len++] = '"';
    for (; *text; text++) {
        const char *escaped = *text == '"' ? "%22" : *text == '\r' ? "%0D" : "%0A";
        bool plain = *text != '"' && *text != '\r' && *text != '\n';
        size_t len = plain ? 1 : 3;
        memcpy(out->data + out->len, plain ? text : escaped, len);
        out->len += len;
    }
    out->data[out->len++] = '"';
}

static void text(struct nx__buffer *out, nx_bytes bytes)
{
    if (bytes.len) memcpy(out->data + out->len, bytes.data, bytes.len);
    out->len += bytes.len;
}

/* The head of a part, which has room in memory of the scope. */
static nx_err part_head(const nx_fetch_part *part, const char *boundary, bool first, nx_bytes *out)
{
    const char *type = part->type        ? part->type
                       : part->file_name ? "application/octet-stream"
                                         : NULL;
    if (!part->name) return invalid("a part has no name");
    if (type && nx__fetch_field_check(nx_str("content-type"), nx_str(type)))
        return invalid("the type of a part can't be sent");
    size_t most = 128 + BOUNDARY + quoted_len(part->name) +
                  (part->file_name ? quoted_len(part->file_name) : 0) + (type ? strlen(type) : 0);
    struct nx__buffer b = {.data = nx_alloc(most), .capacity = most};
    if (!b.data) return no_memory();
    text(&b, nx_str(first ? "--" : "\r\n--"));
    text(&b, nx_str(boundary));
    text(&b, nx_str("\r\nContent-Disposition: form-data; name="));
    quoted(&b, part->name);
    if (part->file_name) {
        text(&b, nx_str("; filename="));
        quoted(&b, part->file_name);
    }
    if (type) {
        text(&b, nx_str("\r\nContent-Type: "));
        text(&b, nx_str(type));
    }
    text(&b, nx_str("\r\n\r\n"));
    *out = nx_slice(b.data, b.len);
    return NX_OK;
}

static bool boundary_make(char out[BOUNDARY + 1])
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    unsigned char bytes[BOUNDARY];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return false;
    for (int i = 0; i < BOUNDARY; i++) out[i] = digits[bytes[i] & 31];
    out[BOUNDARY] = '\0';
    return true;
}

/* One stream of all, as the parts come; those of parts that have none yet are made. */
static nx_err parts_stream(const nx_fetch_part *parts, size_t count, const nx_bytes *heads,
                           nx_bytes last, struct nx__fetch_body *out)
{
    nx_stream **streams = nx_alloc((count * 2 + 1) * sizeof(nx_stream *));
    if (!streams) return no_memory();
    for (size_t i = 0; i < count; i++) {
        streams[i * 2] = nx_memory_reader(heads[i]);
        streams[i * 2 + 1] = parts[i].source ? parts[i].source : nx_memory_reader(parts[i].data);
    }
    streams[count * 2] = nx_memory_reader(last);
    out->source = nx_concat_with(streams, count * 2 + 1);
    out->length = NX__LENGTH_UNKNOWN;
    return NX_OK;
}

static nx_err parts_bytes(const nx_fetch_part *parts, size_t count, const nx_bytes *heads,
                          nx_bytes last, struct nx__fetch_body *out)
{
    size_t len = last.len;
    for (size_t i = 0; i < count; i++) len += heads[i].len + parts[i].data.len;
    struct nx__buffer b = {.data = nx_alloc(len), .capacity = len};
    if (!b.data) return no_memory();
    for (size_t i = 0; i < count; i++) {
        text(&b, heads[i]);
        text(&b, parts[i].data);
    }
    text(&b, last);
    out->bytes = nx_slice(b.data, b.len);
    out->length = b.len;
    return NX_OK;
}

static nx_err parts_make(const nx_fetch_part *parts, size_t count, struct nx__fetch_body *out)
{
    char boundary[BOUNDARY + 1];
    bool streamed = false;
    if (count > PARTS_MOST) return invalid("it has more than 1,000 parts");
    if (!boundary_make(boundary)) return invalid("there are no random numbers");
    nx_bytes *heads = nx_alloc_zero(count, sizeof *heads);
    const char *last = nx_format("\r\n--%s--\r\n", boundary);
    const char *type = nx_format("multipart/form-data; boundary=%s", boundary);
    if (!heads || !last || !type) return no_memory();
    for (size_t i = 0; i < count; i++) {
        NX_TRY(part_head(&parts[i], boundary, i == 0, &heads[i]));
        streamed |= parts[i].source != NULL;
    }
    out->type = nx_str(type);
    return streamed ? parts_stream(parts, count, heads, nx_str(last), out)
                    : parts_bytes(parts, count, heads, nx_str(last), out);
}

static void parts_close(const nx_fetch_options *o)
{
    for (size_t i = 0; o->parts && i < o->part_count; i++) nx_stream_close(o->parts[i].source);
}

/* ---- Bodies of every kind */

static nx_err body_make(const nx_fetch_options *o, struct nx__fetch_body *out)
{
    if (o->json.kind) {
        NX_TRY(nx_json_write(o->json, &out->bytes));
        out->type = nx_str("application/json");
    } else if (o->form.kind) {
        NX_TRY(nx_query_write(o->form, &out->bytes));
        out->type = nx_str("application/x-www-form-urlencoded");
    } else if (o->text) {
        out->bytes = nx_str(o->text);
        out->type = nx_str("text/plain; charset=utf-8");
    } else if (o->body.data) {
        out->bytes = o->body;
    } else {
        out->length = NX__LENGTH_NONE;
        return NX_OK;
    }
    out->length = out->bytes.len;
    return NX_OK;
}

nx_err nx__fetch_body(const nx_fetch_options *o, struct nx__fetch_body *out)
{
    int kinds = (o->json.kind != 0) + (o->form.kind != 0) + (o->text != NULL) +
                (o->body.data != NULL) + (o->parts != NULL) + (o->source != NULL);
    nx_err err;
    *out = (struct nx__fetch_body){.source = o->source};
    if (kinds > 1) {
        parts_close(o);
        return invalid("more than one is given");
    }
    if (o->source) {
        out->length = o->source_length ? o->source_length : NX__LENGTH_UNKNOWN;
        err = NX_OK;
    } else if (o->parts) {
        err = parts_make(o->parts, o->part_count, out);
        if (err) parts_close(o);
    } else {
        err = body_make(o, out);
    }
    if (!err && o->type) out->type = nx_str(o->type);
    return err;
}
