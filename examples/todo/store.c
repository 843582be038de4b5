/* The todos: an array in memory, a line each in a file. */
#include "./store.h"

#include <nexus/fs.h>
#include <nexus/json.h>
#include <stdio.h>
#include <stdlib.h>

static nx_err put(store *s, int64_t id, bool done, nx_bytes text, todo **out)
{
    nx_bytes json; /* what JSON can't hold would spoil every list that it is in */
    if (!text.len || text.len >= sizeof s->todos->text || memchr(text.data, '\n', text.len) ||
        memchr(text.data, '\0', text.len) || nx_json_write(nx_val(text), &json))
        return nx_fail(NX_EINVAL, "a todo is one line of UTF-8, of 1 to %zu bytes",
                       sizeof s->todos->text - 1);
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? s->capacity * 2 : 16;
        todo *todos = realloc(s->todos, capacity * sizeof *todos);
        if (!todos) return nx_fail(NX_ENOMEM, "out of memory");
        s->todos = todos;
        s->capacity = capacity;
    }
    todo *t = &s->todos[s->count++];
    *t = (todo){.id = id, .done = done};
    memcpy(t->text, text.data, text.len);
    if (id > s->last_id) s->last_id = id;
    if (out) *out = t;
    return NX_OK;
}

nx_err store_open(store *s, const char *path)
{
    *s = (store){.path = path};
    NX_TRY(nx_channel_new(&s->saving, 1, 1));
    nx_bytes file;
    nx_err err = nx_fs_read_file(path, &file);
    if (err == NX_ENOENT) return NX_OK;
    NX_TRY(err);
    for (const char *line = file.data, *end = line + file.len; line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        if (!next) next = end;
        char *text;
        long long id =
            strtoll(line, &text, 10); /* the file ends with a NUL, so this stays inside */
        if (text + 3 < next && (text[1] == '-' || text[1] == 'x'))
            NX_TRY(put(s, id, text[1] == 'x', nx_slice(text + 3, (size_t)(next - text) - 3), NULL));
        line = next + 1;
    }
    return NX_OK;
}

nx_err store_add(store *s, nx_bytes text, todo **out)
{
    return put(s, s->last_id + 1, false, text, out);
}

todo *store_find(store *s, int64_t id)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->todos[i].id == id) return &s->todos[i];
    return NULL;
}

void store_remove(store *s, todo *t)
{
    size_t i = (size_t)(t - s->todos);
    memmove(t, t + 1, (--s->count - i) * sizeof *t);
}

static nx_err write_all(const store *s)
{
    size_t size = s->count * (sizeof(todo) + 24) + 1, len = 0;
    char *text = nx_alloc(size);
    if (!text) return NX_ENOMEM;
    for (size_t i = 0; i < s->count; i++) {
        const todo *t = &s->todos[i];
        len += (size_t)snprintf(text + len, size - len, "%lld %c %s\n", (long long)t->id,
                                t->done ? 'x' : '-', t->text);
    }
    return nx_fs_write_file(s->path, nx_slice(text, len));
}

nx_err store_save(store *s)
{
    char turn = 0;
    NX_TRY(nx_send(s->saving, &turn)); /* waits while the channel is full */
    nx_err err = write_all(s);
    NX_IGNORE(nx_recv(s->saving, &turn));
    return err;
}

void store_close(store *s)
{
    nx_channel_free(s->saving);
    free(s->todos);
}
