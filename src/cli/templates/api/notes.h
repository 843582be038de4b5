/* The notes: an array in memory. */
#ifndef NOTES_H
#define NOTES_H

#include <nexus/base.h>

enum { NOTES_MOST = 10000, TITLE_MOST = 80, TEXT_MOST = 1000 }; /* the latter two in bytes */

typedef struct note {
    int64_t id;
    char title[TITLE_MOST + 1], text[TEXT_MOST + 1];
} note;

/* All zero is a store without notes. */
typedef struct notes {
    note *items;
    size_t count, capacity;
    int64_t last_id;
} notes;

/* NX_EINVAL, with what is wrong, for what can be no note. */
NX_MUST_CHECK nx_err note_check(nx_bytes title, nx_bytes text);

/* Adds a checked note, in `*out` valid until the next change. NX_ELIMIT, NX_ENOMEM. */
NX_MUST_CHECK nx_err notes_add(notes *all, nx_bytes title, nx_bytes text, note **out);

/* NULL if there is none. */
note *notes_find(const notes *all, int64_t id);

/* Puts checked contents into a note. */
void note_set(note *n, nx_bytes title, nx_bytes text);

void notes_remove(notes *all, note *n);
void notes_free(notes *all);

#endif
