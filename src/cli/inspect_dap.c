/* Messages of the Debug Adapter Protocol: telling them apart, reading them, and writing those that
 * the bridge changes or makes. */
#include "cli/inspect_bridge.h"

#include "base/error.h"
#include "base/json.h"
#include <stdio.h>
#include <strings.h>

/* ---- Frames */

static const char content_length[] = "content-length:", content_type[] = "content-type:";

/* Whether the line is, or may become, a header of that name. */
static bool begins(const char *line, size_t len, const char *name)
{
    size_t most = strlen(name);
    return strncasecmp(line, name, len < most ? len : most) == 0;
}

/* The number in a header's value; false where it is none up to `most`. */
static bool length_parse(const char *text, size_t len, size_t most, size_t *out)
{
    size_t at = 0, n = 0;
    while (at < len && text[at] == ' ') at++;
    if (at == len) return false;
    for (; at < len; at++) {
        if (text[at] < '0' || text[at] > '9') return false;
        n = n * 10 + (size_t)(text[at] - '0');
        if (n > most) return false;
    }
    *out = n;
    return true;
}

enum nx__dap_frame nx__dap_frame(const char *data, size_t len, size_t most, size_t *head,
                                 size_t *body)
{
    bool sized = false;
    size_t at = 0, seen = len < NX__DAP_HEAD_MOST ? len : NX__DAP_HEAD_MOST;
    for (;;) {
        const char *line = data + at, *end = memmem(line, seen - at, "\r\n", 2);
        size_t line_len = end ? (size_t)(end - line) : seen - at;
        if (end && !line_len) break;
        bool is_length = begins(line, line_len, content_length);
        if (!is_length && !begins(line, line_len, content_type)) return NX__DAP_BAD;
        if (!end) return seen < NX__DAP_HEAD_MOST ? NX__DAP_MORE : NX__DAP_BAD;
        at += line_len + 2;
        size_t name = is_length ? strlen(content_length) : strlen(content_type);
        if (line_len < name) return NX__DAP_BAD;
        if (!is_length) continue;
        if (sized || !length_parse(line + name, line_len - name, most, body)) return NX__DAP_BAD;
        sized = true;
    }
    if (!sized) return NX__DAP_BAD;
    *head = at + 2;
    return len - *head >= *body ? NX__DAP_WHOLE : NX__DAP_MORE;
}

/* ---- Reading */

nx_err nx__dap_read(struct nx__dap_message *m, nx_bytes text)
{
    *m = (struct nx__dap_message){
        .text = text,
        .doc = {.what = "the message", .of_peer = true, .duplicates = NX_JSON_DUPLICATES_LAST}};
    NX_TRY(nx__json_tree_read(&m->doc, text, NX__DAP_DEPTH_MOST));
    m->root = nx__json_root(&m->doc);
    nx_bytes type = nx_json_string(nx_json_get(m->root, "type"), "");
    bool event = nx_bytes_is(type, "event");
    bool response = nx_bytes_is(type, "response");
    nx_bytes name = nx_json_string(nx_json_get(m->root, event ? "event" : "command"), "");
    if (!(event || response || nx_bytes_is(type, "request")) || !name.len ||
        name.len >= sizeof m->name || strlen(name.data) != name.len)
        return nx__error_set(NX_EPROTO, "the message is none of the Debug Adapter Protocol");
    m->type = event ? NX__DAP_EVENT : response ? NX__DAP_RESPONSE : NX__DAP_REQUEST;
    m->seq = nx_json_int(nx_json_get(m->root, response ? "request_seq" : "seq"), 0);
    m->success = nx_json_bool(nx_json_get(m->root, "success"), false);
    memcpy(m->name, name.data, name.len + 1);
    return NX_OK;
}

void nx__dap_free(struct nx__dap_message *m)
{
    if (m->doc.tree) nx__json_tree_free(&m->doc);
    m->doc.tree = NULL;
}

/* ---- Writing */

enum { BUFFER_MOST = 2 * NX__DAP_ADAPTER_MOST };

static nx_err put(struct nx__buffer *out, const char *text)
{
    return nx__buffer_append(out, text, strlen(text), BUFFER_MOST);
}

static nx_err put_value(struct nx__buffer *out, nx_value value)
{
    nx_err err;
    size_t len = nx__json_write(value, NULL, 0, &err);
    if (!err) err = nx__buffer_reserve(out, len, BUFFER_MOST);
    if (!err) out->len += nx__json_write(value, out->data + out->len, len, &err);
    return err;
}

nx_err nx__dap_put_string(struct nx__buffer *out, nx_bytes text)
{
    return put_value(out, nx_val(text));
}

static nx_err put_scalar(struct nx__buffer *out, nx_json json)
{
    int64_t i;
    uint64_t u;
    switch (nx_json_kind_of(json)) {
    case NX_JSON_BOOL: return put(out, nx_json_bool(json, false) ? "true" : "false");
    case NX_JSON_STRING: return put_value(out, nx_val(nx_json_string(json, "")));
    case NX_JSON_NUMBER: break;
    default: return put(out, "null");
    }
    if ((i = nx_json_int(json, INT64_MIN)) != INT64_MIN) return put_value(out, nx_val(i));
    if ((u = nx_json_uint(json, 0)) != 0) return put_value(out, nx_val(u));
    return put_value(out, nx_val(nx_json_double(json, 0)));
}

/* No deeper than what was read. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static nx_err put_json(struct nx__buffer *out, nx_json json)
{
    bool object = nx_json_kind_of(json) == NX_JSON_OBJECT;
    if (!object && nx_json_kind_of(json) != NX_JSON_ARRAY) return put_scalar(out, json);
    NX_TRY(put(out, object ? "{" : "["));
    for (nx_json_each each = nx_json_begin(json); nx_json_next(&each);) {
        if (each.index) NX_TRY(put(out, ","));
        if (object) NX_TRY(put_value(out, nx_val(each.name)));
        if (object) NX_TRY(put(out, ":"));
        NX_TRY(put_json(out, each.value));
    }
    return put(out, object ? "}" : "]");
}

static bool among(nx_bytes name, const char *const *names)
{
    for (; names && *names; names++)
        if (nx_bytes_is(name, *names)) return true;
    return false;
}

/* The object without some members and with more. */
static nx_err put_object(struct nx__buffer *out, nx_json object, const char *const *without,
                         const char *more)
{
    bool first = true;
    NX_TRY(put(out, "{"));
    for (nx_json_each each = nx_json_begin(object); nx_json_next(&each);) {
        if (!each.name.data || among(each.name, without)) continue;
        if (!first) NX_TRY(put(out, ","));
        first = false;
        NX_TRY(put_value(out, nx_val(each.name)));
        NX_TRY(put(out, ":"));
        NX_TRY(put_json(out, each.value));
    }
    if (*more && !first) NX_TRY(put(out, ","));
    NX_TRY(put(out, more));
    return put(out, "}");
}

nx_err nx__dap_put(struct nx__buffer *out, nx_bytes text)
{
    NX_TRY(nx__buffer_printf(out, BUFFER_MOST, "Content-Length: %zu\r\n\r\n", text.len));
    return nx__buffer_append(out, text.data, text.len, BUFFER_MOST);
}

/* Frames what has been written, unless that has failed, and gives its memory back. */
static nx_err put_framed(struct nx__buffer *out, struct nx__buffer *text, nx_err err)
{
    if (!err) err = nx__dap_put(out, nx_slice(text->data, text->len));
    nx__buffer_free(text);
    return err;
}

nx_err nx__dap_put_request(struct nx__buffer *out, int64_t seq, const char *command,
                           nx_json arguments, const char *const *without, const char *more)
{
    struct nx__buffer text = {0};
    nx_err err = nx__buffer_printf(
        &text, BUFFER_MOST,
        "{\"seq\":%lld,\"type\":\"request\",\"command\":\"%s\",\"arguments\":", (long long)seq,
        command);
    if (!err) err = put_object(&text, arguments, without, more);
    if (!err) err = put(&text, "}");
    return put_framed(out, &text, err);
}

/* What each response begins with. The command is what the client has said. */
static nx_err put_head(struct nx__buffer *text, int64_t request, const char *command, bool success)
{
    NX_TRY(nx__buffer_printf(text, BUFFER_MOST,
                             "{\"seq\":%d,\"type\":\"response\",\"request_seq\":%lld,"
                             "\"success\":%s,\"command\":",
                             NX__DAP_OWN, (long long)request, success ? "true" : "false"));
    return nx__dap_put_string(text, nx_str(command));
}

nx_err nx__dap_put_response(struct nx__buffer *out, int64_t request, const char *command,
                            const char *message)
{
    struct nx__buffer text = {0};
    nx_err err = put_head(&text, request, command, !message);
    if (!err && message) err = put(&text, ",\"message\":");
    if (!err && message) err = nx__dap_put_string(&text, nx_str(message));
    if (!err && message)
        err = put(&text, ",\"body\":{\"error\":{\"id\":1,\"showUser\":true,\"format\":");
    if (!err && message) err = nx__dap_put_string(&text, nx_str(message));
    if (!err) err = put(&text, message ? "}}}" : "}");
    return put_framed(out, &text, err);
}

nx_err nx__dap_put_changed(struct nx__buffer *out, const struct nx__dap_message *m,
                           const char *command, const char *const *without, const char *more)
{
    struct nx__buffer text = {0};
    nx_json message = nx_json_get(m->root, "message");
    nx_err err = put_head(&text, m->seq, command, m->success);
    if (!err && nx_json_is(message)) err = put(&text, ",\"message\":");
    if (!err && nx_json_is(message)) err = put_json(&text, message);
    if (!err) err = put(&text, ",\"body\":");
    if (!err) err = put_object(&text, nx_json_get(m->root, "body"), without, more);
    if (!err) err = put(&text, "}");
    return put_framed(out, &text, err);
}

nx_err nx__dap_put_event(struct nx__buffer *out, const char *event, const char *body)
{
    struct nx__buffer text = {0};
    nx_err err = nx__buffer_printf(&text, BUFFER_MOST,
                                   "{\"seq\":%d,\"type\":\"event\",\"event\":\"%s\",\"body\":%s}",
                                   NX__DAP_OWN, event, body);
    return put_framed(out, &text, err);
}
