/* Answers: what a handler says, checked and kept until the driver sends it. */
#include "http/server.h"

#include "base/arena.h"

/* ---- Builders: sticky, the first mistake comes out of the call that sends */

static void mistake(nx_response *res, nx_err err, const char *what)
{
    if (res->failed) return;
    res->failed = err;
    res->failure = what;
}

void nx_response_status(nx_response *res, int status)
{
    if (res->state != NX__RESPONSE_OPEN) return; /* it has been sent */
    if (status < 200 || status > 999)
        mistake(res, NX_EINVAL, "a status is a number from 200 to 999");
    else
        res->status = status;
}

static bool is_token(const char *s)
{
    /* RFC 9110 5.6.2 */
    if (!*s) return false;
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) continue;
        if (!memchr("!#$%&'*+-.^_`|~", c, 15)) return false;
    }
    return true;
}

/* A value may not start a line of its own (response splitting), nor hold other controls but tab. */
static bool is_value(const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
    }
    return true;
}

static bool is_framing(const char *name)
{
    return strcasecmp(name, "content-length") == 0 || strcasecmp(name, "transfer-encoding") == 0 ||
           strcasecmp(name, "connection") == 0;
}

/* Room for one more; its reason otherwise. */
static const char *field_room(struct nx__arena *arena, struct nx__fields *fields, nx_err *err)
{
    *err = NX_EINVAL;
    if (fields->count == NX_HTTP_MAX_RESPONSE_HEADERS)
        return "too many header fields in one answer";
    if (fields->count < fields->capacity) return NULL;
    uint32_t capacity = fields->capacity ? fields->capacity * 2 : 8;
    struct nx__field *items = nx__arena_grow(arena, fields->items, fields->count * sizeof *items,
                                             capacity * sizeof *items);
    *err = NX_ENOMEM;
    if (!items) return "out of memory";
    fields->items = items;
    fields->capacity = capacity;
    return NULL;
}

/* The field, NULL after a mistake. */
static struct nx__field *field_set(nx_response *res, struct nx__fields *fields, const char *name,
                                   const char *value, bool add)
{
    struct nx__arena *arena = &res->req->fiber->own.arena;
    if (!name || !is_token(name)) {
        mistake(res, NX_EINVAL, "a header name is a token (letters, digits, dashes)");
        return NULL;
    }
    if (!value || !is_value(value)) {
        mistake(res, NX_EINVAL, "a header value holds no line breaks or control characters");
        return NULL;
    }
    if (is_framing(name)) {
        mistake(res, NX_EINVAL,
                "content-length, transfer-encoding and connection are set by the server");
        return NULL;
    }
    /* Whoever adds to what an answer depends on does not know of the others. */
    if (strcasecmp(name, "vary") == 0) add = true;
    struct nx__field *field = NULL;
    for (uint32_t i = 0; i < fields->count && !add; i++) {
        if (strcasecmp(fields->items[i].name.data, name) == 0) field = &fields->items[i];
    }
    if (!field) {
        nx_err err;
        const char *what = field_room(arena, fields, &err);
        if (what) {
            mistake(res, err, what);
            return NULL;
        }
        field = &fields->items[fields->count];
    }
    size_t name_len = strlen(name), value_len = strlen(value);
    char *copy = nx__arena_alloc(arena, name_len + value_len + 2);
    if (!copy) {
        mistake(res, NX_ENOMEM, "out of memory");
        return NULL;
    }
    memcpy(copy, name, name_len + 1);
    memcpy(copy + name_len + 1, value, value_len + 1);
    if (field == &fields->items[fields->count]) fields->count++;
    *field = (struct nx__field){nx_slice(copy, name_len), nx_slice(copy + name_len + 1, value_len),
                                false};
    return field;
}

void nx_response_header(nx_response *res, const char *name, const char *value)
{
    (void)field_set(res, &res->fields, name, value, false);
}

void nx_response_header_add(nx_response *res, const char *name, const char *value)
{
    (void)field_set(res, &res->fields, name, value, true);
}

void nx_response_header_always(nx_response *res, const char *name, const char *value)
{
    struct nx__field *field = field_set(res, &res->fields, name, value, false);
    if (field) field->always = true;
}

void nx_response_trailer(nx_response *res, const char *name, const char *value)
{
    (void)field_set(res, &res->trailers, name, value, false);
}

void nx__response_vary(nx_response *res, const char *names)
{
    struct nx__field *field = field_set(res, &res->fields, "vary", names, true);
    if (field) field->always = true;
}

bool nx__response_has(const nx_response *res, const char *name, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcasecmp(res->fields.items[i].name.data, name) == 0) return true;
    return false;
}

nx_err nx__response_field(nx_response *res, nx_bytes name, nx_bytes value)
{
    nx_err err;
    const char *what = field_room(&res->req->fiber->own.arena, &res->fields, &err);
    if (what) return nx__error_set(err, "cannot answer: %s", what);
    res->fields.items[res->fields.count++] = (struct nx__field){.name = name, .value = value};
    return NX_OK;
}

/* ---- Sending */

static NX__COLD nx_err builder_failed(nx_response *res)
{
    nx_err err = res->failed;
    /* No builder's mistake, but the peer's. */
    if (err == NX_EPROTO) return nx__error_peer(err, "cannot read the query: %s", res->failure);
    return nx__error_set(err, "cannot answer %.*s %.*s: %s", NX_FMT(res->req->method),
                         (int)(res->req->path.len < 80 ? res->req->path.len : 80),
                         res->req->path.data, res->failure);
}

static NX__COLD nx_err answered(void)
{
    return nx__error_set(NX_ESTATE, "cannot answer: this request has been answered already");
}

nx_err nx__response_ready(nx_response *res)
{
    if (nx__unlikely(res->state != NX__RESPONSE_OPEN)) return answered();
    if (nx__unlikely(res->failed)) return builder_failed(res);
    return NX_OK;
}

nx_err nx_response_send(nx_response *res, const char *text)
{
    NX_TRY(nx__response_ready(res));
    res->content_type = &nx__type_text;
    return res->req->driver->send(res, nx_str(text));
}

nx_err nx_response_send_bytes(nx_response *res, nx_bytes body)
{
    NX_TRY(nx__response_ready(res));
    res->content_type = &nx__type_bytes;
    return res->req->driver->send(res, body);
}

NX__HOT nx_err nx_response_json(nx_response *res, nx_value value)
{
    NX_TRY(nx__response_ready(res));
    res->content_type = &nx__type_json;
    return res->req->driver->send_json(res, value);
}

static bool is_location(const char *s)
{
    if (!*s) return false;
    for (; *s; s++)
        if (*s <= ' ' || *s > '~') return false; /* where char has a sign, UTF-8 is negative */
    return true;
}

nx_err nx_response_redirect(nx_response *res, int status, const char *location)
{
    NX_TRY(nx__response_ready(res));
    if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308)
        return nx__error_set(
            NX_EINVAL, "cannot redirect with status %d: 301, 302, 303, 307 and 308 do", status);
    if (!location || !is_location(location))
        return nx__error_set(
            NX_EINVAL,
            "cannot redirect: a location is not empty, and all of it printable ASCII without spaces");
    nx_response_header(res, "location", location);
    res->status = status;
    return nx_response_send(res, "");
}

nx_err nx_response_write(nx_response *res, nx_bytes piece)
{
    if (res->state == NX__RESPONSE_DONE) return answered();
    if (res->failed) return builder_failed(res);
    return res->req->driver->write(res, piece);
}

nx_err nx_response_end(nx_response *res)
{
    if (res->state == NX__RESPONSE_DONE) return answered();
    if (res->failed) return builder_failed(res);
    return res->req->driver->end(res);
}

nx_err nx_response_early_hint(nx_response *res, const char *link)
{
    NX_TRY(nx__response_ready(res));
    if (!link || !*link || !is_value(link))
        return nx__error_set(
            NX_EINVAL,
            "cannot send early hints: a link holds no line breaks or control characters");
    return res->req->driver->early(res, nx_str(link));
}

/* ---- What was sent */

int nx_response_status_sent(const nx_response *res)
{
    return res->state == NX__RESPONSE_OPEN ? 0 : res->status;
}
uint64_t nx_response_bytes_sent(const nx_response *res)
{
    return res->sent;
}
