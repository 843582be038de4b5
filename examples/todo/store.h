/* The todos: an array in memory, a line each in a file. */
#ifndef STORE_H
#define STORE_H

#include <nexus/channel.h>

typedef struct todo {
    int64_t id;
    bool done;
    char text[256];
} todo;

typedef struct store {
    todo *todos;
    size_t count, capacity;
    int64_t last_id;
    const char *path;
    nx_channel *saving; /* full while somebody saves */
} store;

/* Reads the file; none yet is an empty store. */
nx_err store_open(store *s, const char *path);

/* Adds a todo and stores it in `*out`, valid until the next change. NX_EINVAL for text that is
 * empty, too long, of more than a line or not UTF-8. */
nx_err store_add(store *s, nx_bytes text, todo **out);

/* NULL if there is none. */
todo *store_find(store *s, int64_t id);

void store_remove(store *s, todo *t);

/* Writes the file anew; one at a time, or an older list could end up in place of a newer one. */
nx_err store_save(store *s);

void store_close(store *s);

#endif
