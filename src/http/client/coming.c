/* Answers whose fields come one by one. */
#include "http/client/coming.h"

#include "base/arena.h"
#include "net/fd.h"

void nx__coming_begin(struct nx__exchange *x, struct nx__coming *c)
{
    x->answering = true;
    c->head_size = 0;
    if (!c->headed) c->answer.field_count = 0;
}

static bool field_add(struct nx__exchange *x, struct nx__coming *c, nx_bytes name, nx_bytes value)
{
    struct nx__arena *arena = x->arena;
    struct nx__fields *trailers = &x->trailers;
    struct nx__field **items = c->headed ? &trailers->items : &c->answer.fields;
    uint32_t *count = c->headed ? &trailers->count : &c->answer.field_count;
    uint32_t *capacity = c->headed ? &trailers->capacity : &c->capacity;
    if (*count == *capacity) {
        uint32_t more = *capacity ? *capacity * 2 : 16;
        struct nx__field *grown = nx__arena_alloc(arena, more * sizeof *grown);
        if (!grown) return false;
        if (*count) memcpy(grown, *items, *count * sizeof *grown);
        *items = grown;
        *capacity = more;
    }
    char *text = nx__arena_alloc(arena, name.len + value.len + 2);
    if (!text) return false;
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    if (value.len) memcpy(text + name.len + 1, value.data, value.len);
    text[name.len + 1 + value.len] = '\0';
    (*items)[(*count)++] = (struct nx__field){nx_slice(text, name.len),
                                              nx_slice(text + name.len + 1, value.len), false};
    return true;
}

bool nx__coming_field(struct nx__exchange *x, struct nx__coming *c, nx_bytes name, nx_bytes value)
{
    if (nx_bytes_is(name, ":status")) {
        c->answer.status =
            (value.data[0] - '0') * 100 + (value.data[1] - '0') * 10 + (value.data[2] - '0');
        return true;
    }
    c->head_size += (uint32_t)(name.len + value.len + 4);
    const uint32_t count = c->headed ? x->trailers.count : c->answer.field_count;
    if (c->head_size > x->max_head || count >= x->max_headers) {
        c->too_large = true;
        return false;
    }
    if (!c->headed && nx_bytes_is(name, "content-length")) {
        c->length = 0;
        for (size_t i = 0; i < value.len; i++)
            c->length = c->length * 10 + (uint64_t)(value.data[i] - '0');
    }
    return field_add(x, c, name, value);
}

bool nx__coming_head(struct nx__exchange *x, struct nx__coming *c, const char *protocol)
{
    c->answer.protocol = nx_str(protocol);
    if (c->answer.status >= 200) {
        c->headed = true;
        return true;
    }
    c->length = NX__LENGTH_UNKNOWN;
    if (++c->informed > NX__INFORMED_MOST) return false;
    if (x->informed && c->answer.status != 100) x->informed(x->informed_arg, &c->answer);
    return true;
}

nx_duration nx__exchange_until(const struct nx__exchange *x, nx_duration span)
{
    if (span == NX_FOREVER) return x->deadline;
    nx_duration at = nx__deadline(span);
    return at < x->deadline ? at : x->deadline;
}

nx_err nx__exchange_late(const struct nx__exchange *x, nx_err err, const char *what,
                         const char *option)
{
    if (err != NX_ETIMEDOUT) return err;
    bool whole = nx__deadline(0) >= x->deadline;
    return nx__error_set(NX_ETIMEDOUT, "%s (%s)", what, whole ? "deadline" : option);
}
