/* The notes: an array in memory. */
#include "./notes.h"

#include <stdlib.h>

nx_err note_check(nx_bytes title, nx_bytes text)
{
    if (!title.len || title.len > TITLE_MOST)
        return nx_fail(NX_EINVAL, "a title has 1 to %d bytes, not %zu", TITLE_MOST, title.len);
    if (text.len > TEXT_MOST)
        return nx_fail(NX_EINVAL, "a text has at most %d bytes, not %zu", TEXT_MOST, text.len);
    if (memchr(title.data, '\0', title.len) || (text.len && memchr(text.data, '\0', text.len)))
        return nx_fail(NX_EINVAL, "a note has no NUL in it");
    return NX_OK;
}

void note_set(note *n, nx_bytes title, nx_bytes text)
{
    memcpy(n->title, title.data, title.len);
    n->title[title.len] = '\0';
    if (text.len) memcpy(n->text, text.data, text.len);
    n->text[text.len] = '\0';
}

nx_err notes_add(notes *all, nx_bytes title, nx_bytes text, note **out)
{
    if (all->count == NOTES_MOST) return nx_fail(NX_ELIMIT, "there are %d notes", NOTES_MOST);
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? all->capacity * 2 : 16;
        note *items = realloc(all->items, capacity * sizeof *items);
        if (!items) return nx_fail(NX_ENOMEM, "no memory for another note");
        all->items = items;
        all->capacity = capacity;
    }
    note *n = &all->items[all->count++];
    n->id = ++all->last_id;
    note_set(n, title, text);
    *out = n;
    return NX_OK;
}

note *notes_find(const notes *all, int64_t id)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].id == id) return &all->items[i];
    return NULL;
}

void notes_remove(notes *all, note *n)
{
    size_t i = (size_t)(n - all->items);
    memmove(n, n + 1, (--all->count - i) * sizeof *n);
}

void notes_free(notes *all)
{
    free(all->items);
    *all = (notes){0};
}
