/* Intrusive doubly linked lists, circular with a head. */
#ifndef NX__LIST_H
#define NX__LIST_H

#include <stdbool.h>
#include <stddef.h>

struct nx__list {
    struct nx__list *next, *prev;
};

static inline void nx__list_init(struct nx__list *head)
{
    head->next = head->prev = head;
}
static inline bool nx__list_empty(const struct nx__list *head)
{
    return head->next == head;
}

/* Puts `item` before `place`; before the head is the end of the list. */
static inline void nx__list_insert(struct nx__list *place, struct nx__list *item)
{
    item->next = place;
    item->prev = place->prev;
    place->prev->next = item;
    place->prev = item;
}

/* Takes the item out and leaves it a list of itself, so that removing it again is harmless. */
static inline void nx__list_remove(struct nx__list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    item->next = item->prev = item;
}

/* Takes the first item out, NULL if there is none. */
static inline struct nx__list *nx__list_pop(struct nx__list *head)
{
    if (nx__list_empty(head)) return NULL;
    struct nx__list *item = head->next;
    nx__list_remove(item);
    return item;
}

#endif
