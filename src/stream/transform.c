/* Transforms. */
#include "stream/stream.h"

#include <stdlib.h>

struct transform {
    nx_transform_fn fn;
    nx_change_fn change;
    void *arg;
    uint64_t left;
};

static nx_stream *transform_new(const nx_stream_type *type, struct transform with)
{
    struct transform *t = malloc(sizeof *t);
    if (!t) return nx__stream_no_memory();
    *t = with;
    return nx_stream_new(type, t);
}

static nx_err call(void *state, nx_bytes bytes, nx_stream *next)
{
    const struct transform *t = state;
    return t->fn(t->arg, bytes, next);
}

nx_stream *nx_transform(nx_transform_fn fn, void *arg)
{
    static const nx_stream_type type = {
        .size = sizeof type, .name = "a transform", .transform = call, .close = free};
    return transform_new(&type, (struct transform){.fn = fn, .arg = arg});
}

static void change_there(void *state, void *data, size_t len)
{
    const struct transform *t = state;
    t->change(t->arg, data, len);
}

/* What lies elsewhere, and is not to be changed there. */
static nx_err change(void *state, nx_bytes bytes, nx_stream *next)
{
    void *room;
    NX_TRY(nx_stream_room(next, bytes.len, &room));
    memcpy(room, bytes.data, bytes.len);
    change_there(state, room, bytes.len);
    return nx_stream_commit(next, bytes.len);
}

nx_stream *nx_change(nx_change_fn fn, void *arg)
{
    static const nx_stream_type type = {
        .size = sizeof type, .name = "a change", .transform = change, .close = free};
    nx_stream *stream = transform_new(&type, (struct transform){.change = fn, .arg = arg});
    if (!stream->error) stream->in_place = change_there;
    return stream;
}

static nx_err limit(void *state, nx_bytes bytes, nx_stream *next)
{
    struct transform *t = state;
    bool over = bytes.len > t->left;
    size_t len = over ? (size_t)t->left : bytes.len;
    t->left -= len;
    NX_TRY(nx_stream_write(next, nx_slice(bytes.data, len)));
    return over ? nx__error_set(NX_ETOOBIG, "more comes through a stream than its limit lets")
                : NX_OK;
}

static nx_err take(void *state, nx_bytes bytes, nx_stream *next)
{
    struct transform *t = state;
    size_t len = bytes.len < t->left ? bytes.len : (size_t)t->left;
    t->left -= len;
    if (!t->left) nx_stream_enough(next);
    return nx_stream_write(next, nx_slice(bytes.data, len));
}

static nx_err drop(void *state, nx_bytes bytes, nx_stream *next)
{
    struct transform *t = state;
    size_t len = bytes.len < t->left ? bytes.len : (size_t)t->left;
    t->left -= len;
    return nx_stream_write(next, nx_slice(bytes.data + len, bytes.len - len));
}

nx_stream *nx_take(uint64_t count)
{
    static const nx_stream_type type = {
        .size = sizeof type, .name = "a take", .transform = take, .close = free};
    return transform_new(&type, (struct transform){.left = count});
}

nx_stream *nx_drop(uint64_t count)
{
    static const nx_stream_type type = {
        .size = sizeof type, .name = "a drop", .transform = drop, .close = free};
    return transform_new(&type, (struct transform){.left = count});
}

nx_stream *nx_limit(uint64_t most)
{
    static const nx_stream_type type = {
        .size = sizeof type, .name = "a limit", .transform = limit, .close = free};
    return transform_new(&type, (struct transform){.left = most});
}
